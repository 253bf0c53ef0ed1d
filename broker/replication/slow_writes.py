"""Appends to a log directory whose writes are slow: on the directory's own thread, in order, a few at a time.

Normally an append costs some microseconds in the page cache, and a hop to a thread would cost more. But beside a
sync, or on a disk that hangs, the same write takes milliseconds, and everything else on the loop with it.
`SlowDirectories` notices that, and from then on, for a while, the replicas there append through a `WriteQueue`.

While a write is under way, the log belongs to that thread: whatever else changes it on the loop waits for the end of
the write (`when_idle`). Reads go on as always. Other work that may take long, such as truncating, has the log in the
same way (`run`). Counterpart: none; Kafka's request threads wait for the disk one by
one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from protocol.errors import ApiError, ErrorCode, StorageError
from storage.log import AppendInfo
from storage.validation import AppendOrigin, ValidatedAppend

if TYPE_CHECKING:
    from broker.replication.replica import Replica
    from broker.replication.replica_manager import ReplicaManager

T = TypeVar("T")

SLOW_WRITE_S: Final = 0.02
SUSPECT_FOR_S: Final = 10.0
SLOW_FOR_S: Final = 30.0
WRITES_AT_ONCE: Final = 64


class SlowDirectories:
    """A write that takes long makes its directory suspect, for a while; another one then, during which the thread
    waited instead of having lost the processor, makes it slow."""

    def __init__(self) -> None:
        self.suspects: dict[str, float] = {}
        """Until when, by directory; as `slow`."""
        self.slow: dict[str, float] = {}

    def took_long(self, log_dir: str, now_s: float, *, has_waited: bool) -> None:
        """A write to the directory, just over, took more than SLOW_WRITE_S; `has_waited` is known of suspects only."""
        if has_waited:
            self.slow[log_dir] = now_s + SLOW_FOR_S
        self.suspects[log_dir] = now_s + SUSPECT_FOR_S

    def is_suspect(self, log_dir: str, now_s: float) -> bool:
        return _is_until(self.suspects, log_dir, now_s)

    def is_slow(self, log_dir: str, now_s: float) -> bool:
        return _is_until(self.slow, log_dir, now_s)


def _is_until(until: dict[str, float], log_dir: str, now_s: float) -> bool:
    until_s = until.get(log_dir)
    if until_s is None:
        return False
    if now_s < until_s:
        return True
    del until[log_dir]
    return False


class _Write:
    __slots__ = ("acks", "batch", "error", "future", "info", "now_ms")

    def __init__(self, batch: ValidatedAppend, acks: int, now_ms: int, future: asyncio.Future[AppendInfo]) -> None:
        self.batch = batch
        self.acks = acks
        self.now_ms = now_ms
        self.future = future
        self.info: AppendInfo | None = None
        self.error: Exception | None = None


class WriteQueue:
    """Of one replica."""

    __slots__ = ("_deferred", "_manager", "_pending", "_replica", "is_writing")

    def __init__(self, replica: Replica, manager: ReplicaManager) -> None:
        self._replica = replica
        self._manager = manager
        self._pending: deque[_Write] = deque()
        self._deferred: deque[Callable[[], None]] = deque()
        self.is_writing = False

    def append(self, batch: ValidatedAppend, acks: int, now_ms: int) -> asyncio.Future[AppendInfo]:
        """The batch's place in the order is taken now; the future tells of the append as `Replica.append` does."""
        future: asyncio.Future[AppendInfo] = asyncio.get_running_loop().create_future()
        self._pending.append(_Write(batch, acks, now_ms, future))
        if not self.is_writing:
            self._start()
        return future

    @property
    def is_idle(self) -> bool:
        return not self.is_writing and not self._pending

    def when_idle(self, work: Callable[[], None]) -> None:
        """Runs the work as soon as no write is under way, before the next one begins."""
        if self.is_writing:
            self._deferred.append(work)
        else:
            work()

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Does the work on the directory's thread, as soon as no write is under way; the log belongs to it meanwhile.
        `done` is told what came of it before anything else gets the log."""

        def start() -> None:
            self.is_writing = True
            lane = self._manager.executor.lane(self._replica.log.log_dir)
            lane.run(work).add_done_callback(end)

        def end(future: asyncio.Future[T]) -> None:
            self.is_writing = False
            if future.cancelled():
                done(ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER))
            else:
                error = future.exception()
                # Whatever is no Exception ends the loop by itself.
                done(future.result() if error is None else error if isinstance(error, Exception) else Exception(error))
            self._go_on()

        self.when_idle(start)

    def _go_on(self) -> None:
        """After one who had the log, the next: what waits for an idle log first."""
        while self._deferred and not self.is_writing:
            self._deferred.popleft()()
        if self._replica.is_stopped:
            for write in self._pending:
                _fail(write, ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER))
            self._pending.clear()
        if self._pending and not self.is_writing:
            self._start()

    def _start(self) -> None:
        writes = self._accepted()
        if not writes:
            return
        self.is_writing = True
        leader_epoch = self._replica.state.leader_epoch
        lane = self._manager.executor.lane(self._replica.log.log_dir)
        lane.run(self._write, writes, leader_epoch).add_done_callback(lambda future: self._written(writes, future))

    def _accepted(self) -> list[_Write]:
        """The next writes, as far as the replica's state, as it is by now, allows them."""
        writes: list[_Write] = []
        while self._pending and len(writes) < WRITES_AT_ONCE:
            write = self._pending.popleft()
            try:
                self._replica.check_append(write.acks)
            except ApiError as error:
                _fail(write, error)
                continue
            writes.append(write)
        return writes

    def _write(self, writes: list[_Write], leader_epoch: int) -> None:
        """On the directory's thread."""
        log = self._replica.log
        for write in writes:
            try:
                write.info = log.append(
                    write.batch, leader_epoch=leader_epoch, now_ms=write.now_ms, origin=AppendOrigin.CLIENT
                )
            except Exception as error:
                write.error = error

    def _written(self, writes: list[_Write], future: asyncio.Future[None]) -> None:
        self.is_writing = False
        replica = self._replica
        if future.cancelled():
            for write in (*writes, *self._pending):
                _fail(write, ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER))
            return
        has_grown = False
        for write in writes:
            if write.error is None:
                assert write.info is not None
                if not write.info.is_duplicate:
                    has_grown = True
                    replica.count_append(write.info)
                if not write.future.done():
                    write.future.set_result(write.info)
                continue
            if isinstance(write.error, StorageError):
                replica.storage_failed(write.error)
            elif not isinstance(write.error, ApiError):
                self._manager.replica_failed(replica, write.error)
            _fail(write, write.error)
        while self._deferred and not self.is_writing:
            self._deferred.popleft()()
        if not (replica.is_stopped or self.is_writing):
            # Also for what a follower's fetch would have moved meanwhile.
            if has_grown:
                replica.has_grown()
            else:
                replica.advance_high_watermark()
        self._go_on()


def _fail(write: _Write, error: Exception) -> None:
    if not write.future.done():
        write.future.set_exception(error)
