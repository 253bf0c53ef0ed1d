"""Generates encoders: from a message to the pieces of its bytes.

What the generated code relies on: `struct` checks the ranges of numbers; TypeError and AttributeError mean a None where
the version allows no null. `protocol.schema` makes an EncodeError of them. A field that the version lacks is checked to
be at its default unless it is ignorable. Tagged fields at their default are left out.
"""

from __future__ import annotations

from protocol.codec_runtime import STRING_BYTES_MAX
from protocol.compiler import ResolvedField, Source, path_of, resolve
from protocol.fields import Array, Field, Fixed, Records, String, Struct, Uuid128
from protocol.schema import Encoder, Message


def compile_encoder(cls: type[Message], version: int) -> Encoder:
    return EncoderSource(cls, version).build()


def encoder_source(cls: type[Message], version: int) -> str:
    return EncoderSource(cls, version).source()


class EncoderSource(Source):
    """Writes `generated(message, parts, cuts)`; see `protocol.schema.Encoder`."""

    def __init__(self, cls: type[Message], version: int) -> None:
        super().__init__(cls, version)
        self.write = "write"

    def source(self) -> str:
        self.struct(self.cls, "message")
        self.flush()
        head = ["def generated(message, parts, cuts):", "    write = parts.append"]
        return "\n".join(head + self.lines) + "\n"

    def flush(self, letter: str = "", value: str = "") -> None:
        """Writes the pending run as one call, with one more value at its end."""
        run = [*self.run, (letter, value)] if letter else self.run
        self.run = []
        letters = "".join(letter for letter, _ in run)
        if letters == "x":
            self.line(f"{self.write}({bytes(1)!r})")
        elif run:
            arguments = ", ".join(value for _, value in run if value)
            self.line(f"{self.write}({self.struct_method('pack', letters)}({arguments}))")

    def flush_varint(self, value: str) -> None:
        """As `flush`, where the last value is a varint, most often of one byte."""
        run = self.run
        if not run:
            self.line(f"{self.write}(SMALL_VARINTS[{value}] if {value} < 128 else encode_unsigned_varint({value}))")
            return
        with self.block(f"if {value} < 128:"):
            self.flush("B", value)
        self.run = run
        with self.block("else:"):
            self.flush()
            self.line(f"{self.write}(encode_unsigned_varint({value}))")

    def flush_length(self, kind: type[Field], compact: bool, n: str) -> None:
        """Writes the pending run and then the length or count `n`, -1 standing for null."""
        if compact:
            self.line(f"{n} += 1")
            self.flush_varint(n)
        else:
            self.flush("h" if kind is String else "i", n)

    def struct(self, cls: type[Message], source: str) -> None:
        tagged: list[ResolvedField] = []
        for resolved in resolve(cls):
            field = resolved.field
            if field.is_present(self.version):
                if field.is_tagged(self.version):
                    tagged.append(resolved)
                else:
                    self.value(cls, resolved, f"{source}.{resolved.name}")
            elif not field.ignorable:
                self.check_default(cls, resolved, source)
        self.tags(cls, source, tagged)

    def check_default(self, cls: type[Message], resolved: ResolvedField, source: str) -> None:
        condition = self.differs(resolved, f"{source}.{resolved.name}")
        with self.block(f"if {condition}:"):
            self.line(f"fail_unsupported({path_of(cls, resolved)!r}, {self.version})")

    def differs(self, resolved: ResolvedField, value: str) -> str:
        """An expression: does `value` differ from the field's default?"""
        default = resolved.default
        if default is None:
            return f"{value} is not None"
        if default in ([], "", b""):
            return f"{value} or {value} is None" if resolved.field.nullable != "none" else value
        if isinstance(default, Message):
            constant = self.constant("default", default)
            return f"{value} is not {constant} and {value} != {constant}"
        return f"{value} != {default!r}"

    def tags(self, cls: type[Message], source: str, tagged: list[ResolvedField]) -> None:
        unknown = f"{source}.unknown_tagged_fields"
        if not self.flexible:
            with self.block(f"if {unknown}:"):
                self.line(f"fail_unsupported('tagged fields of {cls.__qualname__}', {self.version})")
            return
        if tagged:
            self.known_tags(cls, source, unknown, tagged)
            return
        run = self.run
        with self.block(f"if {unknown} is None:"):
            self.flush("x")
        self.run = run
        with self.block("else:"):
            self.flush()
            self.line(f"{self.write}(join_tags({{}}, {unknown}))")

    def known_tags(self, cls: type[Message], source: str, unknown: str, tagged: list[ResolvedField]) -> None:
        self.flush()
        known = self.fresh("tags")
        self.line(f"{known} = None")
        outer = self.write
        for resolved in tagged:
            value, parts = self.fresh("v"), self.fresh("parts")
            self.write = f"{parts}.append"
            self.line(f"{value} = {source}.{resolved.name}")
            with self.block(f"if {self.differs(resolved, value)}:"):
                self.line(f"{parts} = []")
                self.value(cls, resolved, value)
                self.flush()
                with self.block(f"if {known} is None:"):
                    self.line(f"{known} = {{}}")
                self.line(f'{known}[{resolved.field.tag}] = b"".join({parts})')
        self.write = outer
        with self.block(f"if {known} is None and {unknown} is None:"):
            self.flush("x")
        with self.block("else:"):
            self.line(f"{self.write}(join_tags({known} or {{}}, {unknown}))")

    def value(self, cls: type[Message], resolved: ResolvedField, value: str) -> None:
        field, element = resolved.field, resolved.element
        nullable = field.is_nullable(self.version)
        path = path_of(cls, resolved)
        if isinstance(field, Uuid128):
            local = self.fresh("v")
            self.line(f"{local} = {value}")
            with self.block(f"if len({local}) != 16:"):
                self.line(f"fail_uuid({path!r})")
            self.run.append((field.CODE, local))
        elif isinstance(field, Fixed):
            self.run.append((field.CODE, value))
        elif isinstance(field, Array):
            self.array(path, field, element, nullable, value)
        elif isinstance(field, Struct):
            assert element is not None
            self.struct_field(path, field, element, nullable, value)
        elif isinstance(field, Records):
            self.records(path, self.is_compact(field), nullable, value)
        else:
            self.sized(path, type(field), self.is_compact(field), nullable, value)

    def sized(self, path: str, kind: type[Field], compact: bool, nullable: bool, value: str) -> None:
        """A string or bytes."""
        raw, n = self.fresh("v"), self.fresh("n")
        self.line(f"{raw} = {value}")
        if nullable:
            with self.block(f"if {raw} is None:"):
                self.line(f"{raw}, {n} = b'', -1")
            with self.block("else:"):
                self.raw_bytes(kind, raw, n)
        else:
            self.raw_bytes(kind, raw, n)
        if kind is String and compact:
            with self.block(f"if {n} > {STRING_BYTES_MAX}:"):
                self.line(f"fail_long_string({path!r}, {n})")
        self.flush_length(kind, compact, n)
        self.line(f"{self.write}({raw})")

    def raw_bytes(self, kind: type[Field], raw: str, n: str) -> None:
        if kind is String:
            self.line(f"{raw} = {raw}.encode()")
        self.line(f"{n} = len({raw})")

    def records(self, path: str, compact: bool, nullable: bool, value: str) -> None:
        raw, n = self.fresh("v"), self.fresh("n")
        self.line(f"{raw} = {value}")
        # Small ones are bytes, and many: two calls less for each.
        self.line(f"{n} = len({raw}) if type({raw}) is bytes else records_size({raw})")
        if not nullable:
            with self.block(f"if {n} < 0:"):
                self.line(f"fail_none({path!r})")
        self.flush_length(Records, compact, n)
        with self.block(f"if type({raw}) is bytes and len({raw}) < UNCOPIED_BYTES_MIN:"):
            self.line(f"{self.write}({raw})")
        with self.block(f"elif {raw} is not None:"):
            self.line(f"write_records({raw}, parts, cuts)")

    def array(self, path: str, field: Array, element: type[Message] | None, nullable: bool, value: str) -> None:
        items, n = self.fresh("v"), self.fresh("n")
        compact = self.is_compact(field)
        self.line(f"{items} = {value}")
        if nullable:
            with self.block(f"if {items} is None:"):
                self.line(f"{items}, {n} = (), -1")
            with self.block("else:"):
                self.line(f"{n} = len({items})")
        else:
            self.line(f"{n} = len({items})")
        self.flush_length(Array, compact, n)
        kind = field.of
        if kind is not None and issubclass(kind, Fixed) and kind is not Uuid128:
            with self.block(f"if {items}:"):
                self.line(f'{self.write}(pack(f">{{len({items})}}{kind.CODE}", *{items}))')
            return
        item = self.fresh("item")
        with self.block(f"for {item} in {items}:"):
            if element is not None:
                self.struct(element, item)
            elif kind is Uuid128:
                with self.block(f"if len({item}) != 16:"):
                    self.line(f"fail_uuid({path!r})")
                self.line(f"{self.write}({item})")
            else:
                assert kind is not None
                self.sized(path, kind, compact, False, item)
            self.flush()

    def struct_field(self, path: str, field: Field, element: type[Message], nullable: bool, value: str) -> None:
        inner = self.fresh("v")
        self.line(f"{inner} = {value}")
        if not nullable:
            self.struct(element, inner)
            return
        self.flush()
        with self.block(f"if {inner} is None:"):
            null = b"\0" if field.is_tagged(self.version) else b"\xff"
            self.line(f"{self.write}({null!r})")
        with self.block("else:"):
            self.run.append(("b", "1"))
            self.struct(element, inner)
            self.flush()
