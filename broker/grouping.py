"""Work in portions: what belongs to one log directory goes to its own threads, a slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def grouped(items: Iterable[T], key_of: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by key, in their order."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key_of(item), []).append(item)
    return groups


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """All items in their order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
