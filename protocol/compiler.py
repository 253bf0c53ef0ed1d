"""From a message class to Python source: what `protocol.encoder` and `protocol.decoder` share.

A struct is handled as runs: fields of fixed size that follow one another become one call of `struct`, together with the
length or count that ends them. Nested structs and arrays are unrolled into the same function. So a field costs about a
tenth of a microsecond, and `print(decoder_source(cls, version))` shows the format of a version as code.

`resolve` is the schema as data. Annotations are evaluated in the namespace of the message's module, all of a class at
once, when the class is first used.
"""

from __future__ import annotations

import struct
import sys
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from protocol import codec_runtime
from protocol.fields import Field, Records
from protocol.schema import Message


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


def shared_default(cls: type[Message], name: str) -> Any:
    """The default of a field that is a struct, as encoders know it: a message that holds this very object is spared the
    comparison. Nobody may change it."""
    return next(resolved.default for resolved in resolve(cls) if resolved.name == name)


def _struct_in(hint: Any) -> type[Message] | None:
    for part in typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,):
        candidate = typing.get_args(part)[0] if typing.get_origin(part) is list else part
        if isinstance(candidate, type) and issubclass(candidate, Message):
            return candidate
    return None


def path_of(cls: type[Message], resolved: ResolvedField) -> str:
    return f"{cls.__qualname__}.{resolved.name}"


@cache
def holds_records(cls: type[Message]) -> bool:
    return any(
        isinstance(field, Records) or (element is not None and holds_records(element))
        for _, field, _, element in resolve(cls)
    )


class Source:
    """One generated function under construction: its lines, the names they use, and the pending run."""

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
        """A name for `value` in the function's globals."""
        name = self.fresh(stem)
        self.names[name] = value
        return name

    def struct_method(self, method: str, letters: str) -> str:
        name = f"{method}_{letters.replace('?', 't')}"
        self.names.setdefault(name, getattr(struct.Struct(">" + letters), method))
        return name

    def is_compact(self, field: Field) -> bool:
        return self.flexible and field.compact

    def build(self) -> Callable[..., Any]:
        source = self.source()
        label = f"<{type(self).__name__} of {self.cls.__name__} v{self.version}>"
        namespace = {**vars(codec_runtime), **self.names}
        exec(compile(source, label, "exec"), namespace)
        function: Callable[..., Any] = namespace["generated"]
        return function

    def source(self) -> str:
        raise NotImplementedError
