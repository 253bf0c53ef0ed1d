"""Snapshots of the producers of a log: the files `<end offset>.snapshot` beside its segments.

    version int16 = 1 | crc uint32 | count int32 | { producer_id int64 | epoch int16 | last_sequence int32
    | last_offset int64 | offset_delta int32 | timestamp int64 | coordinator_epoch int32
    | current_txn_first_offset int64 }*

The CRC-32C covers what follows it. An entry keeps only the last batch of its producer, so after a restart a retry of an
older one is refused rather than recognised, as in Kafka. A file that is torn or damaged is worth nothing and is
removed; the state is then rebuilt from an older snapshot and the log. Kafka's counterpart: ProducerStateManager's
readSnapshot and writeSnapshot, SnapshotFile, the message ProducerSnapshot.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable
from struct import Struct
from typing import Final

from crc32c import crc32c

from protocol.errors import DecodeError
from storage.files import Files
from storage.producer_entry import ProducerStateEntry

SUFFIX: Final = ".snapshot"
DELETED_SUFFIX: Final = ".deleted"

_VERSION: Final = 1
_HEADER: Final = Struct(">hI")
_COUNT: Final = Struct(">i")
_ENTRY: Final = Struct(">qhiqiqiq")


def encode_snapshot(entries: Iterable[ProducerStateEntry]) -> bytes:
    """Entries in the order of their producer ids, so that equal states give equal files."""
    ordered = sorted(entries, key=lambda entry: entry.producer_id)
    body = _COUNT.pack(len(ordered)) + b"".join(
        _ENTRY.pack(
            entry.producer_id,
            entry.producer_epoch,
            entry.last_sequence,
            entry.last_data_offset,
            entry.last_offset_delta,
            entry.last_timestamp,
            entry.coordinator_epoch,
            -1 if entry.current_txn_first_offset is None else entry.current_txn_first_offset,
        )
        for entry in ordered
    )
    return _HEADER.pack(_VERSION, crc32c(body)) + body


def decode_snapshot(data: bytes) -> list[ProducerStateEntry]:
    """DecodeError if it is torn, damaged or of another version."""
    start = _HEADER.size + _COUNT.size
    if len(data) < start:
        raise DecodeError(f"a producer snapshot of {len(data)} bytes")
    version, crc = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise DecodeError(f"a producer snapshot of version {version}")
    if crc32c(memoryview(data)[_HEADER.size :]) != crc:
        raise DecodeError("a producer snapshot does not match its checksum")
    (count,) = _COUNT.unpack_from(data, _HEADER.size)
    if len(data) - start != count * _ENTRY.size:
        raise DecodeError(f"a producer snapshot of {count} entries in {len(data)} bytes")
    return [_entry(*fields) for fields in _ENTRY.iter_unpack(memoryview(data)[start:])]


def _entry(
    producer_id: int,
    epoch: int,
    last_sequence: int,
    last_offset: int,
    offset_delta: int,
    timestamp: int,
    coordinator_epoch: int,
    current_txn_first_offset: int,
) -> ProducerStateEntry:
    entry = ProducerStateEntry(
        producer_id,
        epoch,
        coordinator_epoch,
        timestamp,
        current_txn_first_offset if current_txn_first_offset >= 0 else None,
    )
    if last_offset >= 0:
        entry.add_batch(epoch, last_sequence, last_offset, offset_delta, timestamp)
    return entry


class ProducerSnapshots:
    """The snapshot files of one log directory, known by their offsets in ascending order."""

    def __init__(self, files: Files, directory: str) -> None:
        self._files = files
        self.directory = directory
        self.offsets: list[int] = []
        self.reload()

    def reload(self) -> None:
        """Look again at what is on disk."""
        names = self._files.list_dir(self.directory) if self._files.is_dir(self.directory) else []
        stems = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
        self.offsets = sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def path(self, offset: int) -> str:
        return f"{self.directory}/{offset:020d}{SUFFIX}"

    @property
    def latest(self) -> int | None:
        return self.offsets[-1] if self.offsets else None

    @property
    def oldest(self) -> int | None:
        return self.offsets[0] if self.offsets else None

    def read(self, offset: int) -> list[ProducerStateEntry]:
        return decode_snapshot(self._files.read_bytes(self.path(offset)))

    def write(self, offset: int, entries: Iterable[ProducerStateEntry], *, sync: bool) -> str:
        """The path of the new file. A crash may tear it; its checksum tells."""
        path = self.path(offset)
        self._files.write_bytes(path, encode_snapshot(entries), sync=sync)
        if offset not in self.offsets:
            insort(self.offsets, offset)
        return path

    def delete(self, offset: int) -> None:
        if self._forget(offset) and self._files.exists(self.path(offset)):
            self._files.remove(self.path(offset))

    def delete_before(self, offset: int) -> None:
        for old in self.offsets[: bisect_left(self.offsets, offset)]:
            self.delete(old)

    def mark_for_deletion(self, offset: int) -> str | None:
        """Rename the file of a segment that goes, to be removed later: its new path, None if there is no such file."""
        if not self._forget(offset) or not self._files.exists(self.path(offset)):
            return None
        path = self.path(offset)
        self._files.rename(path, path + DELETED_SUFFIX)
        return path + DELETED_SUFFIX

    def remove_strays(self, segment_base_offsets: Collection[int]) -> None:
        """Remove the files that belong to no segment, but for one beyond the last segment: a clean stop wrote it."""
        self.reload()
        strays = [offset for offset in self.offsets if offset not in segment_base_offsets]
        if strays and (not segment_base_offsets or strays[-1] >= max(segment_base_offsets)):
            strays.pop()
        for offset in strays:
            self.delete(offset)

    def _forget(self, offset: int) -> bool:
        index = bisect_left(self.offsets, offset)
        if index == len(self.offsets) or self.offsets[index] != offset:
            return False
        del self.offsets[index]
        return True
