"""Integers of variable length, the only primitive of the wire that `struct` does not know.

Unsigned varints (lengths and tags of flexible versions, metadata frames) carry 7 bits a byte, least significant first;
signed ones (fields of records) are zig-zag coded before. Kafka's counterpart is `ByteUtils`. A value may take 5 bytes
(32 bits) or 10 bytes (64 bits), never more: what runs on longer, or off the end of the data, is a DecodeError.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from protocol.errors import DecodeError

Buffer: TypeAlias = bytes | bytearray | memoryview

SMALL_VARINTS: Final = tuple(bytes([value]) for value in range(128))

_UINT32_MAX: Final = 0xFFFF_FFFF
_UINT64_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF


def encode_unsigned_varint(value: int) -> bytes:
    if 0 <= value < 128:
        return SMALL_VARINTS[value]
    if value < 0 or value > _UINT64_MAX:
        raise ValueError(f"{value} does not fit an unsigned varint")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_unsigned_varint(data: Buffer, position: int) -> tuple[int, int]:
    """An unsigned number of at most 32 bits, and the position after it."""
    try:
        first = data[position]
    except IndexError:
        raise DecodeError("the data ends where a varint should begin") from None
    if first < 128:
        return first, position + 1
    return continue_unsigned_varint(data, position + 1, first)


def continue_unsigned_varint(data: Buffer, position: int, first: int) -> tuple[int, int]:
    """As `decode_unsigned_varint`, for a caller that has taken the first byte and saw that more must follow."""
    return _continue(data, position, first, 5, _UINT32_MAX)


def decode_unsigned_varlong(data: Buffer, position: int) -> tuple[int, int]:
    """An unsigned number of at most 64 bits, and the position after it."""
    try:
        first = data[position]
    except IndexError:
        raise DecodeError("the data ends where a varint should begin") from None
    if first < 128:
        return first, position + 1
    return _continue(data, position + 1, first, 10, _UINT64_MAX)


def _continue(data: Buffer, position: int, first: int, bytes_max: int, value_max: int) -> tuple[int, int]:
    value = first & 0x7F
    try:
        for shift in range(7, 7 * bytes_max, 7):
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 128:
                if value > value_max:
                    break
                return value, position
    except IndexError:
        raise DecodeError("the data ends inside a varint") from None
    raise DecodeError(f"a varint is longer than {bytes_max} bytes or {value_max.bit_length()} bits")


def encode_varint(value: int) -> bytes:
    """A signed number of at most 64 bits, zig-zag coded; the same bytes serve Kafka's varint and varlong."""
    return encode_unsigned_varint(value << 1 if value >= 0 else (-value << 1) - 1)


def decode_varint(data: Buffer, position: int) -> tuple[int, int]:
    """A signed number of at most 32 bits, and the position after it."""
    raw, position = decode_unsigned_varint(data, position)
    return (raw >> 1) ^ -(raw & 1), position


def decode_varlong(data: Buffer, position: int) -> tuple[int, int]:
    """A signed number of at most 64 bits, and the position after it."""
    raw, position = decode_unsigned_varlong(data, position)
    return (raw >> 1) ^ -(raw & 1), position
