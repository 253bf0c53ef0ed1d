"""Requests as hypothesis draws them: recorded ones and synthetic ones of every version, whole or damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from broker.api import ListenerKind, served_on
from protocol.apis import request_class, request_header_version
from protocol.compiler import resolve
from protocol.fields import (
    Array,
    Bool,
    Bytes,
    Field,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Records,
    String,
    Uint16,
    Uint32,
    Uuid128,
)
from protocol.messages.header import RequestHeader
from protocol.records.builder import build_batch
from protocol.records.record import Record
from protocol.schema import Message, encode

SERVED = tuple(served_on(ListenerKind.BROKER).values())
CORPUS = Path(__file__).with_name("corpus.txt")

INT32_EXTREMES = (-(2**31), -2, -1, 0, 1, 127, 128, 255, 32767, 65535, 2**24, 2**31 - 1)
VARINT_EXTREMES = (b"\xff" * 4 + b"\x0f", b"\xff" * 9 + b"\x01", b"\x80" * 6, b"\0")

Mutate = Callable[[bytes], bytes]


@cache
def recorded() -> list[bytes]:
    return [bytes.fromhex(line.rsplit(" ", 1)[1]) for line in CORPUS.read_text().splitlines()]


@cache
def synthetic() -> list[bytes]:
    """One of each API and version that is served, with an element in each list."""
    frames = []
    for api in SERVED:
        for version in range(api.lowest_version, api.highest_version + 1):
            header = RequestHeader(
                request_api_key=api.key, request_api_version=version, correlation_id=7, client_id="fuzz"
            )
            request = _filled(request_class(api.key), version)
            frames.append(encode(header, request_header_version(api.key, version)) + encode(request, version))
    return frames


def _filled(cls: type[Message], version: int) -> Any:
    values: dict[str, Any] = {}
    for name, field, default, element in resolve(cls):
        if not field.is_present(version):
            continue
        if isinstance(field, Array):
            values[name] = ["x" if field.of is String else 1] if element is None else [_filled(element, version)]
        elif element is not None:
            values[name] = _filled(element, version) if default is not None else None
        elif isinstance(field, String):
            values[name] = "t"
    return cls(**values)


@st.composite
def _mutation(draw: st.DrawFn) -> Mutate:
    place = draw(st.floats(0, 1, exclude_max=True))

    def at(data: bytes) -> int:
        return int(place * len(data))

    match draw(st.sampled_from(["flip", "int32", "int16", "varint", "cut", "insert", "remove", "repeat", "version"])):
        case "flip":
            bit = draw(st.integers(0, 7))
            return lambda data: data[: at(data)] + bytes([data[at(data)] ^ 1 << bit]) + data[at(data) + 1 :]
        case "int32":
            raw = struct.pack(">i", draw(st.sampled_from(INT32_EXTREMES)))
            return lambda data: data[: at(data)] + raw + data[at(data) + 4 :]
        case "int16":
            raw = struct.pack(">h", draw(st.sampled_from((-32768, -2, -1, 0, 1, 32767))))
            return lambda data: data[: at(data)] + raw + data[at(data) + 2 :]
        case "varint":
            raw = draw(st.sampled_from(VARINT_EXTREMES))
            return lambda data: data[: at(data)] + raw + data[at(data) + 1 :]
        case "cut":
            return lambda data: data[: at(data)]
        case "insert":
            raw = draw(st.binary(min_size=1, max_size=40))
            return lambda data: data[: at(data)] + raw + data[at(data) :]
        case "remove":
            count = draw(st.integers(1, 20))
            return lambda data: data[: at(data)] + data[at(data) + count :]
        case "repeat":
            count = draw(st.integers(1, 100))
            return lambda data: data[: at(data)] + data[at(data) : at(data) + count] * 2 + data[at(data) + count :]
        case _:
            raw = struct.pack(">h", draw(st.integers(-1, 20)))
            return lambda data: data[:2] + raw + data[4:]


@st.composite
def damaged_frames(draw: st.DrawFn) -> bytes:
    """A frame without its size: most of them a real request with a few bytes wrong, some nothing but noise."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(recorded() + synthetic()))
    for mutate in draw(st.lists(_mutation(), max_size=4)):
        if data:
            data = mutate(data)
    return data


# Requests that are well-formed and make no sense.

NAMES = ("t", "u", "__consumer_offsets", "__transaction_state", "", ".", "a/b", "x" * 300, "\x00\n", "ü", "g", "1")
INTEGERS = (-(2**31), -3, -2, -1, 0, 1, 2, 3, 100, 32767, 2**31 - 1)
LONGS = (*INTEGERS, -(2**63), 2**63 - 1, 1_700_000_000_000)


SPARED: Final = tuple(api for api in SERVED if api.name != "unregister_broker")
"""A node that is made to unregister itself leads nothing any more: of no use to the requests that follow."""


@st.composite
def nonsense(draw: st.DrawFn) -> bytes:
    """A frame without its size, of any API and version that is served, with anything in its fields."""
    api = draw(st.sampled_from(SPARED))
    version = draw(st.integers(api.lowest_version, api.highest_version))
    request = drawn(draw, request_class(api.key), version, 0)
    header = RequestHeader(request_api_key=api.key, request_api_version=version, correlation_id=7, client_id="fuzz")
    return encode(header, request_header_version(api.key, version)) + encode(request, version)


def drawn(draw: st.DrawFn, cls: type[Message], version: int, depth: int = 0) -> Any:
    values: dict[str, Any] = {}
    for name, field, _, element in resolve(cls):
        if field.is_present(version):
            values[name] = _value(draw, field, element, version, depth)
    return cls(**values)


def _value(draw: st.DrawFn, field: Field, element: type[Message] | None, version: int, depth: int) -> Any:
    if field.is_nullable(version) and draw(st.integers(0, 4)) == 0:
        return None
    if isinstance(field, Array):
        count = draw(st.integers(0, 3 - depth))
        if element is not None:
            return [drawn(draw, element, version, depth + 1) for _ in range(count)]
        assert field.of is not None
        return [_single(draw, field.of) for _ in range(count)]
    if element is not None:
        return drawn(draw, element, version, depth + 1)
    return _single(draw, type(field))


def _single(draw: st.DrawFn, kind: type[Field]) -> Any:
    if kind is String:
        return draw(st.sampled_from(NAMES))
    if kind is Records:
        return draw(st.sampled_from(_batches()))
    if kind is Bytes:
        return draw(st.binary(max_size=20))
    if kind is Uuid128:
        return draw(st.sampled_from((bytes(16), b"x" * 16)))
    if kind is Bool:
        return draw(st.booleans())
    low, high = _RANGES[kind]
    return draw(st.sampled_from([value for value in LONGS if low <= value <= high]))


_RANGES: dict[type[Field], tuple[int, int]] = {
    Int8: (-(2**7), 2**7 - 1),
    Int16: (-(2**15), 2**15 - 1),
    Int32: (-(2**31), 2**31 - 1),
    Int64: (-(2**63), 2**63 - 1),
    Uint16: (0, 2**16 - 1),
    Uint32: (0, 2**32 - 1),
    Float64: (-3, 100),
}


@cache
def _batches() -> list[bytes]:
    record = Record(offset=0, timestamp=1, key=b"k", value=b"v")
    good = build_batch([record])
    numbered = build_batch([record], producer_id=1, producer_epoch=0, base_sequence=0)
    damaged = []
    for place in range(0, len(good), 3):
        damaged.append(good[:place] + bytes([good[place] ^ 0x81]) + good[place + 1 :])
    zipped = [build_batch([record], compression=codec) for codec in range(1, 5)]
    return [good, numbered, b"", good + good, good[:-1], *damaged, *zipped]
