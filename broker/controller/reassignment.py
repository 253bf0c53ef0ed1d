"""Moving partitions to other brokers: a reassignment is begun, cancelled and listed here; it completes with an ISR
change.

While it lasts the partition has its target replicas followed by those to be removed, and remembers which are being
added and removed. Counterpart: the reassignment parts of ReplicationControlManager (KIP-455, KIP-860).
"""

from __future__ import annotations

from broker.controller.partition_change import Election, PartitionChange, Reassignment, Revert
from broker.controller.topics import check_manual_replicas
from broker.controller.view import Outcome, ResultError, View, check_record_count
from broker.metadata.image import MetadataImage, TopicImage
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import PartitionRegistration
from protocol.errors import ApiError, ErrorCode
from protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


def alter_partition_reassignments(
    view: View, request: AlterPartitionReassignmentsRequest
) -> Outcome[AlterPartitionReassignmentsResponse]:
    if not request.topics:
        return Outcome([], AlterPartitionReassignmentsResponse())
    records: list[VersionedRecord] = []
    response = AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change, error_message=None
    )
    for topic in request.topics:
        topic_result = AlterPartitionReassignmentsResponse.ReassignableTopicResponse(name=topic.name)
        response.responses.append(topic_result)
        for entry in topic.partitions:
            result = AlterPartitionReassignmentsResponse.ReassignablePartitionResponse(
                partition_index=entry.partition_index, error_message=None
            )
            topic_result.partitions.append(result)
            try:
                record = _reassign(view, topic.name, entry, request.allow_replication_factor_change)
            except ApiError as error:
                result.error_code, result.error_message = ResultError.of(error)
            else:
                if record is not None:
                    records.append(record)
    check_record_count(records)
    return Outcome(records, response, is_atomic=True)


def _reassign(
    view: View,
    topic_name: str,
    target: AlterPartitionReassignmentsRequest.ReassignablePartition,
    allow_replication_factor_change: bool,
) -> VersionedRecord | None:
    topic = view.image.topics.by_name.get(topic_name)
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic {topic_name}.")
    partition = topic.partitions.get(target.partition_index)
    if partition is None:
        raise ApiError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {topic_name}-{target.partition_index}."
        )
    change = PartitionChange(view, topic, target.partition_index, partition)
    if target.replicas is None:
        _cancel(view, topic, partition, change)
    else:
        check_manual_replicas(view, target.replicas, None)
        if not allow_replication_factor_change:
            _check_replication_factor(partition, len(target.replicas))
        reassignment = Reassignment.between(partition.replicas, target.replicas)
        change.replicas = reassignment.replicas
        change.removing = reassignment.removing or change.removing
        change.adding = reassignment.adding or change.adding
    return change.build()


def _cancel(view: View, topic: TopicImage, partition: PartitionRegistration, change: PartitionChange) -> None:
    if not partition.is_reassigning:
        raise ApiError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)
    revert = Revert.of(partition)
    allows_unclean = view.allows_unclean_election(topic.name)
    if revert.is_unclean and not allows_unclean:
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Cancelling this reassignment would need an unclean election, which the topic does not allow.",
        )
    if allows_unclean:
        change.election = Election.UNCLEAN
    change.replicas, change.isr = revert.replicas, revert.isr
    change.removing = change.adding = ()


def _check_replication_factor(partition: PartitionRegistration, wanted: int) -> None:
    replicas = {*partition.replicas, *partition.adding_replicas}
    current = len(replicas - set(partition.removing_replicas))
    if current != wanted:
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is {current}, and the request, which may not change it, asks for {wanted}.",
        )


def list_partition_reassignments(
    image: MetadataImage, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    """Read from the committed image."""
    response = ListPartitionReassignmentsResponse(error_message=None)
    if request.topics is None:
        wanted = [(topic, list(topic.partitions)) for topic in image.topics.by_name.values()]
    else:
        wanted = [
            (image.topics.by_name[entry.name], entry.partition_indexes)
            for entry in request.topics
            if entry.name in image.topics.by_name
        ]
    for topic, indexes in wanted:
        ongoing = [
            ListPartitionReassignmentsResponse.OngoingPartitionReassignment(
                partition_index=index,
                replicas=list(partition.replicas),
                adding_replicas=list(partition.adding_replicas),
                removing_replicas=list(partition.removing_replicas),
            )
            for index in indexes
            if (partition := topic.partitions.get(index)) is not None and partition.is_reassigning
        ]
        if ongoing:
            response.topics.append(
                ListPartitionReassignmentsResponse.OngoingTopicReassignment(name=topic.name, partitions=ongoing)
            )
    return response
