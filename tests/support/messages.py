"""Every message class of the protocol package, and random values for each of its versions."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import protocol.coordinator
import protocol.messages
import protocol.metadata
from protocol.compiler import ResolvedField, resolve
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
    Struct,
    Uint16,
    Uint32,
    Uuid128,
)
from protocol.schema import Message

_INTEGERS: dict[type[Field], tuple[int, int]] = {
    Int8: (-(2**7), 2**7 - 1),
    Int16: (-(2**15), 2**15 - 1),
    Int32: (-(2**31), 2**31 - 1),
    Int64: (-(2**63), 2**63 - 1),
    Uint16: (0, 2**16 - 1),
    Uint32: (0, 2**32 - 1),
}
_STRINGS = ("", "a", "topic-1", "naïve ☃ 𝄞", "x" * 127, "y" * 128, "é" * 9000)
_FLOATS = (0.0, -1.5, 1e300, 123456.75)
_SIZES = (0, 1, 1, 2, 3)


@cache
def message_classes() -> tuple[type[Message], ...]:
    """All top-level messages: requests, responses, headers, metadata and coordinator records and so on."""
    return tuple(
        found
        for package in (protocol.messages, protocol.metadata, protocol.coordinator)
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
        for found in vars(importlib.import_module(module.name)).values()
        if isinstance(found, type) and issubclass(found, Message) and found.__module__ == module.name
    )


@cache
def message_versions() -> tuple[tuple[type[Message], int], ...]:
    return tuple((cls, version) for cls in message_classes() for version in versions_of(cls))


def versions_of(cls: type[Message]) -> range:
    return range(cls.SPEC.versions.lowest, cls.SPEC.versions.highest + 1)


def random_message(random: Random, cls: type[Message], version: int) -> Any:
    """A value that `version` can carry whole, with extremes, nulls and unknown tagged fields."""
    return _random_struct(random, cls, version, cls.SPEC.is_flexible(version))


def _random_struct(random: Random, cls: type[Message], version: int, flexible: bool) -> Any:
    message = cls()
    for resolved in resolve(cls):
        field = resolved.field
        if field.is_present(version) and not (field.is_tagged(version) and random.random() < 0.5):
            setattr(message, resolved.name, _random_value(random, resolved, version, flexible))
    if flexible and random.random() < 0.2:
        tags = sorted(random.sample((100, 127, 128, 70_000, 2**31 - 2), random.randint(1, 3)))
        message.unknown_tagged_fields = {tag: random.randbytes(random.choice((0, 3, 200))) for tag in tags}
    return message


def _random_value(random: Random, resolved: ResolvedField, version: int, flexible: bool) -> Any:
    field, element = resolved.field, resolved.element
    if field.is_nullable(version) and random.random() < 0.25:
        return None
    if isinstance(field, Struct):
        assert element is not None
        return _random_struct(random, element, version, flexible)
    if isinstance(field, Array):
        if element is not None:
            return [_random_struct(random, element, version, flexible) for _ in range(random.choice(_SIZES))]
        assert field.of is not None
        size = random.choice(_SIZES) if random.random() < 0.9 else 130
        return [_random_primitive(random, field.of) for _ in range(size)]
    return _random_primitive(random, type(field))


def _random_primitive(random: Random, kind: type[Field]) -> Any:
    if kind in _INTEGERS:
        lowest, highest = _INTEGERS[kind]
        return random.choice((lowest, highest, 0, 1, random.randint(lowest, highest)))
    if kind is Bool:
        return random.random() < 0.5
    if kind is Float64:
        return random.choice(_FLOATS)
    if kind is String:
        return random.choice(_STRINGS[:-1]) if random.random() < 0.98 else _STRINGS[-1]
    if kind is Uuid128:
        return random.choice((bytes(16), random.randbytes(16)))
    assert kind is Bytes or kind is Records
    return random.randbytes(random.choice((0, 1, 126, 127, 128, 5000) if kind is Records else (0, 1, 126, 127, 128)))


def mutated(random: Random, data: bytes) -> bytes:
    """Lengths, counts and tags gone wrong, bytes lost, bytes too many."""
    if not data:
        return random.randbytes(3)
    at = random.randrange(len(data))
    match random.randrange(4):
        case 0:
            return data[:at] + bytes([random.choice((0, 1, 0x7F, 0x80, 0xFF))]) + data[at + 1 :]
        case 1:
            return data[:at] + random.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff" * 9)) + data[at + 4 :]
        case 2:
            return data[:at] + data[at + random.randint(1, 4) :]
        case _:
            return data[:at] + random.randbytes(random.randint(1, 6)) + data[at:]


def same(first: Any, second: Any) -> bool:
    """Equality that does not tell a view from the bytes it shows."""
    return bool(first == second or _plain(first) == _plain(second))


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return bytes(value) if isinstance(value, memoryview) else value


def structs_in(message: Message) -> Iterator[Message]:
    """The message and every struct inside it."""
    yield message
    for name in message.__struct_fields__:
        value = getattr(message, name)
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Message):
                yield from structs_in(item)
