"""What logs need from time to time: checkpoints, retention, flushing by the clock, forgetting producers, removing
files.

Each is a job for `broker.periodic`. They go over all replicas in slices, leave what waits for the disk to executors,
and touch a log only on the loop, which owns it. Counterpart: the scheduled tasks of LogManager and ReplicaManager.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from broker.environment import Clock, Executor
from broker.grouping import grouped, slices
from broker.periodic import PeriodicJobs
from broker.replication.replica import Replica
from broker.replication.replica_manager import ReplicaManager
from config.node_config import NodeConfig
from protocol.errors import ApiError, StorageError
from protocol.ids import TopicPartition
from storage.log import Log
from storage.log_config import UNLIMITED

SLICE: Final = 128
FLUSH_CHECK_S: Final = 1.0
REMOVAL_CHECK_S: Final = 5.0
REMOVAL_LANE: Final = "removals"


class Maintenance:
    def __init__(self, manager: ReplicaManager, clock: Clock, executor: Executor) -> None:
        self._manager = manager
        self._directories = manager.directories
        self._clock = clock
        self._executor = executor
        self._checkpointed: dict[str, dict[TopicPartition, int]] = {}
        """High watermarks as last written, by directory."""

    def start(self, jobs: PeriodicJobs, config: NodeConfig) -> None:
        first_s = config.log_initial_task_delay_ms / 1000
        jobs.start(
            "high watermark checkpoint",
            config.replica_high_watermark_checkpoint_interval_ms / 1000,
            self.checkpoint_high_watermarks,
        )
        interval_ms = min(
            config.log_flush_offset_checkpoint_interval_ms, config.log_flush_start_offset_checkpoint_interval_ms
        )
        jobs.start("offset checkpoint", interval_ms / 1000, self.checkpoint_offsets, delay_s=first_s)
        interval_ms = config.log_retention_check_interval_ms
        jobs.start("retention", interval_ms / 1000, self.apply_retention, delay_s=first_s)
        jobs.start("flush by time", FLUSH_CHECK_S, self.flush_due)
        jobs.start("removal of files", REMOVAL_CHECK_S, self.remove_files)
        jobs.start("lagging replicas", config.replica_lag_time_max_ms / 1000 / 2, self.shrink_in_sync_replicas)
        interval_ms = config.producer_id_expiration_check_interval_ms
        jobs.start("expiry of producers", interval_ms / 1000, self.expire_producers)

    async def checkpoint_high_watermarks(self) -> None:
        """One file a directory; not written if it would say the same. Also for when the logs are closed."""
        marks: dict[str, dict[TopicPartition, int]] = {directory.path: {} for directory in self._directories.online}
        for replica in self._manager:
            of_directory = marks.get(replica.log.log_dir)
            if of_directory is not None:
                of_directory[replica.topic_partition] = replica.log.high_watermark
        for path, of_directory in marks.items():
            if self._checkpointed.get(path) == of_directory:
                continue
            self._checkpointed[path] = of_directory
            directory = self._directories.directories[path]
            job = self._directories.begin_checkpoint_high_watermarks(directory, of_directory)
            await self._manager.run_in_order(path, job.run)

    def checkpoint_offsets(self) -> None:
        """Recovery points and log start offsets."""
        for directory in self._directories.online:
            job = self._directories.begin_checkpoint(directory)
            if job is not None:
                self._manager.run_in_order(directory.path, job.run)

    async def apply_retention(self) -> None:
        """What is old is looked for on an executor, since that may read indexes, and set aside on the loop."""
        for path, replicas in self._by_directory():
            lane = self._executor.lane(f"{path}:read")
            now_ms = self._clock.wall_ms()
            for replica in await lane.run(_with_old_segments, replicas, now_ms):
                self._on_log(replica, lambda log: log.delete_old_segments(self._clock.wall_ms()))
                await asyncio.sleep(0)

    async def flush_due(self) -> None:
        for _, replicas in self._by_directory():
            for replica in replicas:
                if replica.settings.log_config.flush_ms != UNLIMITED:
                    self._manager.maybe_flush(replica)
            await asyncio.sleep(0)

    async def shrink_in_sync_replicas(self) -> None:
        """Twice in the time that a replica may lag, as Kafka looks."""
        for count, replica in enumerate(list(self._manager), 1):
            if not (replica.state.is_single or replica.is_stopped):
                self._manager.maybe_shrink_isr(replica)
            if count % SLICE == 0:
                await asyncio.sleep(0)

    async def expire_producers(self) -> None:
        for _, replicas in self._by_directory():
            for replica in replicas:
                self._on_log(replica, lambda log: log.producer_state.remove_expired(self._clock.wall_ms()))
            await asyncio.sleep(0)

    async def remove_files(self) -> None:
        """Deleted logs and segments, once file.delete.delay.ms has passed."""
        lane = self._executor.lane(REMOVAL_LANE)
        for job in self._directories.take_deletions(self._clock.wall_ms()):
            try:
                await lane.run(job)
            except StorageError as error:
                self._manager.storage_failed(error)

    def _by_directory(self) -> Iterator[tuple[str, list[Replica]]]:
        """Slices of the replicas of each directory, as they are at the beginning."""
        for path, replicas in grouped(self._manager, lambda replica: replica.log.log_dir).items():
            for part in slices(replicas, SLICE):
                yield path, [each for each in part if not each.is_stopped]

    def _on_log(self, replica: Replica, work: Callable[[Log], object]) -> None:
        def do() -> None:
            if replica.is_stopped:
                return
            try:
                work(replica.log)
            except StorageError as error:
                replica.storage_failed(error)

        replica.when_idle(do)


def _with_old_segments(replicas: list[Replica], now_ms: int) -> list[Replica]:
    old = []
    for replica in replicas:
        try:
            if replica.log.has_old_segments(now_ms):
                old.append(replica)
        except (OSError, ApiError, StorageError):
            continue  # The log was closed or deleted meanwhile, or the loop will meet the same.
    return old
