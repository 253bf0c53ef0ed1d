"""Replies that wait for the high watermark, each with a deadline.

What waits for an offset leaves when the high watermark lies above it, in order of offsets; the rest fails at its
deadline, or all at once when the shard is lost. All wait equally long, so deadlines come in the order of arrival.
Kafka's counterpart: DeferredEventQueue.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from protocol.errors import ErrorCode

Complete = Callable[[ErrorCode], None]


class _Deferred:
    __slots__ = ("complete", "deadline_s", "offset", "sequence")

    def __init__(self, offset: int, sequence: int, deadline_s: float, complete: Complete) -> None:
        self.offset = offset
        self.sequence = sequence
        self.deadline_s = deadline_s
        self.complete: Complete | None = complete

    def __lt__(self, other: _Deferred) -> bool:
        return (self.offset, self.sequence) < (other.offset, other.sequence)


class DeferredReplies:
    def __init__(self) -> None:
        self._by_offset: list[_Deferred] = []
        self._by_deadline: deque[_Deferred] = deque()
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._by_offset)

    def add(self, offset: int, deadline_s: float, complete: Complete) -> None:
        self._sequence += 1
        entry = _Deferred(offset, self._sequence, deadline_s, complete)
        heapq.heappush(self._by_offset, entry)
        self._by_deadline.append(entry)

    @property
    def next_deadline_s(self) -> float | None:
        while self._by_deadline and self._by_deadline[0].complete is None:
            self._by_deadline.popleft()
        return self._by_deadline[0].deadline_s if self._by_deadline else None

    def complete_below(self, high_watermark: int) -> None:
        while self._by_offset and self._by_offset[0].offset < high_watermark:
            _finish(heapq.heappop(self._by_offset), ErrorCode.NONE)

    def expire(self, now_s: float) -> int:
        """Fails what has waited long enough with REQUEST_TIMED_OUT, and says how many that were."""
        count = 0
        while (deadline_s := self.next_deadline_s) is not None and deadline_s <= now_s:
            _finish(self._by_deadline.popleft(), ErrorCode.REQUEST_TIMED_OUT)
            count += 1
        if count:
            # While the high watermark stands still, what has failed must not pile up.
            self._by_offset = [entry for entry in self._by_offset if entry.complete is not None]
            heapq.heapify(self._by_offset)
        return count

    def fail_all(self, error: ErrorCode) -> None:
        entries = sorted(self._by_offset)
        self._by_offset.clear()
        self._by_deadline.clear()
        for entry in entries:
            _finish(entry, error)


def _finish(entry: _Deferred, error: ErrorCode) -> None:
    complete, entry.complete = entry.complete, None
    if complete is not None:
        complete(error)
