"""What the metadata log says of one partition: an immutable value, changed by merging PartitionChangeRecords.

Invariants: `directories` runs beside `replicas`; `leader_epoch` grows by one with every leader change and
`partition_epoch` with every change at all, so neither ever goes back; ISR and ELR are disjoint.

Counterpart: PartitionRegistration, Replicas, LeaderConstants, LeaderRecoveryState (KIP-631, KIP-858, KIP-966).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from broker.metadata.features import MetadataVersion
from broker.metadata.registrations import MIGRATING_DIRECTORY
from protocol.ids import Uuid
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord
from protocol.schema import Message

NO_LEADER: Final = -1
NO_LEADER_CHANGE: Final = -2

RECOVERED: Final = 0
RECOVERING: Final = 1  # elected uncleanly and not yet done with telling what was lost
NO_RECOVERY_STATE_CHANGE: Final = -1


class PartitionRegistration(msgspec.Struct, frozen=True, kw_only=True):
    replicas: tuple[int, ...]
    directories: tuple[Uuid, ...]
    isr: tuple[int, ...]
    removing_replicas: tuple[int, ...] = ()
    adding_replicas: tuple[int, ...] = ()
    elr: tuple[int, ...] = ()
    last_known_elr: tuple[int, ...] = ()
    leader: int
    leader_recovery_state: int = RECOVERED
    leader_epoch: int = 0
    partition_epoch: int = 0

    @classmethod
    def from_record(cls, record: PartitionRecord) -> PartitionRegistration:
        return cls(
            replicas=tuple(record.replicas),
            directories=_directories(record.directories, len(record.replicas)),
            isr=tuple(record.isr),
            removing_replicas=tuple(record.removing_replicas),
            adding_replicas=tuple(record.adding_replicas),
            elr=tuple(record.eligible_leader_replicas or ()),
            last_known_elr=tuple(record.last_known_elr or ()),
            leader=record.leader,
            leader_recovery_state=_checked_recovery_state(record.leader_recovery_state),
            leader_epoch=record.leader_epoch,
            partition_epoch=record.partition_epoch,
        )

    def merge(self, record: PartitionChangeRecord) -> PartitionRegistration:
        """This partition after the change: the epochs advance by themselves, they are not in the record."""
        replicas = self.replicas if record.replicas is None else tuple(record.replicas)
        directories = self.directories if record.directories is None else record.directories
        leader_changed = record.leader != NO_LEADER_CHANGE
        recovery = record.leader_recovery_state
        return PartitionRegistration(
            replicas=replicas,
            directories=_directories(directories, len(replicas)),
            isr=self.isr if record.isr is None else tuple(record.isr),
            removing_replicas=_changed(self.removing_replicas, record.removing_replicas),
            adding_replicas=_changed(self.adding_replicas, record.adding_replicas),
            elr=_changed(self.elr, record.eligible_leader_replicas),
            last_known_elr=_changed(self.last_known_elr, record.last_known_elr),
            leader=record.leader if leader_changed else self.leader,
            leader_recovery_state=(
                self.leader_recovery_state
                if recovery == NO_RECOVERY_STATE_CHANGE
                else _checked_recovery_state(recovery)
            ),
            leader_epoch=self.leader_epoch + 1 if leader_changed else self.leader_epoch,
            partition_epoch=self.partition_epoch + 1,
        )

    def to_record(
        self, topic_id: Uuid, partition_id: int, metadata_version: MetadataVersion, *, elr_enabled: bool
    ) -> tuple[Message, int]:
        record = PartitionRecord(
            partition_id=partition_id,
            topic_id=topic_id,
            replicas=list(self.replicas),
            isr=list(self.isr),
            removing_replicas=list(self.removing_replicas),
            adding_replicas=list(self.adding_replicas),
            leader=self.leader,
            leader_recovery_state=self.leader_recovery_state,
            leader_epoch=self.leader_epoch,
            partition_epoch=self.partition_epoch,
        )
        if metadata_version.is_directory_assignment_supported:
            record.directories = list(self.directories)
        if elr_enabled:
            record.eligible_leader_replicas = list(self.elr) or None
            record.last_known_elr = list(self.last_known_elr) or None
        return record, metadata_version.partition_record_version

    @property
    def has_leader(self) -> bool:
        return self.leader != NO_LEADER

    @property
    def preferred_replica(self) -> int:
        return self.replicas[0] if self.replicas else NO_LEADER

    @property
    def has_preferred_leader(self) -> bool:
        return self.leader == self.preferred_replica

    @property
    def is_reassigning(self) -> bool:
        return bool(self.removing_replicas or self.adding_replicas)

    def directory(self, broker_id: int) -> Uuid | None:
        """The directory of a replica, None if the broker holds none."""
        for replica, directory in zip(self.replicas, self.directories, strict=True):
            if replica == broker_id:
                return directory
        return None


def is_valid_isr(replicas: Sequence[int], isr: Sequence[int]) -> bool:
    """No broker twice, none that is not a replica."""
    return len(set(isr)) == len(isr) and set(isr) <= set(replicas) and all(broker >= 0 for broker in isr)


def without(replicas: Sequence[int], removed: Collection[int]) -> tuple[int, ...]:
    return tuple(replica for replica in replicas if replica not in removed)


def _changed(current: tuple[int, ...], change: Sequence[int] | None) -> tuple[int, ...]:
    return current if change is None else tuple(change)


def _directories(directories: Sequence[Uuid], replica_count: int) -> tuple[Uuid, ...]:
    # Records of before directories had ids carry none, whatever the number of replicas.
    if all(directory == MIGRATING_DIRECTORY for directory in directories):
        return (MIGRATING_DIRECTORY,) * replica_count
    if len(directories) != replica_count:
        raise ValueError(f"{len(directories)} directories for {replica_count} replicas")
    return tuple(directories)


def _checked_recovery_state(value: int) -> int:
    if value not in (RECOVERED, RECOVERING):
        raise ValueError(f"{value} is not a leader recovery state")
    return value
