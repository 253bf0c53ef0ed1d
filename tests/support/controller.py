"""A controller without disk, network and time, for unit tests of metadata and controller: a quorum of one that commits
when told to, a clock that is set by hand, and images made of a few words."""

from __future__ import annotations

import asyncio
import random as random_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broker.config_rules import ConfigRulesOfNode
from broker.controller.view import ConfigRules, Settings, View
from broker.metadata.delta import MetadataDelta
from broker.metadata.features import (
    FEATURES,
    LATEST_METADATA_VERSION,
    METADATA_VERSION,
    VersionRange,
    supported_features,
)
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, MetadataProvenance
from broker.metadata.image_records import VersionedRecord
from broker.metadata.loader import MetadataLoader
from config.properties import load_node_config
from protocol.errors import ApiError
from protocol.ids import Uuid
from protocol.metadata.brokers import RegisterBrokerRecord
from protocol.metadata.configs import ConfigRecord, FeatureLevelRecord
from protocol.metadata.topics import PartitionRecord, TopicRecord
from protocol.schema import Message
from raft.driver import NotLeader

# What Apache Kafka 4.3 serves: tests of rules do not wait until all of it is served here.
ALL_FEATURES = {
    **supported_features(),
    **{feature.name: VersionRange(0, feature.latest) for feature in FEATURES.values()},
}

CLUSTER_ID = "3Ctm6m4nRDyB6RY0SkyzLQ"


def uuid(number: int) -> Uuid:
    """Never a reserved one."""
    return Uuid((1000 + number).to_bytes(16, "big"))


class ManualClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + int(self.now_s * 1000)


class SeededRandom:
    """Ids count up from 1, so tests can name them."""

    def __init__(self, seed: int = 7) -> None:
        self._generator = random_module.Random(seed)
        self._ids = 0

    def uuid(self) -> Uuid:
        self._ids += 1
        return Uuid((1_000_000 + self._ids).to_bytes(16, "big"))

    def randrange(self, start: int, stop: int) -> int:
        return self._generator.randrange(start, stop)

    def random(self) -> float:
        return self._generator.random()


def rules(properties: Mapping[str, str] | None = None) -> ConfigRules:
    """Those of a node with these settings in its file."""
    overrides = [f"{key}={value}" for key, value in (properties or {}).items()]
    return ConfigRulesOfNode(load_node_config(overrides=overrides).config)


def broker_record(
    broker_id: int,
    *,
    epoch: int = 10,
    fenced: bool = False,
    in_controlled_shutdown: bool = False,
    rack: str | None = None,
    directories: Sequence[Uuid] | None = None,
    incarnation: int | None = None,
    host: str | None = None,
) -> VersionedRecord:
    record = RegisterBrokerRecord(
        broker_id=broker_id,
        broker_epoch=epoch,
        incarnation_id=uuid(500 + broker_id if incarnation is None else incarnation),
        end_points=[RegisterBrokerRecord.BrokerEndpoint(name="PLAINTEXT", host=host or f"host{broker_id}", port=9092)],
        features=[
            RegisterBrokerRecord.BrokerFeature(
                name=name, min_supported_version=range_.min, max_supported_version=range_.max
            )
            for name, range_ in ALL_FEATURES.items()
        ],
        rack=rack,
        fenced=fenced,
        in_controlled_shutdown=in_controlled_shutdown,
        log_dirs=[uuid(100 + broker_id)] if directories is None else list(directories),
    )
    return record, 4


def topic_records(name: str, number: int, partitions: Sequence[PartitionRecord]) -> list[VersionedRecord]:
    """The topic's id is uuid(number), which the partitions are given, with their indexes and directories."""
    records: list[VersionedRecord] = [(TopicRecord(name=name, topic_id=uuid(number)), 0)]
    for index, partition in enumerate(partitions):
        partition.topic_id, partition.partition_id = uuid(number), index
        if not partition.directories:
            partition.directories = [uuid(100 + replica) for replica in partition.replicas]
        records.append((partition, 2))
    return records


def partition_record(
    replicas: Sequence[int],
    *,
    isr: Sequence[int] | None = None,
    leader: int | None = None,
    leader_epoch: int = 0,
    partition_epoch: int = 0,
    adding: Sequence[int] = (),
    removing: Sequence[int] = (),
    elr: Sequence[int] | None = None,
    last_known_elr: Sequence[int] | None = None,
    recovery_state: int = 0,
) -> PartitionRecord:
    in_sync = list(replicas if isr is None else isr)
    return PartitionRecord(
        replicas=list(replicas),
        isr=in_sync,
        leader=in_sync[0] if leader is None else leader,
        leader_epoch=leader_epoch,
        partition_epoch=partition_epoch,
        adding_replicas=list(adding),
        removing_replicas=list(removing),
        eligible_leader_replicas=None if elr is None else list(elr),
        last_known_elr=None if last_known_elr is None else list(last_known_elr),
        leader_recovery_state=recovery_state,
    )


def level_record(name: str, level: int) -> VersionedRecord:
    return FeatureLevelRecord(name=name, feature_level=level), 0


def config_record(resource_type: int, resource: str, name: str, value: str | None) -> VersionedRecord:
    return ConfigRecord(resource_type=resource_type, resource_name=resource, name=name, value=value), 0


BOOTSTRAPPED: VersionedRecord = level_record(METADATA_VERSION, LATEST_METADATA_VERSION)


def image_of(*records: VersionedRecord, base: MetadataImage = EMPTY_IMAGE) -> MetadataImage:
    return replayed(base, [BOOTSTRAPPED, *records] if base is EMPTY_IMAGE else records)


def replayed(image: MetadataImage, records: Sequence[VersionedRecord]) -> MetadataImage:
    delta = MetadataDelta(image)
    for record, _ in records:
        delta.replay(record)
    return delta.apply(MetadataProvenance(image.offset + len(records), 1, 0, True))


def cluster(*brokers: int) -> list[VersionedRecord]:
    """Unfenced brokers."""
    return [broker_record(broker_id) for broker_id in brokers]


def view_of(
    *records: VersionedRecord,
    properties: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> View:
    return View(image_of(*records), rules(properties), settings or Settings(node_id=1, cluster_id=CLUSTER_ID))


@dataclass(frozen=True)
class Batch:
    base_offset: int
    records: Sequence[VersionedRecord]
    epoch: int = 1
    append_timestamp: int = 0
    size_bytes: int = 100
    control_count: int = 0

    @property
    def last_offset(self) -> int:
        return self.base_offset + (len(self.records) or self.control_count) - 1


class FakeQuorum:
    """A quorum of one: what is appended is committed when `commit` is called, or at once."""

    def __init__(self, *, commits_at_once: bool = True) -> None:
        self.commits_at_once = commits_at_once
        self.kraft_version = 1
        self.epoch = 0
        self.is_leader = False
        self.log: list[Batch] = []
        self.log_end_offset = 0
        self.committed = 0  # batches
        self.high_watermark: int | None = None
        self.loader: MetadataLoader | None = None
        self.kraft_upgrades: list[tuple[int, bool]] = []
        self.upgrade_error: ApiError | None = None

    def attach(self, loader: MetadataLoader) -> None:
        self.loader = loader

    def elect(self, node_id: int = 1) -> None:
        """The node leads a new epoch, and the record that opens it is committed."""
        self.epoch += 1
        self.is_leader = True
        self._write(Batch(self.log_end_offset, (), self.epoch, control_count=1))
        self.commit()
        assert self.loader is not None
        self.loader.on_leader_change(node_id, self.epoch)

    def depose(self, *, keeps_uncommitted: bool = False) -> None:
        self.is_leader = False
        if not keeps_uncommitted:
            del self.log[self.committed :]
            self.log_end_offset = self.log[-1].last_offset + 1 if self.log else 0
        self.epoch += 1
        assert self.loader is not None
        self.loader.on_leader_change(99, self.epoch)

    def schedule_append(self, epoch: int, records: Sequence[VersionedRecord]) -> int:
        if not self.is_leader or epoch != self.epoch:
            raise NotLeader
        batch = Batch(self.log_end_offset, list(records), epoch)
        self._write(batch)
        if self.commits_at_once:
            asyncio.get_running_loop().call_soon(self.commit)
        return batch.last_offset

    def upgrade_kraft_version(self, epoch: int, kraft_version: int, validate_only: bool) -> None:
        if self.upgrade_error is not None:
            raise self.upgrade_error
        self.kraft_upgrades.append((kraft_version, validate_only))

    def write(self, *records: VersionedRecord) -> None:
        """As another leader would have."""
        self._write(Batch(self.log_end_offset, list(records), self.epoch))

    def commit(self) -> None:
        assert self.loader is not None
        batches = self.log[self.committed :]
        self.committed = len(self.log)
        if self.log:
            self.high_watermark = self.log[-1].last_offset + 1
        for batch in batches:
            self.loader.on_commit(batch)

    def records(self) -> list[Message]:
        return [record for batch in self.log for record, _ in batch.records]

    def _write(self, batch: Batch) -> None:
        self.log.append(batch)
        self.log_end_offset = batch.last_offset + 1
