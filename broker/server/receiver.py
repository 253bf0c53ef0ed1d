"""Bytes of one connection become frames, with as few copies and as little memory as the peer's bytes justify.

A frame is a big-endian int32 size, then so many bytes. Reads go into a scratch buffer shared by all connections of
the process (filled and emptied within one callback, never kept); frames that lie in it whole are copied out, since
their views live on. A frame that is larger, or that came in part, gets a buffer of its own, and the rest of it is
received right there. That buffer grows with what has arrived, so a peer that announces 100 MB and sends nothing costs
nothing.

Counterpart: NetworkReceive. An announced size that is negative or over the limit is a DecodeError, after the frames
before it have been handed out.
"""

from __future__ import annotations

import struct

from protocol.errors import DecodeError

GROWTH_BYTES_MIN = 64 * 1024
SPARING_BYTES = 4096
FORESEEN = 4

_SIZE = struct.Struct(">i")


class Receiver:
    __slots__ = ("_filled", "_frame", "_max_bytes", "_rest", "_scratch", "_size", "failure", "has_partial")

    def __init__(self, scratch: memoryview, max_bytes: int) -> None:
        self._scratch = scratch
        self._max_bytes = max_bytes
        self._rest = b""
        """The first bytes of a size, less than four."""
        self._frame: bytearray | None = None
        self._filled = 0
        self._size = 0
        self.failure: DecodeError | None = None
        self.has_partial = False
        """Whether a part of a frame, or of its size, has come."""

    @property
    def partial_bytes(self) -> int:
        """How much of a frame in progress has come."""
        return self._filled if self._frame is not None else len(self._rest)

    @property
    def allocated_bytes(self) -> int:
        return 0 if self._frame is None else len(self._frame)

    def buffer(self, *, sparing: bool = False) -> memoryview:
        """Where the next bytes go; `received` must follow before any other receiver of this scratch is used. With
        `sparing` it is small: whatever comes in may have to be kept, and there is no memory for it."""
        frame = self._frame
        if frame is not None:
            if self._filled == len(frame):
                growth = SPARING_BYTES if sparing else max(len(frame), GROWTH_BYTES_MIN)
                frame.extend(bytes(min(growth, self._size - len(frame))))
            return memoryview(frame)[self._filled :]
        rest = self._rest
        if rest:
            self._scratch[: len(rest)] = rest
            return self._scratch[len(rest) : SPARING_BYTES] if sparing else self._scratch[len(rest) :]
        return self._scratch[:SPARING_BYTES] if sparing else self._scratch

    def only_frame(self, count: int) -> bytes | None:
        """What came is one frame and nothing else, as nearly always: that frame. Else None, and `received` has to be
        called. Not while there is a part of one."""
        scratch = self._scratch
        if count < 4 or count > self._max_bytes or _SIZE.unpack_from(scratch)[0] != count - 4:
            return None
        return bytes(scratch[4:count])

    def received(self, count: int) -> list[bytes | bytearray]:
        """Takes `count` bytes that were put into `buffer()`; returns the frames now whole, without their size."""
        frame = self._frame
        if frame is None:
            end = count + len(self._rest)
            self._rest = b""
            return self._split(end)
        self._filled += count
        if self._filled < self._size:
            return []
        self._frame = None
        self.has_partial = False
        return [frame]

    def _split(self, end: int) -> list[bytes | bytearray]:
        scratch = self._scratch
        frames: list[bytes | bytearray] = []
        position = 0
        while position + 4 <= end:
            (size,) = _SIZE.unpack_from(scratch, position)
            if size < 0 or size > self._max_bytes:
                self.failure = DecodeError(f"a request of {size} bytes, the limit is {self._max_bytes}")
                self.has_partial = False
                return frames
            start = position + 4
            position = start + size
            if position > end:
                self._begin(size, scratch[start:end])
                return frames
            frames.append(bytes(scratch[start:position]))
        self._rest = bytes(scratch[position:end])
        self.has_partial = position < end
        return frames

    def _begin(self, size: int, first: memoryview) -> None:
        self._size = size
        self._filled = len(first)
        enough = max(SPARING_BYTES, len(first))
        # A peer that has sent a fourth is believed the rest, and spared the copies of growing.
        frame = bytearray(size if size <= FORESEEN * enough else enough)
        frame[: self._filled] = first
        self._frame = frame
        self.has_partial = True
