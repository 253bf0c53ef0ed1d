"""The scan of a segment after an unclean stop: how far it is valid, and all that the log keeps beside it, made anew.

The scan ends the segment at the first batch that is torn, fails its CRC or breaks the order of offsets; before it, it
rebuilds the indexes, the aborted transactions, the producer state and the leader epochs from the batches.

Below the recovery point everything was synced, so damage there is the disk's, not the crash's. Such batches are not
checked against their CRC (consumers do that), and where the chain of batches is broken the log refuses to open
(CorruptLogError) instead of dropping, without a word, what was acknowledged; Kafka truncates there, too.

Files are read in large pieces and the CRC comes from the hardware, so this runs at the speed of the disk with large
batches; small ones cost some 2 µs each. Kafka's counterpart: LogSegment.recover, UnifiedLog.rebuildProducerState.
"""

from __future__ import annotations

import logging
import os.path
from collections.abc import Sequence
from typing import Final

from crc32c import crc32c

from protocol.errors import ApiError, DecodeError
from protocol.records.batch import (
    ATTRIBUTES_POSITION,
    CURRENT_MAGIC,
    HEADER,
    HEADER_BYTES,
    LOG_OVERHEAD_BYTES,
    RecordBatch,
    read_batch,
)
from storage.failures import CorruptLogError
from storage.leader_epochs import LeaderEpochs
from storage.offset_index import OffsetIndex
from storage.producer_state import ProducerState
from storage.segment import Segment
from storage.time_index import NO_TIMESTAMP, TimeIndex
from storage.transaction_index import AbortedTransaction
from storage.validation import AppendOrigin

CHUNK_BYTES: Final = 1 << 20
_MAGIC_POSITION: Final = 16

logger = logging.getLogger(__name__)


class SegmentScan:
    """One scan; `run`, then look at `valid_bytes` and, if the segment is to be cut there, `problem`."""

    def __init__(
        self,
        segment: Segment,
        producer_state: ProducerState,
        leader_epochs: LeaderEpochs,
        recovery_point: int,
        buffer: bytearray,
        *,
        may_have_holes: bool,
    ) -> None:
        """`may_have_holes`: compaction took records from between those that are left."""
        self.buffer = buffer
        """Taken over from scan to scan; replaced by a larger one where a batch needs it."""
        self.valid_bytes = 0
        self.problem: str | None = None
        self._segment = segment
        self._producer_state = producer_state
        self._leader_epochs = leader_epochs
        self._recovery_point = recovery_point
        self._may_have_holes = may_have_holes
        self._next_offset = segment.base_offset
        self._offset_index = OffsetIndex(segment.base_offset)
        self._time_index = TimeIndex(segment.base_offset)
        self._max_timestamp = NO_TIMESTAMP
        self._offset_of_max_timestamp = segment.base_offset
        self._last_indexed = 0
        self._last_epoch = -1
        self._aborted: list[AbortedTransaction] = []

    def run(self) -> int:
        """The offset behind the last valid batch."""
        segment, size = self._segment, self._segment.size
        file = segment.file()
        position = 0
        while position < size and self.problem is None:
            view = memoryview(self.buffer)
            count = file.pread_into(view[: min(len(view), size - position)], position)
            consumed = self._scan_chunk(view[:count], position)
            position += consumed
            if consumed == 0 and self.problem is None:
                self._need_more(view[:count], size - position)
        self.valid_bytes = position
        if self.problem is not None:
            self.cut(self.problem)
        self._time_index.maybe_append(self._max_timestamp, self._offset_of_max_timestamp)
        segment.aborted = self._aborted
        segment.set_indexes(self._offset_index, self._time_index, self._max_timestamp, self._offset_of_max_timestamp)
        self._producer_state.map_end_offset = self._next_offset
        return self._next_offset

    def cut(self, problem: str) -> None:
        """The log is to end with this segment, because of `problem`. CorruptLogError if that would lose synced data."""
        self.problem = problem
        if self._next_offset < self._recovery_point:
            raise CorruptLogError(
                os.path.dirname(self._segment.path()),
                f"{problem} at position {self.valid_bytes} of {os.path.basename(self._segment.path())}, offset"
                f" {self._next_offset}, below the recovery point {self._recovery_point}: synced data is damaged. To"
                " give up what follows, remove the partition's line from recovery-point-offset-checkpoint",
            )

    def _need_more(self, chunk: memoryview, remaining: int) -> None:
        """The chunk holds no whole batch: make room for it, unless the segment ends within it."""
        length = int.from_bytes(chunk[8:LOG_OVERHEAD_BYTES], "big") + LOG_OVERHEAD_BYTES
        if len(chunk) < HEADER_BYTES or length > remaining or len(chunk) >= length:
            self.problem = "a torn batch"
        else:
            self.buffer = bytearray(length)

    def _scan_chunk(self, chunk: memoryview, position: int) -> int:
        """How many bytes hold valid batches; stops before a batch that is not whole, or sets `problem`."""
        start, end = 0, len(chunk)
        producers: list[RecordBatch] = []
        while end - start > _MAGIC_POSITION:
            if chunk[start + _MAGIC_POSITION] != CURRENT_MAGIC:
                size = self._scan_legacy(chunk, position, start)
                if not size:
                    break
                start += size
                continue
            if end - start < HEADER_BYTES:
                break
            base_offset, length, epoch, _, crc, _, delta, _, timestamp, producer_id, _, _, _ = HEADER.unpack_from(
                chunk, start
            )
            batch_end = start + length + LOG_OVERHEAD_BYTES
            last_offset = base_offset + delta
            if length < HEADER_BYTES - LOG_OVERHEAD_BYTES or delta < 0 or base_offset < self._next_offset:
                self.problem = f"a batch of {length} bytes with offsets {base_offset} to {last_offset}"
                break
            if batch_end > end:
                break
            if self._next_offset < self._recovery_point < base_offset and not self._may_have_holes:
                # The checksum does not cover the offset: damaged there, the batch would seem to be behind all that was
                # synced, and all that follows it for something that was truncated.
                self.problem = f"a batch at offset {base_offset} instead of {self._next_offset}"
                break
            if last_offset >= self._recovery_point and crc32c(chunk[start + ATTRIBUTES_POSITION : batch_end]) != crc:
                self.problem = "a batch that does not match its checksum"
                break
            if not self._segment.can_hold(last_offset):
                self.problem = f"offset {last_offset}, too far from the segment's base"
                break
            if producer_id >= 0:
                producers.append(RecordBatch(chunk[start:batch_end], position + start))
            self._take(position + start, batch_end - start, base_offset, last_offset, timestamp, epoch)
            start = batch_end
        replay(self._producer_state, producers, self._aborted)
        return start

    def _scan_legacy(self, chunk: memoryview, position: int, start: int) -> int:
        """The size of a message of an old format; 0 if it is not whole, or is none, which sets `problem`."""
        try:
            batch = read_batch(chunk, start, len(chunk))
        except DecodeError as e:
            self.problem = str(e)
            return 0
        if batch is None:
            return 0
        if not batch.is_valid_crc() or batch.base_offset < self._next_offset:
            self.problem = "a message that does not match its checksum"
            return 0
        self._take(position + start, batch.size, batch.base_offset, batch.last_offset, batch.max_timestamp, -1)
        return batch.size

    def _take(
        self, position: int, size: int, base_offset: int, last_offset: int, timestamp: int, leader_epoch: int
    ) -> None:
        if timestamp > self._max_timestamp:
            self._max_timestamp = timestamp
            self._offset_of_max_timestamp = last_offset
        if position - self._last_indexed > self._segment.index_interval_bytes:
            self._offset_index.append(last_offset, position)
            self._time_index.maybe_append(self._max_timestamp, self._offset_of_max_timestamp)
            self._last_indexed = position
        if leader_epoch != self._last_epoch:
            self._last_epoch = leader_epoch
            # What the checkpoint says is kept where it agrees: compaction may have removed an epoch's first records.
            if leader_epoch >= 0 and self._leader_epochs.epoch_for_offset(base_offset) != leader_epoch:
                self._leader_epochs.assign(leader_epoch, base_offset)
        self._next_offset = last_offset + 1


def replay(state: ProducerState, batches: Sequence[RecordBatch], aborted: list[AbortedTransaction]) -> None:
    """Bring batches of the log to the producer state; aborted transactions come out with their last stable offsets."""
    plain = 0
    for number, batch in enumerate(batches):
        if batch.is_control:
            _replay_data(state, batches[plain:number])
            replay_batch(state, batch, aborted)
            plain = number + 1
    _replay_data(state, batches[plain:])


def _replay_data(state: ProducerState, batches: Sequence[RecordBatch]) -> None:
    try:
        state.replay(batches)
    except ApiError as e:
        # What the log holds was accepted once; only the snapshot the replay began with can be wrong.
        logger.warning("producer state: %s", e)


def replay_batch(state: ProducerState, batch: RecordBatch, aborted: list[AbortedTransaction]) -> None:
    try:
        analysis = state.analyze([batch], AppendOrigin.REPLICATION, transaction_version=0)
    except (ApiError, DecodeError) as e:
        logger.warning("producer state: %s", e)
        return
    state.update(analysis)
    for completed in analysis.completed:
        if completed.is_aborted:
            last_stable_offset = state.last_stable_offset(completed)
            aborted.append(
                AbortedTransaction(
                    completed.producer_id, completed.first_offset, completed.last_offset, last_stable_offset
                )
            )
        state.complete_transaction(completed)


def replay_segments(state: ProducerState, segments: Sequence[Segment], end_offset: int) -> None:
    """Bring the state from where it is to `end_offset`; snapshots on the way at the start of the last two segments."""
    for number, segment in enumerate(segments):
        following = segments[number + 1].base_offset if number + 1 < len(segments) else 2**63 - 1
        if following <= state.map_end_offset or segment.base_offset >= end_offset:
            continue
        start_offset = max(segment.base_offset, state.map_end_offset)
        state.map_end_offset = start_offset
        if number >= len(segments) - 2:
            state.take_snapshot(sync=False)
        batches: list[RecordBatch] = []
        try:
            end = segment.position_of(end_offset) if end_offset < following else segment.size
            for batch in segment.batches(segment.position_of(start_offset), end):
                if batch.has_producer_id:
                    batches.append(batch)
                    if len(batches) >= 64:
                        replay(state, batches, [])
                        batches = []
        except ApiError as e:
            logger.error("producer state: %s", e)
        replay(state, batches, [])
    state.map_end_offset = end_offset
