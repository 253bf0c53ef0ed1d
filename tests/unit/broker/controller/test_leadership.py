"""AlterPartition, ElectLeaders, directory assignments, reassignments and the periodic elections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from broker.controller.alter_partition import alter_partition, assign_replicas_to_directories
from broker.controller.leadership import balance_leaders, elect_leaders, elect_unclean_leaders
from broker.controller.reassignment import alter_partition_reassignments, list_partition_reassignments
from broker.controller.view import View
from broker.metadata.features import METADATA_VERSION
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import NO_LEADER, RECOVERING
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.alter_partition import AlterPartitionRequest
from protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from protocol.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest
from protocol.messages.elect_leaders import ElectLeadersRequest
from protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from tests.support.controller import (
    broker_record,
    cluster,
    config_record,
    level_record,
    partition_record,
    topic_records,
    uuid,
    view_of,
)

TOPIC_ID = uuid(1)
UNCLEAN = config_record(2, "t", "unclean.leader.election.enable", "true")


def messages(records: Sequence[VersionedRecord]) -> list[Any]:
    return [record for record, _ in records]


# ---- AlterPartition


def proposal(
    isr: Sequence[int | tuple[int, int]],
    *,
    topic_id: Uuid = TOPIC_ID,
    index: int = 0,
    leader_epoch: int = 3,
    partition_epoch: int = 5,
    recovery_state: int = 0,
    broker_id: int = 1,
    broker_epoch: int = 10,
) -> AlterPartitionRequest:
    states = [
        AlterPartitionRequest.BrokerState(broker_id=member, broker_epoch=-1)
        if isinstance(member, int)
        else AlterPartitionRequest.BrokerState(broker_id=member[0], broker_epoch=member[1])
        for member in isr
    ]
    data = AlterPartitionRequest.PartitionData(
        partition_index=index,
        leader_epoch=leader_epoch,
        partition_epoch=partition_epoch,
        new_isr_with_epochs=states,
        leader_recovery_state=recovery_state,
    )
    topic = AlterPartitionRequest.TopicData(topic_id=topic_id, partitions=[data])
    return AlterPartitionRequest(broker_id=broker_id, broker_epoch=broker_epoch, topics=[topic])


def led_partition(**values: Any) -> list[VersionedRecord]:
    values = {"isr": [1, 2], "leader_epoch": 3, "partition_epoch": 5, **values}
    return topic_records("t", 1, [partition_record([1, 2, 3], **values)])


def alter(view: View, request: AlterPartitionRequest) -> tuple[list[Any], Any]:
    outcome = alter_partition(view, request)
    assert not outcome.is_atomic
    return messages(outcome.records), outcome.response.topics[0].partitions[0]


@pytest.mark.parametrize("isr", [[1], [1, 2, 3], [1, (2, 10), (3, 10)]])
def test_the_leader_changes_its_isr(isr: Sequence[int | tuple[int, int]]) -> None:
    members = [member if isinstance(member, int) else member[0] for member in isr]
    (record,), result = alter(view_of(*cluster(1, 2, 3), *led_partition()), proposal(isr))
    assert record.isr == members and record.leader == -2
    assert (result.error_code, result.isr, result.leader_id) == (0, members, 1)
    assert (result.leader_epoch, result.partition_epoch) == (3, 6)


def test_the_isr_of_version_2_has_no_epochs() -> None:
    request = proposal([])
    request.topics[0].partitions[0].new_isr = [1, 3]
    (record,), _ = alter(view_of(*cluster(1, 2, 3), *led_partition()), request)
    assert record.isr == [1, 3]


def test_an_isr_that_stays_is_answered_and_not_written() -> None:
    records, result = alter(view_of(*cluster(1, 2, 3), *led_partition()), proposal([1, 2]))
    assert records == [] and (result.error_code, result.partition_epoch) == (0, 5)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (proposal([1], topic_id=uuid(9)), ErrorCode.UNKNOWN_TOPIC_ID),
        (proposal([1], topic_id=Uuid(bytes(16))), ErrorCode.UNKNOWN_TOPIC_ID),
        (proposal([1], index=7), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (proposal([1], leader_epoch=4), ErrorCode.NOT_CONTROLLER),
        (proposal([1], partition_epoch=6), ErrorCode.NOT_CONTROLLER),
        (proposal([1], leader_epoch=2), ErrorCode.FENCED_LEADER_EPOCH),
        (proposal([1], partition_epoch=4), ErrorCode.INVALID_UPDATE_VERSION),
        (proposal([1, 2], broker_id=2), ErrorCode.INVALID_REQUEST),
        (proposal([2]), ErrorCode.INVALID_REQUEST),
        (proposal([1, 1]), ErrorCode.INVALID_REQUEST),
        (proposal([1, 9]), ErrorCode.INVALID_REQUEST),
        (proposal([1], recovery_state=1), ErrorCode.INVALID_REQUEST),
        (proposal([1, 2], recovery_state=1), ErrorCode.INVALID_REQUEST),
        (proposal([1], recovery_state=5), ErrorCode.INVALID_REQUEST),
        (proposal([1, 3]), ErrorCode.INELIGIBLE_REPLICA),
        (proposal([1, (2, 9)]), ErrorCode.INELIGIBLE_REPLICA),
    ],
)
def test_refused_isrs(request_: AlterPartitionRequest, code: ErrorCode) -> None:
    view = view_of(*cluster(1, 2), broker_record(3, fenced=True), *led_partition())
    records, result = alter(view, request_)
    assert records == [] and result.error_code == code


@pytest.mark.parametrize(("broker_id", "epoch"), [(1, 9), (7, 10)])
def test_a_broker_that_is_not_the_registered_one_changes_nothing(broker_id: int, epoch: int) -> None:
    with pytest.raises(ApiError) as refusal:
        alter_partition(view_of(*cluster(1), *led_partition()), proposal([1], broker_id=broker_id, broker_epoch=epoch))
    assert refusal.value.code == ErrorCode.STALE_BROKER_EPOCH


def test_a_change_that_completes_a_reassignment_tells_the_old_leader_to_look() -> None:
    partition = led_partition(isr=[1, 2], adding=[3], removing=[1])
    (record,), result = alter(view_of(*cluster(1, 2, 3), *partition), proposal([1, 2, 3]))
    assert (record.replicas, record.leader) == ([2, 3], 2) and result.error_code == ErrorCode.NEW_LEADER_ELECTED


def test_the_recovered_leader_says_so() -> None:
    partition = led_partition(isr=[1], recovery_state=RECOVERING)
    (record,), result = alter(view_of(*cluster(1, 2, 3), *partition), proposal([1], recovery_state=0))
    assert record.leader_recovery_state == 0 and result.leader_recovery_state == 0


# ---- elections


def elect(
    view: View, election_type: int, partitions: list[int] | None, topic: str = "t"
) -> tuple[list[Any], list[int]]:
    wanted = None
    if partitions is not None:
        wanted = [ElectLeadersRequest.TopicPartitions(topic=topic, partitions=partitions)]
    outcome = elect_leaders(view, ElectLeadersRequest(election_type=election_type, topic_partitions=wanted))
    codes = [r.error_code for t in outcome.response.replica_election_results for r in t.partition_result]
    return messages(outcome.records), codes


ELECTABLE = topic_records(
    "t",
    1,
    [
        partition_record([1, 2], leader=2),
        partition_record([1, 2]),
        partition_record([3, 1], isr=[3, 1], leader=1),
        partition_record([1, 3], isr=[3], leader=NO_LEADER),
        partition_record([3], leader=NO_LEADER),
    ],
)


def test_preferred_elections() -> None:
    view = view_of(*cluster(1, 2), *ELECTABLE)
    records, codes = elect(view, 0, [0, 1, 2, 9])
    assert [(r.partition_id, r.leader) for r in records] == [(0, 1)]
    assert codes == [
        0,
        ErrorCode.ELECTION_NOT_NEEDED,
        ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert elect(view, 0, [0], topic="z")[1] == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]


def test_unclean_elections() -> None:
    records, codes = elect(view_of(*cluster(1, 2), *ELECTABLE), 1, [1, 3, 4])
    assert [(r.partition_id, r.leader, r.isr, r.leader_recovery_state) for r in records] == [(3, 1, [1], RECOVERING)]
    assert codes == [ErrorCode.ELECTION_NOT_NEEDED, 0, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE]


def test_asked_for_all_only_what_needed_an_election_is_told() -> None:
    records, codes = elect(view_of(*cluster(1, 2), *ELECTABLE), 0, None)
    assert [r.partition_id for r in records] == [0]
    assert codes == [0, *[ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE] * 3]


def test_an_unknown_kind_of_election() -> None:
    with pytest.raises(ApiError) as refusal:
        elect(view_of(), 5, None)
    assert refusal.value.code == ErrorCode.INVALID_REQUEST


def test_leaders_are_balanced_periodically() -> None:
    outcome = balance_leaders(view_of(*cluster(1, 2), *ELECTABLE))
    assert [(r.partition_id, r.leader) for r in messages(outcome.records)] == [(0, 1)] and not outcome.response


def test_leaderless_partitions_get_unclean_leaders_where_that_is_allowed() -> None:
    assert elect_unclean_leaders(view_of(*cluster(1, 2), *ELECTABLE)).records == []
    outcome = elect_unclean_leaders(view_of(*cluster(1, 2), *ELECTABLE, UNCLEAN))
    assert [(r.partition_id, r.leader) for r in messages(outcome.records)] == [(3, 1)] and not outcome.response


# ---- directories


def assign(view: View, directory: Uuid, topic_id: Uuid, *indexes: int) -> tuple[list[Any], list[int]]:
    request = AssignReplicasToDirsRequest(
        broker_id=1,
        broker_epoch=10,
        directories=[
            AssignReplicasToDirsRequest.DirectoryData(
                id=directory,
                topics=[
                    AssignReplicasToDirsRequest.TopicData(
                        topic_id=topic_id,
                        partitions=[AssignReplicasToDirsRequest.PartitionData(partition_index=i) for i in indexes],
                    )
                ],
            )
        ],
    )
    outcome = assign_replicas_to_directories(view, request)
    codes = [p.error_code for d in outcome.response.directories for t in d.topics for p in t.partitions]
    return messages(outcome.records), codes


ASSIGNABLE = topic_records("t", 1, [partition_record([1, 2]), partition_record([2])])


def test_brokers_say_where_their_replicas_are() -> None:
    view = view_of(broker_record(1, directories=[uuid(7), uuid(8)]), broker_record(2), *ASSIGNABLE)
    (record,), codes = assign(view, uuid(8), uuid(1), 0, 1, 9)
    assert record.directories == [uuid(8), uuid(102)]
    assert codes == [0, ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert assign(view, uuid(8), uuid(9), 0) == ([], [ErrorCode.UNKNOWN_TOPIC_ID])


def test_a_replica_in_a_directory_that_failed_leaves_the_isr() -> None:
    view = view_of(broker_record(1, directories=[uuid(7), uuid(8)]), broker_record(2), *ASSIGNABLE)
    (place, leave), _ = assign(view, uuid(9), uuid(1), 0)
    assert place.directories == [uuid(9), uuid(102)]
    assert (leave.leader, leave.isr) == (2, [2])


def test_old_metadata_versions_know_no_directories() -> None:
    with pytest.raises(ApiError) as refusal:
        assign(view_of(*cluster(1), level_record(METADATA_VERSION, 16)), uuid(7), uuid(1), 0)
    assert refusal.value.code == ErrorCode.UNSUPPORTED_VERSION


# ---- reassignments


def reassign(
    view: View, replicas: list[int] | None, *, index: int = 0, name: str = "t", may_resize: bool = True
) -> tuple[list[Any], int]:
    entry = AlterPartitionReassignmentsRequest.ReassignablePartition(partition_index=index, replicas=replicas)
    request = AlterPartitionReassignmentsRequest(
        topics=[AlterPartitionReassignmentsRequest.ReassignableTopic(name=name, partitions=[entry])],
        allow_replication_factor_change=may_resize,
    )
    outcome = alter_partition_reassignments(view, request)
    assert outcome.is_atomic
    return messages(outcome.records), outcome.response.responses[0].partitions[0].error_code


def test_a_reassignment_begins() -> None:
    (record,), code = reassign(view_of(*cluster(1, 2, 3), *led_partition()), [3, 1])
    assert code == 0
    assert (record.replicas, record.removing_replicas, record.adding_replicas) == ([3, 1, 2], [2], None)


def test_a_reassignment_is_cancelled() -> None:
    moving = topic_records("t", 1, [partition_record([3, 1, 2], isr=[1, 2, 3], leader=1, adding=[3], removing=[2])])
    (record,), code = reassign(view_of(*cluster(1, 2, 3), *moving), None)
    assert code == 0 and (record.replicas, record.isr) == ([1, 2], [1, 2])
    assert (record.adding_replicas, record.removing_replicas) == ([], [])


@pytest.mark.parametrize(
    ("replicas", "options", "code"),
    [
        (None, {}, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS),
        ([1, 9], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ([], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ([1, 2], {"may_resize": False}, ErrorCode.INVALID_REPLICATION_FACTOR),
        ([1], {"name": "z"}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ([1], {"index": 7}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ],
)
def test_refused_reassignments(replicas: list[int] | None, options: dict[str, Any], code: ErrorCode) -> None:
    assert reassign(view_of(*cluster(1, 2, 3), *led_partition()), replicas, **options) == ([], code)


def test_cancelling_may_need_an_unclean_election() -> None:
    moving = topic_records("t", 1, [partition_record([3, 1], isr=[3], leader=3, adding=[3], removing=[1])])
    refused = reassign(view_of(*cluster(1, 2, 3), *moving), None)
    assert refused == ([], ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    (record,), code = reassign(view_of(*cluster(1, 2, 3), *moving, UNCLEAN), None)
    assert code == 0 and (record.leader, record.isr, record.replicas) == (1, [1], [1])


def test_reassignments_are_listed() -> None:
    image = view_of(
        *cluster(1, 2, 3),
        *topic_records("t", 1, [partition_record([1]), partition_record([2, 1], isr=[1], adding=[2], removing=[1])]),
        *topic_records("u", 2, [partition_record([1])]),
    ).image
    for topics in (
        None,
        [
            ListPartitionReassignmentsRequest.ListPartitionReassignmentsTopics(name=name, partition_indexes=[0, 1, 9])
            for name in ("t", "u", "z")
        ],
    ):
        response = list_partition_reassignments(image, ListPartitionReassignmentsRequest(topics=topics))
        (topic,) = response.topics
        (partition,) = topic.partitions
        assert (topic.name, partition.partition_index, partition.replicas) == ("t", 1, [2, 1])
        assert (partition.adding_replicas, partition.removing_replicas) == ([2], [1])
