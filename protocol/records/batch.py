"""Record batches as views over bytes, and the iteration over a buffer of them.

    0        8        12             16     17    21          23                 27              35             43
    | base   | batch  | partition    | magic| crc | attributes| last offset delta| base timestamp| max timestamp|
    | offset | length | leader epoch |      |     |           |                  |               |              |
    43            51               53              57              61
    | producer id | producer epoch | base sequence | records count | records, compressed as the attributes say

`batch length` counts what follows it. The CRC-32C covers everything from the attributes on, so a broker sets base
offset and leader epoch without touching it. A RecordBatch holds the header's values, read once, and a memoryview of the
whole batch; nothing is copied or decompressed before someone asks for records. Messages of the formats 0 and 1, which
old segments may still hold, come out as LegacyRecordBatch (legacy.py). Kafka's counterpart: DefaultRecordBatch; KIP-98.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from crc32c import crc32c

from protocol.errors import DecodeError
from protocol.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES, decompress
from protocol.records.record import NO_SEQUENCE, SEQUENCE_MAX, Record, increment_sequence
from protocol.records.walk import decode_records
from protocol.wire import Buffer

HEADER: Final = Struct(">qiibIhiqqqhii")
HEADER_BYTES: Final = 61
"""Kafka's RECORD_BATCH_OVERHEAD."""
LOG_OVERHEAD_BYTES: Final = 12
"""The base offset and the length itself, which batch_length does not count."""
CRC_POSITION: Final = 17
ATTRIBUTES_POSITION: Final = 21
CURRENT_MAGIC: Final = 2
MESSAGE_BYTES_MIN: Final = 14
"""The smallest batch_length any format allows (an empty message of format 0)."""

NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
NO_PARTITION_LEADER_EPOCH: Final = -1

COMPRESSION_MASK: Final = 0x07
TIMESTAMP_TYPE_FLAG: Final = 0x08
TRANSACTIONAL_FLAG: Final = 0x10
CONTROL_FLAG: Final = 0x20
DELETE_HORIZON_FLAG: Final = 0x40

_PREFIX = Struct(">qiib")


class RecordBatch:
    """One batch. The fields carry the header's names; `size` is in bytes with the 12-byte prefix, `position` is where
    the batch starts in the buffer it was read from."""

    __slots__ = (
        "attributes",
        "base_offset",
        "base_sequence",
        "base_timestamp",
        "batch_length",
        "buffer",
        "crc",
        "last_offset_delta",
        "magic",
        "max_timestamp",
        "partition_leader_epoch",
        "position",
        "producer_epoch",
        "producer_id",
        "records_count",
        "size",
    )
    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    def __init__(self, buffer: memoryview, position: int = 0) -> None:
        """`buffer` holds exactly one batch of at least HEADER_BYTES."""
        (
            self.base_offset,
            self.batch_length,
            self.partition_leader_epoch,
            self.magic,
            self.crc,
            self.attributes,
            self.last_offset_delta,
            self.base_timestamp,
            self.max_timestamp,
            self.producer_id,
            self.producer_epoch,
            self.base_sequence,
            self.records_count,
        ) = HEADER.unpack_from(buffer)
        self.buffer = buffer
        self.position = position
        self.size = self.batch_length + LOG_OVERHEAD_BYTES

    @property
    def compression(self) -> int:
        return self.attributes & COMPRESSION_MASK

    @property
    def timestamp_type(self) -> int:
        """0 CreateTime, 1 LogAppendTime."""
        return 1 if self.attributes & TIMESTAMP_TYPE_FLAG else 0

    @property
    def is_transactional(self) -> bool:
        return self.attributes & TRANSACTIONAL_FLAG != 0

    @property
    def is_control(self) -> bool:
        return self.attributes & CONTROL_FLAG != 0

    @property
    def has_delete_horizon(self) -> bool:
        return self.attributes & DELETE_HORIZON_FLAG != 0

    @property
    def delete_horizon_ms(self) -> int | None:
        """When the tombstones and markers of this batch may go; set by the cleaner, in the place of base_timestamp."""
        return self.base_timestamp if self.has_delete_horizon else None

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def has_producer_id(self) -> bool:
        return self.producer_id > NO_PRODUCER_ID

    @property
    def last_sequence(self) -> int:
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & SEQUENCE_MAX

    def is_valid_crc(self) -> bool:
        # The GIL is kept: 5 µs a 128 KB batch are less than getting it back may cost.
        return crc32c(self.buffer[ATTRIBUTES_POSITION:], 0, 0) == self.crc

    def payload(self, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> Buffer:
        """The encoded records: a view if they are not compressed, else decompressed within the limit."""
        codec = self.attributes & COMPRESSION_MASK
        if codec == 0:
            return self.buffer[HEADER_BYTES:]
        if self.records_count == 0:
            return b""
        return decompress(codec, self.buffer[HEADER_BYTES:], max_decompressed_bytes)

    def records(self, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> Iterator[Record]:
        """The records in order; DecodeError, before the first, if the batch does not hold exactly its count of them."""
        if self.records_count < 0:
            raise DecodeError(f"batch of {self.records_count} records")
        base_offset, base_timestamp, base_sequence = self.base_offset, self.base_timestamp, self.base_sequence
        append_time = self.max_timestamp if self.timestamp_type else None
        for offset_delta, delta, key, value, headers in decode_records(
            self.payload(max_decompressed_bytes), self.records_count
        ):
            yield Record(
                base_offset + offset_delta,
                _int64(base_timestamp + delta) if append_time is None else append_time,
                key,
                value,
                headers,
                NO_SEQUENCE if base_sequence < 0 else increment_sequence(base_sequence, offset_delta),
            )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(magic={self.magic}, offsets=[{self.base_offset}, {self.last_offset}],"
            f" size={self.size}, epoch={self.partition_leader_epoch}, attributes={self.attributes:#x},"
            f" producer_id={self.producer_id}, producer_epoch={self.producer_epoch},"
            f" base_sequence={self.base_sequence}, records_count={self.records_count})"
        )


def _int64(value: int) -> int:
    """What 64-bit addition makes of a sum, for logs that hold such timestamps; validation lets none in."""
    return value if -(2**63) <= value < 2**63 else (value + 2**63) % 2**64 - 2**63


def iter_batches(buffer: Buffer, *, partial_tail: bool = False) -> Iterator[RecordBatch]:
    """The batches of a buffer in order.

    A size or magic that cannot be, or bytes after the last whole batch, are a DecodeError; with `partial_tail` an
    incomplete last batch ends the iteration instead, as it does in fetched data and in Kafka's MemoryRecords.
    """
    view = buffer if isinstance(buffer, memoryview) else memoryview(buffer)
    position, end = 0, len(view)
    while position < end:
        batch = read_batch(view, position, end)
        if batch is None:
            if partial_tail:
                return
            raise DecodeError(f"incomplete batch of {end - position} bytes at position {position}")
        yield batch
        position += batch.size


def read_batch(view: memoryview, position: int, end: int) -> RecordBatch | None:
    """The batch at `position`, None if it is not whole before `end`; DecodeError if its size or magic cannot be."""
    if end - position < CRC_POSITION:
        _check_partial(view, position, end)
        return None
    _, length, _, magic = _PREFIX.unpack_from(view, position)
    _check_length(length, position)
    if not 0 <= magic <= CURRENT_MAGIC:
        raise DecodeError(f"unknown magic {magic} of the batch at position {position}")
    batch_end = position + LOG_OVERHEAD_BYTES + length
    if batch_end > end:
        return None
    if magic < CURRENT_MAGIC:
        from protocol.records.legacy import LegacyRecordBatch  # rare, and a subclass of what is defined here

        return LegacyRecordBatch(view[position:batch_end], position)
    if batch_end - position < HEADER_BYTES:
        raise DecodeError(f"batch of {batch_end - position} bytes at position {position} is shorter than its header")
    return RecordBatch(view[position:batch_end], position)


def _check_partial(view: memoryview, position: int, end: int) -> None:
    if end - position >= LOG_OVERHEAD_BYTES:
        _check_length(int.from_bytes(view[position + 8 : position + 12], "big", signed=True), position)


def _check_length(length: int, position: int) -> None:
    if length < MESSAGE_BYTES_MIN:
        raise DecodeError(f"batch length {length} at position {position} is less than a batch takes")
