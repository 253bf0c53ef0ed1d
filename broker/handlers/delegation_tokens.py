"""What the APIs of delegation tokens have in common. Connections without authentication may not ask for tokens
(KIP-48), and there are no others yet."""

from __future__ import annotations

from typing import Final

NO_TIMESTAMP: Final = -1


def split_principal(principal: str) -> tuple[str, str]:
    """Type and name of a principal such as User:alice."""
    kind, _, name = principal.partition(":")
    return kind, name
