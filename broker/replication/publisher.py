"""What new metadata means for the replicas of this broker: logs are created, led, followed, set aside and configured.

A publisher. Partitions that are deleted go first, so that a topic made anew under the same name finds room. Then
those that exist take their new role at once, and logs that are missing are created on executors, many at a time; the
publishers after this one wait for that. A log whose topic id is not that of the metadata is another topic's: it is
set aside as stray. So are, with the first image, all logs of partitions that this broker has no part in.

A log is never begun anew where the only copy may exist: not while a directory that may hold it is offline, and, other
than Kafka, not if the only replica in sync lay in a directory that is gone. Kafka makes that log empty elsewhere, and
serves it from the second start on.

Counterpart: ReplicaManager.applyDelta, BrokerMetadataPublisher, TopicConfigHandler, LogManager's stray detection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from broker.environment import Clock, Executor
from broker.grouping import grouped, slices
from broker.metadata.delta import ConfigsDelta, MetadataDelta
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, ResourceType
from broker.metadata.partitions import PartitionRegistration
from broker.metadata.publishers import LoaderManifest
from broker.metadata.registrations import MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY
from broker.metadata.topics_delta import LocalReplicaChanges
from broker.replication.partition import Partition
from broker.replication.replica import Replica
from broker.replication.replica_manager import ReplicaManager
from broker.replication.topic_settings import TopicSettings, topic_settings
from config.dynamic import ConfigLayers
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import TopicPartition, Uuid, uuid_to_string
from storage.directory import CheckpointJob, LoadJob
from storage.log import Log
from storage.log_config import LogConfig

log = logging.getLogger(__name__)

SLICE: Final = 64
"""Partitions that are taken care of before others get their turn."""
CREATED_AT_ONCE: Final = 50
"""Logs that one executor call creates."""
CREATE_THREADS: Final = 4
"""A log directory: its file system merges what several threads want synced."""


AssignDirectory = Callable[[Uuid, int, Uuid], None]
"""(topic id, partition, directory id)"""


class _Wanted(NamedTuple):
    """A partition that is to be hosted here."""

    topic_partition: TopicPartition
    topic_id: Uuid
    registration: PartitionRegistration


class ReplicaPublisher:
    def __init__(
        self,
        node_id: int,
        manager: ReplicaManager,
        layers: ConfigLayers,
        assign_directory: AssignDirectory,
        clock: Clock,
        executor: Executor,
    ) -> None:
        """`assign_directory` is told where a replica lies, if that is not what the metadata says."""
        self._node_id = node_id
        self._manager = manager
        self._directories = manager.directories
        self._layers = layers
        self._assign_directory = assign_directory
        self._clock = clock
        self._executor = executor
        manager.moves.assign_directory = assign_directory
        self._image = EMPTY_IMAGE
        self._high_watermarks: dict[TopicPartition, int] = {}
        """As checkpointed before this start; empty once the first image has been applied."""
        self._is_first = True
        self._settings: dict[tuple[tuple[str, str], ...], TopicSettings] = {}
        """By the topic's own settings: topics mostly share them."""

    def reconfigure(self, layers: ConfigLayers) -> None:
        """The node's own configuration has changed: every topic's may have."""
        self._layers = layers
        self._settings.clear()
        for replica in self._manager:
            self._configure_replica(replica)

    def foresee(self, image: MetadataImage) -> None:
        """What the first image will be like, or little older: `log_config` goes by it until then."""
        self._image = image

    def log_config(self, topic: str) -> LogConfig:
        """For opening the logs at start, as far as the metadata is known by then."""
        return self._settings_of(topic).log_config

    def on_metadata(
        self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest
    ) -> Awaitable[None] | None:
        self._image = image
        is_first, self._is_first = self._is_first, False
        if delta.configs_delta is not None and not is_first:
            self._configure(delta.configs_delta)
        if delta.topics_delta is None and not is_first:
            return None
        changes = LocalReplicaChanges()
        if delta.topics_delta is not None:
            changes = delta.topics_delta.local_changes(self._node_id)
        if not is_first and not changes.deletes and self._take_roles(changes):
            return None
        return self._apply(changes, is_first=is_first)

    def _take_roles(self, changes: LocalReplicaChanges) -> bool:
        """Most changes concern replicas that are here: these need no waiting. False if there are others."""
        infos = [*changes.leaders.items(), *changes.followers.items()]
        found = [(self._manager.find(*name), name, info) for name, info in infos]
        if len(infos) > SLICE or any(replica is None for replica, _, _ in found):
            return False
        for replica, _, info in found:
            assert replica is not None
            self._set_role(replica, info.partition)
        return True

    async def _apply(self, changes: LocalReplicaChanges, *, is_first: bool) -> None:
        if is_first:
            self._high_watermarks = await self._executor.run(self._read_high_watermarks)
        for count, (topic_partition, topic_id) in enumerate(changes.deletes.items(), 1):
            self._delete(topic_partition, topic_id)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        missing: list[_Wanted] = []
        for count, (topic_partition, info) in enumerate([*changes.leaders.items(), *changes.followers.items()], 1):
            wanted = _Wanted(topic_partition, info.topic_id, info.partition)
            if not self._host_existing(wanted):
                missing.append(wanted)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        if is_first:
            await self._set_strays_aside()
            self._high_watermarks = {}
        if missing:
            await self._create(missing)
        if is_first:
            self._manager.moves.drop_strays()

    # Configuration.

    def _settings_of(self, topic: str) -> TopicSettings:
        overrides = self._image.configs.of_topic(topic)
        key = tuple(sorted(overrides.items()))
        settings = self._settings.get(key)
        if settings is None:
            settings = self._settings[key] = topic_settings(self._layers, overrides)
        return settings

    def _configure(self, delta: ConfigsDelta) -> None:
        topics = {resource.name for resource in delta.changes if resource.type == ResourceType.TOPIC}
        for topic in topics:
            image = self._image.topics.by_name.get(topic)
            for partition in image.partitions if image is not None else ():
                replica = self._manager.find(topic, partition)
                if replica is not None:
                    self._configure_replica(replica)

    def _configure_replica(self, replica: Replica) -> None:
        replica.when_idle(lambda: replica.configure(self._settings_of(replica.topic_partition.topic)))

    # Roles.

    def _set_role(self, replica: Replica, registration: PartitionRegistration) -> None:
        replica.when_idle(lambda: self._set_role_now(replica, registration))

    def _set_role_now(self, replica: Replica, registration: PartitionRegistration) -> None:
        fetchers = self._manager.fetchers
        if registration.leader == self._node_id:
            fetchers.stop(replica)
            replica.become_leader(registration, self._clock.monotonic())
        else:
            replica.become_follower(registration)
            fetchers.follow(replica)

    def _host_existing(self, wanted: _Wanted) -> bool:
        """Gives the partition its role if its log is here; False if the log has to be created."""
        name = wanted.topic_partition
        replica = self._manager.find(*name)
        if replica is not None and replica.topic_id == wanted.topic_id:
            self._set_role(replica, wanted.registration)
            return True
        if self._manager.offline_topic_id(name) == wanted.topic_id:
            return True
        if name in self._directories.corrupt:
            self._manager.set_offline(name, wanted.topic_id)
            return True
        partition_log = self._directories.log(name)
        if partition_log is None:
            assigned = wanted.registration.directory(self._node_id)
            partition_log = self._manager.moves.adopt(name, wanted.topic_id, assigned)
        if partition_log is None:
            return False
        if partition_log.topic_id is None:
            partition_log.assign_topic_id(wanted.topic_id)
        if partition_log.topic_id != wanted.topic_id:
            log.warning("%s belongs to another topic of this name; it is set aside", partition_log.directory)
            self._set_stray_aside(name)
            return False
        self._host(wanted, partition_log)
        return True

    def _host(self, wanted: _Wanted, partition_log: Log) -> None:
        name = wanted.topic_partition
        state = Partition(name, wanted.topic_id, self._node_id)
        settings = self._settings_of(name.topic)
        partition_log.update_config(settings.log_config)
        high_watermark = self._high_watermarks.get(name)
        if high_watermark is not None:
            partition_log.update_high_watermark(high_watermark)
        replica = Replica(self._manager, state, partition_log, settings)
        self._manager.add(replica)
        self._set_role(replica, wanted.registration)
        directory_id = self._directories.of(partition_log).id
        if directory_id is not None and wanted.registration.directory(self._node_id) != directory_id:
            self._assign_directory(wanted.topic_id, name.partition, directory_id)
        self._manager.moves.resume(replica)

    # Creating.

    async def _create(self, missing: list[_Wanted]) -> None:
        now_ms = self._clock.wall_ms()
        begun = [(wanted, self._begin_create(wanted, now_ms)) for wanted in missing]
        jobs = [(wanted, job) for wanted, job in begun if job is not None]
        by_directory = grouped(jobs, lambda each: each[1].directory.path)
        await asyncio.gather(*(self._create_in(path, part) for path, part in by_directory.items()))

    def _begin_create(self, wanted: _Wanted, now_ms: int) -> LoadJob | None:
        name = wanted.topic_partition
        assigned = wanted.registration.directory(self._node_id)
        directory = None if assigned is None else self._directories.by_id(assigned)
        if directory is None and assigned not in (None, UNASSIGNED_DIRECTORY):
            if self._directories.offline:
                log.warning("%s is not created: its log may lie in a directory that is offline", name)
                self._manager.set_offline(name, wanted.topic_id)
                return None
            if assigned != MIGRATING_DIRECTORY and wanted.registration.isr == (self._node_id,):
                log.error(
                    "%s is offline: its only replica in sync lay in a log directory that this node no longer has "
                    "(directory.id %s). Add that directory to log.dirs again, or delete the topic",
                    name,
                    uuid_to_string(assigned),
                )
                self._manager.set_offline(name, wanted.topic_id)
                return None
        preferred = self._manager.moves.take_preferred(name)
        if preferred is not None and self._directories.directories[preferred].is_online:
            directory = self._directories.directories[preferred]
        try:
            return self._directories.begin_create(
                name, wanted.topic_id, self._settings_of(name.topic).log_config, now_ms, directory=directory
            )
        except StorageError as error:
            log.error("%s cannot be created: %s", name, error)
            self._manager.set_offline(name, wanted.topic_id)
            return None

    async def _create_in(self, path: str, jobs: list[tuple[_Wanted, LoadJob]]) -> None:
        in_turn = [(wanted, job) for wanted, job in jobs if job.writes_checkpoint]
        beside = [(wanted, job) for wanted, job in jobs if not job.writes_checkpoint]
        lanes = ((self._executor.lane(path), in_turn), (self._executor.lane(f"{path}:create", CREATE_THREADS), beside))
        await asyncio.gather(
            *(self._create_batch(lane, batch) for lane, part in lanes for batch in slices(part, CREATED_AT_ONCE))
        )

    async def _create_batch(self, lane: Executor, batch: Sequence[tuple[_Wanted, LoadJob]]) -> None:
        await lane.run(_run_all, [job for _, job in batch])
        for count, (wanted, job) in enumerate(batch, 1):
            self._created(wanted, job)
            if count % SLICE == 0:
                await asyncio.sleep(0)

    def _created(self, wanted: _Wanted, job: LoadJob) -> None:
        name = wanted.topic_partition
        if isinstance(job.failure, StorageError):
            self._manager.storage_failed(job.failure)
        try:
            partition_log = self._directories.loaded(job)
        except ApiError as error:
            log.error("%s cannot be created: %s", name, error)
            partition_log = None
        if partition_log is None:
            self._manager.set_offline(name, wanted.topic_id)
            return
        self._host(wanted, partition_log)

    # Setting aside.

    def _delete(self, topic_partition: TopicPartition, topic_id: Uuid) -> None:
        replica = self._manager.find(*topic_partition)
        if replica is not None and replica.topic_id == topic_id:
            self._manager.remove(replica, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        self._manager.forget_offline(topic_partition)
        found = self._directories.log(topic_partition)
        if found is None or found.topic_id not in (topic_id, None):
            return
        try:
            self._write(self._directories.delete(topic_partition, self._clock.wall_ms()))
        except StorageError as error:
            self._manager.storage_failed(error)

    async def _set_strays_aside(self) -> None:
        strays = [name for name in self._directories.logs if self._manager.find(*name) is None]
        for count, name in enumerate(strays, 1):
            log.warning("%s is no partition of this broker; its log is set aside", name)
            self._set_stray_aside(name)
            if count % SLICE == 0:
                await asyncio.sleep(0)

    def _set_stray_aside(self, name: TopicPartition) -> None:
        replica = self._manager.find(*name)
        if replica is not None:
            self._manager.remove(replica, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        try:
            self._write(self._directories.mark_stray(name, self._clock.wall_ms()))
        except StorageError as error:
            self._manager.storage_failed(error)

    def _write(self, job: CheckpointJob | None) -> None:
        if job is not None:
            self._manager.run_in_order(job.directory.path, job.run)

    def _read_high_watermarks(self) -> dict[TopicPartition, int]:
        high_watermarks: dict[TopicPartition, int] = {}
        for directory in self._directories.online:
            high_watermarks.update(self._directories.read_high_watermarks(directory))
        return high_watermarks


def _run_all(jobs: list[LoadJob]) -> None:
    for job in jobs:
        job.run()
