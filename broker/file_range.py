"""A stretch of a log's file on its way to a client: read piece by piece while it is sent, never as a whole.

Stands in a response's `records` field in place of bytes; its length is known, its bytes are fetched when the socket
takes them. So a client that asks for 50 MB and does not read costs one piece of memory.
"""

from __future__ import annotations

from typing import Protocol

from protocol.wire import Buffer


class ReadableFile(Protocol):
    def pread(self, size: int, offset: int) -> bytes: ...

    def pread_nowait(self, size: int, offset: int) -> Buffer | None: ...


class FileRange:
    __slots__ = ("disk", "file", "position", "size")

    def __init__(self, file: ReadableFile, position: int, size: int, disk: str = "") -> None:
        """`disk` names what is waited for where the range is not in memory: a log directory."""
        self.file = file
        self.position = position
        self.size = size
        self.disk = disk

    def __len__(self) -> int:
        return self.size

    def read_nowait(self, offset: int, size: int) -> Buffer | None:
        """`size` bytes at `offset` of the range, or None where the disk would have to be waited for."""
        return self.file.pread_nowait(size, self.position + offset)

    def read(self, offset: int, size: int) -> Buffer:
        """As `read_nowait`, but waits; not for the event loop."""
        return self.file.pread(size, self.position + offset)
