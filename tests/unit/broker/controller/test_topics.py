"""CreateTopics, DeleteTopics and CreatePartitions: (image, request) -> records and responses, error by error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from broker.controller.topic_names import colliding_topic, topic_name_problem
from broker.controller.topics import create_partitions, create_topics, delete_topics
from broker.controller.view import Settings, View
from broker.metadata.image import ResourceType
from broker.metadata.registrations import UNASSIGNED_DIRECTORY
from protocol.errors import ApiError, ErrorCode
from protocol.ids import ZERO_UUID
from protocol.messages.create_partitions import CreatePartitionsRequest
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.delete_topics import DeleteTopicsRequest
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import PartitionRecord, RemoveTopicRecord, TopicRecord
from tests.support.controller import (
    CLUSTER_ID,
    SeededRandom,
    broker_record,
    cluster,
    config_record,
    partition_record,
    topic_records,
    uuid,
    view_of,
)

Topic = CreateTopicsRequest.CreatableTopic
Config = CreateTopicsRequest.CreatableTopicConfig
Assignment = CreateTopicsRequest.CreatableReplicaAssignment


def create(
    view: View, *topics: Topic, validate_only: bool = False, version: int = 7
) -> tuple[list[object], CreateTopicsResponse]:
    request = CreateTopicsRequest(topics=list(topics), validate_only=validate_only)
    outcome = create_topics(view, request, SeededRandom(), version)
    assert outcome.is_atomic
    return [record for record, _ in outcome.records], outcome.response


def manual(name: str, *replicas: Sequence[int]) -> Topic:
    return Topic(
        name=name,
        num_partitions=-1,
        replication_factor=-1,
        assignments=[Assignment(partition_index=i, broker_ids=list(ids)) for i, ids in enumerate(replicas)],
    )


def test_a_topic_becomes_its_records_in_kafkas_order() -> None:
    topic = Topic(name="t", num_partitions=2, replication_factor=1, configs=[Config(name="retention.ms", value="5")])
    records, response = create(view_of(*cluster(1)), topic)
    topic_record, config, *partitions = records
    assert isinstance(topic_record, TopicRecord) and topic_record.name == "t"
    assert config == ConfigRecord(resource_type=ResourceType.TOPIC, resource_name="t", name="retention.ms", value="5")
    assert [type(record) for record in partitions] == [PartitionRecord] * 2
    first = partitions[0]
    assert isinstance(first, PartitionRecord)
    assert (first.replicas, first.isr, first.leader, first.leader_epoch, first.partition_epoch) == ([1], [1], 1, 0, 0)
    assert first.directories == [uuid(101)] and first.topic_id == topic_record.topic_id
    (result,) = response.topics
    assert (result.error_code, result.topic_id, result.num_partitions) == (0, topic_record.topic_id, 2)
    assert result.replication_factor == 1 and result.configs is not None
    by_name = {entry.name: entry for entry in result.configs}
    assert (by_name["retention.ms"].value, by_name["retention.ms"].config_source) == ("5", 1)
    assert by_name["cleanup.policy"].config_source == 5
    assert [entry.name for entry in result.configs] == sorted(by_name)


def test_old_versions_are_not_told_what_the_topic_is_like() -> None:
    _, response = create(view_of(*cluster(1)), Topic(name="t", **NAMED), version=4)
    (result,) = response.topics
    assert (result.num_partitions, result.configs) == (-1, [])


def test_minus_one_stands_for_the_brokers_defaults() -> None:
    view = view_of(*cluster(1, 2, 3), settings=Settings(1, CLUSTER_ID, default_replication_factor=2, num_partitions=4))
    records, response = create(view, Topic(name="t", num_partitions=-1, replication_factor=-1))
    assert response.topics[0].num_partitions == 4 and response.topics[0].replication_factor == 2
    assert all(len(record.replicas) == 2 for record in records if isinstance(record, PartitionRecord))


def test_validate_only_writes_nothing_and_answers_alike() -> None:
    records, response = create(
        view_of(*cluster(1)), Topic(name="t", num_partitions=1, replication_factor=1), validate_only=True
    )
    assert records == [] and response.topics[0].error_code == 0 and response.topics[0].num_partitions == 1


def test_manual_assignments() -> None:
    view = view_of(*cluster(1, 2), broker_record(3, fenced=True))
    records, response = create(view, manual("t", [1, 2], [3, 1]))
    assert response.topics[0].error_code == 0 and response.topics[0].replication_factor == 2
    partitions = [record for record in records if isinstance(record, PartitionRecord)]
    assert [(p.replicas, p.isr, p.leader) for p in partitions] == [([1, 2], [1, 2], 1), ([3, 1], [1], 1)]


def test_a_broker_of_several_directories_chooses_itself() -> None:
    view = view_of(broker_record(1, directories=[uuid(1), uuid(2)]))
    records, _ = create(view, Topic(name="t", num_partitions=1, replication_factor=1))
    assert isinstance(records[1], PartitionRecord) and records[1].directories == [UNASSIGNED_DIRECTORY]


NAMED: dict[str, Any] = {"num_partitions": 1, "replication_factor": 1}


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (Topic(name="there", **NAMED), ErrorCode.TOPIC_ALREADY_EXISTS),
        (Topic(name="", **NAMED), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (Topic(name="..", **NAMED), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (Topic(name="a b", **NAMED), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (Topic(name="x" * 250, **NAMED), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (Topic(name="with_dots", **NAMED), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (Topic(name="__cluster_metadata", **NAMED), ErrorCode.INVALID_REQUEST),
        (Topic(name="t", num_partitions=0, replication_factor=1), ErrorCode.INVALID_PARTITIONS),
        (Topic(name="t", num_partitions=-2, replication_factor=1), ErrorCode.INVALID_PARTITIONS),
        (Topic(name="t", num_partitions=1, replication_factor=0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (Topic(name="t", num_partitions=1, replication_factor=-2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (Topic(name="t", num_partitions=1, replication_factor=4), ErrorCode.INVALID_REPLICATION_FACTOR),
        (Topic(name="t", configs=[Config(name="no.such.key", value="1")], **NAMED), ErrorCode.INVALID_CONFIG),
        (Topic(name="t", configs=[Config(name="retention.ms", value="x")], **NAMED), ErrorCode.INVALID_CONFIG),
        (Topic(name="t", configs=[Config(name="retention.ms", value=None)], **NAMED), ErrorCode.INVALID_CONFIG),
        (manual("t", [1, 2], [1]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual("t", [1, 1]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual("t", [9]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual("t", []), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (manual("t", [3]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (
            Topic(
                name="t",
                num_partitions=-1,
                replication_factor=-1,
                assignments=[Assignment(partition_index=1, broker_ids=[1])],
            ),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            Topic(
                name="t",
                num_partitions=-1,
                replication_factor=-1,
                assignments=[Assignment(partition_index=0, broker_ids=[1])] * 2,
            ),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            Topic(name="t", num_partitions=1, replication_factor=-1, assignments=[Assignment(broker_ids=[1])]),
            ErrorCode.INVALID_REQUEST,
        ),
        (
            Topic(name="t", num_partitions=-1, replication_factor=1, assignments=[Assignment(broker_ids=[1])]),
            ErrorCode.INVALID_REQUEST,
        ),
    ],
)
def test_refusals_are_per_topic_and_leave_the_others_alone(topic: Topic, code: ErrorCode) -> None:
    view = view_of(
        *cluster(1, 2),
        broker_record(3, fenced=True),
        *topic_records("there", 1, [partition_record([1])]),
        *topic_records("with.dots", 2, [partition_record([1])]),
    )
    records, response = create(view, topic, Topic(name="fine", **NAMED))
    refused, fine = response.topics
    assert (refused.name, refused.error_code, fine.error_code) == (topic.name, code, 0)
    assert refused.error_message
    assert [record.name for record in records if isinstance(record, TopicRecord)] == ["fine"]


def test_a_name_given_twice_is_refused_once() -> None:
    topic = Topic(name="t", **NAMED)
    records, response = create(view_of(*cluster(1)), topic, topic)
    assert records == [] and [result.error_code for result in response.topics] == [ErrorCode.INVALID_REQUEST]


@pytest.mark.parametrize("brokers", [[], [broker_record(1, fenced=True)]])
def test_without_a_live_broker_nothing_can_be_placed(brokers: list[tuple[object, int]]) -> None:
    _, response = create(view_of(*brokers), Topic(name="t", **NAMED))  # type: ignore[arg-type]
    assert response.topics[0].error_code == ErrorCode.INVALID_REPLICATION_FACTOR


def test_too_many_partitions_refuse_the_whole_request() -> None:
    with pytest.raises(ApiError) as refusal:
        create(view_of(*cluster(1)), Topic(name="t", num_partitions=10_001, replication_factor=1))
    assert refusal.value.code == ErrorCode.POLICY_VIOLATION


@pytest.mark.parametrize("name", ["a", "A-1", "a.b_c", "x" * 249, "__consumer_offsets"])
def test_legal_names(name: str) -> None:
    assert topic_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "other"),
    [("a.b", "a_b"), ("a_b.c_", "a.b_c."), ("." * 20 + "x", "_" * 20 + "x")],
)
def test_collisions(name: str, other: str) -> None:
    assert colliding_topic(name, {other: 1, "z": 2}) == other
    assert colliding_topic(name, {f"{other}z": 1, "ab": 2, "zz": 3}) is None


# ---- deletion


def delete(view: View, request: DeleteTopicsRequest, version: int = 6) -> tuple[list[object], list[Any]]:
    outcome = delete_topics(view, request, version)
    results = [(r.name, r.topic_id, r.error_code) for r in outcome.response.responses]
    return [record for record, _ in outcome.records], results


STATE = DeleteTopicsRequest.DeleteTopicState
TWO_TOPICS = [
    *cluster(1),
    *topic_records("a", 1, [partition_record([1])]),
    *topic_records("b", 2, [partition_record([1])]),
]


def test_topics_are_deleted_by_name_and_by_id() -> None:
    request = DeleteTopicsRequest(topics=[STATE(name="a"), STATE(name=None, topic_id=uuid(2))])
    records, results = delete(view_of(*TWO_TOPICS), request)
    assert records == [RemoveTopicRecord(topic_id=uuid(1)), RemoveTopicRecord(topic_id=uuid(2))]
    assert results == [("a", uuid(1), 0), ("b", uuid(2), 0)]


def test_old_versions_name_topics_alone() -> None:
    records, results = delete(view_of(*TWO_TOPICS), DeleteTopicsRequest(topic_names=["a", "z"]), version=5)
    assert records == [RemoveTopicRecord(topic_id=uuid(1))]
    assert results == [("a", uuid(1), 0), ("z", ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]


@pytest.mark.parametrize(
    ("topics", "codes"),
    [
        ([STATE(name="z")], [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]),
        ([STATE(name=None, topic_id=uuid(9))], [ErrorCode.UNKNOWN_TOPIC_ID]),
        ([STATE(name=None)], [ErrorCode.INVALID_REQUEST]),
        ([STATE(name="a", topic_id=uuid(1))], [ErrorCode.INVALID_REQUEST]),
        ([STATE(name="a"), STATE(name="a")], [ErrorCode.INVALID_REQUEST]),
        ([STATE(name="a"), STATE(name=None, topic_id=uuid(1))], [ErrorCode.INVALID_REQUEST]),
    ],
)
def test_refused_deletions(topics: list[DeleteTopicsRequest.DeleteTopicState], codes: list[ErrorCode]) -> None:
    records, results = delete(view_of(*TWO_TOPICS), DeleteTopicsRequest(topics=topics))
    assert records == [] and [result[2] for result in results] == codes


@pytest.mark.parametrize(("version", "code"), [(2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)])
def test_deletion_can_be_switched_off(version: int, code: ErrorCode) -> None:
    view = view_of(*TWO_TOPICS, settings=Settings(1, CLUSTER_ID, delete_topic_enable=False))
    with pytest.raises(ApiError) as refusal:
        delete(view, DeleteTopicsRequest(topic_names=["a"]), version)
    assert refusal.value.code == code


# ---- more partitions


Addition = CreatePartitionsRequest.CreatePartitionsTopic
AdditionAssignment = CreatePartitionsRequest.CreatePartitionsAssignment


def add(view: View, *topics: Addition, validate_only: bool = False) -> tuple[list[PartitionRecord], list[int]]:
    request = CreatePartitionsRequest(topics=list(topics), validate_only=validate_only)
    outcome = create_partitions(view, request, SeededRandom())
    records = [record for record, _ in outcome.records]
    assert all(isinstance(record, PartitionRecord) for record in records)
    return records, [result.error_code for result in outcome.response.results]  # type: ignore[return-value]


def test_partitions_are_added_at_the_end_with_the_topics_replication_factor() -> None:
    view = view_of(*cluster(1, 2, 3), *topic_records("t", 1, [partition_record([1, 2])]))
    records, codes = add(view, Addition(name="t", count=3, assignments=None))
    assert codes == [0] and [record.partition_id for record in records] == [1, 2]
    assert all(len(record.replicas) == 2 for record in records)
    records, codes = add(view, Addition(name="t", count=3, assignments=None), validate_only=True)
    assert codes == [0] and records == []


def test_added_partitions_can_be_assigned() -> None:
    view = view_of(*cluster(1, 2), broker_record(3, fenced=True), *topic_records("t", 1, [partition_record([1, 2])]))
    assignments = [AdditionAssignment(broker_ids=[2, 1]), AdditionAssignment(broker_ids=[3, 2])]
    records, codes = add(view, Addition(name="t", count=3, assignments=assignments))
    assert codes == [0] and [(r.replicas, r.isr) for r in records] == [([2, 1], [2, 1]), ([3, 2], [2])]


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (Addition(name="z", count=2, assignments=None), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (Addition(name="t", count=1, assignments=None), ErrorCode.INVALID_PARTITIONS),
        (Addition(name="t", count=0, assignments=None), ErrorCode.INVALID_PARTITIONS),
        (Addition(name="t", count=2, assignments=[]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (
            Addition(name="t", count=2, assignments=[AdditionAssignment(broker_ids=[1])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            Addition(name="t", count=2, assignments=[AdditionAssignment(broker_ids=[3, 4])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
        (Addition(name="t", count=20_000, assignments=None), ErrorCode.POLICY_VIOLATION),
    ],
)
def test_refused_additions(topic: Addition, code: ErrorCode) -> None:
    view = view_of(*cluster(1, 2), broker_record(3, fenced=True), *topic_records("t", 1, [partition_record([1, 2])]))
    records, codes = add(view, topic)
    assert records == [] and codes == [code]


def test_an_addition_named_twice_is_refused() -> None:
    view = view_of(*cluster(1), *topic_records("t", 1, [partition_record([1])]))
    addition = Addition(name="t", count=2, assignments=None)
    assert add(view, addition, addition) == ([], [ErrorCode.INVALID_REQUEST])


def test_the_cluster_default_shows_in_the_effective_configuration() -> None:
    view = view_of(*cluster(1), config_record(ResourceType.BROKER, "", "log.retention.ms", "77"))
    _, response = create(view, Topic(name="t", **NAMED))
    assert response.topics[0].configs is not None
    entry = next(entry for entry in response.topics[0].configs if entry.name == "retention.ms")
    assert (entry.value, entry.config_source) == ("77", 3)
