"""One change of one partition: who leads, who is in sync, which replicas it has, as one PartitionChangeRecord.

The caller says what the ISR, the replicas and the rest shall become; `build` completes a reassignment that has become
possible, elects a leader where the present one no longer qualifies, keeps the eligible leader replicas, and returns a
record of exactly what changes, or None. Rules kept here:

- a new leader comes from the ISR, or from the ELR if the ISR is empty; from anywhere only by an unclean election, which
  shrinks the ISR to it and marks it as recovering;
- the leader epoch grows whenever the leader changes, and when a replica is dropped, so the dropped one is fenced off;
- without ELR, the last member of the ISR is never removed: that ISR is all that knows what was acknowledged.

Counterpart: PartitionChangeBuilder, PartitionReassignmentReplicas, PartitionReassignmentRevert (KIP-455, KIP-966).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from broker.controller.placement import default_directory
from broker.controller.view import View
from broker.metadata.features import MetadataVersion
from broker.metadata.image import TopicImage
from broker.metadata.image_records import VersionedRecord
from broker.metadata.partitions import (
    NO_LEADER,
    NO_LEADER_CHANGE,
    NO_RECOVERY_STATE_CHANGE,
    RECOVERING,
    PartitionRegistration,
    without,
)
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.metadata.topics import PartitionChangeRecord


class Election(Enum):
    ONLINE = "keep the leader while it qualifies, else the first replica that does"
    PREFERRED = "the preferred replica if it qualifies, else as online"
    UNCLEAN = "as online, and if none qualifies, the first live replica"


class PartitionChange:
    """Collects the targets, starting from what the partition is. `is_acceptable_leader` says of a broker whether it is
    alive and the directory of its replica online."""

    def __init__(
        self,
        view: View,
        topic: TopicImage,
        partition_id: int,
        partition: PartitionRegistration,
        is_acceptable_leader: Callable[[int], bool] | None = None,
    ) -> None:
        features = view.image.features
        self._cluster = view.image.cluster
        self._metadata_version: MetadataVersion = features.metadata_version
        self._elr_enabled = features.is_elr_enabled
        self._min_isr = view.min_insync_replicas(topic.name, len(topic.partitions[0].replicas))
        self._topic_id = topic.id
        self._partition_id = partition_id
        self._partition = partition
        self._is_alive = is_acceptable_leader or self._cluster.is_active
        self._directories: dict[int, Uuid] = dict(zip(partition.replicas, partition.directories, strict=True))
        self.election = Election.ONLINE
        self.isr: tuple[int, ...] = partition.isr
        self.replicas: tuple[int, ...] = partition.replicas
        self.removing: tuple[int, ...] = partition.removing_replicas
        self.adding: tuple[int, ...] = partition.adding_replicas
        self.recovery_state = partition.leader_recovery_state
        self.unclean_shutdown_replicas: tuple[int, ...] = ()
        self._elr: tuple[int, ...] = partition.elr

    def set_directory(self, broker_id: int, directory: Uuid) -> None:
        self._directories[broker_id] = directory

    def build(self) -> VersionedRecord | None:
        record = PartitionChangeRecord(partition_id=self._partition_id, topic_id=self._topic_id)
        self._complete_reassignment()
        self._update_elr()
        self._elect(record)
        if record.leader == NO_LEADER_CHANGE and not set(self._partition.replicas) <= set(self.replicas):
            record.leader = self._partition.leader  # same leader, new epoch: fences the replicas that go
        self._record_elr(record)
        self._record_isr(record)
        self._record_last_known_leader(record)
        self._record_assignment(record)
        if self.recovery_state != self._partition.leader_recovery_state:
            record.leader_recovery_state = self.recovery_state
        if _changes_nothing(record):
            return None
        return record, self._metadata_version.partition_record_version

    def _complete_reassignment(self) -> None:
        completed = completed_reassignment(self.replicas, self.removing, self.adding, self.isr)
        if completed is not None:
            self.replicas, self.isr = completed
            self.removing = self.adding = ()

    def _update_elr(self) -> None:
        if not self._elr_enabled:
            return
        if len(self.isr) >= self._min_isr:
            self._elr = ()
            return
        # Whoever was in sync when the ISR fell below the minimum still has all that was acknowledged since.
        candidates = dict.fromkeys((*self._elr, *self._partition.isr))
        self._elr = without(tuple(candidates), (*self.isr, *self.unclean_shutdown_replicas))

    def _elect(self, record: PartitionChangeRecord) -> None:
        leader, is_unclean = self._elected_leader()
        if leader == self._partition.leader:
            return
        if leader in self._elr:
            self.isr = (leader,)
            self._elr = without(self._elr, (leader,))
        record.leader = leader
        if is_unclean:
            record.isr = [leader]
            if self._partition.leader_recovery_state != RECOVERING:
                record.leader_recovery_state = RECOVERING

    def _elected_leader(self) -> tuple[int, bool]:
        """The leader to be, and whether its election is unclean."""
        preferred = self.replicas[0]
        if self.election is Election.PREFERRED and self._qualifies(preferred):
            return preferred, False
        if self._qualifies(self._partition.leader):
            return self._partition.leader, False
        for replica in self.replicas:
            if self._qualifies(replica):
                return replica, False
        if self._can_elect_last_known_leader():
            return self._partition.last_known_elr[0], True
        if self.election is Election.UNCLEAN:
            for replica in self.replicas:
                if self._can_lead(replica):
                    return replica, True
        return NO_LEADER, False

    def _qualifies(self, replica: int) -> bool:
        in_sync = replica in self.isr or (not self.isr and replica in self._elr)
        return in_sync and self._can_lead(replica)

    def _can_lead(self, replica: int) -> bool:
        if not self._is_alive(replica):
            return False
        directory = self._partition.directory(replica)
        broker = self._cluster.brokers.get(replica)
        return directory is not None and broker is not None and broker.has_online_directory(directory)

    def _can_elect_last_known_leader(self) -> bool:
        if not self._elr_enabled or self._elr or self.isr or len(self._partition.last_known_elr) != 1:
            return False
        return self._can_lead(self._partition.last_known_elr[0])

    def _record_elr(self, record: PartitionChangeRecord) -> None:
        if record.isr is not None or not self._elr_enabled:
            self._elr = ()
        if self._elr != self._partition.elr:
            record.eligible_leader_replicas = list(self._elr)

    def _record_isr(self, record: PartitionChangeRecord) -> None:
        may_change = bool(self.isr) or self._elr_enabled
        if record.isr is None and may_change and self.isr != self._partition.isr:
            record.isr = list(self.isr)
        if (
            self._metadata_version.is_leader_epoch_bump_required_on_isr_shrink
            and record.leader == NO_LEADER_CHANGE
            and record.isr is not None
            and not set(self._partition.isr) <= set(record.isr)
        ):
            record.leader = self._partition.leader

    def _record_last_known_leader(self, record: PartitionChangeRecord) -> None:
        if not self._elr_enabled:
            return
        if record.leader == NO_LEADER and not self._partition.last_known_elr:
            record.last_known_elr = [self._partition.leader]
        elif record.leader >= 0 and self._partition.last_known_elr:
            record.last_known_elr = []

    def _record_assignment(self, record: PartitionChangeRecord) -> None:
        partition = self._partition
        if self.replicas:
            if self._metadata_version.is_directory_assignment_supported:
                directories = tuple(self._directory_of(replica) for replica in self.replicas)
                if directories != partition.directories:
                    record.directories = list(directories)
            if self.replicas != partition.replicas:
                record.replicas = list(self.replicas)
        if self.removing != partition.removing_replicas:
            record.removing_replicas = list(self.removing)
        if self.adding != partition.adding_replicas:
            record.adding_replicas = list(self.adding)

    def _directory_of(self, replica: int) -> Uuid:
        directory = self._directories.get(replica)
        if directory is None:
            return default_directory(self._cluster, replica, has_directory_ids=True)
        return directory


def _changes_nothing(record: PartitionChangeRecord) -> bool:
    return (
        record.leader == NO_LEADER_CHANGE
        and record.leader_recovery_state == NO_RECOVERY_STATE_CHANGE
        and record.isr is None
        and record.eligible_leader_replicas is None
        and record.last_known_elr is None
        and record.replicas is None
        and record.removing_replicas is None
        and record.adding_replicas is None
        and record.directories is None
    )


def completed_reassignment(
    replicas: Sequence[int], removing: Sequence[int], adding: Sequence[int], isr: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """(replicas, ISR) at the end of a reassignment, if it can end now.

    All that are added must be in sync; where the replication factor falls, all that stay must be, for else completing
    it would shrink the ISR more than leaving it."""
    if not removing and not adding:
        return None
    new_isr, new_replicas = without(isr, removing), without(replicas, removing)
    if not new_isr or not new_replicas or not set(adding) <= set(new_isr):
        return None
    if len(adding) < len(removing) and not set(new_replicas) <= set(new_isr):
        return None
    return new_replicas, new_isr


class Reassignment(NamedTuple):
    """A reassignment as it begins: target replicas, followed by those to be removed."""

    replicas: tuple[int, ...]
    removing: tuple[int, ...]
    adding: tuple[int, ...]

    @classmethod
    def between(cls, current: Sequence[int], target: Sequence[int]) -> Reassignment:
        removing = tuple(sorted(set(current) - set(target)))
        adding = tuple(sorted(set(target) - set(current)))
        return cls((*target, *removing), removing, adding)


class Revert(NamedTuple):
    """What a partition goes back to when its reassignment is cancelled. `is_unclean`: only added replicas are in sync,
    so one of the others has to lead without being known to have everything."""

    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    is_unclean: bool

    @classmethod
    def of(cls, partition: PartitionRegistration) -> Revert:
        replicas = without(partition.replicas, partition.adding_replicas)
        isr = without(partition.isr, partition.adding_replicas)
        if isr:
            return cls(replicas, isr, False)
        if not replicas:
            raise ApiError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT, "The assignment cannot be reverted: every replica is being added."
            )
        return cls(replicas, replicas[:1], True)
