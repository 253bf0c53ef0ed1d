"""A range of bytes of a segment: what a read of a log answers, not yet read itself.

The slice refers to the open file, so it stays valid when the segment is deleted, and when it is truncated merely comes
out shorter. `read_nowait` is for the event loop; where it has None, the range is not in the page cache and `read`
belongs on an executor. Kafka's counterpart: FileRecords.slice in a FetchDataInfo.
"""

from __future__ import annotations

from protocol.wire import Buffer
from storage.failures import storage_error
from storage.files import File


class LogSlice:
    __slots__ = ("directory", "file", "first_offset", "position", "segment_base_offset", "size")

    def __init__(
        self,
        file: File | None,
        position: int,
        size: int,
        *,
        first_offset: int,
        segment_base_offset: int,
        directory: str,
    ) -> None:
        """`first_offset` is the base offset of the first batch, or, without one, the offset that was asked for."""
        self.file = file
        self.position = position
        self.size = size
        self.first_offset = first_offset
        self.segment_base_offset = segment_base_offset
        self.directory = directory

    def read_nowait(self) -> Buffer | None:
        """The bytes, None if that would have to wait for the disk."""
        if self.file is None or not self.size:
            return b""
        try:
            return self.file.pread_nowait(self.size, self.position)
        except OSError as e:
            raise storage_error(self.directory, e, "reading a segment") from e

    def read(self) -> Buffer:
        if self.file is None or not self.size:
            return b""
        try:
            return self.file.pread(self.size, self.position)
        except OSError as e:
            raise storage_error(self.directory, e, "reading a segment") from e

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"LogSlice(position={self.position}, size={self.size}, first_offset={self.first_offset})"
