"""From a message class to two Python functions a version.

A struct is handled as runs: fields of fixed size that follow one another, with the length prefix or tag count that ends
them, become one call of `struct`. Nested structs and arrays are unrolled into the same function. So decoding costs
about one dictionary-free line a field, and `print(decoder_source(cls, version))` shows the wire format as code.

What generated code relies on: `struct.error` and IndexError mean that the data ended; slices never raise, so lengths
are compared with the end of the data before they are used; a count is believed only when as many elements of minimal
size could follow. Annotations are resolved in the namespace of the message's module, all of a class in one `eval`.
"""

from __future__ import annotations

import struct
import sys
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple

from protocol import codec_runtime
from protocol.fields import Array, Bytes, Field, Fixed, Records, String, Struct, Uuid128
from protocol.schema import Decoder, Encoder, Message

_STRING_BYTES_MAX: Final = 0x7FFF


class ResolvedField(NamedTuple):
    name: str
    field: Field
    default: Any
    element: type[Message] | None  # the struct of a Struct, or of an Array of structs


@cache
def resolve(cls: type[Message]) -> tuple[ResolvedField, ...]:
    """The fields of `cls` in wire order."""
    annotations = {name: text for name, text in cls.__annotations__.items() if name != "SPEC"}
    module = vars(sys.modules[cls.__module__])
    hints = eval("(" + "".join(f"{text}," for text in annotations.values()) + ")", module)
    defaults = cls()
    return tuple(
        ResolvedField(name, hint.__metadata__[0], getattr(defaults, name), _struct_in(hint.__origin__))
        for name, hint in zip(annotations, hints, strict=True)
    )


def _struct_in(hint: Any) -> type[Message] | None:
    for part in typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,):
        candidate = typing.get_args(part)[0] if typing.get_origin(part) is list else part
        if isinstance(candidate, type) and issubclass(candidate, Message):
            return candidate
    return None


def compile_encoder(cls: type[Message], version: int) -> Encoder:
    return _Encoder(cls, version).build()


def compile_decoder(cls: type[Message], version: int) -> Decoder:
    return Decoder(_Decoder(cls, version).build(), wants_view=_holds_records(cls))


def encoder_source(cls: type[Message], version: int) -> str:
    return _Encoder(cls, version).source()


def decoder_source(cls: type[Message], version: int) -> str:
    return _Decoder(cls, version).source()


class _Generator:
    """Lines of one function under construction, and the names they use."""

    def __init__(self, cls: type[Message], version: int) -> None:
        self.cls = cls
        self.version = version
        self.flexible = cls.SPEC.is_flexible(version)
        self.lines: list[str] = []
        self.depth = 1
        self.names: dict[str, Any] = {}
        self.run: list[tuple[str, str]] = []  # letters for `struct` with their variables, not yet written as a line
        self._counter = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        self.line(opening)
        self.depth += 1
        yield
        self.depth -= 1

    def fresh(self, stem: str) -> str:
        self._counter += 1
        return f"{stem}_{self._counter}"

    def constant(self, stem: str, value: Any) -> str:
        """A name for `value` in the function's globals; equal formats and the same object share one."""
        name = self.fresh(stem)
        self.names[name] = value
        return name

    def format(self, method: str, letters: str) -> str:
        name = f"{method}_{letters.replace('?', 't')}"
        self.names.setdefault(name, getattr(struct.Struct(">" + letters), method))
        return name

    def is_compact(self, field: Field) -> bool:
        return self.flexible and field.compact

    def default_expression(self, resolved: ResolvedField) -> str:
        default = resolved.default
        if isinstance(default, Message):
            return f"{self.constant(type(default).__name__, type(default))}()"
        return repr(default)

    def build(self) -> Callable[..., Any]:
        source = self.source()
        label = f"<{type(self).__name__.strip('_').lower()} of {self.cls.__name__} v{self.version}>"
        namespace = {**vars(codec_runtime), **self.names}
        exec(compile(source, label, "exec"), namespace)
        function: Callable[..., Any] = namespace["generated"]
        return function

    def source(self) -> str:
        raise NotImplementedError


class _Decoder(_Generator):
    """Writes `generated(data, pos) -> (message, pos)`."""

    def __init__(self, cls: type[Message], version: int) -> None:
        super().__init__(cls, version)
        self.wants_view = _holds_records(cls)

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
            self.line(f"{targets}{',' if len(run) == 1 else ''} = {self.format('unpack_from', letters)}(data, pos)")
        self.line(f"pos += {struct.calcsize('>' + letters)}")
        return extra

    def varint_prefix(self) -> str:
        n = self.flush("B")
        with self.block(f"if {n} > 127:"):
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
                        self.line(f"fail_tag_size({_path(cls, resolved)!r})")
                word = "elif"
            if absent_tags:
                with self.block(f"{word} {tag} in {tuple(absent_tags)!r}:"):
                    self.line(f"fail_tag({cls.__qualname__!r}, {tag}, {self.version})")
            with self.block("else:"):
                self.line(f"add_unknown_tag({target}, {tag}, data, pos, {end})")
                self.line(f"pos = {end}")

    def value(self, cls: type[Message], resolved: ResolvedField) -> str:
        """Reads one value (one of fixed size: when the run is flushed); returns the variable that holds it."""
        path, field, element = _path(cls, resolved), resolved.field, resolved.element
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
                with self.block(f"if {n} > {_STRING_BYTES_MAX + 1}:"):
                    self.line(f"fail_string({path!r}, {n} - 1)")
            self.line(f"{variable} = {self.slice(kind, end)}")
            self.line(f"pos = {end}")
        return variable

    def slice(self, kind: type[Field], end: str) -> str:
        if not self.wants_view:
            return f"data[pos:{end}].decode()" if kind is String else f"data[pos:{end}]"
        if kind is String:
            return f'str(data[pos:{end}], "utf-8")'
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


class _Encoder(_Generator):
    """Writes `generated(message, parts, cuts)`."""

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
        if run:
            letters = "".join(letter for letter, _ in run)
            arguments = ", ".join(value for _, value in run if value)
            self.line(f"{self.write}({self.format('pack', letters)}({arguments}))")

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
            self.line(f"fail_unsupported({_path(cls, resolved)!r}, {self.version})")

    def differs(self, resolved: ResolvedField, value: str) -> str:
        """An expression: does `value` differ from the field's default?"""
        default = resolved.default
        if default is None:
            return f"{value} is not None"
        if default in ([], "", b"") and not isinstance(default, bool | int):
            return f"{value} or {value} is None" if resolved.field.nullable != "none" else value
        if isinstance(default, Message):
            return f"{value} != {self.constant('default', default)}"
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
        path = _path(cls, resolved)
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
            with self.block(f"if {n} > {_STRING_BYTES_MAX}:"):
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
        self.line(f"{n} = records_size({raw})")
        if not nullable:
            with self.block(f"if {n} < 0:"):
                self.line(f"fail_none({path!r})")
        self.flush_length(Records, compact, n)
        with self.block(f"if {raw} is not None:"):
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


def _path(cls: type[Message], resolved: ResolvedField) -> str:
    return f"{cls.__qualname__}.{resolved.name}"


@cache
def _holds_records(cls: type[Message]) -> bool:
    return any(
        isinstance(field, Records) or (element is not None and _holds_records(element))
        for _, field, _, element in resolve(cls)
    )
