"""The walk over the records of a batch that is about to enter the log, without making objects of them.

`walk_records` checks what a broker answers for: that exactly `count` records fill the payload, every length within the
one around it, offset deltas 0, 1, 2, ..., timestamps that fit 64 bits. It reports the largest timestamp and the records
that break a rule of the topic (no key, timestamp out of range), which fail a batch one by one in the response. A broken
structure is a MalformedRecords, a DecodeError. `decode_records` makes the objects.

Both exist twice: compiled in _native.c and pure here and in record.py, equal on every input, good or bad. The compiled
one is used where it was built. Kafka's counterpart: LogValidator.validateRecord over DefaultRecordBatch.iterator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from protocol.errors import DecodeError
from protocol.records.record import NO_TIMESTAMP, RawRecord, decode_records_pure
from protocol.wire import Buffer

try:
    from protocol.records import _native
except ImportError:
    _native = None  # type: ignore[assignment]

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

# Kinds of RecordFault: the record itself is readable.
NO_KEY: Final = 1
TIMESTAMP_OUT_OF_RANGE: Final = 2

# Faults of the structure, and the texts to tell them; the numbers are shared with _native.c.
SOUND: Final = 0
BAD_LENGTH: Final = 1
BAD_FIELD: Final = 2
BAD_OFFSET_DELTA: Final = 3
BAD_TIMESTAMP: Final = 4
BAD_HEADERS: Final = 5
BYTES_REMAIN: Final = 6
RECORD_BYTES_REMAIN: Final = 7
FAULT_TEXTS: Final = {
    BAD_LENGTH: "its length is malformed or exceeds the batch",
    BAD_FIELD: "a field is malformed or exceeds the record",
    BAD_OFFSET_DELTA: "its offset delta does not follow the one before",
    BAD_TIMESTAMP: "its timestamp does not fit 64 bits",
    BAD_HEADERS: "its number of headers is impossible",
    BYTES_REMAIN: "more bytes follow than the batch has records",
    RECORD_BYTES_REMAIN: "its length exceeds its fields",
}


class RecordFault(NamedTuple):
    """A readable record that breaks a rule: its place in the batch, the rule, and its timestamp."""

    batch_index: int
    kind: int
    timestamp: int


_NO_FAULTS: Final[Sequence[RecordFault]] = ()


class MalformedRecords(DecodeError):
    """The records of a batch are not what its header says."""

    def __init__(self, fault: int, index: int) -> None:
        super().__init__(f"record {index} of the batch is invalid: {FAULT_TEXTS[fault]}")
        self.fault = fault
        self.index = index


def walk_records(
    payload: Buffer,
    count: int,
    base_timestamp: int,
    timestamp_min: int = INT64_MIN,
    timestamp_max: int = INT64_MAX,
    require_key: bool = False,
    faults_max: int = 1000,
) -> tuple[int, Sequence[RecordFault]]:
    """(largest timestamp or -1, records that break a rule, at most `faults_max` of them).

    A timestamp of -1 means none and is always in range.
    """
    fault, index, largest, found = walk(
        payload, count, base_timestamp, timestamp_min, timestamp_max, require_key, faults_max
    )
    if fault:
        raise MalformedRecords(fault, index)
    return largest, [RecordFault(*item) for item in found] if found else _NO_FAULTS


def walk_pure(
    payload: Buffer,
    count: int,
    base_timestamp: int,
    timestamp_min: int,
    timestamp_max: int,
    require_key: bool,
    faults_max: int,
) -> tuple[int, int, int, list[tuple[int, int, int]] | None]:
    """(fault, index of the record that has it, largest timestamp, broken rules or None); what _native.walk is too."""
    largest = NO_TIMESTAMP
    found: list[tuple[int, int, int]] = []
    data = bytes(payload)
    size = len(data)
    position = 0
    # Records with short varints and no headers, most of all there are, take the short way if no sum can overflow.
    short_way = INT64_MIN + 2**32 < base_timestamp < INT64_MAX - 2**32
    for index in range(count):
        record = _walk_plain_record(data, position, index) if short_way else None
        if record is not None:
            delta, has_key, position = record
            timestamp = base_timestamp + delta
        else:
            length, position = _varint(data, position, size, 32)
            if position < 0 or length < 0 or length > size - position:
                return BAD_LENGTH, index, NO_TIMESTAMP, None
            end = position + length
            fault, timestamp, has_key = _walk_record(data, position, end, index, base_timestamp)
            if fault:
                return fault, index, NO_TIMESTAMP, None
            position = end
        if timestamp > largest:
            largest = timestamp
        if require_key and not has_key:
            if len(found) < faults_max:
                found.append((index, NO_KEY, timestamp))
        elif timestamp != NO_TIMESTAMP and not timestamp_min <= timestamp <= timestamp_max and len(found) < faults_max:
            found.append((index, TIMESTAMP_OUT_OF_RANGE, timestamp))
    if position != size:
        return BYTES_REMAIN, max(count, 0), NO_TIMESTAMP, None
    return SOUND, 0, largest, found or None


def _walk_plain_record(data: bytes, position: int, index: int) -> tuple[int, bool, int] | None:
    """(timestamp delta, has a key, next position) of a sound record, None if only the long way can tell.

    Nothing is checked on the way: the fields must end exactly where the length says, so all that was read lies within.
    """
    try:
        length = data[position]
        position += 1
        if length >= 0x80:
            length = length & 0x7F | data[position] << 7
            position += 1
            if length >= 0x4000:
                length = length & 0x3FFF | data[position] << 14
                position += 1
                if length >= 0x200000:
                    return None
        if length & 1:
            return None
        end = position + (length >> 1)
        delta = data[position + 1]
        position += 2
        if delta >= 0x80:
            delta = delta & 0x7F | data[position] << 7
            position += 1
            if delta >= 0x4000:
                return None
        offset_delta = data[position]
        position += 1
        if offset_delta >= 0x80:
            offset_delta = offset_delta & 0x7F | data[position] << 7
            position += 1
        if offset_delta != index << 1 or index >= 0x2000:
            return None
        key_length = data[position]
        position += 1
        if key_length != 1:
            if key_length & 1 or key_length >= 0x80:
                return None
            position += key_length >> 1
        value_length = data[position]
        position += 1
        if value_length != 1:
            if value_length >= 0x80:
                value_length = value_length & 0x7F | data[position] << 7
                position += 1
                if value_length >= 0x4000:
                    value_length = value_length & 0x3FFF | data[position] << 14
                    position += 1
            if value_length & 1 or value_length >= 0x200000:
                return None
            position += value_length >> 1
        if data[position] != 0 or position + 1 != end:
            return None
    except IndexError:
        return None
    return (delta >> 1) ^ -(delta & 1), key_length != 1, end


def _walk_record(data: bytes, position: int, end: int, index: int, base_timestamp: int) -> tuple[int, int, bool]:
    """(fault, timestamp, has a key)"""
    if position >= end:
        return BAD_FIELD, 0, False
    delta, position = _varint(data, position + 1, end, 64)
    if position < 0:
        return BAD_FIELD, 0, False
    timestamp = base_timestamp + delta
    if not INT64_MIN <= timestamp <= INT64_MAX:
        return BAD_TIMESTAMP, 0, False
    offset_delta, position = _varint(data, position, end, 32)
    if position < 0:
        return BAD_FIELD, 0, False
    if offset_delta != index:
        return BAD_OFFSET_DELTA, 0, False
    key_length, position = _skip_nullable(data, position, end)
    if position >= 0:
        _, position = _skip_nullable(data, position, end)
    if position < 0:
        return BAD_FIELD, 0, False
    return _walk_headers(data, position, end), timestamp, key_length >= 0


def _walk_headers(data: bytes, position: int, end: int) -> int:
    count, position = _varint(data, position, end, 32)
    if position < 0:
        return BAD_FIELD
    if count < 0 or count > end - position:
        return BAD_HEADERS
    for _ in range(count):
        length, position = _skip_nullable(data, position, end)
        if position < 0 or length < 0:
            return BAD_FIELD
        _, position = _skip_nullable(data, position, end)
        if position < 0:
            return BAD_FIELD
    return SOUND if position == end else RECORD_BYTES_REMAIN


def _varint(data: bytes, position: int, end: int, bits: int) -> tuple[int, int]:
    """(value, next position), the position -1 if there is no such varint before `end`."""
    result = shift = 0
    while position < end and shift < bits:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return ((result >> 1) ^ -(result & 1), position) if result >> bits == 0 else (0, -1)
        shift += 7
    return 0, -1


def _skip_nullable(data: bytes, position: int, end: int) -> tuple[int, int]:
    """(length or -1 for null, position behind the bytes or -1)"""
    length, position = _varint(data, position, end, 32)
    if position < 0 or length < -1 or length > end - position:
        return -1, -1
    return length, position + max(length, 0)


def decode_records(payload: Buffer, count: int) -> list[RawRecord]:
    """All records of a payload, which they must fill exactly; deltas as they are."""
    if _native is None:
        return decode_records_pure(payload, count)
    records = _native.decode(payload, count)
    if records is None:
        # Malformed: the pure twin fails on it too, and says where.
        return decode_records_pure(payload, count)
    return records


NATIVE: Final = _native is not None
walk: Final = walk_pure if _native is None else _native.walk
"""As `walk_pure` tells; `walk_records` makes an exception and objects of it."""
