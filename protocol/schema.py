"""Messages: the annotation is the schema.

    class HeartbeatResponse(Message):
        SPEC: ClassVar = response(key=12, versions="0-4", flexible="4+")

        throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
        error_code: Annotated[int, Int16("0+")] = 0

One class serves all versions of a message. Its fields stand in the order of the wire, with Kafka's names in snake_case
and Kafka's defaults, so that a caller builds a message by keyword from the fields it cares about. Structs inside a
message are classes nested in it, one level deep, under Kafka's names.

Nothing is compiled at import. The first use of a (class, version) resolves the annotations and generates two functions
of plain Python (`protocol.encoder`, `protocol.decoder`), kept for good. Decoding bytes of any kind yields a message or
a DecodeError; it never sets memory aside that the data does not cover. Encoding what a version cannot carry is an error
of the caller: EncodeError. Kafka's counterpart is its message generator (`org.apache.kafka.message`); KIP-482 brought
flexible versions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from protocol.errors import DecodeError
from protocol.fields import (
    Array,
    Bool,
    Bytes,
    Field,
    Fixed,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Records,
    String,
    Struct,
    Uint16,
    Uint32,
    Uuid128,
    Versions,
)
from protocol.wire import Buffer

__all__ = [
    "Array",
    "Bool",
    "Buffer",
    "Bytes",
    "Decoder",
    "EncodeError",
    "Encoder",
    "Field",
    "Fixed",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Message",
    "MessageSpec",
    "RecordBytes",
    "Records",
    "String",
    "Struct",
    "Uint16",
    "Uint32",
    "UnsupportedVersionError",
    "Uuid128",
    "coordinator_key",
    "coordinator_value",
    "data",
    "decode",
    "decode_prefix",
    "decoder_of",
    "encode",
    "encode_parts",
    "encoder_of",
    "header",
    "join_parts",
    "metadata",
    "request",
    "response",
]

RecordBytes: TypeAlias = Buffer | Sequence[Buffer] | None
"""What a records field holds: a view after decoding; for encoding also a sequence of pieces that follow one another."""

Kind: TypeAlias = Literal["request", "response", "header", "data", "metadata", "coordinator-key", "coordinator-value"]


class EncodeError(ValueError):
    """A message that its sender must not send: a value out of range, or null where the version does not allow it."""


class UnsupportedVersionError(EncodeError):
    """The message has no such version, or a field holds what the version has no place for."""


class MessageSpec:
    """What is known of a message as a whole. `name` is its class's name."""

    __slots__ = ("flexible", "key", "kind", "latest_unstable", "listeners", "name", "versions")

    def __init__(
        self,
        kind: Kind,
        key: int | None,
        versions: str,
        flexible: str,
        listeners: tuple[str, ...] = (),
        latest_unstable: bool = False,
    ) -> None:
        self.kind = kind
        self.key = key
        self.versions = Versions.parse(versions)
        flexible_versions = Versions.parse(flexible)
        self.flexible = None if flexible == "none" else flexible_versions.lowest
        self.listeners = listeners
        self.latest_unstable = latest_unstable
        self.name = ""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.name = owner.__name__

    def is_flexible(self, version: int) -> bool:
        return self.flexible is not None and version >= self.flexible


def request(
    *, key: int, versions: str, flexible: str, listeners: tuple[str, ...], latest_unstable: bool = False
) -> MessageSpec:
    return MessageSpec("request", key, versions, flexible, listeners, latest_unstable)


def response(*, key: int, versions: str, flexible: str) -> MessageSpec:
    return MessageSpec("response", key, versions, flexible)


def header(*, versions: str, flexible: str) -> MessageSpec:
    return MessageSpec("header", None, versions, flexible)


def data(*, versions: str, flexible: str) -> MessageSpec:
    return MessageSpec("data", None, versions, flexible)


def metadata(*, key: int, versions: str, flexible: str) -> MessageSpec:
    return MessageSpec("metadata", key, versions, flexible)


def coordinator_key(*, key: int, versions: str, flexible: str) -> MessageSpec:
    return MessageSpec("coordinator-key", key, versions, flexible)


def coordinator_value(*, key: int, versions: str, flexible: str) -> MessageSpec:
    return MessageSpec("coordinator-value", key, versions, flexible)


class Message(msgspec.Struct, kw_only=True, gc=False):
    """Base of every message and of every struct inside one.

    Build messages by keyword; only generated code passes fields by position. `gc=False`: messages are trees, so
    counting references is enough. `unknown_tagged_fields` keeps what a newer peer sent, and is sent on.
    """

    SPEC: ClassVar[MessageSpec]

    unknown_tagged_fields: dict[int, bytes] | None = None


M = TypeVar("M", bound=Message)


Encoder: TypeAlias = Callable[[Any, list[Buffer], list[int]], None]
"""`encoder(message, parts, cuts)` appends to both lists: `cuts` are the indexes of parts that are better not copied."""


class Decoder(NamedTuple):
    function: Callable[[Any, int], tuple[Any, int]]
    wants_view: bool  # of data with records in it; all else is faster from bytes


_encoders: Final[dict[tuple[type[Message], int], Encoder]] = {}
_decoders: Final[dict[tuple[type[Message], int], Decoder]] = {}


def encoder_of(cls: type[Message], version: int) -> Encoder:
    encoder = _encoders.get((cls, version))
    if encoder is None:
        _check_version(cls, version)
        from protocol.encoder import compile_encoder

        encoder = _encoders[cls, version] = compile_encoder(cls, version)
    return encoder


def decoder_of(cls: type[Message], version: int) -> Decoder:
    decoder = _decoders.get((cls, version))
    if decoder is None:
        _check_version(cls, version)
        from protocol.decoder import compile_decoder

        decoder = _decoders[cls, version] = compile_decoder(cls, version)
    return decoder


def _check_version(cls: type[Message], version: int) -> None:
    if not cls.SPEC.versions.covers(version):
        raise UnsupportedVersionError(f"{cls.__name__} has no version {version}")


def encode(message: Message, version: int) -> bytes:
    return b"".join(encode_parts(message, version))


def encode_parts(message: Message, version: int) -> list[Buffer]:
    """As `encode`, in pieces that follow one another: large values of records fields stay the buffers they were."""
    encoder = encoder_of(type(message), version)
    parts: list[Buffer] = []
    cuts: list[int] = []
    try:
        encoder(message, parts, cuts)
    except (struct.error, TypeError, AttributeError, UnicodeEncodeError) as error:
        raise EncodeError(f"{type(message).__name__} does not fit version {version}: {error}") from error
    return join_parts(parts, cuts)


def join_parts(parts: list[Buffer], cuts: list[int]) -> list[Buffer]:
    """What an encoder made of a message, with as few parts as there can be around those that are not copied."""
    if not cuts:
        return [b"".join(parts)]
    joined: list[Buffer] = []
    start = 0
    for cut in cuts:
        if cut > start:
            joined.append(b"".join(parts[start:cut]))
        joined.append(parts[cut])
        start = cut + 1
    if start < len(parts):
        joined.append(b"".join(parts[start:]))
    return joined


def decode(cls: type[M], version: int, data: Buffer, position: int = 0, *, exact: bool = False) -> M:
    """The message that begins at `position`. What follows it is ignored, as Kafka does for requests and responses;
    with `exact` it is a DecodeError, as Kafka's metadata records have it."""
    message, end = decode_prefix(cls, version, data, position)
    if exact and end != len(data):
        raise DecodeError(f"{len(data) - end} bytes follow a {cls.__name__} of version {version}")
    return message


def decode_prefix(cls: type[M], version: int, data: Buffer, position: int) -> tuple[M, int]:
    """The message that begins at `position`, and the position after it."""
    function, wants_view = decoder_of(cls, version)
    if wants_view:
        if type(data) is not memoryview:
            data = memoryview(data)
    elif type(data) is not bytes:
        data = bytes(data)
    try:
        decoded: tuple[M, int] = function(data, position)
    except (struct.error, IndexError):
        raise DecodeError(f"the data ends inside a {cls.__name__} of version {version}") from None
    return decoded
