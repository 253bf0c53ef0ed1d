"""Requests that wait for a partition: produces for replicas or the disk, fetches for data. Woken, never polled.

A produce waits at each of its partitions for an offset: the high watermark (acks=all), or the end of what is synced.
Offsets come in order, so a partition's waiters are a queue, and an advance pops those it covers. A deletion of records
waits as a produce does, for the low watermark; only there a later one may wait for less. A fetch waits at all of its
partitions at once; an advance at one of them tells it to look there again.

Both end by themselves when their time is up: what a produce still waits for is then REQUEST_TIMED_OUT, a fetch answers
with what there is. Counterpart: DelayedProduce, DelayedDeleteRecords, DelayedFetch, DelayedOperationPurgatory.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode

if TYPE_CHECKING:
    from broker.replication.replica import Replica

Settle = Callable[[ErrorCode], None]
"""Told the outcome for one partition."""


class DelayedProduce:
    """Counts the partitions that are still open; its future is done when there is none."""

    __slots__ = ("_open", "_timer", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self.future: asyncio.Future[None] = loop.create_future()
        self._open: dict[OffsetWaiter, None] = {}
        self._timer = loop.call_later(timeout_s, self._expire)

    def wait_for(self, queue: OffsetQueue, offset: int, settle: Settle) -> None:
        waiter = OffsetWaiter(self, queue, offset, settle)
        self._open[waiter] = None
        queue.add(waiter)

    def settled(self, waiter: OffsetWaiter) -> None:
        self._open.pop(waiter, None)
        if not self._open and not self.future.done():
            self._timer.cancel()
            self.future.set_result(None)

    def _expire(self) -> None:
        for waiter in list(self._open):
            waiter.finish(ErrorCode.REQUEST_TIMED_OUT)
            waiter.queue.drop_settled()


class OffsetWaiter:
    __slots__ = ("_produce", "_settle", "is_settled", "offset", "queue")

    def __init__(self, produce: DelayedProduce, queue: OffsetQueue, offset: int, settle: Settle) -> None:
        self._produce = produce
        self._settle = settle
        self.queue = queue
        self.offset = offset
        self.is_settled = False

    def finish(self, code: ErrorCode) -> None:
        if not self.is_settled:
            self.is_settled = True
            self._settle(code)
            self._produce.settled(self)


class OffsetQueue:
    """Who waits at one partition for an offset to be reached, in the order of offsets."""

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: deque[OffsetWaiter] = deque()

    def __len__(self) -> int:
        return len(self.waiters)

    def add(self, waiter: OffsetWaiter) -> None:
        waiters = self.waiters
        if waiters and waiters[-1].offset > waiter.offset:
            insort(waiters, waiter, key=lambda each: each.offset)
        else:
            waiters.append(waiter)

    def reached(self, offset: int, code: ErrorCode = ErrorCode.NONE) -> None:
        waiters = self.waiters
        while waiters and waiters[0].offset <= offset:
            waiters.popleft().finish(code)

    def fail(self, code: ErrorCode) -> None:
        """Nobody's offset will be reached any more."""
        waiters, self.waiters = self.waiters, deque()
        for waiter in waiters:
            waiter.finish(code)

    def drop_settled(self) -> None:
        waiters = self.waiters
        while waiters and waiters[0].is_settled:
            waiters.popleft()


class DelayedFetch:
    """Waits until its partitions together have `min_bytes` to read. Then, or when time is up or something changed at
    one of them, `complete` is called once: by the manager, in a slice of the loop."""

    __slots__ = ("_available", "_min_bytes", "_probe", "_size", "_timer", "complete", "is_complete")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        min_bytes: int,
        available: dict[Replica, int],
        probe: Callable[[Replica], int],
        on_ready: Callable[[DelayedFetch], None],
        complete: Callable[[], None],
    ) -> None:
        """`available`: how many bytes each partition has to read; `probe` tells it anew."""
        self._min_bytes = min_bytes
        self._available = available
        self._size = sum(available.values())
        self._probe = probe
        self._timer = loop.call_later(timeout_s, on_ready, self)
        self.complete = complete
        self.is_complete = False
        for replica in available:
            replica.fetches[self] = None

    def is_satisfied_by(self, replica: Replica) -> bool:
        """Looks again at one partition where there is more to read."""
        size = self._probe(replica)
        self._size += size - self._available[replica]
        self._available[replica] = size
        return self._size >= self._min_bytes

    def finished(self, _: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Stops waiting, without completing."""
        if not self.is_complete:
            self.is_complete = True
            self._timer.cancel()
            for replica in self._available:
                replica.fetches.pop(self, None)
