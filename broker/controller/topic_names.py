"""Which names a topic may have.

'.' and '_' look the same in metric names, so two topics whose names differ only there may not both exist. Counterpart:
Topic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Final

from protocol.ids import METADATA_TOPIC_NAME

INTERNAL_TOPICS: Final = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
CLUSTER_METADATA_TOPIC: Final = METADATA_TOPIC_NAME
MAX_NAME_LENGTH: Final = 249

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def topic_name_problem(name: str) -> str | None:
    """Why a topic cannot have this name, or None."""
    if not name:
        return "A topic name cannot be empty."
    if name in (".", ".."):
        return f"A topic name cannot be '{name}'."
    if len(name) > MAX_NAME_LENGTH:
        return f"The topic name is {len(name)} characters long, more than {MAX_NAME_LENGTH}."
    if not _LEGAL.fullmatch(name):
        return f"The topic name '{name}' has characters other than ASCII letters, digits, '.', '_' and '-'."
    return None


def is_internal(name: str) -> bool:
    return name in INTERNAL_TOPICS


def colliding_topic(name: str, existing: Mapping[str, object]) -> str | None:
    """An existing topic whose name differs from `name` in nothing but '.' and '_'."""
    spots = [index for index, character in enumerate(name) if character in "._"]
    if len(spots) < 16 and 1 << len(spots) <= len(existing):
        return next((variant for variant in _variants(name, spots) if variant in existing), None)
    unified = name.replace(".", "_")
    for other in existing:
        if len(other) == len(name) and other.replace(".", "_") == unified:
            return other
    return None


def _variants(name: str, spots: list[int]) -> list[str]:
    characters = list(name)
    variants = []
    for choice in product("._", repeat=len(spots)):
        for spot, character in zip(spots, choice, strict=True):
            characters[spot] = character
        variants.append("".join(characters))
    return variants
