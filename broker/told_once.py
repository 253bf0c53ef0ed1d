"""For warnings about names that clients choose: each is told once, and few of them are remembered."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

REMEMBERED: Final = 100


class ToldOnce:
    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._told: OrderedDict[str, None] = OrderedDict()

    def is_new(self, name: str) -> bool:
        """Whether it was not told yet, as far back as this remembers; from now on it was."""
        is_new = name not in self._told
        self._told[name] = None
        self._told.move_to_end(name)
        if len(self._told) > self._size:
            self._told.popitem(last=False)
        return is_new
