"""Messages that stand behind an int16 with their version: members' subscriptions and assignments inside group requests,
principals inside Envelope, values of end-of-transaction markers, producer snapshots.
"""

from __future__ import annotations

import struct
from typing import Final, TypeVar

from protocol.errors import DecodeError
from protocol.schema import Buffer, Message, decode, encode

_INT16: Final = struct.Struct(">h")

M = TypeVar("M", bound=Message)


def encode_versioned(message: Message, version: int) -> bytes:
    return _INT16.pack(version) + encode(message, version)


def decode_versioned(cls: type[M], data: Buffer, *, allow_newer: bool = False) -> tuple[M, int]:
    """The message and its version. With `allow_newer`, one of a version not known here is read as the highest known,
    and what follows is left alone: new fields of the consumer protocol come at the end, and Kafka reads it so."""
    try:
        version: int = _INT16.unpack_from(data)[0]
    except struct.error:
        raise DecodeError(f"the version of a {cls.__name__} is missing") from None
    if allow_newer:
        version = min(version, cls.SPEC.versions.highest)
    if not cls.SPEC.versions.covers(version):
        raise DecodeError(f"{cls.__name__} has no version {version}")
    return decode(cls, version, data, _INT16.size), version
