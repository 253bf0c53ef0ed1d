"""Writing record batches: for the coordinators, the metadata log, the cleaner and tests.

A RecordsBuilder collects encoded records and seals them under one header; offsets rise, by one unless told otherwise,
and the base timestamp is that of the first record, as Kafka's clients write it. A broker that stores what a producer
built does not come here: it writes the producer's bytes. Kafka's counterpart: MemoryRecordsBuilder, and for the batches
of one control record MemoryRecords.with...; KIP-98, KIP-595, KIP-630.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

from crc32c import crc32c

from protocol.records.batch import (
    CONTROL_FLAG,
    CURRENT_MAGIC,
    DELETE_HORIZON_FLAG,
    HEADER_BYTES,
    LOG_OVERHEAD_BYTES,
    NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    TIMESTAMP_TYPE_FLAG,
    TRANSACTIONAL_FLAG,
)
from protocol.records.compression import compress
from protocol.records.control import (
    ControlRecordType,
    EndTransactionMarker,
    encode_control_key,
    encode_end_transaction_marker,
)
from protocol.records.record import NO_SEQUENCE, NO_TIMESTAMP, Header, Record, encode_record
from protocol.wire import Buffer

PREFIX: Final = Struct(">qiibI")
"""Base offset, batch length, leader epoch, magic and CRC: what the CRC does not cover."""
COVERED: Final = Struct(">hiqqqhii")
"""The rest of the header, from the attributes on."""


class RecordsBuilder:
    """One batch under construction. `append` until `build`; a builder is used once."""

    __slots__ = (
        "attributes",
        "base_offset",
        "base_sequence",
        "base_timestamp",
        "compression_level",
        "last_offset",
        "log_append_time",
        "max_timestamp",
        "partition_leader_epoch",
        "parts",
        "producer_epoch",
        "producer_id",
        "size",
    )

    def __init__(
        self,
        base_offset: int = 0,
        *,
        compression: int = 0,
        compression_level: int | None = None,
        log_append_time: int | None = None,
        producer_id: int = NO_PRODUCER_ID,
        producer_epoch: int = NO_PRODUCER_EPOCH,
        base_sequence: int = NO_SEQUENCE,
        is_transactional: bool = False,
        is_control: bool = False,
        partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
        delete_horizon_ms: int | None = None,
    ) -> None:
        """`log_append_time` makes it a LogAppendTime batch of that time, else it is a CreateTime one."""
        self.attributes = (
            compression
            | (TIMESTAMP_TYPE_FLAG if log_append_time is not None else 0)
            | (TRANSACTIONAL_FLAG if is_transactional else 0)
            | (CONTROL_FLAG if is_control else 0)
            | (DELETE_HORIZON_FLAG if delete_horizon_ms is not None else 0)
        )
        self.base_offset = base_offset
        self.last_offset = base_offset - 1
        self.base_timestamp = delete_horizon_ms
        self.max_timestamp = NO_TIMESTAMP
        self.log_append_time = log_append_time
        self.compression_level = compression_level
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.base_sequence = base_sequence
        self.partition_leader_epoch = partition_leader_epoch
        self.parts: list[bytes] = []
        self.size = HEADER_BYTES
        """Bytes so far, before compression."""

    @property
    def records_count(self) -> int:
        return len(self.parts)

    def append(
        self,
        timestamp: int,
        key: Buffer | None,
        value: Buffer | None,
        headers: list[Header] | None = None,
        *,
        offset: int | None = None,
    ) -> int:
        """Add a record at the next offset, or at a given one beyond the last; returns its offset."""
        if offset is None:
            offset = self.last_offset + 1
        assert offset > self.last_offset, f"offset {offset} after {self.last_offset}"
        if self.base_timestamp is None:
            self.base_timestamp = timestamp
        record = encode_record(offset - self.base_offset, timestamp - self.base_timestamp, key, value, headers or [])
        self.parts.append(record)
        self.size += len(record)
        self.last_offset = offset
        if timestamp > self.max_timestamp:
            self.max_timestamp = timestamp
        return offset

    def append_control(self, timestamp: int, record_type: ControlRecordType, value: bytes) -> int:
        assert self.attributes & CONTROL_FLAG
        return self.append(timestamp, encode_control_key(record_type), value)

    def build(self) -> bytes:
        """The finished batch. One without records keeps its offsets and producer state, as compaction leaves them."""
        codec = self.attributes & 0x07
        payload = b"".join(self.parts)
        if codec and self.parts:
            payload = compress(codec, payload, self.compression_level)
        elif codec:
            self.attributes ^= codec
        covered = COVERED.pack(
            self.attributes,
            self.last_offset - self.base_offset,
            NO_TIMESTAMP if self.base_timestamp is None else self.base_timestamp,
            self.max_timestamp if self.log_append_time is None else self.log_append_time,
            self.producer_id,
            self.producer_epoch,
            self.base_sequence,
            len(self.parts),
        )
        return seal(self.base_offset, self.partition_leader_epoch, covered, payload) + covered + payload


def seal(base_offset: int, partition_leader_epoch: int, covered: bytes, payload: Buffer) -> bytes:
    """The 21 bytes that go before `covered` (40 bytes of header) and `payload`."""
    length = HEADER_BYTES - LOG_OVERHEAD_BYTES + len(payload)
    crc = crc32c(payload, crc32c(covered), 0)
    return PREFIX.pack(base_offset, length, partition_leader_epoch, CURRENT_MAGIC, crc)


def build_batch(
    records: Iterable[Record],
    *,
    base_offset: int | None = None,
    last_offset: int | None = None,
    compression: int = 0,
    compression_level: int | None = None,
    log_append_time: int | None = None,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    is_control: bool = False,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
    delete_horizon_ms: int | None = None,
    max_timestamp: int | None = None,
) -> bytes:
    """A batch of records at their own offsets.

    `base_offset` and `last_offset` widen its range beyond the records, and `max_timestamp` overrides theirs, as it is
    left by compaction; with no records all three are needed.
    """
    items = list(records)
    builder = RecordsBuilder(
        items[0].offset if base_offset is None else base_offset,
        compression=compression,
        compression_level=compression_level,
        log_append_time=log_append_time,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        is_transactional=is_transactional,
        is_control=is_control,
        partition_leader_epoch=partition_leader_epoch,
        delete_horizon_ms=delete_horizon_ms,
    )
    for record in items:
        builder.append(record.timestamp, record.key, record.value, record.headers, offset=record.offset)
    if last_offset is not None:
        assert last_offset >= builder.last_offset
        builder.last_offset = last_offset
    if max_timestamp is not None:
        builder.max_timestamp = max_timestamp
    return builder.build()


def build_control_batch(
    record_type: ControlRecordType,
    value: bytes,
    *,
    timestamp: int,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
) -> bytes:
    """A batch of one of KRaft's control records; `value` is the encoded message."""
    builder = RecordsBuilder(base_offset, is_control=True, partition_leader_epoch=partition_leader_epoch)
    builder.append_control(timestamp, record_type, value)
    return builder.build()


def build_end_transaction_marker(
    marker: EndTransactionMarker,
    *,
    timestamp: int,
    producer_id: int,
    producer_epoch: int,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
) -> bytes:
    """The batch that ends a producer's transaction in a partition."""
    builder = RecordsBuilder(
        base_offset,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
        partition_leader_epoch=partition_leader_epoch,
    )
    builder.append(timestamp, *encode_end_transaction_marker(marker))
    return builder.build()
