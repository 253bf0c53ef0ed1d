"""A partition that this broker hosts: its log, its state machine, and those who wait for it to move.

Puts `Partition` (who leads, what is committed) and `Log` (bytes and offsets) together: an append checks leadership,
writes, and lets the high watermark follow; a read checks leadership and epoch, and finds the bytes. Whatever moves
wakes its waiters: produces at once, fetches by way of the manager, listeners (coordinators) with the leader epoch
that they may rely on.

As a follower it appends what the leader sent and takes over what the leader says of itself; the fetchers (fetchers.py)
bring it.

With flush.messages=1 the leader's own log counts only as far as it is synced, for the high watermark and for acks=1.
All appends that came while one sync ran are covered by the next. Counterpart: Partition.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from broker.metadata.partitions import PartitionRegistration
from broker.replication.delayed import DelayedFetch, OffsetQueue
from broker.replication.partition import Partition
from broker.replication.slow_writes import SLOW_WRITE_S, WriteQueue
from broker.replication.topic_settings import TopicSettings
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import OffsetAndEpoch, TopicPartition, Uuid
from protocol.wire import Buffer
from storage.log import AppendInfo, Log
from storage.log_config import UNLIMITED
from storage.validation import AppendOrigin, UnexpectedAppendOffset, ValidatedAppend

if TYPE_CHECKING:
    from broker.replication.replica_manager import ReplicaManager

log = logging.getLogger(__name__)

T = TypeVar("T")

ACKS_ALL: Final = -1
UP_TO_HIGH_WATERMARK: Final = -1

HighWatermarkListener = Callable[[TopicPartition, int, int], None]
"""(partition, leader epoch, high watermark)"""


class Replica:
    __slots__ = (
        "_active_segment",
        "_manager",
        "fetches",
        "high_watermark_waiters",
        "is_stopped",
        "listeners",
        "log",
        "low_watermark_waiters",
        "settings",
        "state",
        "stats",
        "sync_waiters",
        "topic_id",
        "topic_partition",
        "writes",
    )

    def __init__(self, manager: ReplicaManager, state: Partition, partition_log: Log, settings: TopicSettings) -> None:
        self._manager = manager
        self.topic_partition = state.topic_partition
        self.topic_id: Uuid = state.topic_id
        self.state = state
        self.log = partition_log
        self.settings = settings
        self.stats = manager.topics_stats.of(state.topic_partition.topic)
        """Shared by all partitions of the topic that are here."""
        state.min_insync_replicas = settings.min_insync_replicas
        self.high_watermark_waiters = OffsetQueue()
        self.sync_waiters = OffsetQueue()
        self.low_watermark_waiters = OffsetQueue()
        self.fetches: dict[DelayedFetch, None] = {}
        self.listeners: dict[HighWatermarkListener, None] = {}
        self.is_stopped = False
        """Offline or deleted: nothing may be started any more."""
        self._active_segment = partition_log.active
        self.writes: WriteQueue | None = None
        """There while the directory is slow."""

    def when_idle(self, work: Callable[[], None]) -> None:
        """Does what changes the log: now, unless a slow write has the log."""
        if self.writes is None:
            work()
        else:
            self.writes.when_idle(work)

    def replace_log(self, partition_log: Log) -> None:
        """While the log is idle: the same records, in another directory."""
        self.log = partition_log
        self._active_segment = partition_log.active

    @property
    def is_writing(self) -> bool:
        return self.writes is not None and self.writes.is_writing

    def configure(self, settings: TopicSettings) -> None:
        was_synced = self.settings.is_synced
        self.settings = settings
        self.state.min_insync_replicas = settings.min_insync_replicas
        self.log.update_config(settings.log_config)
        if was_synced and not settings.is_synced:
            self.sync_waiters.reached(self.log.log_end_offset)
        elif settings.is_synced:
            self._manager.request_flush(self)
        self.advance_high_watermark()

    # Leadership.

    def become_leader(self, registration: PartitionRegistration, now_s: float) -> None:
        partition_log = self.log
        if self.state.become_leader(registration, partition_log.log_end_offset, now_s):
            # Followers that hold records of an epoch between the last one here and this one must find out where to cut.
            partition_log.leader_epochs.assign(registration.leader_epoch, partition_log.log_end_offset)
        self.advance_high_watermark()
        if self.settings.is_synced:
            self._manager.request_flush(self)

    def become_follower(self, registration: PartitionRegistration) -> bool:
        """True if a new leader epoch begins."""
        was_leader = self.state.is_leader
        is_new_epoch = self.state.become_follower(registration)
        if was_leader:
            self._fail_waiters(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        elif is_new_epoch:
            self._manager.changed(self)
        return is_new_epoch

    def stop(self, code: ErrorCode) -> None:
        """The replica is gone from this broker, for the reason that its waiters are told."""
        self.is_stopped = True
        self._fail_waiters(code)
        self.listeners.clear()

    def _fail_waiters(self, code: ErrorCode) -> None:
        self.high_watermark_waiters.fail(code)
        self.sync_waiters.fail(code)
        self.low_watermark_waiters.fail(code)
        self._manager.changed(self)

    def check_leader(self) -> None:
        if not self.state.is_leader:
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def check_epoch(self, current_leader_epoch: int, *, leader_only: bool) -> None:
        """Whether a client or follower that believes in this leader epoch is to be served."""
        code = self.state.check_leader_epoch(current_leader_epoch)
        if code != ErrorCode.NONE:
            raise ApiError(code)
        if leader_only and not self.state.is_leader:
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def storage_failed(self, failure: StorageError) -> None:
        """What went wrong with this log concerns its directory, unless the log was just taken away or moved."""
        if not self.is_stopped and failure.directory == self.log.log_dir:
            self._manager.storage_failed(failure)

    # Appending.

    def append(
        self, batch: ValidatedAppend, required_acks: int, now_ms: int, origin: AppendOrigin = AppendOrigin.CLIENT
    ) -> AppendInfo:
        """Appends as leader. ApiError or StorageError: then nothing was appended."""
        state = self.state
        self.stats.total_produce_requests += 1
        if not (state.is_leader and state.has_enough_in_sync) or self.is_stopped:
            self.check_append(required_acks)
        assert self.writes is None or not self.writes.is_writing, "who appends to a slow directory queues"
        manager = self._manager
        monotonic, slow = manager.clock.monotonic, manager.slow_directories
        before_s = monotonic()
        waits = -1
        if slow.suspects and slow.is_suspect(self.log.log_dir, before_s):
            waits = manager.waits()
        try:
            info = self.log.append(batch, leader_epoch=state.leader_epoch, now_ms=now_ms, origin=origin)
        except Exception as error:
            self._failed(error)
            raise
        now_s = monotonic()
        if now_s - before_s > SLOW_WRITE_S:
            has_waited = waits >= 0 and manager.waits() > waits
            slow.took_long(self.log.log_dir, now_s, has_waited=has_waited)
        if not info.is_duplicate:
            stats = self.stats
            stats.messages_in += info.records_count
            stats.bytes_in += info.size
            self.has_grown()
        return info

    def _before_write(self) -> tuple[float, int]:
        """When, and how often this thread has waited until then, if that is of interest."""
        before_s, slow = self._manager.clock.monotonic(), self._manager.slow_directories
        if slow.suspects and slow.is_suspect(self.log.log_dir, before_s):
            return before_s, self._manager.waits()
        return before_s, -1

    def _after_write(self, before_s: float, waits: int) -> None:
        now_s = self._manager.clock.monotonic()
        if now_s - before_s > SLOW_WRITE_S:
            has_waited = waits >= 0 and self._manager.waits() > waits
            self._manager.slow_directories.took_long(self.log.log_dir, now_s, has_waited=has_waited)

    def count_append(self, info: AppendInfo) -> None:
        stats = self.stats
        stats.messages_in += info.records_count
        stats.bytes_in += info.size

    def check_append(self, required_acks: int) -> None:
        state = self.state
        if not state.is_leader or self.is_stopped:
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if required_acks == ACKS_ALL:
            state.check_enough_in_sync()

    def append_in_turn(
        self, batch: ValidatedAppend, required_acks: int, now_ms: int
    ) -> AppendInfo | asyncio.Future[AppendInfo]:
        """As `append`; a future where the directory is slow, or has been and has not worked off its queue."""
        manager = self._manager
        if self.writes is None:
            if not manager.slow_directories.slow or not manager.is_slow(self.log.log_dir):
                return self.append(batch, required_acks, now_ms)
            self.writes = WriteQueue(self, manager)
        elif self.writes.is_idle and not manager.is_slow(self.log.log_dir):
            self.writes = None
            return self.append(batch, required_acks, now_ms)
        self.stats.total_produce_requests += 1
        self.check_append(required_acks)
        return self.writes.append(batch, required_acks, now_ms)

    # Following.

    def check_follower(self, leader_epoch: int) -> None:
        """Whether this is still the follower of the leader of that epoch."""
        state = self.state
        if state.is_leader or state.leader_epoch != leader_epoch or self.is_stopped:
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def append_as_follower(
        self, records: Buffer, leader_epoch: int, now_ms: int
    ) -> AppendInfo | asyncio.Future[AppendInfo]:
        """What the leader of that epoch sent, as it is; a future where the directory is slow. ApiError, StorageError
        and UnexpectedAppendOffset: then nothing was appended."""
        self.check_follower(leader_epoch)

        def write() -> AppendInfo:
            return self.log.append_as_follower(records, leader_epoch=leader_epoch, now_ms=now_ms)

        manager = self._manager
        if self.is_writing or (manager.slow_directories.slow and manager.is_slow(self.log.log_dir)):
            return self._alone_with_log(leader_epoch, write, self._has_followed)
        before_s, waits = self._before_write()
        try:
            info = write()
        except Exception as error:
            self._failed(error)
            raise
        self._after_write(before_s, waits)
        self._has_followed(info)
        return info

    def _has_followed(self, info: AppendInfo) -> None:
        self.stats.replication_bytes_in += info.size
        if info.size:
            self.has_grown()

    def truncate_as_follower(self, offset: int, leader_epoch: int, *, is_whole: bool) -> asyncio.Future[None]:
        """Cuts the log to the offset; or empties it, to go on there. Errors as for appending."""

        def truncate() -> None:
            partition_log, now_ms = self.log, self._manager.clock.wall_ms()
            if is_whole:
                start_offset = max(partition_log.log_start_offset, offset)
                partition_log.truncate_fully_and_start_at(offset, now_ms, start_offset)
            else:
                partition_log.truncate_to(offset, now_ms)

        def truncated(_: None) -> None:
            self._active_segment = self.log.active
            if self.settings.is_synced:
                self._manager.request_flush(self)
            self._manager.changed(self)

        return self._alone_with_log(leader_epoch, truncate, truncated)

    def learn(self, high_watermark: int, log_start_offset: int) -> None:
        """What the leader says of itself, for as much as this log has."""
        self.when_idle(lambda: self._learn(high_watermark, log_start_offset))

    def _learn(self, high_watermark: int, log_start_offset: int) -> None:
        partition_log = self.log
        if self.state.is_leader or self.is_stopped:
            return
        if partition_log.advance_high_watermark(min(high_watermark, partition_log.log_end_offset)) and self.fetches:
            self._manager.has_news(self)
        partition_log.advance_log_start_offset(min(log_start_offset, partition_log.high_watermark))

    def _alone_with_log(self, leader_epoch: int, work: Callable[[], T], done: Callable[[T], None]) -> asyncio.Future[T]:
        """Has the work done on the directory's thread, if this is still a follower in that epoch when its turn has
        come."""
        if self.writes is None:
            self.writes = WriteQueue(self, self._manager)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def begin() -> T:
            self.check_follower(leader_epoch)
            return work()

        def end(result: T | Exception) -> None:
            if isinstance(result, Exception):
                self._failed(result)
                if not future.done():
                    future.set_exception(result)
                return
            if not self.is_stopped:
                done(result)
            if not future.done():
                future.set_result(result)

        self.writes.run(begin, end)
        return future

    def _failed(self, error: Exception) -> None:
        """A change of the log went wrong."""
        if isinstance(error, StorageError):
            self.storage_failed(error)
        elif not isinstance(error, ApiError | UnexpectedAppendOffset):
            # What the log holds is no longer what its state says: it must not be served.
            self._manager.replica_failed(self, error)

    def has_grown(self) -> None:
        """Records were appended: lets everything follow that depends on the log's end."""
        settings = self.settings
        if settings.is_synced:
            self._manager.request_flush(self)
        else:
            self.advance_high_watermark()
            if self.log.active is not self._active_segment or settings.log_config.flush_messages != UNLIMITED:
                self._active_segment = self.log.active
                self._manager.maybe_flush(self)
        if self.fetches:
            self._manager.has_news(self)

    def has_synced(self) -> None:
        """The recovery point has moved."""
        if self.settings.is_synced:
            self.sync_waiters.reached(self.log.recovery_point)
            if self.state.is_leader:
                self.advance_high_watermark()
            else:
                self._manager.fetchers.has_synced(self)

    # Offsets.

    @property
    def own_end_offset(self) -> int:
        """As far as this log counts towards the high watermark."""
        return self.log.recovery_point if self.settings.is_synced else self.log.log_end_offset

    def is_to_tell(self, known: int) -> bool:
        """Whether a follower that knows this high watermark is told at once that it has moved, not with the next
        records: where consumers read from followers, they wait for it."""
        return self._manager.selects_by_rack and 0 <= known < self.log.high_watermark

    def advance_high_watermark(self) -> None:
        state, manager = self.state, self._manager
        if not state.is_leader or (self.writes is not None and self.writes.is_writing):
            return  # A write under way tells when it is done.
        partition_log = self.log
        target: int | None = partition_log.recovery_point if self.settings.is_synced else partition_log.log_end_offset
        if not state.is_single:
            now_s = manager.clock.monotonic()
            target = state.next_high_watermark(self.own_end_offset, now_s, manager.lag_max_s, manager.is_eligible)
        if target is None or not partition_log.advance_high_watermark(target):
            return
        if self.high_watermark_waiters.waiters:
            self.high_watermark_waiters.reached(target, state.acknowledgement)
        if self.fetches:
            manager.has_news(self)
        if self.listeners:
            self._tell_listeners(target)

    def _tell_listeners(self, high_watermark: int) -> None:
        for listener in list(self.listeners):
            try:
                listener(self.topic_partition, self.state.leader_epoch, high_watermark)
            except Exception:
                # Its own affair: what was appended is appended.
                log.exception("a listener of %s failed", self.topic_partition)

    # Deleting records.

    def delete_records(self, offset: int) -> int:
        """As leader, while the log is idle: nothing below the offset (-1: the high watermark) is served any more.
        Returns the offset that is meant; the records are gone everywhere once the low watermark has come there."""
        self.check_leader()
        config = self.log.config
        if config.is_compacted and not config.deletes_old_segments:
            raise ApiError(ErrorCode.POLICY_VIOLATION, f"{self.topic_partition} is compacted, nothing else is deleted")
        if offset == UP_TO_HIGH_WATERMARK:
            offset = self.log.high_watermark
        if offset < 0:
            raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, f"{offset} is no offset")
        self.log.advance_log_start_offset(offset)
        self.low_watermark_may_have_moved()
        return offset

    @property
    def low_watermark(self) -> int:
        """Where the log begins on every replica whose broker is alive."""
        low_watermark = self.log.log_start_offset
        for follower in self.state.followers.values():
            if follower.log_start_offset < low_watermark and self._manager.is_alive(follower.broker_id):
                low_watermark = follower.log_start_offset
        return low_watermark

    def low_watermark_may_have_moved(self) -> None:
        if len(self.low_watermark_waiters):
            self.low_watermark_waiters.reached(self.low_watermark)

    def end_offset_for_epoch(self, leader_epoch: int) -> OffsetAndEpoch:
        return self.log.end_offset_for_epoch(leader_epoch)
