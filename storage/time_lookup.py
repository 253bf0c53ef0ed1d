"""Offsets by time: the first record at or after a timestamp, and the first with the largest.

The time index leads near the place, the batches' maxima to the batch, and only that one is decompressed. Reads, changes
nothing, and works on any thread. Kafka's counterpart: LogSegment.findOffsetByTimestamp and
UnifiedLog.fetchOffsetByTimestamp; KIP-79, KIP-734.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.records.batch import RecordBatch
from protocol.records.record import Record
from storage.segment import Segment


class TimestampAndOffset(NamedTuple):
    timestamp: int
    offset: int
    leader_epoch: int | None


def first_at_or_after(
    segments: Sequence[Segment], timestamp: int, start_offset: int, max_decompressed_bytes: int
) -> TimestampAndOffset | None:
    """The first record from `start_offset` on whose timestamp is `timestamp` or later.

    Unlike Kafka it looks on in the next segment if all such records of one lie before `start_offset`.
    """
    for segment in segments:
        if segment.largest_timestamp() < timestamp:
            continue
        position = segment.offset_index.lookup(max(segment.time_index.lookup(timestamp), start_offset))
        for batch in segment.batches(position):
            if batch.max_timestamp >= timestamp:
                for record in _records(batch, max_decompressed_bytes):
                    if record.timestamp >= timestamp and record.offset >= start_offset:
                        return _found(batch, record)
    return None


def first_with_largest(segments: Sequence[Segment], max_decompressed_bytes: int) -> TimestampAndOffset | None:
    latest = max(segments, key=lambda segment: segment.max_timestamp_and_offset()[0])
    timestamp, offset = latest.max_timestamp_and_offset()
    if timestamp < 0:
        return None
    for batch in latest.batches(latest.offset_index.lookup(offset)):
        if batch.max_timestamp == timestamp:
            for record in _records(batch, max_decompressed_bytes):
                if record.timestamp == timestamp:
                    return _found(batch, record)
    return None


def _found(batch: RecordBatch, record: Record) -> TimestampAndOffset:
    epoch = batch.partition_leader_epoch
    return TimestampAndOffset(record.timestamp, record.offset, epoch if epoch >= 0 else None)


def _records(batch: RecordBatch, max_decompressed_bytes: int) -> Iterator[Record]:
    try:
        yield from batch.records(max_decompressed_bytes)
    except DecodeError as e:
        raise ApiError(ErrorCode.CORRUPT_MESSAGE, str(e)) from None
