"""Creating and deleting topics, and adding partitions.

Errors are per topic, and those without one succeed: their records are one atomic batch. Names are checked against the
speculative image, so two creations in flight cannot both pass.

Counterpart: ReplicationControlManager and the topic handlers of ControllerApis (KIP-4, KIP-195, KIP-464, KIP-516,
KIP-525).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from broker.controller.configs import ConfigOperation, set_records
from broker.controller.placement import default_directory, place_replicas
from broker.controller.topic_names import CLUSTER_METADATA_TOPIC, colliding_topic, topic_name_problem
from broker.controller.view import (
    MAX_PARTITIONS_PER_REQUEST,
    Outcome,
    ResultError,
    View,
    check_record_count,
)
from broker.environment import Random
from broker.metadata.image import ConfigResource, ResourceType, TopicImage
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import PartitionRegistration
from protocol.errors import ApiError, ErrorCode
from protocol.ids import ZERO_UUID, Uuid
from protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from protocol.metadata.topics import RemoveTopicRecord, TopicRecord

BROKER_DEFAULT = -1
# From this version on the answer tells what the topic is like (KIP-525).
FIRST_VERSION_WITH_CONFIGS = 5


def create_topics(
    view: View, request: CreateTopicsRequest, random: Random, version: int
) -> Outcome[CreateTopicsResponse]:
    _check_partition_total(view, request)
    counts = Counter(topic.name for topic in request.topics)
    records: list[VersionedRecord] = []
    response = CreateTopicsResponse()
    for topic in request.topics:
        if counts[topic.name] == 0:
            continue  # a duplicate, answered at its first mention
        try:
            if counts[topic.name] > 1:
                counts[topic.name] = 0
                raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic more than once.")
            result, topic_records = _create_topic(
                view, topic, random, tells_config=version >= FIRST_VERSION_WITH_CONFIGS
            )
            records += topic_records
        except ApiError as error:
            failure = ResultError.of(error)
            result = CreateTopicsResponse.CreatableTopicResult(
                name=topic.name, error_code=failure.code, error_message=failure.message
            )
        response.topics.append(result)
    check_record_count(records)
    return Outcome([] if request.validate_only else records, response, is_atomic=True)


def _check_partition_total(view: View, request: CreateTopicsRequest) -> None:
    total = 0
    for topic in request.topics:
        if topic.assignments:
            total += len(topic.assignments)
        elif topic.num_partitions == BROKER_DEFAULT:
            total += view.settings.num_partitions
        else:
            total += max(0, topic.num_partitions)
    if total > MAX_PARTITIONS_PER_REQUEST:
        raise ApiError(
            ErrorCode.POLICY_VIOLATION,
            f"The request creates {total} partitions; {MAX_PARTITIONS_PER_REQUEST} are allowed in one.",
        )


def _create_topic(
    view: View, topic: CreateTopicsRequest.CreatableTopic, random: Random, *, tells_config: bool
) -> tuple[CreateTopicsResponse.CreatableTopicResult, list[VersionedRecord]]:
    _check_new_name(view, topic.name)
    config_records = _creation_config(view, topic)
    partitions = _manual_partitions(view, topic) if topic.assignments else _placed_partitions(view, topic, random)
    topic_id = random.uuid()
    records: list[VersionedRecord] = [(TopicRecord(name=topic.name, topic_id=topic_id), 0), *config_records]
    records += _partition_records(view, topic_id, 0, partitions)
    result = CreateTopicsResponse.CreatableTopicResult(name=topic.name, topic_id=topic_id, error_message=None)
    if tells_config:
        result.num_partitions, result.replication_factor = len(partitions), len(partitions[0].replicas)
        result.configs = _effective_config(view, topic)
    return result, records


def _check_new_name(view: View, name: str) -> None:
    if name == CLUSTER_METADATA_TOPIC:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{name} is the cluster's own log and cannot be created.")
    existing = view.image.topics.by_name
    if name in existing:
        raise ApiError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    problem = topic_name_problem(name)
    if problem is not None:
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    colliding = colliding_topic(name, existing)
    if colliding is not None:
        raise ApiError(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"The topic '{name}' would collide with the topic '{colliding}': metric names do not tell '.' from '_'.",
        )


def _creation_config(view: View, topic: CreateTopicsRequest.CreatableTopic) -> list[VersionedRecord]:
    without_value = [config.name for config in topic.configs if config.value is None]
    if without_value:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"These keys have no value: {', '.join(without_value)}.")
    if not topic.configs:
        return []
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    operations = {config.name: (ConfigOperation.SET, config.value) for config in topic.configs}
    return set_records(view, resource, operations)


def _manual_partitions(view: View, topic: CreateTopicsRequest.CreatableTopic) -> list[PartitionRegistration]:
    if topic.replication_factor != BROKER_DEFAULT or topic.num_partitions != BROKER_DEFAULT:
        raise ApiError(
            ErrorCode.INVALID_REQUEST,
            "With replicas assigned by hand, the replication factor and the number of partitions must be -1.",
        )
    by_index: dict[int, PartitionRegistration] = {}
    replication_factor: int | None = None
    for assignment in topic.assignments:
        index = assignment.partition_index
        if index in by_index:
            raise ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"Partition {index} is assigned more than once.")
        check_manual_replicas(view, assignment.broker_ids, replication_factor)
        replication_factor = len(assignment.broker_ids)
        by_index[index] = _manual_partition(view, index, assignment.broker_ids)
    if sorted(by_index) != list(range(len(by_index))):
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "Partitions must be numbered from 0 on, with none left out."
        )
    return [by_index[index] for index in range(len(by_index))]


def check_manual_replicas(view: View, replicas: Sequence[int], replication_factor: int | None) -> None:
    """INVALID_REPLICA_ASSIGNMENT unless they are registered brokers, each once, and as many as wanted (if that is
    given)."""
    problem = None
    if not replicas:
        problem = "The assignment has a partition without replicas."
    elif len(set(replicas)) != len(replicas):
        problem = "The assignment names a broker more than once for one partition."
    elif replication_factor is not None and len(replicas) != replication_factor:
        problem = f"The assignment has a partition of {len(replicas)} replica(s) beside ones of {replication_factor}."
    for broker_id in sorted(replicas):
        if broker_id not in view.image.cluster.brokers:
            problem = f"The assignment names broker {broker_id}, which is not registered."
    if problem is not None:
        raise ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, problem)


def _manual_partition(view: View, index: int, replicas: Sequence[int]) -> PartitionRegistration:
    partition = _new_partition(view, replicas)
    if partition is None:
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"All brokers assigned to partition {index} are fenced or shutting down.",
        )
    return partition


def _placed_partitions(
    view: View, topic: CreateTopicsRequest.CreatableTopic, random: Random
) -> list[PartitionRegistration]:
    if topic.replication_factor < BROKER_DEFAULT or topic.replication_factor == 0:
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR, "The replication factor must be positive, or -1 for the default."
        )
    if topic.num_partitions < BROKER_DEFAULT or topic.num_partitions == 0:
        raise ApiError(
            ErrorCode.INVALID_PARTITIONS, "The number of partitions must be positive, or -1 for the default."
        )
    count = view.settings.num_partitions if topic.num_partitions == BROKER_DEFAULT else topic.num_partitions
    factor = topic.replication_factor
    if factor == BROKER_DEFAULT:
        factor = view.settings.default_replication_factor
    return _place(view, count, factor, random)


def _place(view: View, count: int, replication_factor: int, random: Random) -> list[PartitionRegistration]:
    partitions = []
    for replicas in place_replicas(view.image.cluster, count, replication_factor, random):
        partition = _new_partition(view, replicas)
        if partition is None:
            raise ApiError(
                ErrorCode.INVALID_REPLICATION_FACTOR, "All brokers are fenced or shutting down: nobody can lead."
            )
        partitions.append(partition)
    return partitions


def _new_partition(view: View, replicas: Sequence[int]) -> PartitionRegistration | None:
    """None if no replica is alive."""
    cluster = view.image.cluster
    isr = tuple(broker_id for broker_id in replicas if cluster.is_active(broker_id))
    if not isr:
        return None
    has_directory_ids = view.image.features.metadata_version.is_directory_assignment_supported
    return PartitionRegistration(
        replicas=tuple(replicas),
        directories=tuple(
            default_directory(cluster, broker_id, has_directory_ids=has_directory_ids) for broker_id in replicas
        ),
        isr=isr,
        leader=isr[0],
    )


def _partition_records(
    view: View, topic_id: Uuid, first_index: int, partitions: Sequence[PartitionRegistration]
) -> list[VersionedRecord]:
    features = view.image.features
    return [
        partition.to_record(topic_id, index, features.metadata_version, elr_enabled=features.is_elr_enabled)
        for index, partition in enumerate(partitions, first_index)
    ]


def _effective_config(
    view: View, topic: CreateTopicsRequest.CreatableTopic
) -> list[CreateTopicsResponse.CreatableTopicConfigs]:
    configs = view.image.configs
    effective = view.rules.effective_topic_config(
        {config.name: config.value or "" for config in topic.configs},
        configs.of_broker(view.settings.node_id),
        configs.of_cluster(),
    )
    return [
        CreateTopicsResponse.CreatableTopicConfigs(
            name=entry.name,
            value=None if entry.is_sensitive else entry.value,
            read_only=False,
            config_source=entry.source,
            is_sensitive=entry.is_sensitive,
        )
        for entry in effective
    ]


class _Named(NamedTuple):
    """A topic as a deletion names it: by one of the two."""

    name: str | None
    topic_id: Uuid


def delete_topics(view: View, request: DeleteTopicsRequest, version: int) -> Outcome[DeleteTopicsResponse]:
    if not view.settings.delete_topic_enable:
        # The code came with version 3.
        code = ErrorCode.INVALID_REQUEST if version < 3 else ErrorCode.TOPIC_DELETION_DISABLED
        raise ApiError(code, "Deleting topics is switched off (delete.topic.enable).")
    wanted = [_Named(name, ZERO_UUID) for name in request.topic_names]
    wanted += [_Named(topic.name, topic.topic_id) for topic in request.topics]
    counts = Counter(wanted)
    found = Counter(topic.id for topic in (_find(view, named) for named in counts) if topic is not None)
    records: list[VersionedRecord] = []
    response = DeleteTopicsResponse()
    for named in counts:
        topic = _find(view, named)
        if named.name is None and topic is not None and found[topic.id] > 1:
            continue  # answered where its name stands
        result = DeleteTopicsResponse.DeletableTopicResult(name=named.name, topic_id=named.topic_id)
        response.responses.append(result)
        try:
            _check_deletion(named, counts[named], topic, found)
        except ApiError as error:
            if topic is not None and found[topic.id] > 1:
                result.topic_id = topic.id
            result.error_code, result.error_message = ResultError.of(error)
            continue
        assert topic is not None
        result.name, result.topic_id = topic.name, topic.id
        records.append((RemoveTopicRecord(topic_id=topic.id), 0))
    check_record_count(records)
    return Outcome(records, response, is_atomic=True)


def _find(view: View, named: _Named) -> TopicImage | None:
    if named.name is None:
        return view.image.topics.by_id.get(named.topic_id)
    return view.image.topics.by_name.get(named.name)


def _check_deletion(named: _Named, count: int, topic: TopicImage | None, found: Counter[Uuid]) -> None:
    if named.name is None and named.topic_id == ZERO_UUID:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Neither a topic name nor a topic id is given.")
    if named.name is not None and named.topic_id != ZERO_UUID:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Both a topic name and a topic id are given.")
    if count > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic more than once.")
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_ID if named.name is None else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if found[topic.id] > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic by its name and by its id.")


def create_partitions(
    view: View, request: CreatePartitionsRequest, random: Random
) -> Outcome[CreatePartitionsResponse]:
    counts = Counter(topic.name for topic in request.topics)
    records: list[VersionedRecord] = []
    response = CreatePartitionsResponse()
    for topic in request.topics:
        if counts[topic.name] == 0:
            continue
        result = CreatePartitionsResponse.CreatePartitionsTopicResult(name=topic.name)
        response.results.append(result)
        try:
            if counts[topic.name] > 1:
                counts[topic.name] = 0
                raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic more than once.")
            records += _create_partitions(view, topic, random)
        except ApiError as error:
            result.error_code, result.error_message = ResultError.of(error)
    check_record_count(records)
    return Outcome([] if request.validate_only else records, response, is_atomic=True)


def _create_partitions(
    view: View, request: CreatePartitionsRequest.CreatePartitionsTopic, random: Random
) -> list[VersionedRecord]:
    topic = view.image.topics.by_name.get(request.name)
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    present = len(topic.partitions)
    added = request.count - present
    if added == 0:
        raise ApiError(ErrorCode.INVALID_PARTITIONS, f"The topic has {present} partition(s) already.")
    if added < 0:
        raise ApiError(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {topic.name} has {present} partition(s), and {request.count} would be no increase.",
        )
    if added > MAX_PARTITIONS_PER_REQUEST:
        raise ApiError(
            ErrorCode.POLICY_VIOLATION, f"{added} partitions are more than the {MAX_PARTITIONS_PER_REQUEST} allowed."
        )
    replication_factor = len(topic.partitions[0].replicas)
    if request.assignments is None:
        partitions = _place(view, added, replication_factor, random)
    else:
        if len(request.assignments) != added:
            raise ApiError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"{added} partition(s) are to be added, but {len(request.assignments)} assignment(s) are given.",
            )
        partitions = []
        for index, assignment in enumerate(request.assignments, present):
            check_manual_replicas(view, assignment.broker_ids, replication_factor)
            partitions.append(_manual_partition(view, index, assignment.broker_ids))
    return _partition_records(view, topic.id, present, partitions)
