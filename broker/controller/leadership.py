"""Leaders and in-sync replicas as brokers come, go, shut down or lose directories; elections asked for or due.

Counterpart: the leader and ISR parts of ReplicationControlManager, BrokersToIsrs, BrokersToElrs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from broker.controller.partition_change import Election, PartitionChange
from broker.controller.view import NO_ERROR, Outcome, ResultError, View
from broker.metadata.image import MetadataImage, TopicImage
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import NO_LEADER, PartitionRegistration, without
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse

# The most elections that one round of a periodic task makes.
MAX_ELECTIONS_PER_ROUND = 1_000

PREFERRED_ELECTION = 0
UNCLEAN_ELECTION = 1


class PartitionRef(NamedTuple):
    topic: TopicImage
    partition_id: int
    partition: PartitionRegistration


def partitions_with_isr_member(image: MetadataImage, broker_id: int) -> Iterator[PartitionRef]:
    for ref in image.topics.partitions():
        if broker_id in ref[2].isr:
            yield PartitionRef(*ref)


def partitions_with_elr_member(image: MetadataImage, broker_id: int) -> Iterator[PartitionRef]:
    for ref in image.topics.partitions():
        if broker_id in ref[2].elr:
            yield PartitionRef(*ref)


def partitions_without_leader(image: MetadataImage) -> Iterator[PartitionRef]:
    for ref in image.topics.partitions():
        if ref[2].leader == NO_LEADER:
            yield PartitionRef(*ref)


def partitions_in_directory(image: MetadataImage, broker_id: int, directory: Uuid) -> Iterator[PartitionRef]:
    for ref in image.topics.partitions():
        if ref[2].directory(broker_id) == directory:
            yield PartitionRef(*ref)


def has_leaderships(image: MetadataImage, broker_id: int) -> bool:
    return any(partition.leader == broker_id for _, _, partition in image.topics.partitions())


def leader_and_isr_records(
    view: View,
    partitions: Iterable[PartitionRef],
    *,
    broker_to_remove: int = NO_LEADER,
    broker_to_add: int = NO_LEADER,
    broker_shut_down_uncleanly: int = NO_LEADER,
) -> list[VersionedRecord]:
    """The changes of `partitions` when one broker leaves them or comes back.

    The image still shows the broker as it was, so the one to add counts as alive and the others as dead. One that shut
    down uncleanly may have lost what it acknowledged: it leaves the ELR, too."""
    gone = (broker_to_remove, broker_shut_down_uncleanly)

    def is_acceptable(broker_id: int) -> bool:
        if broker_id in gone:
            return False
        return broker_id == broker_to_add or view.image.cluster.is_active(broker_id)

    records = []
    for topic, partition_id, partition in partitions:
        change = PartitionChange(view, topic, partition_id, partition, is_acceptable)
        if view.allows_unclean_election(topic.name):
            change.election = Election.UNCLEAN
        if broker_shut_down_uncleanly != NO_LEADER:
            change.unclean_shutdown_replicas = (broker_shut_down_uncleanly,)
        change.isr = without(partition.isr, gone)
        record = change.build()
        if record is not None:
            records.append(record)
    return records


def elect_leaders(view: View, request: ElectLeadersRequest) -> Outcome[ElectLeadersResponse]:
    if request.election_type not in (PREFERRED_ELECTION, UNCLEAN_ELECTION):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{request.election_type} is no type of election.")
    election = Election.UNCLEAN if request.election_type == UNCLEAN_ELECTION else Election.PREFERRED
    records: list[VersionedRecord] = []
    response = ElectLeadersResponse()
    if request.topic_partitions is None:
        wanted = [(topic.name, list(topic.partitions)) for topic in view.image.topics.by_name.values()]
    else:
        wanted = [(entry.topic, entry.partitions) for entry in request.topic_partitions]
    for name, partition_ids in wanted:
        result = ElectLeadersResponse.ReplicaElectionResult(topic=name)
        response.replica_election_results.append(result)
        for partition_id in partition_ids:
            error = _elect_leader(view, name, partition_id, election, records)
            # Asked for all partitions, those that need nothing go without saying.
            if request.topic_partitions is None and error.code == ErrorCode.ELECTION_NOT_NEEDED:
                continue
            result.partition_result.append(
                ElectLeadersResponse.PartitionResult(
                    partition_id=partition_id, error_code=error.code, error_message=error.message
                )
            )
    return Outcome(records, response)


def _elect_leader(
    view: View, name: str, partition_id: int, election: Election, records: list[VersionedRecord]
) -> ResultError:
    topic = view.image.topics.by_name.get(name)
    if topic is None:
        return ResultError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic {name}.")
    partition = topic.partitions.get(partition_id)
    if partition is None:
        return ResultError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {name}-{partition_id}.")
    if partition.has_leader if election is Election.UNCLEAN else partition.has_preferred_leader:
        return ResultError(ErrorCode.ELECTION_NOT_NEEDED, ErrorCode.ELECTION_NOT_NEEDED.message)
    change = PartitionChange(view, topic, partition_id, partition)
    change.election = election
    record = change.build()
    if record is None:
        code = (
            ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE
            if election is Election.UNCLEAN
            else ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
        )
        return ResultError(code, code.message)
    records.append(record)
    return NO_ERROR


def balance_leaders(view: View) -> Outcome[bool]:
    """Preferred elections for partitions that are led by another replica; True if there may be more to do."""
    records: list[VersionedRecord] = []
    for topic, partition_id, partition in view.image.topics.partitions():
        if partition.has_preferred_leader:
            continue
        if len(records) >= MAX_ELECTIONS_PER_ROUND:
            return Outcome(records, True)
        change = PartitionChange(view, topic, partition_id, partition)
        change.election = Election.PREFERRED
        record = change.build()
        if record is not None:
            records.append(record)
    return Outcome(records, False)


def elect_unclean_leaders(view: View) -> Outcome[bool]:
    """Unclean elections for leaderless partitions of topics that allow them; True if there may be more to do."""
    records: list[VersionedRecord] = []
    for topic, partition_id, _ in partitions_without_leader(view.image):
        if len(records) >= MAX_ELECTIONS_PER_ROUND:
            return Outcome(records, True)
        if view.allows_unclean_election(topic.name):
            _elect_leader(view, topic.name, partition_id, Election.UNCLEAN, records)
    return Outcome(records, False)
