"""The sparse map from timestamps to offsets in one segment, and its file, NNN.timeindex.

    | timestamp int64 | relative offset int32 |   12 bytes an entry, big-endian, timestamps ascending

An entry says that no batch up to and including the one ending with that offset has a larger timestamp, and that this
one has it. The last entry of a rolled or closed segment is its maximum, which retention goes by. Memory and file are
kept as in offset_index.py. Kafka's counterpart: TimeIndex.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from typing import Final

from storage.offset_index import CorruptIndex

ENTRY_BYTES: Final = 12
NO_TIMESTAMP: Final = -1

# Where the halves of a 64-bit number lie in memory: whole arrays are converted, for a rolled segment may have 100,000
# entries and the event loop waits.
_HIGH, _LOW = (1, 0) if sys.byteorder == "little" else (0, 1)


class TimeIndex:
    __slots__ = ("base_offset", "relative_offsets", "timestamps")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self.timestamps = array("q")
        self.relative_offsets = array("i")

    @classmethod
    def decode(cls, base_offset: int, data: bytes) -> TimeIndex:
        """CorruptIndex if these cannot be the entries of any segment."""
        if len(data) % ENTRY_BYTES:
            raise CorruptIndex(f"{len(data)} bytes are no whole number of entries")
        words = array("i", data)
        if sys.byteorder == "little":
            words.byteswap()
        index = cls(base_offset)
        halves = array("i", bytes(8 * (len(words) // 3)))
        halves[_HIGH::2] = words[::3]
        halves[_LOW::2] = words[1::3]
        index.timestamps = array("q", halves.tobytes())
        index.relative_offsets = words[2::3]
        index._check()
        return index

    def _check(self) -> None:
        timestamps, offsets = self.timestamps, self.relative_offsets
        if not timestamps:
            return
        if timestamps[0] < 0 or offsets[0] < 0 or any(map(int.__ge__, timestamps, timestamps[1:])):
            raise CorruptIndex("the timestamps do not ascend")
        if any(map(int.__gt__, offsets, offsets[1:])):
            raise CorruptIndex("the offsets do not ascend")

    def encode(self) -> bytes:
        halves = array("i", self.timestamps.tobytes())
        words = array("i", bytes(ENTRY_BYTES * len(self.timestamps)))
        words[::3] = halves[_HIGH::2]
        words[1::3] = halves[_LOW::2]
        words[2::3] = self.relative_offsets
        if sys.byteorder == "little":
            words.byteswap()
        return words.tobytes()

    def maybe_append(self, timestamp: int, offset: int) -> None:
        """Only a larger timestamp makes an entry."""
        if timestamp > (self.timestamps[-1] if self.timestamps else NO_TIMESTAMP):
            self.timestamps.append(timestamp)
            self.relative_offsets.append(offset - self.base_offset)

    def lookup(self, timestamp: int) -> int:
        """Everything up to this offset is older than or as old as `timestamp`; the base offset if nothing is known."""
        slot = bisect_right(self.timestamps, timestamp)
        return self.base_offset + self.relative_offsets[slot - 1] if slot else self.base_offset

    def truncated_to(self, offset: int) -> TimeIndex:
        """An index of the entries whose offset is below `offset`."""
        keep = bisect_left(self.relative_offsets, offset - self.base_offset)
        index = TimeIndex(self.base_offset)
        index.timestamps = self.timestamps[:keep]
        index.relative_offsets = self.relative_offsets[:keep]
        return index

    @property
    def last_entry(self) -> tuple[int, int]:
        """(timestamp, offset); (-1, base offset) if there is none."""
        if not self.timestamps:
            return NO_TIMESTAMP, self.base_offset
        return self.timestamps[-1], self.base_offset + self.relative_offsets[-1]

    def __len__(self) -> int:
        return len(self.timestamps)
