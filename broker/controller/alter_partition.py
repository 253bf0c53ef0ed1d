"""What partition leaders and directories report: ISR changes, and where brokers put their replicas.

Counterpart: ReplicationControlManager.alterPartition and handleAssignReplicasToDirs (KIP-497, KIP-841, KIP-858,
KIP-903).
"""

from __future__ import annotations

import logging

from broker.controller.leadership import PartitionRef, leader_and_isr_records
from broker.controller.partition_change import Election, PartitionChange
from broker.controller.view import Outcome, View, check_broker_epoch
from broker.metadata.image import TopicImage
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import (
    NO_LEADER_CHANGE,
    RECOVERED,
    RECOVERING,
    PartitionRegistration,
    is_valid_isr,
)
from protocol.errors import ApiError, ErrorCode
from protocol.ids import ZERO_UUID, Uuid
from protocol.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse
from protocol.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest, AssignReplicasToDirsResponse
from protocol.metadata.topics import PartitionChangeRecord

logger = logging.getLogger(__name__)

# A leader that does not know a follower's epoch proposes it without one.
UNKNOWN_BROKER_EPOCH = -1


def alter_partition(view: View, request: AlterPartitionRequest) -> Outcome[AlterPartitionResponse]:
    check_broker_epoch(view.image, request.broker_id, request.broker_epoch)
    records: list[VersionedRecord] = []
    response = AlterPartitionResponse()
    for topic_data in request.topics:
        result = AlterPartitionResponse.TopicData(topic_id=topic_data.topic_id)
        response.topics.append(result)
        topic = view.image.topics.by_id.get(topic_data.topic_id)
        for partition_data in topic_data.partitions:
            if topic is None or topic_data.topic_id == ZERO_UUID:
                result.partitions.append(_error(partition_data.partition_index, ErrorCode.UNKNOWN_TOPIC_ID))
            else:
                result.partitions.append(_alter(view, request.broker_id, topic, partition_data, records))
    return Outcome(records, response)


def _error(partition_index: int, code: ErrorCode) -> AlterPartitionResponse.PartitionData:
    return AlterPartitionResponse.PartitionData(partition_index=partition_index, error_code=code)


def _alter(
    view: View,
    broker_id: int,
    topic: TopicImage,
    data: AlterPartitionRequest.PartitionData,
    records: list[VersionedRecord],
) -> AlterPartitionResponse.PartitionData:
    partition = topic.partitions.get(data.partition_index)
    if partition is None:
        return _error(data.partition_index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    new_isr = _proposed_isr(data)
    refusal = _refusal(view, broker_id, partition, data, new_isr)
    if refusal is not None:
        code, reason = refusal
        logger.info(
            "Refused broker %d the ISR %s of %s-%d: %s", broker_id, new_isr, topic.name, data.partition_index, reason
        )
        return _error(data.partition_index, code)

    change = PartitionChange(view, topic, data.partition_index, partition)
    if view.allows_unclean_election(topic.name):
        change.election = Election.UNCLEAN
    change.isr = tuple(member for member, _ in new_isr)
    change.recovery_state = data.leader_recovery_state
    record = change.build()
    if record is not None:
        records.append(record)
        message = record[0]
        assert isinstance(message, PartitionChangeRecord)
        partition = partition.merge(message)
        if message.leader not in (broker_id, NO_LEADER_CHANGE):
            # The change completed a reassignment that moved the leader: both made and refused, so that the old one
            # looks.
            return _error(data.partition_index, ErrorCode.NEW_LEADER_ELECTED)
    return AlterPartitionResponse.PartitionData(
        partition_index=data.partition_index,
        leader_id=partition.leader,
        leader_epoch=partition.leader_epoch,
        isr=list(partition.isr),
        leader_recovery_state=partition.leader_recovery_state,
        partition_epoch=partition.partition_epoch,
    )


def _proposed_isr(data: AlterPartitionRequest.PartitionData) -> list[tuple[int, int]]:
    """(broker, broker epoch); before version 3 without epochs."""
    if data.new_isr_with_epochs:
        return [(state.broker_id, state.broker_epoch) for state in data.new_isr_with_epochs]
    return [(member, UNKNOWN_BROKER_EPOCH) for member in data.new_isr]


def _refusal(
    view: View,
    broker_id: int,
    partition: PartitionRegistration,
    data: AlterPartitionRequest.PartitionData,
    new_isr: list[tuple[int, int]],
) -> tuple[ErrorCode, str] | None:
    # A leader that knows newer epochs than we do: then we are a controller that was replaced without noticing.
    if data.leader_epoch > partition.leader_epoch or data.partition_epoch > partition.partition_epoch:
        return ErrorCode.NOT_CONTROLLER, "it knows a newer epoch"
    if data.leader_epoch < partition.leader_epoch:
        return ErrorCode.FENCED_LEADER_EPOCH, f"the leader epoch is {partition.leader_epoch}"
    if broker_id != partition.leader:
        return ErrorCode.INVALID_REQUEST, f"the leader is {partition.leader}"
    if data.partition_epoch < partition.partition_epoch:
        return ErrorCode.INVALID_UPDATE_VERSION, f"the partition epoch is {partition.partition_epoch}"
    members = [member for member, _ in new_isr]
    if not is_valid_isr(partition.replicas, members) or partition.leader not in members:
        return ErrorCode.INVALID_REQUEST, "it is no set of replicas with the leader in it"
    if data.leader_recovery_state not in (RECOVERED, RECOVERING):
        return ErrorCode.INVALID_REQUEST, "the recovery state is unknown"
    if data.leader_recovery_state == RECOVERING and len(members) > 1:
        return ErrorCode.INVALID_REQUEST, "the leader is still recovering from an unclean election"
    if partition.leader_recovery_state == RECOVERED and data.leader_recovery_state == RECOVERING:
        return ErrorCode.INVALID_REQUEST, "a recovered leader does not go back to recovering"
    ineligible = _ineligible_member(view, new_isr)
    return None if ineligible is None else (ErrorCode.INELIGIBLE_REPLICA, ineligible)


def _ineligible_member(view: View, new_isr: list[tuple[int, int]]) -> str | None:
    for member, epoch in new_isr:
        broker = view.image.cluster.brokers.get(member)
        if broker is None:
            return f"broker {member} is not registered"
        if not broker.is_active:
            return f"broker {member} is fenced or shutting down"
        if epoch not in (UNKNOWN_BROKER_EPOCH, broker.epoch):
            return f"broker {member} has epoch {broker.epoch}, not {epoch}: it has restarted since"
    return None


def assign_replicas_to_directories(
    view: View, request: AssignReplicasToDirsRequest
) -> Outcome[AssignReplicasToDirsResponse]:
    if not view.image.features.metadata_version.is_directory_assignment_supported:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, "This metadata.version does not know directories.")
    check_broker_epoch(view.image, request.broker_id, request.broker_epoch)
    broker = view.image.cluster.brokers[request.broker_id]
    records: list[VersionedRecord] = []
    lost: list[PartitionRef] = []
    response = AssignReplicasToDirsResponse()
    for directory in request.directories:
        directory_result = AssignReplicasToDirsResponse.DirectoryData(id=directory.id)
        response.directories.append(directory_result)
        is_online = broker.has_online_directory(directory.id)
        for topic in directory.topics:
            topic_result = AssignReplicasToDirsResponse.TopicData(topic_id=topic.topic_id)
            directory_result.topics.append(topic_result)
            for entry in topic.partitions:
                index = entry.partition_index
                ref, code = _assigned_replica(view, request.broker_id, topic.topic_id, index)
                if ref is not None:
                    _assign(view, request.broker_id, ref, directory.id, records)
                    if not is_online:
                        lost.append(ref)
                topic_result.partitions.append(
                    AssignReplicasToDirsResponse.PartitionData(partition_index=index, error_code=code)
                )
    records += leader_and_isr_records(view, lost, broker_to_remove=request.broker_id)
    return Outcome(records, response)


def _assigned_replica(
    view: View, broker_id: int, topic_id: Uuid, partition_index: int
) -> tuple[PartitionRef | None, ErrorCode]:
    topic = view.image.topics.by_id.get(topic_id)
    if topic is None:
        return None, ErrorCode.UNKNOWN_TOPIC_ID
    partition = topic.partitions.get(partition_index)
    if partition is None:
        return None, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if broker_id not in partition.replicas:
        return None, ErrorCode.NOT_LEADER_OR_FOLLOWER
    return PartitionRef(topic, partition_index, partition), ErrorCode.NONE


def _assign(view: View, broker_id: int, ref: PartitionRef, directory: Uuid, records: list[VersionedRecord]) -> None:
    change = PartitionChange(view, *ref)
    change.set_directory(broker_id, directory)
    record = change.build()
    if record is not None:
        records.append(record)
