"""Whose request it is that a broker forwards, and which requests are forwarded at all."""

from __future__ import annotations

from typing import Final, NamedTuple

FORWARDABLE: Final = frozenset({19, 20, 33, 37, 43, 44, 45, 46, 55, 57, 64, 80, 81})
"""The keys of APIs that clients ask brokers for and the controller answers."""


class Origin(NamedTuple):
    correlation_id: int
    client_id: str | None
    principal: str
    client_host: str
