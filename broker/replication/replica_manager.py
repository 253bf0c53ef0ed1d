"""All partitions that this broker hosts: found by name or id, told what the metadata says, woken when they move.

A partition is hosted (`Replica`), offline (its log directory has failed), or not here; clients are told the
difference. Fetches that wait are completed in slices of the loop: one append can wake a thousand.

Owns the replicas' lives, not their bytes: logs are opened, created and deleted by `LogDirectories` on executors, and
publishing waits for that, so that a topic which the controller calls created can be written to here. Counterpart:
ReplicaManager.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from broker.deferred import Deferred
from broker.environment import Clock, Executor, thread_waits
from broker.metadata.image import MetadataImage
from broker.metrics.counters import Durations, TopicsStats
from broker.replication import fetching
from broker.replication.checkpoints import Checkpoints
from broker.replication.delayed import DelayedFetch
from broker.replication.directory_moves import DirectoryMoves
from broker.replication.fetch_session import Answers, FetchPartition
from broker.replication.fetchers import Connect, EndpointOf, FetchSettings, ReplicaFetchers
from broker.replication.fetching import FetchParams, FetchResult
from broker.replication.flusher import Flusher
from broker.replication.partition import FollowerState
from broker.replication.read_replicas import preferred_replica
from broker.replication.replica import Replica
from broker.replication.slow_writes import SlowDirectories
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import TopicPartition, Uuid
from storage.directory import DirectoryError, LogDirectories, LogDirectory
from storage.failures import TransientStorageError

log = logging.getLogger(__name__)

FETCHES_COMPLETED_PER_SLICE: Final = 32
READ_THREADS: Final = 2
"""A log directory, for lookups that have to wait for the disk."""
WARM_UPS_MAX: Final = 4


class ReplicaManager:
    def __init__(
        self,
        *,
        image: Callable[[], MetadataImage],
        directories: LogDirectories,
        clock: Clock,
        executor: Executor,
        lag_max_s: float,
        on_directory_failed: Callable[[LogDirectory], None],
        on_fatal: Callable[[Exception], None],
        propose_isr: Callable[[Replica, tuple[int, ...]], None],
        fetch_settings: FetchSettings,
        broker_epoch: Callable[[], int],
        endpoint_of: EndpointOf,
        connect: Connect,
        selects_by_rack: bool = False,
        waits: Callable[[], int] = thread_waits,
    ) -> None:
        """`image` gives the metadata as of now; `lag_max_s` is replica.lag.time.max.ms. `on_fatal`: there is no log
        directory left. `propose_isr` asks the controller for other in-sync replicas. The last ones are for fetching
        from other brokers, and for consumers that may read from followers."""
        self._image = image
        self.directories = directories
        self.clock = clock
        self.executor = executor
        self.slow_directories = SlowDirectories()
        self.topics_stats = TopicsStats()
        self._partitions_of: Counter[str] = Counter()
        self.lag_max_s = lag_max_s
        self.selects_by_rack = selects_by_rack
        self.waits = waits
        self._on_directory_failed = on_directory_failed
        self._on_fatal = on_fatal
        self._propose_isr = propose_isr
        self._loop = asyncio.get_running_loop()
        self._by_name: dict[tuple[str, int], Replica] = {}
        self._by_id: dict[tuple[Uuid, int], Replica] = {}
        self._offline: dict[tuple[str, int], Uuid] = {}
        """Partitions whose log directory has failed, with their topics' ids."""
        self._flusher = Flusher(executor, clock)
        self.checkpoints = Checkpoints(self)
        self.moves = DirectoryMoves(self)
        self.fetchers = ReplicaFetchers(self, fetch_settings, broker_epoch, endpoint_of, connect)
        self._with_news: dict[Replica, None] = {}
        self._ready: deque[DelayedFetch] = deque()
        self._wake_scheduled = False

    # Finding.

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, topic: str, partition: int) -> Replica | None:
        return self._by_name.get((topic, partition))

    def find_by_id(self, topic_id: Uuid, partition: int) -> Replica | None:
        return self._by_id.get((topic_id, partition))

    def replica(self, topic: str, partition: int) -> Replica:
        """The hosted replica, or ApiError: offline, not here although it exists, or unknown."""
        replica = self._by_name.get((topic, partition))
        if replica is None:
            raise ApiError(self.why_missing(topic, partition))
        return replica

    def why_missing(self, topic: str, partition: int) -> ErrorCode:
        if (topic, partition) in self._offline:
            return ErrorCode.KAFKA_STORAGE_ERROR
        found = self._image().topics.by_name.get(topic)
        if found is not None and partition in found.partitions:
            # It exists elsewhere, or will be here in a moment: clients are to look again.
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    def replica_to_read(self, asked: FetchPartition) -> Replica:
        topic = asked.topic
        if topic is None:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_ID)
        replica = self._by_name.get((topic, asked.partition))
        if replica is None:
            raise ApiError(self.why_missing(topic, asked.partition))
        if not fetching.has_consistent_topic_id(replica, asked):
            raise ApiError(ErrorCode.INCONSISTENT_TOPIC_ID)
        return replica

    # Hosting.

    def add(self, replica: Replica) -> None:
        name = replica.topic_partition
        self._partitions_of[name.topic] += name not in self._by_name
        self._by_name[name] = replica
        self._by_id[replica.topic_id, name.partition] = replica
        self._offline.pop(name, None)

    def remove(self, replica: Replica, code: ErrorCode) -> None:
        """Those who wait at it are told `code`."""
        name = replica.topic_partition
        del self._by_name[name]
        del self._by_id[replica.topic_id, name.partition]
        self._partitions_of[name.topic] -= 1
        if not self._partitions_of[name.topic]:
            del self._partitions_of[name.topic]
            self.topics_stats.forget(name.topic)
        self.fetchers.stop(replica)
        replica.stop(code)

    def set_offline(self, topic_partition: TopicPartition, topic_id: Uuid) -> None:
        """The partition belongs here, but its log cannot be used."""
        replica = self._by_name.get(topic_partition)
        if replica is not None:
            self.remove(replica, ErrorCode.KAFKA_STORAGE_ERROR)
        self._offline[topic_partition] = topic_id

    def forget_offline(self, topic_partition: TopicPartition) -> None:
        self._offline.pop(topic_partition, None)

    def offline_topic_id(self, topic_partition: TopicPartition) -> Uuid | None:
        return self._offline.get(topic_partition)

    @property
    def offline_count(self) -> int:
        return len(self._offline)

    def storage_failed(self, failure: StorageError) -> None:
        """A directory went wrong: its partitions are offline from now on. A full disk alone is no such failure."""
        if isinstance(failure, TransientStorageError):
            log.warning("%s", failure)
            return
        directory = self.directories.directories.get(failure.directory)
        if directory is None or not directory.is_online:
            return
        # Not of partitions that merely were on their way there.
        topic_ids = {
            name: replica.topic_id
            for name, replica in self._by_name.items()
            if replica.log.log_dir == failure.directory
        }
        try:
            lost = self.directories.fail(failure.directory, failure)
        except DirectoryError as error:
            self._on_fatal(error)
            return
        for topic_partition in lost:
            topic_id = topic_ids.get(topic_partition)
            if topic_id is not None:
                self.set_offline(topic_partition, topic_id)
        log.error("%s has failed, %d partitions are offline: %s", failure.directory, len(lost), failure.message)
        self._on_directory_failed(directory)

    def replica_failed(self, replica: Replica, error: Exception) -> None:
        """One log's state is in doubt, through a mistake of ours: that log alone is offline."""
        log.critical("%s is taken offline", replica.topic_partition, exc_info=error)
        replica.log.fail(StorageError(replica.log.log_dir, f"{replica.topic_partition}: {error!r}"))
        if not replica.is_stopped:
            self.set_offline(replica.topic_partition, replica.topic_id)

    # Fetching.

    def fetch(
        self, params: FetchParams, partitions: list[FetchPartition]
    ) -> Answers | Deferred[Answers] | asyncio.Future[Answers]:
        """What there is, at once if it is enough; else when it is, or when the request's time is up."""
        result = fetching.read_all(self, params, partitions, is_first_read=True)
        if result.cold:
            return self._loop.create_task(self._fetch_cold(params, partitions, result))
        if self._is_enough(result, params):
            return result.answers
        return self._wait_for_data(params, partitions, result)

    def _is_enough(self, result: FetchResult, params: FetchParams) -> bool:
        return result.size >= params.min_bytes or result.is_urgent or params.max_wait_ms <= 0 or not result.asked

    async def _fetch_cold(self, params: FetchParams, partitions: list[FetchPartition], result: FetchResult) -> Answers:
        lane = self.executor.lane(f"{result.cold[0].log.log_dir}:read", READ_THREADS)
        for _ in range(WARM_UPS_MAX):
            await lane.run(fetching.warm_up, result.cold)
            result = fetching.read_all(self, params, partitions, is_first_read=False)
            if not result.cold:
                break
        else:
            # What was warmed up went cold again before it could be used.
            result = await lane.run(lambda: fetching.read_all(self, params, partitions, is_first_read=False, wait=True))
            for replica, failure in result.failures:
                replica.storage_failed(failure)
        if self._is_enough(result, params):
            return result.answers
        answers: Answers = await self._wait_for_data(params, partitions, result).as_future()
        return answers

    def _wait_for_data(
        self, params: FetchParams, partitions: list[FetchPartition], result: FetchResult
    ) -> Deferred[Answers]:
        deferred: Deferred[Answers] = Deferred()

        def complete() -> None:
            if deferred.done():
                return
            try:
                now = fetching.read_all(self, params, partitions, is_first_read=False)
            except Exception as error:
                deferred.set_exception(error)  # whoever asked is answered, whatever it was
                return
            if not now.cold:
                deferred.set_result(now.answers)
                return
            no_wait = msgspec.structs.replace(params, max_wait_ms=0)
            later = self._loop.create_task(self._fetch_cold(no_wait, partitions, now))
            later.add_done_callback(lambda done: _hand_on(done, deferred))

        fetch = DelayedFetch(
            self._loop,
            params.max_wait_ms / 1000,
            params.min_bytes,
            result.available,
            lambda replica: fetching.available_bytes(replica, params, result.asked[replica]),
            self._make_ready,
            complete,
        )
        deferred.add_done_callback(fetch.finished)
        return deferred

    def preferred_read_replica(self, replica: Replica, params: FetchParams, fetch_offset: int) -> int | None:
        """Where the consumer had better read, if not here."""
        if not (self.selects_by_rack and replica.state.is_leader):
            return None
        brokers = self._image().cluster.brokers

        def rack_of(broker_id: int) -> str | None:
            broker = brokers.get(broker_id)
            is_there = broker is not None and not broker.fenced and params.listener_name in broker.listeners
            return broker.rack if broker is not None and is_there else None

        return preferred_replica(replica.state, params.rack, fetch_offset, rack_of)

    def follower_fetched(
        self, replica: Replica, params: FetchParams, asked: FetchPartition, leader_end_offset: int
    ) -> None:
        """A follower asks for what follows its log's end: that is how far it has got."""
        state = replica.state
        follower = state.follower(params.replica_id, asked.current_leader_epoch)
        if self.is_stale(params):
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER, f"broker {params.replica_id} has restarted since")
        before = follower.log_end_offset
        follower.record_fetch(
            asked.fetch_offset, asked.log_start_offset, self.clock.monotonic(), leader_end_offset, params.replica_epoch
        )
        if follower.broker_id not in state.isr:
            expanded = state.expanded_isr(follower, replica.log.high_watermark, self.is_eligible)
            if expanded is not None:
                self._propose_isr(replica, expanded)
        if follower.log_end_offset != before:
            replica.advance_high_watermark()
        replica.low_watermark_may_have_moved()

    def is_stale(self, params: FetchParams) -> bool:
        """Whether a follower's fetch is of an earlier life of its broker (KIP-903)."""
        return -1 < params.replica_epoch < self._image().cluster.broker_epoch(params.replica_id)

    def maybe_shrink_isr(self, replica: Replica) -> None:
        """Leaves out the followers that have lagged for too long."""
        shrunk = replica.state.shrunk_isr(replica.log.log_end_offset, self.clock.monotonic(), self.lag_max_s)
        if shrunk is not None:
            self._propose_isr(replica, shrunk)

    def is_alive(self, broker_id: int) -> bool:
        broker = self._image().cluster.brokers.get(broker_id)
        return broker is not None and not broker.fenced

    def is_eligible(self, follower: FollowerState) -> bool:
        """Whether the metadata lets a follower into the ISR: a broker that is active, in the epoch it fetches with."""
        broker = self._image().cluster.brokers.get(follower.broker_id)
        return (
            broker is not None
            and broker.is_active
            and follower.broker_epoch is not None
            and follower.broker_epoch in (-1, broker.epoch)
        )

    # Waking.

    def has_news(self, replica: Replica) -> None:
        """There may be more to read. Looked into when this callback of the loop is over: a request that appends to many
        partitions, or many requests, wake a fetch once."""
        self._with_news[replica] = None
        if not self._wake_scheduled:
            self._schedule_wake()

    def changed(self, replica: Replica) -> None:
        """Whoever waits there has to be told that it is not what it was."""
        for fetch in list(replica.fetches):
            self._make_ready(fetch)

    def _make_ready(self, fetch: DelayedFetch) -> None:
        if not fetch.is_complete:
            fetch.finish()
            self._ready.append(fetch)
            self._schedule_wake()

    def _schedule_wake(self) -> None:
        if not self._wake_scheduled:
            self._wake_scheduled = True
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._wake_scheduled = False
        with_news, self._with_news = self._with_news, {}
        for replica in with_news:
            for fetch in list(replica.fetches):
                if fetch.is_satisfied_by(replica):
                    self._make_ready(fetch)
        ready = self._ready
        for _ in range(min(FETCHES_COMPLETED_PER_SLICE, len(ready))):
            ready.popleft().complete()
        if ready:
            self._schedule_wake()

    # Disks.

    def is_slow(self, log_dir: str) -> bool:
        """Whether appends there are to be left to the directory's own thread."""
        return self.slow_directories.is_slow(log_dir, self.clock.monotonic())

    def run_in_order(self, log_dir: str, job: Callable[[], None]) -> asyncio.Future[None]:
        """Runs the job on the directory's lane; a failure is one of the directory, and not told by the future."""
        finished: asyncio.Future[None] = self._loop.create_future()

        def done(future: asyncio.Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if isinstance(error, StorageError):
                self.storage_failed(error)
            elif error is not None:
                self.storage_failed(StorageError(log_dir, repr(error)))
            if not finished.done():
                finished.set_result(None)

        self.executor.lane(log_dir).run(job).add_done_callback(done)
        return finished

    @property
    def flush_durations(self) -> Durations:
        return self._flusher.durations

    def request_flush(self, replica: Replica) -> None:
        self._flusher.request(replica)

    def maybe_flush(self, replica: Replica) -> None:
        up_to = replica.log.flush_due(self.clock.wall_ms())
        if up_to is not None:
            self._flusher.request(replica, up_to)


def _hand_on(done: asyncio.Future[Answers], deferred: Deferred[Answers]) -> None:
    if deferred.done():
        return
    if done.cancelled():
        deferred.cancel()
        return
    error = done.exception()
    if error is not None:
        deferred.set_exception(error)
    else:
        deferred.set_result(done.result())
