"""What the metadata log says of one broker and of one controller: immutable values, made from records and written back.

A broker is *fenced* until it has caught up with its own registration: a fenced broker leads nothing and joins no ISR.
Its *epoch* is the log offset at which this incarnation registered, so epochs only grow. `cordoned_directories` is None
until the broker, caught up, has said which directories take no new replicas (KIP-1066).

Counterpart: BrokerRegistration, ControllerRegistration, DirectoryId (KIP-631, KIP-858, KIP-919).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from broker.metadata.features import MetadataVersion, VersionRange
from protocol.ids import Uuid
from protocol.metadata.brokers import RegisterBrokerRecord, RegisterControllerRecord
from protocol.schema import Message

# Directory ids below 100 are reserved: of a log of before directories had ids, not chosen yet, and known to be lost.
MIGRATING_DIRECTORY: Final = Uuid(bytes(16))
UNASSIGNED_DIRECTORY: Final = Uuid((1).to_bytes(16, "big"))
LOST_DIRECTORY: Final = Uuid((2).to_bytes(16, "big"))
_FIRST_USABLE_DIRECTORY: Final = (100).to_bytes(16, "big")


def is_reserved_directory(directory: Uuid) -> bool:
    return directory < _FIRST_USABLE_DIRECTORY


class Endpoint(msgspec.Struct, frozen=True):
    """An advertised listener; `security_protocol` is Kafka's id (0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL)."""

    name: str
    host: str
    port: int
    security_protocol: int


class BrokerRegistration(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    epoch: int
    incarnation_id: Uuid
    listeners: Mapping[str, Endpoint]
    supported_features: Mapping[str, VersionRange]
    rack: str | None
    fenced: bool
    in_controlled_shutdown: bool
    is_migrating_zk_broker: bool
    directories: tuple[Uuid, ...]
    cordoned_directories: tuple[Uuid, ...] | None

    @classmethod
    def from_record(cls, record: RegisterBrokerRecord) -> BrokerRegistration:
        cordoned = record.cordoned_log_dirs
        return cls(
            id=record.broker_id,
            epoch=record.broker_epoch,
            incarnation_id=record.incarnation_id,
            listeners={e.name: Endpoint(e.name, e.host, e.port, e.security_protocol) for e in record.end_points},
            supported_features={
                f.name: VersionRange(f.min_supported_version, f.max_supported_version) for f in record.features
            },
            rack=record.rack,
            fenced=record.fenced,
            in_controlled_shutdown=record.in_controlled_shutdown,
            is_migrating_zk_broker=record.is_migrating_zk_broker,
            directories=tuple(sorted(record.log_dirs)),
            cordoned_directories=None if cordoned is None else tuple(cordoned),
        )

    def to_record(self, metadata_version: MetadataVersion) -> tuple[Message, int]:
        record = RegisterBrokerRecord(
            broker_id=self.id,
            is_migrating_zk_broker=self.is_migrating_zk_broker,
            incarnation_id=self.incarnation_id,
            broker_epoch=self.epoch,
            end_points=[
                RegisterBrokerRecord.BrokerEndpoint(
                    name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol
                )
                for e in self.listeners.values()
            ],
            features=[
                RegisterBrokerRecord.BrokerFeature(
                    name=name, min_supported_version=range_.min, max_supported_version=range_.max
                )
                for name, range_ in self.supported_features.items()
            ],
            rack=self.rack,
            fenced=self.fenced,
            in_controlled_shutdown=self.in_controlled_shutdown,
            log_dirs=list(self.directories),
            cordoned_log_dirs=None if self.cordoned_directories is None else list(self.cordoned_directories),
        )
        return record, metadata_version.register_broker_record_version

    @property
    def is_active(self) -> bool:
        """May lead partitions and be in their ISR."""
        return not self.fenced and not self.in_controlled_shutdown

    @property
    def has_uncordoned_directory(self) -> bool:
        """Takes new replicas; true where the broker has not said."""
        if not self.directories or self.cordoned_directories is None:
            return True
        return any(directory not in self.cordoned_directories for directory in self.directories)

    def has_online_directory(self, directory: Uuid) -> bool:
        if directory in (UNASSIGNED_DIRECTORY, MIGRATING_DIRECTORY):
            return True
        if directory == LOST_DIRECTORY:
            return False
        # A registration of before directories had ids names none: the broker stops by itself when all are gone.
        return not self.directories or directory in self.directories

    def changed(
        self,
        *,
        fenced: bool | None,
        in_controlled_shutdown: bool | None,
        directories: Sequence[Uuid] | None = None,
        cordoned_directories: Sequence[Uuid] | None = None,
    ) -> BrokerRegistration:
        """A copy with the given fields replaced; the same object if that changes nothing."""
        replacement = msgspec.structs.replace(
            self,
            fenced=self.fenced if fenced is None else fenced,
            in_controlled_shutdown=(
                self.in_controlled_shutdown if in_controlled_shutdown is None else in_controlled_shutdown
            ),
            directories=self.directories if directories is None else tuple(sorted(directories)),
            cordoned_directories=(
                self.cordoned_directories if cordoned_directories is None else tuple(cordoned_directories)
            ),
        )
        return self if replacement == self else replacement

    def cordoned_directories_differ(self, cordoned: Collection[Uuid]) -> bool:
        return self.cordoned_directories is None or set(self.cordoned_directories) != set(cordoned)


class ControllerRegistration(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    incarnation_id: Uuid
    zk_migration_ready: bool
    listeners: Mapping[str, Endpoint]
    supported_features: Mapping[str, VersionRange]

    @classmethod
    def from_record(cls, record: RegisterControllerRecord) -> ControllerRegistration:
        return cls(
            id=record.controller_id,
            incarnation_id=record.incarnation_id,
            zk_migration_ready=record.zk_migration_ready,
            listeners={e.name: Endpoint(e.name, e.host, e.port, e.security_protocol) for e in record.end_points},
            supported_features={
                f.name: VersionRange(f.min_supported_version, f.max_supported_version) for f in record.features
            },
        )

    def to_record(self) -> tuple[Message, int]:
        record = RegisterControllerRecord(
            controller_id=self.id,
            incarnation_id=self.incarnation_id,
            zk_migration_ready=self.zk_migration_ready,
            end_points=[
                RegisterControllerRecord.ControllerEndpoint(
                    name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol
                )
                for e in self.listeners.values()
            ],
            features=[
                RegisterControllerRecord.ControllerFeature(
                    name=name, min_supported_version=range_.min, max_supported_version=range_.max
                )
                for name, range_ in self.supported_features.items()
            ],
        )
        return record, 0
