"""Values of metadata records as bytes.

    frame version (1) | api key | version | body          the first three are unsigned varints

Nothing may follow the body. Metadata records have no keys. Kafka's counterpart is `MetadataRecordSerde`.
"""

from __future__ import annotations

from typing import Final

from protocol.errors import DecodeError
from protocol.metadata import RECORDS
from protocol.schema import Buffer, Message, decode, encode
from protocol.wire import decode_unsigned_varint, encode_unsigned_varint

_FRAME_VERSION: Final = 1


def encode_record(record: Message, version: int) -> bytes:
    key = record.SPEC.key
    assert key is not None and record.SPEC.kind == "metadata"
    frame = (_FRAME_VERSION, key, version)
    return b"".join(map(encode_unsigned_varint, frame)) + encode(record, version)


def decode_record(data: Buffer) -> tuple[Message, int]:
    """The record and its version; DecodeError also for a key or version that this software does not know."""
    frame_version, position = decode_unsigned_varint(data, 0)
    if frame_version != _FRAME_VERSION:
        raise DecodeError(f"a metadata record has frame version {frame_version}, only {_FRAME_VERSION} is known")
    key, position = decode_unsigned_varint(data, position)
    version, position = decode_unsigned_varint(data, position)
    if key not in RECORDS:
        raise DecodeError(f"there is no metadata record with key {key}")
    cls = RECORDS[key]
    if not cls.SPEC.versions.covers(version):
        raise DecodeError(f"{cls.__name__} has no version {version}")
    return decode(cls, version, data, position, exact=True), version
