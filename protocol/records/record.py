"""One record of a v2 batch: its value object and its encoding.

    length varint | attributes int8 | timestamp_delta varlong | offset_delta varint
    | key_length varint | key | value_length varint | value | headers_count varint
    | { key_length varint | key | value_length varint | value }*

A length of -1 means null. Reading is strict: every length must fit into the record that holds it, the record into its
payload, and the last record must end where the payload does, or it is a DecodeError. The loop over records has a
compiled twin (see walk.py). Kafka's counterpart: DefaultRecord; KIP-82 (headers), KIP-98 (the format).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from protocol.errors import DecodeError
from protocol.wire import Buffer, decode_varint, decode_varlong, encode_varint

Header: TypeAlias = tuple[str, bytes | None]
RawRecord: TypeAlias = tuple[int, int, bytes | None, bytes | None, list[Header]]
"""offset delta, timestamp delta, key, value, headers"""

NO_TIMESTAMP: Final = -1
NO_SEQUENCE: Final = -1
SEQUENCE_MAX: Final = 2**31 - 1


class Record(msgspec.Struct, gc=False):
    """A record with its absolute offset, timestamp (ms) and sequence (-1 without a producer id).

    Header keys that are not UTF-8 decode with surrogate escapes, so that encoding restores their bytes.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[Header] = msgspec.field(default_factory=list)
    sequence: int = NO_SEQUENCE


def increment_sequence(sequence: int, increment: int) -> int:
    """Sequences run from 0 to 2^31 - 1 and then start again at 0."""
    return (sequence + increment) & SEQUENCE_MAX


def decrement_sequence(sequence: int, decrement: int) -> int:
    return (sequence - decrement) & SEQUENCE_MAX


def encode_record(
    offset_delta: int, timestamp_delta: int, key: Buffer | None, value: Buffer | None, headers: list[Header]
) -> bytes:
    parts: list[Buffer] = [b"\0", encode_varint(timestamp_delta), encode_varint(offset_delta)]
    _add_nullable(parts, key)
    _add_nullable(parts, value)
    parts.append(encode_varint(len(headers)))
    for name, content in headers:
        _add_nullable(parts, name.encode("utf-8", "surrogateescape"))
        _add_nullable(parts, content)
    body = b"".join(parts)
    return encode_varint(len(body)) + body


def _add_nullable(parts: list[Buffer], value: Buffer | None) -> None:
    if value is None:
        parts.append(b"\x01")
    else:
        parts.append(encode_varint(len(value)))
        parts.append(value)


def decode_records_pure(data: Buffer, count: int) -> list[RawRecord]:
    """Decode `count` records that fill `data` exactly."""
    payload = bytes(data)
    size = len(payload)
    records: list[RawRecord] = []
    position = 0
    for _ in range(count):
        length, position = decode_varint(payload, position)
        if length < 0 or length > size - position:
            raise DecodeError(f"a record of {length} bytes where {size - position} remain")
        end = position + length
        records.append(_decode_record(payload, position, end))
        position = end
    if position != size:
        raise DecodeError(f"{size - position} bytes remain after the last record")
    return records


def _decode_record(data: bytes, position: int, end: int) -> RawRecord:
    # A varint may be read across `end`; the position is then beyond it, and one of the checks below refuses.
    timestamp_delta, position = decode_varlong(data, position + 1)
    offset_delta, position = decode_varint(data, position)
    key, position = _decode_nullable(data, position, end)
    value, position = _decode_nullable(data, position, end)
    headers_count, position = decode_varint(data, position)
    if headers_count < 0 or headers_count > end - position:
        raise DecodeError(f"a record of {headers_count} headers where {end - position} bytes remain")
    headers: list[Header] = []
    for _ in range(headers_count):
        name, position = _decode_nullable(data, position, end)
        if name is None:
            raise DecodeError("a record header without a key")
        content, position = _decode_nullable(data, position, end)
        headers.append((name.decode("utf-8", "surrogateescape"), content))
    if position != end:
        raise DecodeError(f"a record whose fields end {end - position} bytes before it does")
    return offset_delta, timestamp_delta, key, value, headers


def _decode_nullable(data: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    length, position = decode_varint(data, position)
    if length < 0:
        if length != -1:
            raise DecodeError(f"a record field of {length} bytes")
        return None, position
    if length > end - position:
        raise DecodeError(f"a record field of {length} bytes where {end - position} remain")
    return data[position : position + length], position + length
