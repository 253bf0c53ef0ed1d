"""Message classes by key, imported when first asked for: a node pays only for the messages it meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from protocol.schema import Message


class LazyClasses(Mapping[int, type[Message]]):
    """Maps keys to classes; made from `{key: "module:Class"}`."""

    def __init__(self, places: Mapping[int, str]) -> None:
        self._places = places
        self._classes: dict[int, type[Message]] = {}

    def __getitem__(self, key: int) -> type[Message]:
        found = self._classes.get(key)
        if found is None:
            module, _, name = self._places[key].partition(":")
            found = self._classes[key] = getattr(import_module(module), name)
        return found

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
