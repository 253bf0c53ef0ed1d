"""What a field of a message is on the wire: the second half of its annotation.

    committed_leader_epoch: Annotated[int, Int32("6+", ignorable=True)] = -1

says: an int32 from version 6 on; a version that lacks the field drops it silently, whatever its value. The words are
those of Kafka's message specifications (KIP-482 for tags and flexible versions). Version ranges are written as there:
"0+", "2-7", "4", "none".
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import msgspec


class Versions(NamedTuple):
    """An inclusive range; empty when `highest` is below `lowest`."""

    lowest: int
    highest: int

    @classmethod
    def parse(cls, text: str) -> Versions:
        if text == "none":
            return cls(0, -1)
        if text.endswith("+"):
            return cls(int(text[:-1]), 0x7FFF)
        lowest, _, highest = text.partition("-")
        return cls(int(lowest), int(highest or lowest))

    def covers(self, version: int) -> bool:
        return self.lowest <= version <= self.highest


class Field(msgspec.Struct, frozen=True):
    """A field in the versions that have it; `nullable` and `tagged` are ranges within `versions`.

    `tag` makes it a tagged field, in the versions of `tagged` (all of them if not said). `ignorable` allows a sender to
    drop a value that the version cannot carry. `key` marks what identifies an element of its array. `compact=False`
    keeps the old length prefix in flexible versions.
    """

    versions: str
    nullable: str = "none"
    tag: int | None = None
    tagged: str | None = None
    ignorable: bool = False
    key: bool = False
    compact: bool = True

    def is_present(self, version: int) -> bool:
        return Versions.parse(self.versions).covers(version)

    def is_nullable(self, version: int) -> bool:
        return Versions.parse(self.nullable).covers(version)

    def is_tagged(self, version: int) -> bool:
        return self.tag is not None and Versions.parse(self.tagged or self.versions).covers(version)


class Fixed(Field, frozen=True):
    """A value of fixed size: `CODE` is its letter for `struct`, which also checks the range when packing."""

    CODE: ClassVar[str]
    SIZE: ClassVar[int]


class Bool(Fixed, frozen=True):
    CODE, SIZE = "?", 1


class Int8(Fixed, frozen=True):
    CODE, SIZE = "b", 1


class Int16(Fixed, frozen=True):
    CODE, SIZE = "h", 2


class Int32(Fixed, frozen=True):
    CODE, SIZE = "i", 4


class Int64(Fixed, frozen=True):
    CODE, SIZE = "q", 8


class Uint16(Fixed, frozen=True):
    CODE, SIZE = "H", 2


class Uint32(Fixed, frozen=True):
    CODE, SIZE = "I", 4


class Float64(Fixed, frozen=True):
    CODE, SIZE = "d", 8


class Uuid128(Fixed, frozen=True):
    CODE, SIZE = "16s", 16


class String(Field, frozen=True):
    """UTF-8 after its length: int16, or an unsigned varint of length + 1; at most 32767 bytes either way."""


class Bytes(Field, frozen=True):
    """Raw bytes after their length: int32, or an unsigned varint of length + 1. Decoded to a copy."""


class Records(Field, frozen=True):
    """Record batches, laid out as Bytes. Decoded to a view of the data, encoded without a copy (`encode_parts`)."""


class Array(Field, frozen=True):
    """Elements after their count: int32, or an unsigned varint of count + 1. `of` is the kind of primitive elements;
    without it the elements are the structs that the annotation's list names."""

    of: type[Field] | None = None


class Struct(Field, frozen=True):
    """A struct in place; where it may be null, a byte comes first: -1 for null, else 1 (in a tagged field: 0 and 1)."""
