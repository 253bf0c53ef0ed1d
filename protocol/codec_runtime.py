"""What generated codecs call: the rare ways of a format, kept out of line, and the errors.

The names here are globals of every generated function, see `protocol.compiler`.
"""

from __future__ import annotations

import codecs
from struct import pack, unpack_from
from typing import Final, NoReturn

from protocol.errors import DecodeError
from protocol.schema import Buffer, EncodeError, Message, RecordBytes, UnsupportedVersionError
from protocol.wire import SMALL_VARINTS, continue_unsigned_varint, decode_unsigned_varint, encode_unsigned_varint

__all__ = [
    "SMALL_VARINTS",
    "UNCOPIED_BYTES_MIN",
    "add_unknown_tag",
    "continue_unsigned_varint",
    "encode_unsigned_varint",
    "fail_count",
    "fail_length",
    "fail_long_string",
    "fail_none",
    "fail_null",
    "fail_string",
    "fail_tag",
    "fail_tag_size",
    "fail_unsupported",
    "fail_uuid",
    "join_tags",
    "pack",
    "read_tag",
    "read_unknown_tags",
    "records_size",
    "unpack_from",
    "write_records",
]

UNCOPIED_BYTES_MIN: Final = 4096  # below, copying records is cheaper than one more piece for the socket


STRING_BYTES_MAX: Final = 0x7FFF
REPLACEMENT: Final = "\ufffd"
STRING_ERRORS: Final = "barnabas.java"
"""The name of `replace_as_java` for the decoders of strings."""


def replace_as_java(error: UnicodeError) -> tuple[str, int]:
    """What is not UTF-8 becomes U+FFFD, as often as in Java: once for a half of a surrogate pair, of which Python would
    replace each byte. A string that may get too long for an answer that repeats it is a DecodeError."""
    assert isinstance(error, UnicodeDecodeError)
    data, start = error.object, error.start
    if len(data) > STRING_BYTES_MAX // len(REPLACEMENT.encode()):
        raise DecodeError(f"a string of {len(data)} bytes is not UTF-8")
    if data[start] == 0xED and data[start + 1 : start + 2] >= b"\xa0" and data[start + 1] <= 0xBF:
        third = data[start + 2 : start + 3]
        return REPLACEMENT, start + (3 if b"\x80" <= third <= b"\xbf" else 2)
    return REPLACEMENT, error.end


codecs.register_error(STRING_ERRORS, replace_as_java)


def read_tag(data: Buffer, position: int, limit: int) -> tuple[int, int, int]:
    """A tagged field's tag, the end of its value, and where the value begins."""
    tag, position = decode_unsigned_varint(data, position)
    size, position = decode_unsigned_varint(data, position)
    if position + size > limit:
        raise DecodeError(f"tagged field {tag} of {size} bytes does not fit into the {limit - position} left")
    return tag, position + size, position


def add_unknown_tag(message: Message, tag: int, data: Buffer, start: int, end: int) -> None:
    if message.unknown_tagged_fields is None:
        message.unknown_tagged_fields = {}
    if tag in message.unknown_tagged_fields:
        raise DecodeError(f"tagged field {tag} comes twice")
    message.unknown_tagged_fields[tag] = bytes(data[start:end])


def read_unknown_tags(data: Buffer, position: int, limit: int, count: int) -> tuple[dict[int, bytes] | None, int]:
    if count > 127:
        count, position = continue_unsigned_varint(data, position, count)
    fields: dict[int, bytes] = {}
    for _ in range(count):
        tag, end, position = read_tag(data, position, limit)
        if tag in fields:
            raise DecodeError(f"tagged field {tag} comes twice")
        fields[tag] = bytes(data[position:end])
        position = end
    return fields or None, position  # a count of zero may come in more bytes than it needs


def join_tags(known: dict[int, bytes], unknown: dict[int, bytes] | None) -> bytes:
    """The tagged section of a struct: count, then tag, size and value of each in the order of tags."""
    fields = {**known, **unknown} if unknown else known
    if unknown and len(fields) != len(known) + len(unknown):
        raise EncodeError(f"unknown tagged fields {sorted(unknown)} hide known ones {sorted(known)}")
    parts = [encode_unsigned_varint(len(fields))]
    for tag in sorted(fields):
        value = fields[tag]
        parts += (encode_unsigned_varint(tag), encode_unsigned_varint(len(value)), value)
    return b"".join(parts)


def records_size(records: RecordBytes) -> int:
    """Bytes of a records field, -1 for null."""
    if records is None:
        return -1
    if isinstance(records, bytes | bytearray | memoryview):
        return len(records)
    return sum(map(len, records))


def write_records(records: Buffer | list[Buffer], parts: list[Buffer], cuts: list[int]) -> None:
    for piece in (records,) if isinstance(records, bytes | bytearray | memoryview) else records:
        if len(piece) >= UNCOPIED_BYTES_MIN:
            cuts.append(len(parts))
        parts.append(piece)


def fail_null(path: str) -> NoReturn:
    raise DecodeError(f"{path} is null and must not be")


def fail_length(path: str, length: int, left: int) -> NoReturn:
    raise DecodeError(f"{path} of {length} bytes does not fit into the {left} left")


def fail_count(path: str, count: int, left: int) -> NoReturn:
    raise DecodeError(f"{path} of {count} elements does not fit into the {left} bytes left")


def fail_string(path: str, length: int) -> NoReturn:
    raise DecodeError(f"{path} is a string of {length} bytes, longer than a string may be")


def fail_tag(name: str, tag: int, version: int) -> NoReturn:
    raise DecodeError(f"{name} has no tagged field {tag} in version {version}")


def fail_tag_size(path: str) -> NoReturn:
    raise DecodeError(f"{path} does not end where the size of its tagged field says")


def fail_none(path: str) -> NoReturn:
    raise EncodeError(f"{path} is None and must not be")


def fail_long_string(path: str, length: int) -> NoReturn:
    raise EncodeError(f"{path} is a string of {length} bytes, longer than a string may be")


def fail_uuid(path: str) -> NoReturn:
    raise EncodeError(f"{path} is not 16 bytes long")


def fail_unsupported(path: str, version: int) -> NoReturn:
    raise UnsupportedVersionError(f"{path} is set, but version {version} cannot carry it")
