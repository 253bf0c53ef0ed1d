"""Changes over an immutable mapping: what most parts of a delta are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class MapDelta(Generic[Key, Value]):
    """`changes` holds the new value of each key that was put, None for one that was removed."""

    __slots__ = ("base", "changes")

    def __init__(self, base: Mapping[Key, Value]) -> None:
        self.base = base
        self.changes: dict[Key, Value | None] = {}

    def put(self, key: Key, value: Value | None) -> None:
        self.changes[key] = value

    def get(self, key: Key) -> Value | None:
        """The value after the changes so far."""
        return self.changes[key] if key in self.changes else self.base.get(key)

    def remove_all(self) -> None:
        self.changes = dict.fromkeys(self.base)

    def finish_snapshot(self) -> None:
        for key in self.base:
            self.changes.setdefault(key, None)

    def apply(self) -> Mapping[Key, Value]:
        """The mapping after the changes; the base itself if there are none."""
        if not self.changes:
            return self.base
        result = dict(self.base)
        for key, value in self.changes.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = value
        return result
