"""Generates decoders: from bytes of any kind to a message or a DecodeError.

What the generated code relies on: `struct.error` and IndexError mean that the data ended, and become a DecodeError in
`protocol.schema`. Slices never raise, so a length is compared with what is left before it is used; a count is believed
only when as many elements of minimal size could follow. Tagged fields must end where their size says. Strings that are
not UTF-8 are no error, but get replacement characters, as Java's do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.codec_runtime import STRING_BYTES_MAX, STRING_ERRORS
from protocol.compiler import ResolvedField, Source, holds_records, path_of, resolve
from protocol.fields import Array, Bytes, Field, Fixed, String, Struct, Uuid128
from protocol.schema import Decoder, Message


def compile_decoder(cls: type[Message], version: int) -> Decoder:
    return Decoder(DecoderSource(cls, version).build(), wants_view=holds_records(cls))


def decoder_source(cls: type[Message], version: int) -> str:
    return DecoderSource(cls, version).source()


class DecoderSource(Source):
    """Writes `generated(data, pos)`, which returns the message and the position behind it."""

    def __init__(self, cls: type[Message], version: int) -> None:
        super().__init__(cls, version)
        self.wants_view = holds_records(cls)

    def source(self) -> str:
        target = self.struct(self.cls)
        self.line(f"return {target}, pos")
        head = ["def generated(data, pos):", "    limit = len(data)"]
        return "\n".join(head + self.lines) + "\n"

    def flush(self, prefix: str = "") -> str:
        """Writes the pending run as one call, with one more value of format `prefix`; returns that value's variable."""
        extra = self.fresh("n") if prefix else ""
        run = [*self.run, (prefix, extra)] if prefix else self.run
        self.run = []
        if not run:
            return ""
        letters = "".join(letter for letter, _ in run)
        if letters == "B":
            self.line(f"{extra} = data[pos]")
        else:
            targets = ", ".join(variable for _, variable in run)
            self.line(
                f"{targets}{',' if len(run) == 1 else ''} = {self.struct_method('unpack_from', letters)}(data, pos)"
            )
        self.line(f"pos += {struct.calcsize('>' + letters)}")
        return extra

    def varint_prefix(self) -> str:
        n = self.flush("B")
        with self.block(f"if {n} > 127:"):
            # Records are nearly always longer than one byte can tell; for two, a call would cost more than the work.
            with self.block("if data[pos] < 128:"):
                self.line(f"{n} += (data[pos] - 1) << 7")
                self.line("pos += 1")
            with self.block("else:"):
                self.line(f"{n}, pos = continue_unsigned_varint(data, pos, {n})")
        return n

    def struct(self, cls: type[Message]) -> str:
        """Reads one struct; returns the variable that holds it."""
        arguments: list[str] = []
        tagged: list[ResolvedField] = []
        absent_tags: list[int] = []
        for resolved in resolve(cls):
            field = resolved.field
            if field.is_present(self.version) and not field.is_tagged(self.version):
                arguments.append(self.value(cls, resolved))
                continue
            arguments.append(self.default_expression(resolved))
            if field.is_tagged(self.version):
                tagged.append(resolved)
            elif field.tag is not None:
                absent_tags.append(field.tag)
        if self.flexible:
            count = self.flush("B")
        else:
            self.flush()
        target = self.fresh("s")
        self.line(f"{target} = {self.constant(cls.__name__, cls)}({', '.join(arguments)})")
        if self.flexible:
            with self.block(f"if {count}:"):
                self.tags(cls, target, count, tagged, absent_tags)
        return target

    def default_expression(self, resolved: ResolvedField) -> str:
        default = resolved.default
        if isinstance(default, Message):
            return f"{self.constant(type(default).__name__, type(default))}()"
        return repr(default)

    def tags(
        self, cls: type[Message], target: str, count: str, tagged: list[ResolvedField], absent_tags: list[int]
    ) -> None:
        if not tagged and not absent_tags:
            self.line(f"{target}.unknown_tagged_fields, pos = read_unknown_tags(data, pos, limit, {count})")
            return
        tag, end = self.fresh("tag"), self.fresh("end")
        with self.block(f"if {count} > 127:"):
            self.line(f"{count}, pos = continue_unsigned_varint(data, pos, {count})")
        with self.block(f"for _ in range({count}):"):
            self.line(f"{tag}, {end}, pos = read_tag(data, pos, limit)")
            word = "if"
            for resolved in tagged:
                with self.block(f"{word} {tag} == {resolved.field.tag}:"):
                    variable = self.value(cls, resolved)
                    self.flush()
                    self.line(f"{target}.{resolved.name} = {variable}")
                    with self.block(f"if pos != {end}:"):
                        self.line(f"fail_tag_size({path_of(cls, resolved)!r})")
                word = "elif"
            if absent_tags:
                with self.block(f"{word} {tag} in {tuple(absent_tags)!r}:"):
                    self.line(f"fail_tag({cls.__qualname__!r}, {tag}, {self.version})")
            with self.block("else:"):
                self.line(f"add_unknown_tag({target}, {tag}, data, pos, {end})")
                self.line(f"pos = {end}")

    def value(self, cls: type[Message], resolved: ResolvedField) -> str:
        """Reads one value (one of fixed size: when the run is flushed); returns the variable that holds it."""
        path, field, element = path_of(cls, resolved), resolved.field, resolved.element
        nullable = field.is_nullable(self.version)
        if isinstance(field, Fixed):
            variable = self.fresh("v")
            self.run.append((field.CODE, variable))
            return variable
        if isinstance(field, Array):
            return self.array(path, field, element, nullable)
        if isinstance(field, Struct):
            assert element is not None
            return self.struct_field(path, field, element, nullable)
        return self.sized(path, type(field), self.is_compact(field), nullable)

    def sized(self, path: str, kind: type[Field], compact: bool, nullable: bool) -> str:
        """A string, bytes or records."""
        variable, end = self.fresh("v"), self.fresh("end")
        n = self.varint_prefix() if compact else self.flush("h" if kind is String else "i")
        with self.nulls(path, variable, n, compact, nullable):
            self.line(f"{end} = pos + {n}{' - 1' if compact else ''}")
            with self.block(f"if {end} > limit:"):
                self.line(f"fail_length({path!r}, {end} - pos, limit - pos)")
            if kind is String and compact:
                with self.block(f"if {n} > {STRING_BYTES_MAX + 1}:"):
                    self.line(f"fail_string({path!r}, {n} - 1)")
            self.line(f"{variable} = {self.slice(kind, end)}")
            self.line(f"pos = {end}")
        return variable

    def slice(self, kind: type[Field], end: str) -> str:
        if not self.wants_view:
            return f'data[pos:{end}].decode("utf-8", {STRING_ERRORS!r})' if kind is String else f"data[pos:{end}]"
        if kind is String:
            return f'str(data[pos:{end}], "utf-8", {STRING_ERRORS!r})'
        return f"bytes(data[pos:{end}])" if kind is Bytes else f"data[pos:{end}]"

    @contextmanager
    def nulls(self, path: str, variable: str, n: str, compact: bool, nullable: bool) -> Iterator[None]:
        """The two ways on from a length: null, and in the block the rest."""
        with self.block(f"if {n} == 0:" if compact else f"if {n} < 0:"):
            self.line(f"{variable} = None" if nullable else f"fail_null({path!r})")
        with self.block("else:"):
            yield

    def array(self, path: str, field: Array, element: type[Message] | None, nullable: bool) -> str:
        variable = self.fresh("v")
        compact = self.is_compact(field)
        n = self.varint_prefix() if compact else self.flush("i")
        with self.nulls(path, variable, n, compact, nullable):
            if compact:
                self.line(f"{n} -= 1")
            size = self.element_size_min(field, element)
            with self.block(f"if {n} * {size} > limit - pos:"):
                self.line(f"fail_count({path!r}, {n}, limit - pos)")
            self.elements(path, variable, n, field, element)
        return variable

    def elements(self, path: str, variable: str, n: str, field: Array, element: type[Message] | None) -> None:
        kind = field.of
        if kind is not None and issubclass(kind, Fixed) and kind is not Uuid128:
            self.line(f'{variable} = list(unpack_from(f">{{{n}}}{kind.CODE}", data, pos))')
            self.line(f"pos += {n} * {kind.SIZE}")
            return
        if kind is Uuid128:
            self.line(f"{variable} = [bytes(data[at : at + 16]) for at in range(pos, pos + 16 * {n}, 16)]")
            self.line(f"pos += {n} * 16")
            return
        self.line(f"{variable} = []")
        with self.block(f"for _ in range({n}):"):
            if kind is not None:
                item = self.sized(path, kind, self.is_compact(field), False)
            else:
                assert element is not None
                item = self.struct(element)
            self.line(f"{variable}.append({item})")

    def element_size_min(self, field: Array, element: type[Message] | None) -> int:
        if element is not None:
            return max(1, self.struct_size_min(element))
        assert field.of is not None
        if issubclass(field.of, Fixed):
            return field.of.SIZE
        return self.prefix_size(field.of, field)

    def struct_size_min(self, cls: type[Message]) -> int:
        size = 1 if self.flexible else 0
        for _, field, _, element in resolve(cls):
            if not field.is_present(self.version) or field.is_tagged(self.version):
                continue
            if isinstance(field, Fixed):
                size += field.SIZE
            elif isinstance(field, Struct):
                assert element is not None
                size += 1 if field.is_nullable(self.version) else self.struct_size_min(element)
            else:
                size += self.prefix_size(type(field), field)
        return size

    def prefix_size(self, kind: type[Field], field: Field) -> int:
        return 1 if self.is_compact(field) else 2 if kind is String else 4

    def struct_field(self, path: str, field: Field, element: type[Message], nullable: bool) -> str:
        if not nullable:
            return self.struct(element)
        variable = self.fresh("v")
        tagged = field.is_tagged(self.version)
        presence = self.varint_prefix() if tagged else self.flush("b")
        with self.block(f"if {presence} {'== 0' if tagged else '< 0'}:"):
            self.line(f"{variable} = None")
        with self.block("else:"):
            self.line(f"{variable} = {self.struct(element)}")
        return variable
