"""Frames of a connection: a big-endian int32 size, then that many bytes.

    +------------+-----------------------+------------+------ ...
    | size int32 | size bytes of payload | size int32 |
    +------------+-----------------------+------------+------ ...

`FrameDecoder` takes what a socket gave, in any cut, and hands out whole payloads. A payload is its own `bytes`, or a
view of the chunk when one chunk held it whole: chunks given to `feed` must not change afterwards, because request
handlers keep views of a payload for as long as they work on it. A negative size, or one over the limit
(`socket.request.max.bytes`), is a DecodeError before any memory is set aside; the connection ends there, as with
Kafka's `NetworkReceive`.
"""

from __future__ import annotations

from typing import Final

from protocol.errors import DecodeError
from protocol.wire import Buffer

_SIZE_BYTES: Final = 4


class FrameDecoder:
    """Cuts the byte stream of one connection into payloads of at most `size_bytes_max` bytes."""

    __slots__ = ("_chunks", "_missing", "_size_bytes_max")

    def __init__(self, size_bytes_max: int) -> None:
        self._size_bytes_max = size_bytes_max
        self._chunks: list[Buffer] = []  # an unfinished frame, its size field included
        self._missing = 0  # bytes the unfinished frame still lacks, or 0 while its size is unknown

    @property
    def pending_bytes(self) -> int:
        """Bytes held of a frame that is not complete yet."""
        return sum(map(len, self._chunks))

    def feed(self, data: Buffer) -> list[memoryview]:
        """The payloads completed by `data`, in order."""
        frames: list[memoryview] = []
        if self._chunks:
            if len(data) < self._missing:
                self._chunks.append(data)
                self._missing -= len(data)
                return frames
            self._chunks.append(data)
            data = b"".join(self._chunks) if self._missing == 0 else self._complete(frames)
            self._chunks.clear()
        self._cut(memoryview(data), frames)
        return frames

    def _complete(self, frames: list[memoryview]) -> Buffer:
        """Adds the frame that the last chunk completes; returns what follows it."""
        last = memoryview(self._chunks[-1])
        self._chunks[-1] = last[: self._missing]
        frames.append(memoryview(b"".join(self._chunks))[_SIZE_BYTES:])
        return last[self._missing :]

    def _cut(self, view: memoryview, frames: list[memoryview]) -> None:
        position, length = 0, len(view)
        self._missing = 0
        while position < length:
            if length - position < _SIZE_BYTES:
                self._chunks.append(view[position:])
                return
            end = position + _SIZE_BYTES + self._size_at(view, position)
            if end > length:
                self._chunks.append(view[position:])
                self._missing = end - length
                return
            frames.append(view[position + _SIZE_BYTES : end])
            position = end

    def _size_at(self, view: memoryview, position: int) -> int:
        size = int.from_bytes(view[position : position + _SIZE_BYTES], "big", signed=True)
        if size < 0:
            raise DecodeError(f"a frame has the negative size {size}")
        if size > self._size_bytes_max:
            raise DecodeError(f"a frame of {size} bytes is over the limit of {self._size_bytes_max}")
        return size
