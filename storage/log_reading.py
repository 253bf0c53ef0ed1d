"""The part of a log that only looks: by offset, by time, by epoch. Works on any thread, beside the owner's changes.

What makes that safe: `segments` is replaced, never changed; each value is taken once; segments and indexes keep what a
reader holds (segment.py); a slice keeps its file open (log_slice.py). An answer may be a moment old when it arrives,
never wrong: a read is bounded by the caller's `max_offset`, and by the log's end as it was at the start. Kafka's
counterpart: the reading half of UnifiedLog and LocalLog; KIP-74.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from protocol.errors import ApiError, ErrorCode
from protocol.ids import OffsetAndEpoch, TopicPartition
from protocol.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES
from storage import transaction_index
from storage.failures import storage_error
from storage.files import File
from storage.leader_epochs import LeaderEpochs
from storage.log_slice import LogSlice
from storage.segment import Segment
from storage.time_lookup import TimestampAndOffset, first_at_or_after, first_with_largest
from storage.transaction_index import AbortedTransaction

NO_TIMESTAMP: Final = -1
_BASE_OFFSET: Final = attrgetter("base_offset")


class ReadableLog:
    """See the module; Log is the whole."""

    topic_partition: TopicPartition
    log_dir: str
    segments: list[Segment]
    log_start_offset: int
    log_end_offset: int
    leader_epochs: LeaderEpochs

    def read(
        self,
        start_offset: int,
        max_bytes: int,
        *,
        max_offset: int,
        min_one_batch: bool = True,
        wait: bool = True,
    ) -> LogSlice:
        """From the batch that contains `start_offset` on, up to `max_bytes` and before `max_offset`.

        The slice begins with a whole batch, but may end within one. It has the first batch even if that is larger than
        `max_bytes` if `min_one_batch`, else it is empty then. Without `wait` it is a BlockingIOError where the answer
        lies on the disk. ApiError: OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE.
        """
        end_offset = self.log_end_offset
        log_start_offset = self.log_start_offset
        segments = self.segments
        # On another thread, retention may have come between the two.
        log_start_offset = max(log_start_offset, segments[0].base_offset)
        if not log_start_offset <= start_offset <= end_offset:
            message = f"offset {start_offset} is not within [{log_start_offset}, {end_offset}]"
            raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, message)
        max_offset = min(max_offset, end_offset)
        number = floor_of(segments, start_offset)
        if start_offset >= max_offset:
            return self._empty_slice(start_offset, segments[number])
        try:
            while number < len(segments):
                segment = segments[number]
                number += 1
                following = segments[number].base_offset if number < len(segments) else end_offset + 1
                found = self._read_segment(
                    segment,
                    start_offset,
                    max_bytes,
                    None if max_offset >= following else max_offset,
                    min_one_batch,
                    wait,
                )
                if found is not None:
                    return found
        except BlockingIOError:
            raise
        except OSError as e:
            raise self._read_failed(e, start_offset) from e
        return self._empty_slice(start_offset, segments[-1])

    def locate_recent(self, start_offset: int, max_bytes: int, max_offset: int) -> tuple[File, int, int] | None:
        """File, position and size of what `read` would give, where both ends are known without a look into the file, as
        for those who follow the latest appends. Else None, and `read` has to search."""
        segment = self.segments[-1]
        # Taken once: a truncation begins a new dictionary.
        positions = segment.positions
        position, end = positions.get(start_offset), positions.get(max_offset)
        if position is None or end is None or not 0 < end - position <= max_bytes or not segment.is_open:
            return None
        if start_offset < self.log_start_offset or max_offset > self.log_end_offset:
            return None
        return segment.file(), position, end - position

    def _read_segment(
        self,
        segment: Segment,
        start_offset: int,
        max_bytes: int,
        max_offset: int | None,
        min_one_batch: bool,
        wait: bool,
    ) -> LogSlice | None:
        """None if the segment has no batch at or behind the offset; without `max_offset` all of it may be read."""
        place = segment.find(start_offset, wait=wait)
        if place is None:
            return None
        end = segment.size if max_offset is None else segment.position_of(max_offset, wait=wait)
        size = end - place.position
        if size > max_bytes:
            size = max_bytes
            if size < place.size:
                size = place.size if min_one_batch else 0
        if size <= 0:
            return self._empty_slice(start_offset, segment)
        return LogSlice(
            segment.file(),
            place.position,
            size,
            first_offset=place.base_offset,
            segment_base_offset=segment.base_offset,
            directory=self.log_dir,
        )

    def _empty_slice(self, offset: int, segment: Segment) -> LogSlice:
        return LogSlice(
            None, 0, 0, first_offset=offset, segment_base_offset=segment.base_offset, directory=self.log_dir
        )

    def _read_failed(self, error: OSError, start_offset: int) -> Exception:
        if isinstance(error, FileNotFoundError) and start_offset < self.log_start_offset:
            # Retention took the segment while this thread was on its way to it.
            return ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {start_offset} has just been deleted")
        return storage_error(self.log_dir, error, f"reading {self.topic_partition}")

    def aborted_transactions(self, start_offset: int, upper_bound_offset: int) -> list[AbortedTransaction]:
        """Aborted transactions with records in [start_offset, upper_bound_offset), in the order of their markers."""
        segments = self.segments
        found: list[AbortedTransaction] = []
        for segment in segments[floor_of(segments, start_offset) :]:
            if segment.aborted:
                entries, complete = transaction_index.collect(segment.aborted, start_offset, upper_bound_offset)
                found += entries
                if complete:
                    break
        return found

    def upper_bound_offset(self, log_slice: LogSlice) -> int:
        """An offset behind all that the slice holds, near enough to stop looking for aborted transactions there."""
        segments = self.segments
        number = floor_of(segments, log_slice.segment_base_offset)
        bound = segments[number].offset_index.upper_bound_offset(log_slice.position + log_slice.size)
        if bound is not None:
            return bound
        return segments[number + 1].base_offset if number + 1 < len(segments) else self.log_end_offset

    def offset_for_timestamp(
        self, timestamp: int, *, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES
    ) -> TimestampAndOffset | None:
        """The first record at or behind the log start whose timestamp is `timestamp` or later."""
        start_offset = self.log_start_offset
        try:
            return first_at_or_after(self.segments, timestamp, start_offset, max_decompressed_bytes)
        except OSError as e:
            raise self._read_failed(e, start_offset) from e

    def offset_of_max_timestamp(
        self, *, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES
    ) -> TimestampAndOffset | None:
        """The first record that has the largest timestamp of the log."""
        try:
            return first_with_largest(self.segments, max_decompressed_bytes)
        except OSError as e:
            raise self._read_failed(e, self.log_start_offset) from e

    def earliest_offset(self) -> TimestampAndOffset:
        """The log start, with its epoch if that is known."""
        earliest = self.leader_epochs.earliest
        known = earliest is not None and earliest.start_offset <= self.log_start_offset
        return TimestampAndOffset(NO_TIMESTAMP, self.log_start_offset, earliest.epoch if known and earliest else None)

    def latest_offset(self) -> TimestampAndOffset:
        return TimestampAndOffset(NO_TIMESTAMP, self.log_end_offset, _epoch(self.leader_epochs.latest))

    def end_offset_for_epoch(self, epoch: int) -> OffsetAndEpoch:
        """As LeaderEpochs.end_offset_for: (-1, -1) where nothing is known."""
        return self.leader_epochs.end_offset_for(epoch, self.log_end_offset)


def floor_of(segments: Sequence[Segment], offset: int) -> int:
    """The number of the segment that may hold `offset`: the last one whose base is not above it, else the first."""
    if segments[-1].base_offset <= offset:
        return len(segments) - 1
    return max(bisect_right(segments, offset, key=_BASE_OFFSET) - 1, 0)


def _epoch(epoch: int) -> int | None:
    return epoch if epoch >= 0 else None
