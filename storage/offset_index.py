"""The sparse map from offsets to positions in one segment, and its file, NNN.index.

    | relative offset int32 | position int32 |   8 bytes an entry, big-endian, both ascending

An entry says that the batch which starts at `position` ends with base offset + relative offset. Lookups find the entry
at or below an offset; the reader goes on over the batches from there, so that any subset of entries is a correct index,
and an empty one is merely slow.

The entries lie in two integer arrays. They only ever grow: truncation makes a new index, so a reader on another thread
that took hold of one keeps a consistent picture. The file is written when the segment is rolled or closed and loaded
when first needed; that of an active segment is empty while the log is open, since recovery after a crash rebuilds it
anyway. Kafka's counterpart: OffsetIndex, which maps a file of segment.index.bytes into memory instead.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from typing import Final

ENTRY_BYTES: Final = 8
RELATIVE_OFFSET_MAX: Final = 2**31 - 1


class CorruptIndex(Exception):
    """The bytes cannot be an index of this segment; it has to be rebuilt from the log."""


class OffsetIndex:
    __slots__ = ("base_offset", "positions", "relative_offsets")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self.relative_offsets = array("i")
        self.positions = array("i")

    @classmethod
    def decode(cls, base_offset: int, data: bytes, log_bytes: int) -> OffsetIndex:
        """CorruptIndex unless the entries can belong to a log of `log_bytes`: a crash leaves zeros, for one."""
        if len(data) % ENTRY_BYTES:
            raise CorruptIndex(f"{len(data)} bytes are no whole number of entries")
        values = array("i", data)
        if sys.byteorder == "little":
            values.byteswap()
        index = cls(base_offset)
        index.relative_offsets = values[::2]
        index.positions = values[1::2]
        index._check(log_bytes)
        return index

    def _check(self, log_bytes: int) -> None:
        offsets, positions = self.relative_offsets, self.positions
        if not offsets:
            return
        if offsets[0] < 0 or positions[0] < 0 or positions[-1] >= log_bytes:
            raise CorruptIndex(f"entry {offsets[-1]} -> {positions[-1]} in a log of {log_bytes} bytes")
        for values in (offsets, positions):
            if any(map(int.__ge__, values, values[1:])):
                raise CorruptIndex("the entries do not ascend")

    def encode(self) -> bytes:
        values = array("i", bytes(ENTRY_BYTES * len(self.positions)))
        values[::2] = self.relative_offsets
        values[1::2] = self.positions
        if sys.byteorder == "little":
            values.byteswap()
        return values.tobytes()

    def append(self, offset: int, position: int) -> None:
        relative_offset = offset - self.base_offset
        assert not self.relative_offsets or relative_offset > self.relative_offsets[-1]
        self.relative_offsets.append(relative_offset)
        self.positions.append(position)

    def lookup(self, offset: int) -> int:
        """Where to start reading for `offset`: the position of the last entry at or below it, else 0."""
        slot = bisect_right(self.relative_offsets, offset - self.base_offset)
        return self.positions[slot - 1] if slot else 0

    def upper_bound_offset(self, position: int) -> int | None:
        """The offset of the first entry at or behind `position`, None if there is none."""
        slot = bisect_right(self.positions, position - 1)
        return self.base_offset + self.relative_offsets[slot] if slot < len(self.positions) else None

    def truncated_to(self, offset: int) -> OffsetIndex:
        """An index of the entries below `offset`."""
        keep = bisect_right(self.relative_offsets, offset - self.base_offset - 1)
        index = OffsetIndex(self.base_offset)
        index.relative_offsets = self.relative_offsets[:keep]
        index.positions = self.positions[:keep]
        return index

    @property
    def last_offset(self) -> int:
        """That of the last entry, the base offset if there is none."""
        return self.base_offset + self.relative_offsets[-1] if self.relative_offsets else self.base_offset

    def __len__(self) -> int:
        return len(self.positions)
