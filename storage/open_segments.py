"""A bound on what sealed segments keep open: descriptors of their files, memory of their indexes.

Descriptors are scarce when one process serves thousands of logs. The active segment of a log keeps its own; the others
open theirs when they are read, and the ones used longest ago give theirs back. Shared by all logs of a node and used
from several threads without a lock: every step is one operation of a dictionary, and a reader that holds the file of a
segment just released keeps it open (files.py). The worst a race can do is to release a segment early or late.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol


class Releasable(Protocol):
    @property
    def index_bytes(self) -> int: ...

    def release(self) -> None: ...


class OpenSegments:
    def __init__(self, *, segments_max: int = 512, index_bytes_max: int = 64 << 20) -> None:
        self._segments: OrderedDict[Releasable, None] = OrderedDict()
        self._segments_max = segments_max
        self._index_bytes_max = index_bytes_max
        self._uses = 0

    def use(self, segment: Releasable) -> None:
        """`segment` is being read: it becomes the last to be released."""
        self._segments[segment] = None
        try:
            self._segments.move_to_end(segment)
        except KeyError:
            return
        self._uses += 1
        if len(self._segments) > self._segments_max:
            self._release_oldest()
        elif self._uses % 64 == 0:
            # Indexes are loaded after the segment came in; their sum is looked at now and then.
            while len(self._segments) > 1 and self._index_bytes() > self._index_bytes_max:
                self._release_oldest()

    def forget(self, segment: Releasable) -> None:
        """`segment` is deleted or became active: it looks after itself."""
        self._segments.pop(segment, None)

    def _release_oldest(self) -> None:
        try:
            segment, _ = self._segments.popitem(last=False)
        except KeyError:
            return
        segment.release()

    def _index_bytes(self) -> int:
        return sum(segment.index_bytes for segment in list(self._segments))

    def __len__(self) -> int:
        return len(self._segments)
