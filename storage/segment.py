"""One segment of a log: a file of record batches, with the indexes to find offsets, timestamps, aborted transactions.

    NNN.log   batches one behind the other; NNN is the base offset, below every offset in it, in 20 digits
    NNN.index, NNN.timeindex, NNN.txnindex      see offset_index.py, time_index.py, transaction_index.py

Only the last segment of a log, the active one, is written to. Its indexes live in memory; their files are written by
the flush that follows when the segment is rolled, or when the log is closed, so that appending costs one write and some
integers. A crash
before loses nothing: recovery scans every segment that may hold anything unsynced, the active one always, and rebuilds
its indexes. The indexes of sealed segments are loaded when asked for, and rebuilt from the batches where the files are
missing or damaged.

Everything that reads (`find`, `batches`, `largest_timestamp`, ...) may run on another thread than the owner's: it works
on values it took hold of once, and indexes and the file stay as they are for whoever holds them (see offset_index.py).

Kafka's counterpart: LogSegment, FileRecords, LazyIndex.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.records.batch import (
    CURRENT_MAGIC,
    HEADER_BYTES,
    LOG_OVERHEAD_BYTES,
    MESSAGE_BYTES_MIN,
    RecordBatch,
    read_batch,
)
from storage import transaction_index
from storage.files import File, Files
from storage.offset_index import RELATIVE_OFFSET_MAX, CorruptIndex, OffsetIndex
from storage.open_segments import OpenSegments
from storage.time_index import NO_TIMESTAMP, TimeIndex
from storage.transaction_index import AbortedTransaction
from storage.validation import ValidatedAppend

LOG: Final = ".log"
INDEX: Final = ".index"
TIME_INDEX: Final = ".timeindex"
TRANSACTION_INDEX: Final = ".txnindex"
SUFFIXES: Final = (LOG, INDEX, TIME_INDEX, TRANSACTION_INDEX)

CLEANED: Final = ".cleaned"
SWAP: Final = ".swap"
DELETED: Final = ".deleted"

_BATCH_PREFIX: Final = Struct(">qiiBIhi")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset delta: what a search over batches needs."""
_SEARCH_BYTES: Final = 8192
_SCAN_BYTES: Final = 1 << 20
_POSITIONS_MAX: Final = 256

logger = logging.getLogger(__name__)


class BatchPlace(NamedTuple):
    """Where a batch lies."""

    position: int
    size: int
    base_offset: int
    last_offset: int


def file_name(base_offset: int, suffix: str) -> str:
    return f"{base_offset:020d}{suffix}"


class Segment:
    """See the module. `size` is where the next batch goes; what the file has beyond it does not count."""

    __slots__ = (
        "_file",
        "_files",
        "_offset_index",
        "_open_segments",
        "_prefix",
        "_rolling_timestamp",
        "_time_index",
        "aborted",
        "awaits_seal",
        "base_offset",
        "bytes_since_index_entry",
        "created_ms",
        "index_interval_bytes",
        "indexes_changed",
        "is_active",
        "max_timestamp",
        "offset_of_max_timestamp",
        "positions",
        "roll_jitter_ms",
        "size",
    )

    def __init__(
        self,
        files: Files,
        directory: str,
        base_offset: int,
        size: int,
        open_segments: OpenSegments,
        *,
        index_interval_bytes: int = 4096,
        now_ms: int = 0,
        roll_jitter_ms: int = 0,
    ) -> None:
        self._files = files
        self._open_segments = open_segments
        self._prefix = f"{directory}/{base_offset:020d}"
        self.base_offset = base_offset
        self.size = size
        self.index_interval_bytes = index_interval_bytes
        self.created_ms = now_ms
        self.roll_jitter_ms = roll_jitter_ms
        self.is_active = False
        self.awaits_seal = False
        """Rolled, and its index files are still to be written, by the flush of its batches."""
        self._file: File | None = None
        self._offset_index: OffsetIndex | None = None
        self._time_index: TimeIndex | None = None
        self.aborted: list[AbortedTransaction] = []
        self.indexes_changed = False
        self.max_timestamp: int | None = None
        """None as long as nobody asked: see max_timestamp_and_offset."""
        self.offset_of_max_timestamp = base_offset
        self.bytes_since_index_entry = 0
        self._rolling_timestamp: int | None = None
        self.positions: dict[int, int] = {}
        """Where the batches of some offsets begin, the end among them: the latest appends, for those who follow."""

    # files

    def path(self, suffix: str = LOG) -> str:
        return self._prefix + suffix

    def file(self) -> File:
        """The open .log; a sealed segment's may be closed behind your back, so hold on to it."""
        file = self._file
        if file is None:
            file = self._file = self._files.open(self._prefix + LOG)
        if not self.is_active:
            self._open_segments.use(self)
        return file

    @property
    def is_open(self) -> bool:
        return self._file is not None

    @property
    def is_warm(self) -> bool:
        """Whether a search needs neither to open the file nor to load the index."""
        return self._file is not None and self._offset_index is not None

    @property
    def index_bytes(self) -> int:
        """Memory taken by what a sealed segment could load again."""
        offset_index, time_index = self._offset_index, self._time_index
        return (len(offset_index) * 8 if offset_index else 0) + (len(time_index) * 12 if time_index else 0)

    def close_file(self) -> None:
        """Give back the descriptor, to be opened again at the next use."""
        self._file = None

    def release(self) -> None:
        """Give back the descriptor and the memory of a sealed segment; readers keep what they hold."""
        if not self.is_active:
            self._file = None
            self.positions = {}
            if not self.awaits_seal:
                self._offset_index = self._time_index = None

    def create(self) -> None:
        """Make the .log, and empty indexes: Kafka, after a crash of ours, would take their absence for a loss.

        FileExistsError if there is a .log.
        """
        self._file = self._files.open(self._prefix + LOG, exclusive=True)
        self._files.write_bytes(self._prefix + INDEX, b"")
        self._files.write_bytes(self._prefix + TIME_INDEX, b"")
        self._offset_index = OffsetIndex(self.base_offset)
        self._time_index = TimeIndex(self.base_offset)
        self.max_timestamp = NO_TIMESTAMP
        self.indexes_changed = True

    def moved_to(self, directory: str) -> None:
        """The directory has been renamed; open files are the same."""
        self._prefix = f"{directory}/{self.base_offset:020d}"

    def mark_deleted(self) -> list[str]:
        """Rename the files so that they count no more; the names to remove later."""
        self._open_segments.forget(self)
        renamed = []
        # The .log goes last: a crash in between leaves a segment whose indexes are rebuilt, not indexes without one.
        for suffix in reversed(SUFFIXES):
            path = self._prefix + suffix
            try:
                self._files.rename(path, path + DELETED)
            except FileNotFoundError:
                continue
            renamed.append(path + DELETED)
        return renamed

    # indexes

    @property
    def offset_index(self) -> OffsetIndex:
        index = self._offset_index
        return self._load_indexes()[0] if index is None else index

    @property
    def time_index(self) -> TimeIndex:
        index = self._time_index
        return self._load_indexes()[1] if index is None else index

    def _load_indexes(self) -> tuple[OffsetIndex, TimeIndex]:
        read_bytes = self._files.read_bytes
        try:
            offset_index = OffsetIndex.decode(self.base_offset, read_bytes(self._prefix + INDEX), self.size)
            time_index = TimeIndex.decode(self.base_offset, read_bytes(self._prefix + TIME_INDEX))
        except (CorruptIndex, FileNotFoundError) as e:
            if self.size:
                logger.warning("rebuilding the indexes of %s: %s", self._prefix, e)
            return self.rebuild_indexes()
        self._offset_index, self._time_index = offset_index, time_index
        return offset_index, time_index

    def rebuild_indexes(self) -> tuple[OffsetIndex, TimeIndex]:
        """From the headers of the batches, as far as they can be followed; the log itself stays as it is."""
        offset_index, time_index = OffsetIndex(self.base_offset), TimeIndex(self.base_offset)
        last_entry, max_timestamp, offset_of_max = 0, NO_TIMESTAMP, self.base_offset
        try:
            for batch in self.batches(0):
                last_offset = batch.last_offset
                if batch.max_timestamp > max_timestamp:
                    max_timestamp, offset_of_max = batch.max_timestamp, last_offset
                if batch.position - last_entry > self.index_interval_bytes:
                    offset_index.append(last_offset, batch.position)
                    time_index.maybe_append(max_timestamp, offset_of_max)
                    last_entry = batch.position
        except ApiError as e:
            logger.error("the indexes of %s end early: %s", self._prefix, e)
        time_index.maybe_append(max_timestamp, offset_of_max)
        self.set_indexes(offset_index, time_index, max_timestamp, offset_of_max)
        return offset_index, time_index

    def set_indexes(
        self, offset_index: OffsetIndex, time_index: TimeIndex, max_timestamp: int, offset_of_max_timestamp: int
    ) -> None:
        """Indexes made anew: the files no longer say what they do."""
        self._offset_index, self._time_index = offset_index, time_index
        self.max_timestamp, self.offset_of_max_timestamp = max_timestamp, offset_of_max_timestamp
        self.indexes_changed = True

    def load_aborted(self) -> None:
        """Read the .txnindex; CorruptIndex if it cannot be one."""
        data = self._files.read_bytes(self._prefix + TRANSACTION_INDEX)
        self.aborted = transaction_index.decode(self.base_offset, data)

    def max_timestamp_and_offset(self) -> tuple[int, int]:
        """The largest timestamp, and the last offset of the batch that has it first; (-1, base offset) if none has."""
        max_timestamp = self.max_timestamp
        if max_timestamp is None:
            max_timestamp, self.offset_of_max_timestamp = self.time_index.last_entry
            self.max_timestamp = max_timestamp
        return max_timestamp, self.offset_of_max_timestamp

    def largest_timestamp(self) -> int:
        """What retention goes by: the largest timestamp, else when the file was written last."""
        timestamp = self.max_timestamp_and_offset()[0]
        return timestamp if timestamp >= 0 else self._files.modified_ms(self._prefix + LOG)

    def seal(self, *, sync: bool = False) -> None:
        """Bring the index files up to date."""
        if self.indexes_changed:
            self.complete_indexes()
            self.write_indexes(sync=sync)
        self.sealed()

    def complete_indexes(self) -> None:
        """The last entry of the time index is the maximum of the segment."""
        timestamp, offset = self.max_timestamp_and_offset()
        self.time_index.maybe_append(timestamp, offset)

    def write_indexes(self, *, sync: bool = False) -> None:
        """Complete indexes to their files; may run on an executor, which `sealed` is to follow."""
        write = self._files.write_bytes
        write(self._prefix + INDEX, self.offset_index.encode(), sync=sync)
        write(self._prefix + TIME_INDEX, self.time_index.encode(), sync=sync)
        if self.aborted:
            write(self._prefix + TRANSACTION_INDEX, transaction_index.encode(self.aborted), sync=sync)
        elif self._files.exists(self._prefix + TRANSACTION_INDEX):
            self._files.remove(self._prefix + TRANSACTION_INDEX)

    def sealed(self) -> None:
        """The index files are up to date."""
        self.indexes_changed = self.awaits_seal = False

    def sync_indexes(self) -> None:
        """The index files, as `write_indexes` left them."""
        self._files.sync_file(self._prefix + INDEX)
        self._files.sync_file(self._prefix + TIME_INDEX)
        if self.aborted:
            self._files.sync_file(self._prefix + TRANSACTION_INDEX)

    # writing

    def activate(self) -> None:
        """Make this the segment that is appended to."""
        self.is_active = True
        self.awaits_seal = False
        self._open_segments.forget(self)

    def deactivate(self) -> None:
        self.is_active = False
        self.positions = {}
        self._open_segments.use(self)

    def prepare(self) -> None:
        """Open what appending needs; may wait for the disk the first time."""
        self.file()
        _ = self.offset_index
        self.max_timestamp_and_offset()

    def append(self, append: ValidatedAppend) -> None:
        """Write behind the end. An OSError leaves no trace in memory; the caller cuts back the file with `cut_back`."""
        if self._file is None or self.max_timestamp is None:
            self.prepare()
        assert self._file is not None and self.max_timestamp is not None
        position = self.size
        self._file.pwritev(append.buffers, position)
        if position == 0:
            self._rolling_timestamp = append.batches[0].max_timestamp
        since_entry = self.bytes_since_index_entry
        self.indexes_changed = True
        for batch in append.batches:
            if batch.max_timestamp > self.max_timestamp:
                self.max_timestamp = batch.max_timestamp
                self.offset_of_max_timestamp = batch.base_offset + batch.last_offset_delta
            if since_entry > self.index_interval_bytes:
                self._index(batch.base_offset + batch.last_offset_delta, position)
                since_entry = 0
            position += batch.size
            since_entry += batch.size
        self.bytes_since_index_entry = since_entry
        self.size = position
        positions = self.positions
        if len(positions) >= _POSITIONS_MAX:
            positions.clear()
        positions[append.last_offset + 1] = position

    def _index(self, last_offset: int, position: int) -> None:
        self.offset_index.append(last_offset, position)
        self.time_index.maybe_append(*self.max_timestamp_and_offset())

    def cut_back(self) -> None:
        """Remove what a failed write left behind the end."""
        if self._file is not None:
            self._file.truncate(self.size)

    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Remove the batch that contains `offset` and all that follow, with their index entries."""
        place = self.find(offset)
        offset_index, time_index = self.offset_index.truncated_to(offset), self.time_index.truncated_to(offset)
        self.positions = {}
        self.aborted = [entry for entry in self.aborted if entry.last_offset < offset]
        if place is not None:
            self.size = place.position
            self.file().truncate(place.position)
        self.set_indexes(offset_index, time_index, *self._largest_timestamp_from(offset_index, time_index))
        self.bytes_since_index_entry = 0
        if self.size == 0:
            self.created_ms = now_ms
            self._rolling_timestamp = None

    def _largest_timestamp_from(self, offset_index: OffsetIndex, time_index: TimeIndex) -> tuple[int, int]:
        timestamp, offset = time_index.last_entry
        for batch in self.batches(offset_index.lookup(offset)):
            if batch.max_timestamp > timestamp:
                timestamp, offset = batch.max_timestamp, batch.last_offset
        return timestamp, offset

    def time_waited_for_roll(self, now_ms: int, timestamp: int) -> int:
        """How long this segment has been filled: from its first batch to `timestamp`, if batches have timestamps."""
        if self._rolling_timestamp is None and self.size:
            self._rolling_timestamp = self._first_timestamp()
        if self._rolling_timestamp is not None and self._rolling_timestamp >= 0:
            return timestamp - self._rolling_timestamp
        return now_ms - self.created_ms

    @property
    def first_timestamp(self) -> int:
        """The largest of the first batch, as far as it was asked for; -1 if it has none."""
        return NO_TIMESTAMP if self._rolling_timestamp is None else self._rolling_timestamp

    def _first_timestamp(self) -> int:
        header = self.file().pread(HEADER_BYTES, 0)
        magic = header[16]
        if magic == 0:
            return NO_TIMESTAMP
        at = 35 if magic == CURRENT_MAGIC else 18
        return int.from_bytes(header[at : at + 8], "big", signed=True)

    def can_hold(self, offset: int) -> bool:
        return 0 <= offset - self.base_offset <= RELATIVE_OFFSET_MAX

    # reading

    def find(self, offset: int, *, wait: bool = True) -> BatchPlace | None:
        """The first batch that ends at or behind `offset`; None if there is none.

        BlockingIOError instead of waiting for the disk without `wait`; ApiError(CORRUPT_MESSAGE) where batches cannot
        be followed.
        """
        if not wait and not self.is_warm:
            raise BlockingIOError
        end = self.size
        file = self.file()
        position = self.positions.get(offset)
        if position is None:
            position = self.offset_index.lookup(offset)
        elif position == end:
            return None
        return self._search(file, position, end, offset, wait)

    def _search(self, file: File, position: int, end: int, offset: int, wait: bool) -> BatchPlace | None:
        while position < end:
            size = min(_SEARCH_BYTES, end - position)
            data = file.pread(size, position) if wait else file.pread_nowait(size, position)
            if data is None:
                raise BlockingIOError
            if len(data) < _BATCH_PREFIX.size:
                # Less than a batch, but for the smallest message of format 0, which a zero makes long enough.
                if len(data) < _BATCH_PREFIX.size - 1:
                    return None
                data = bytes(data) + b"\0"
            start, limit = 0, len(data) - _BATCH_PREFIX.size
            while start <= limit:
                base_offset, length, _, magic, _, _, delta = _BATCH_PREFIX.unpack_from(data, start)
                if length < MESSAGE_BYTES_MIN or magic > CURRENT_MAGIC:
                    raise self._corrupt(position + start, f"length {length}, magic {magic}")
                last_offset = base_offset + delta if magic == CURRENT_MAGIC else base_offset
                if last_offset >= offset:
                    return BatchPlace(position + start, length + LOG_OVERHEAD_BYTES, base_offset, last_offset)
                start += length + LOG_OVERHEAD_BYTES
            position += start
        if position > end:
            raise self._corrupt(position - start, "the last batch exceeds the segment")
        return None

    def position_of(self, offset: int, *, wait: bool = True) -> int:
        """Where the first batch that ends at or behind `offset` begins, the segment's size if there is none."""
        # Taken once: after a truncation, which begins a new dictionary, what is found here must not get into that.
        positions = self.positions
        position = positions.get(offset)
        if position is None:
            size = self.size
            place = self.find(offset, wait=wait)
            position = size if place is None else place.position
            if self.is_active and len(positions) < _POSITIONS_MAX:
                positions[offset] = position
        return position

    def batches(self, position: int, end: int | None = None) -> Iterator[RecordBatch]:
        """The batches from `position` on, where one must start; ApiError(CORRUPT_MESSAGE) where they break off.

        A batch's `position` is that in the segment.
        """
        return batches_of(self.file(), position, self.size if end is None else end, self._prefix + LOG)

    def end_from(self, position: int) -> tuple[int, int]:
        """(next offset, where the last whole batch ends), following the headers from the batch at `position`."""
        file, end = self.file(), self.size
        next_offset = self.base_offset
        while position < end:
            data = file.pread(min(_SEARCH_BYTES, end - position), position)
            start = 0
            while len(data) - start >= _BATCH_PREFIX.size:
                base_offset, length, _, magic, _, _, delta = _BATCH_PREFIX.unpack_from(data, start)
                batch_end = position + start + length + LOG_OVERHEAD_BYTES
                if length < MESSAGE_BYTES_MIN or magic > CURRENT_MAGIC or batch_end > end or base_offset < next_offset:
                    return next_offset, position + start
                next_offset = base_offset + 1 + (delta if magic == CURRENT_MAGIC else 0)
                start += length + LOG_OVERHEAD_BYTES
            if start == 0:
                break
            position += start
        return next_offset, position

    def _corrupt(self, position: int, reason: str) -> ApiError:
        return _corrupt(self._prefix + LOG, position, reason)

    def __repr__(self) -> str:
        return f"Segment({self._prefix}, size={self.size})"


def batches_of(file: File, position: int, end: int, name: str) -> Iterator[RecordBatch]:
    """As Segment.batches, of any file of batches; `name` is for the error."""
    chunk_bytes = _SCAN_BYTES
    while position < end:
        data = memoryview(file.pread(min(chunk_bytes, end - position), position))
        start = 0
        try:
            while (batch := read_batch(data, start, len(data))) is not None:
                batch.position = position + start
                yield batch
                start += batch.size
        except DecodeError as e:
            raise _corrupt(name, position + start, str(e)) from None
        position += start
        if start:
            chunk_bytes = _SCAN_BYTES
        elif len(data) < chunk_bytes:
            raise _corrupt(name, position, "it ends within a batch")
        else:
            # One batch larger than a chunk.
            chunk_bytes = int.from_bytes(data[8:LOG_OVERHEAD_BYTES], "big") + LOG_OVERHEAD_BYTES
            if position + chunk_bytes > end:
                raise _corrupt(name, position, f"a batch of {chunk_bytes} bytes does not fit")


def _corrupt(name: str, position: int, reason: str) -> ApiError:
    return ApiError(ErrorCode.CORRUPT_MESSAGE, f"{name} at position {position}: {reason}")
