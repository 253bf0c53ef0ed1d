"""What records must be before they enter a log, and how a leader assigns offsets to them.

Owns the rules, not the log: bytes in, the buffers to write out, a refusal as RecordValidationError with the error code
of the response and, where single records are at fault, their places. Nothing is copied unless it must change: a batch
is written as 16 new bytes (base offset, length, leader epoch: outside of the CRC) and a view of the producer's own. A
rewritten header (LogAppendTime, a wrong max timestamp) costs a new CRC, a topic codec that is not the producer's a
recompression. Checking needs no offset, so it may be done elsewhere and `assign` later (`recompresses` tells when that
pays). Sequences and epochs of producers are not looked at here; that is producer_state.py.

Kafka's counterpart: LogValidator and UnifiedLog.analyzeAndValidateRecords, and ProduceRequest.validateRecords. Stricter
than Kafka: offset deltas are checked in uncompressed batches too, transactional batches need a producer id, timestamps
are those of the records even if the producer claims LogAppendTime, and decompressed data has a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

import msgspec
from crc32c import crc32c

from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.records.batch import (
    ATTRIBUTES_POSITION,
    COMPRESSION_MASK,
    CONTROL_FLAG,
    CURRENT_MAGIC,
    HEADER_BYTES,
    NO_PARTITION_LEADER_EPOCH,
    TIMESTAMP_TYPE_FLAG,
    TRANSACTIONAL_FLAG,
    RecordBatch,
    read_batch,
)
from protocol.records.builder import COVERED, PREFIX, seal
from protocol.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES, CompressionType, compress
from protocol.records.record import NO_SEQUENCE, NO_TIMESTAMP
from protocol.records.walk import (
    BAD_OFFSET_DELTA,
    INT64_MAX,
    INT64_MIN,
    NO_KEY,
    MalformedRecords,
    RecordFault,
    walk,
    walk_records,
)
from protocol.wire import Buffer

CREATE_TIME: Final = 0
LOG_APPEND_TIME: Final = 1

_ASSIGNED: Final = Struct(">qii")
_ASSIGNED_BYTES: Final = 16
_ATTRIBUTES_KNOWN: Final = 0x7F
_MAGIC_POSITION: Final = 16
_NOT_PLAIN: Final = TRANSACTIONAL_FLAG | CONTROL_FLAG
_AFTER_ZSTD: Final = CompressionType.ZSTD + 1
_RECORD_ERRORS_MAX: Final = 1000


class AppendOrigin(IntEnum):
    """Who appends, which decides what is checked."""

    REPLICATION = 0
    """A follower, from what its leader accepted: offsets stay, records are not looked at."""
    COORDINATOR = 1
    """A coordinator of this broker: checked like a client's, but sequences may miss and control batches come."""
    CLIENT = 2
    RAFT_LEADER = 3
    """The metadata log's leader, which assigned offsets and epoch itself."""


class InvalidRecords(IntEnum):
    """The meters of BrokerTopicStats for refused records."""

    MAGIC = 0
    CHECKSUM = 1
    OFFSET_OR_SEQUENCE = 2
    NO_KEY_ON_COMPACTED_TOPIC = 3


class RecordError(NamedTuple):
    """One record at fault: its place in the batch and the reason; BatchIndexAndErrorMessage of a Produce response."""

    batch_index: int
    message: str


class RecordValidationError(ApiError):
    """The batch is refused, whole; `meter` counts it if it has one."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        record_errors: list[RecordError] | None = None,
        meter: InvalidRecords | None = None,
    ) -> None:
        super().__init__(code, message)
        self.record_errors = record_errors or []
        self.meter = meter


class UnexpectedAppendOffset(Exception):
    """Replicated records start before the log's end."""

    def __init__(self, first_offset: int, last_offset: int, next_offset: int) -> None:
        super().__init__(f"append of offsets {first_offset} to {last_offset} where {next_offset} is next")
        self.first_offset = first_offset
        self.last_offset = last_offset


class ValidationRules(msgspec.Struct, frozen=True, kw_only=True):
    """A topic's configuration as far as it concerns validation; made once, not per append."""

    max_message_bytes: int = 1048588
    compression: int | None = None
    """The codec to store; None keeps the producer's."""
    compression_level: int | None = None
    is_compacted: bool = False
    timestamp_type: int = CREATE_TIME
    timestamp_before_max_ms: int = INT64_MAX
    timestamp_after_max_ms: int = 3_600_000
    max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES


class ValidatedAppend:
    """Batches ready to be written, and the facts of the append.

    The batches carry the header values that will be written; the `buffer` of one whose header changed is still what the
    producer sent. `offset_of_max_timestamp` is, as the time index wants it, the last offset of the first batch that has
    the maximum. Before `assign` the offsets count from 0.
    """

    __slots__ = (
        "_tail",
        "batches",
        "buffers",
        "first_offset",
        "last_offset",
        "log_append_time",
        "max_timestamp",
        "offset_of_max_timestamp",
        "records_count",
        "size",
        "source_compression",
        "was_recompressed",
    )

    def __init__(
        self, batches: list[RecordBatch], tail: list[Buffer], *, log_append_time: int = NO_TIMESTAMP, size: int
    ) -> None:
        self.batches = batches
        self.buffers: list[Buffer] = []
        self._tail = tail
        self.size = size
        self.first_offset = batches[0].base_offset if batches else -1
        self.last_offset = batches[-1].base_offset + batches[-1].last_offset_delta if batches else -1
        self.log_append_time = log_append_time
        self.max_timestamp = NO_TIMESTAMP
        self.offset_of_max_timestamp = -1
        self.records_count = 0
        self.source_compression = 0
        self.was_recompressed = False
        for batch in batches:
            self.records_count += batch.records_count
            if batch.max_timestamp > self.max_timestamp:
                self.max_timestamp = batch.max_timestamp
                self.offset_of_max_timestamp = batch.base_offset + batch.last_offset_delta

    def assign(self, first_offset: int, leader_epoch: int) -> None:
        """Give the one batch its place in the log, and `buffers` its bytes."""
        (batch,) = self.batches
        batch.base_offset = self.first_offset = first_offset
        batch.partition_leader_epoch = leader_epoch
        self.last_offset = first_offset + batch.last_offset_delta
        if self.offset_of_max_timestamp >= 0:
            self.offset_of_max_timestamp = self.last_offset
        self.buffers = [_ASSIGNED.pack(first_offset, batch.batch_length, leader_epoch), *self._tail]


def validate_for_append(
    records: Buffer,
    rules: ValidationRules,
    *,
    first_offset: int,
    leader_epoch: int,
    now_ms: int,
    origin: AppendOrigin = AppendOrigin.CLIENT,
    allow_zstd: bool = True,
) -> ValidatedAppend:
    """Check the one batch of a produce partition or of a coordinator and place it at `first_offset`."""
    append = prepare_append(records, rules, now_ms=now_ms, origin=origin, allow_zstd=allow_zstd)
    append.assign(first_offset, leader_epoch)
    return append


def recompresses(records: Buffer, rules: ValidationRules) -> bool:
    """Whether `prepare_append` will compress these records anew, which takes long enough to be done off the loop."""
    if rules.compression is None or len(records) <= ATTRIBUTES_POSITION + 1:
        return False
    return records[ATTRIBUTES_POSITION + 1] & COMPRESSION_MASK != rules.compression


def prepare_append(
    records: Buffer,
    rules: ValidationRules,
    *,
    now_ms: int,
    origin: AppendOrigin = AppendOrigin.CLIENT,
    allow_zstd: bool = True,
) -> ValidatedAppend:
    """All of validate_for_append but the offsets. Needs nothing of the log's state.

    `allow_zstd` is False for Produce requests before version 7.
    """
    view = memoryview(records)
    if origin is AppendOrigin.CLIENT:
        append = prepare_plain(view, rules, now_ms)
        if append is not None:
            return append
    batch = _plain_batch(view, rules, allow_zstd) if origin is AppendOrigin.CLIENT else None
    if batch is None:
        batch = _only_batch(view, rules, origin, allow_zstd)
    codec = batch.attributes & COMPRESSION_MASK
    target = codec if rules.compression is None or (codec == 0 and batch.is_control) else rules.compression
    try:
        payload = batch.payload(rules.max_decompressed_bytes)
        max_timestamp = _check_records(batch, payload, rules, now_ms)
    except MalformedRecords as error:
        meter = InvalidRecords.OFFSET_OR_SEQUENCE if error.fault == BAD_OFFSET_DELTA else None
        raise RecordValidationError(ErrorCode.INVALID_RECORD, str(error), meter=meter) from None
    except DecodeError as error:
        raise RecordValidationError(ErrorCode.INVALID_RECORD, str(error)) from None
    log_append_time = NO_TIMESTAMP
    if rules.timestamp_type == LOG_APPEND_TIME:
        max_timestamp = log_append_time = now_ms
    if target != codec:
        tail = _recompress(batch, payload, target, max_timestamp, rules)
    elif batch.max_timestamp == max_timestamp and (
        batch.attributes & TIMESTAMP_TYPE_FLAG == (TIMESTAMP_TYPE_FLAG if rules.timestamp_type else 0)
    ):
        tail = [batch.buffer[_ASSIGNED_BYTES:]]
    else:
        tail = _rewrite_header(batch, batch.buffer[HEADER_BYTES:], codec, max_timestamp, rules.timestamp_type)
    append = ValidatedAppend([batch], tail, log_append_time=log_append_time, size=batch.size)
    append.source_compression = codec
    append.was_recompressed = target != codec
    return append


def validate_assigned(records: Buffer, *, origin: AppendOrigin, leader_epoch: int, next_offset: int) -> ValidatedAppend:
    """Check batches that have their offsets: those a follower fetched, or the metadata log's leader built.

    An incomplete batch at the end is cut off, and so is everything from the first batch of an epoch beyond
    `leader_epoch`, which a leader of yesterday may still send (KAFKA-18723).
    """
    view = memoryview(records)
    batches: list[RecordBatch] = []
    position, end, last_offset = 0, len(view), -1
    while position < end:
        batch = _read(view, position, end)
        if batch is None:
            break
        epoch = batch.partition_leader_epoch
        if origin == AppendOrigin.RAFT_LEADER and epoch != leader_epoch:
            raise RecordValidationError(ErrorCode.INVALID_RECORD, f"batch of epoch {epoch} in epoch {leader_epoch}")
        if origin == AppendOrigin.REPLICATION and epoch != NO_PARTITION_LEADER_EPOCH and epoch > leader_epoch:
            break
        if batch.last_offset <= last_offset:
            message = f"offset {batch.last_offset} after {last_offset}"
            raise RecordValidationError(ErrorCode.INVALID_RECORD, message, meter=InvalidRecords.OFFSET_OR_SEQUENCE)
        _check_crc(batch)
        last_offset = batch.last_offset
        batches.append(batch)
        position += batch.size
    append = ValidatedAppend(batches, [], size=position)
    if batches and append.first_offset < next_offset:
        raise UnexpectedAppendOffset(append.first_offset, append.last_offset, next_offset)
    append.buffers = [view[:position]]
    return append


def _read(view: memoryview, position: int, end: int) -> RecordBatch | None:
    try:
        return read_batch(view, position, end)
    except DecodeError as error:
        raise RecordValidationError(ErrorCode.CORRUPT_MESSAGE, str(error)) from None


def prepare_plain(view: memoryview, rules: ValidationRules, now_ms: int) -> ValidatedAppend | None:
    """All of `prepare_append` for a client's batch that is stored as it is: not compressed, with its own timestamps,
    and nothing about it to be refused. Else None, and the steps one by one have to tell what it is."""
    size = len(view)
    if (
        not HEADER_BYTES <= size <= rules.max_message_bytes
        or view[_MAGIC_POSITION] != CURRENT_MAGIC
        or rules.compression
        or rules.timestamp_type != CREATE_TIME
    ):
        return None
    batch = RecordBatch(view)
    count = batch.records_count
    if (
        batch.attributes
        or batch.size != size
        or batch.base_offset
        or not 0 < count == batch.last_offset_delta + 1
        or (batch.producer_id >= 0 and batch.base_sequence < 0)
        or crc32c(view[ATTRIBUTES_POSITION:], 0, 0) != batch.crc
    ):
        return None
    earliest, latest = now_ms - rules.timestamp_before_max_ms, now_ms + rules.timestamp_after_max_ms
    fault, _, max_timestamp, found = walk(
        view[HEADER_BYTES:],
        count,
        batch.base_timestamp,
        earliest if earliest > INT64_MIN else INT64_MIN,
        latest if latest < INT64_MAX else INT64_MAX,
        rules.is_compacted,
        1,
    )
    if fault or found or max_timestamp != batch.max_timestamp:
        return None
    return ValidatedAppend([batch], [view[_ASSIGNED_BYTES:]], size=size)


def _plain_batch(view: memoryview, rules: ValidationRules, allow_zstd: bool) -> RecordBatch | None:
    """The batch where a look at its header shows that a client may append it, as nearly always; else None, and
    `_only_batch` has to tell what is the matter, if anything is."""
    size = len(view)
    if size < HEADER_BYTES or view[_MAGIC_POSITION] != CURRENT_MAGIC:
        return None
    batch = RecordBatch(view)
    attributes = batch.attributes
    if (
        batch.size == size <= rules.max_message_bytes
        and batch.base_offset == 0
        and 0 < batch.records_count == batch.last_offset_delta + 1
        and not attributes & _NOT_PLAIN
        and attributes & COMPRESSION_MASK < (_AFTER_ZSTD if allow_zstd else CompressionType.ZSTD)
        and (batch.producer_id < 0 or batch.base_sequence >= 0)
        and batch.is_valid_crc()
    ):
        return batch
    return None


def _only_batch(view: memoryview, rules: ValidationRules, origin: AppendOrigin, allow_zstd: bool) -> RecordBatch:
    end = len(view)
    batch = _read(view, 0, end)
    if batch is None:
        raise _invalid("there must be one whole record batch for each partition")
    if batch.magic != CURRENT_MAGIC:
        raise _invalid(f"magic {batch.magic} is not accepted, only {CURRENT_MAGIC} is", InvalidRecords.MAGIC)
    # What is left of an incomplete second batch is dropped, as Kafka does.
    if batch.size != end and _read(view, batch.size, end) is not None:
        raise _invalid("there must be exactly one record batch for each partition")
    if not allow_zstd and batch.compression == CompressionType.ZSTD:
        raise RecordValidationError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs version 7 of the Produce request"
        )
    if origin == AppendOrigin.CLIENT and batch.base_offset != 0:
        raise _invalid(f"the base offset must be 0, not {batch.base_offset}")
    if batch.size > rules.max_message_bytes:
        raise _too_large(batch.size, rules)
    _check_crc(batch)
    _check_header(batch, origin)
    return batch


def _check_crc(batch: RecordBatch) -> None:
    if not batch.is_valid_crc():
        message = f"the record batch does not match its checksum {batch.crc:#010x}"
        raise RecordValidationError(ErrorCode.CORRUPT_MESSAGE, message, meter=InvalidRecords.CHECKSUM)


def _check_header(batch: RecordBatch, origin: AppendOrigin) -> None:
    count = batch.records_count
    if count <= 0 or batch.last_offset_delta != count - 1:
        message = f"a batch of {count} records cannot have the last offset delta {batch.last_offset_delta}"
        raise _invalid(message, InvalidRecords.OFFSET_OR_SEQUENCE)
    if batch.compression > CompressionType.ZSTD:
        raise _invalid(f"compression type {batch.compression} is unknown")
    if batch.is_transactional and not batch.has_producer_id:
        raise _invalid("a transactional batch needs a producer id")
    if origin != AppendOrigin.CLIENT:
        return
    if batch.is_control:
        raise _invalid("clients may not write control records", InvalidRecords.OFFSET_OR_SEQUENCE)
    if batch.has_producer_id and batch.base_sequence <= NO_SEQUENCE:
        message = f"base sequence {batch.base_sequence} with producer id {batch.producer_id}"
        raise _invalid(message, InvalidRecords.OFFSET_OR_SEQUENCE)


def _check_records(batch: RecordBatch, payload: Buffer, rules: ValidationRules, now_ms: int) -> int:
    """The largest timestamp of the records, all of which the topic accepts."""
    timestamp_min, timestamp_max = INT64_MIN, INT64_MAX
    if rules.timestamp_type == CREATE_TIME:
        earliest, latest = now_ms - rules.timestamp_before_max_ms, now_ms + rules.timestamp_after_max_ms
        if earliest > INT64_MIN:
            timestamp_min = earliest
        if latest < INT64_MAX:
            timestamp_max = latest
    max_timestamp, faults = walk_records(
        payload,
        batch.records_count,
        batch.base_timestamp,
        timestamp_min,
        timestamp_max,
        rules.is_compacted,
        _RECORD_ERRORS_MAX,
    )
    if faults:
        raise _faulty_records(faults, timestamp_min, timestamp_max)
    if batch.attributes & TIMESTAMP_TYPE_FLAG and (
        rules.timestamp_type == LOG_APPEND_TIME or batch.max_timestamp == NO_TIMESTAMP
    ):
        errors = [
            RecordError(index, "a producer may not set the timestamp type LogAppendTime")
            for index in range(min(batch.records_count, _RECORD_ERRORS_MAX))
        ]
        raise RecordValidationError(ErrorCode.INVALID_TIMESTAMP, _REJECTED_TIMESTAMPS, errors)
    return max_timestamp


_REJECTED_TIMESTAMPS: Final = "one or more records have been rejected for their timestamps"


def _faulty_records(faults: Sequence[RecordFault], timestamp_min: int, timestamp_max: int) -> RecordValidationError:
    errors = [
        RecordError(
            fault.batch_index,
            "a compacted topic accepts no record without a key"
            if fault.kind == NO_KEY
            else f"timestamp {fault.timestamp} is not within [{timestamp_min}, {timestamp_max}]",
        )
        for fault in faults
    ]
    if any(fault.kind != NO_KEY for fault in faults):
        return RecordValidationError(ErrorCode.INVALID_TIMESTAMP, _REJECTED_TIMESTAMPS, errors)
    first = "; ".join(f"record {error.batch_index}: {error.message}" for error in errors[:3])
    message = f"{len(errors)} records have been rejected, the first of them: {first}"
    return RecordValidationError(ErrorCode.INVALID_RECORD, message, errors, InvalidRecords.NO_KEY_ON_COMPACTED_TOPIC)


def _recompress(
    batch: RecordBatch, payload: Buffer, codec: int, max_timestamp: int, rules: ValidationRules
) -> list[Buffer]:
    stored = compress(codec, payload, rules.compression_level) if codec else payload
    tail = _rewrite_header(batch, stored, codec, max_timestamp, rules.timestamp_type)
    if batch.size > rules.max_message_bytes:
        raise _too_large(batch.size, rules)
    return tail


def _rewrite_header(
    batch: RecordBatch, payload: Buffer, codec: int, max_timestamp: int, timestamp_type: int
) -> list[Buffer]:
    """The batch's bytes behind the assigned ones with new attributes, maximum and payload; updates the batch too."""
    attributes = batch.attributes & _ATTRIBUTES_KNOWN & ~(COMPRESSION_MASK | TIMESTAMP_TYPE_FLAG) | codec
    if timestamp_type == LOG_APPEND_TIME:
        attributes |= TIMESTAMP_TYPE_FLAG
    batch.attributes = attributes
    batch.max_timestamp = max_timestamp
    covered = COVERED.pack(
        attributes,
        batch.last_offset_delta,
        batch.base_timestamp,
        max_timestamp,
        batch.producer_id,
        batch.producer_epoch,
        batch.base_sequence,
        batch.records_count,
    )
    prefix = seal(batch.base_offset, batch.partition_leader_epoch, covered, payload)
    _, batch.batch_length, _, _, batch.crc = PREFIX.unpack(prefix)
    batch.size = HEADER_BYTES + len(payload)
    return [prefix[_ASSIGNED_BYTES:] + covered, payload]


def _invalid(message: str, meter: InvalidRecords | None = None) -> RecordValidationError:
    return RecordValidationError(ErrorCode.INVALID_RECORD, message, meter=meter)


def _too_large(size: int, rules: ValidationRules) -> RecordValidationError:
    message = f"the record batch has {size} bytes, the topic's max.message.bytes is {rules.max_message_bytes}"
    return RecordValidationError(ErrorCode.MESSAGE_TOO_LARGE, message)
