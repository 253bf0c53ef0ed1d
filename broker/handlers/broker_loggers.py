"""The levels of this process's logs as a configuration resource (KIP-412): shown and changed at once, never stored.

A logger here is a subsystem of `broker.logs`; `root` stands for all that has no level of its own. Changes last until
the node stops. Counterpart: RuntimeLoggerManager, LoggingController.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from broker import logs
from protocol.errors import ApiError, ErrorCode

ROOT: Final = "root"
SET: Final = 0
DELETE: Final = 1

# Kafka's names of levels; it has a TRACE and a FATAL where Python has none.
_LEVELS: Final = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}
_NAMES: Final = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "FATAL",
}

Change = tuple[str, int, str | None]
"""Logger, operation, level."""


def levels(wanted: Sequence[str] | None) -> dict[str, str]:
    """The level in force of each logger that is asked for (None: of all)."""
    return {
        name: _NAMES.get(logs.level_of(_subsystem(name)), "FATAL")
        for name in (ROOT, *logs.SUBSYSTEMS)
        if wanted is None or name in wanted
    }


def change(changes: Sequence[Change], *, validate_only: bool) -> None:
    """All of the changes, or none and an ApiError."""
    for change in changes:
        _check(*change)
    if validate_only:
        return
    for name, operation, level in changes:
        logs.set_level(_subsystem(name), _LEVELS[level or ""] if operation == SET else None)


def _check(name: str, operation: int, level: str | None) -> None:
    if operation not in (SET, DELETE):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"operation {operation} is not allowed for loggers")
    if name != ROOT and name not in logs.SUBSYSTEMS:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"there is no logger {name!r}")
    if operation == DELETE and name == ROOT:
        raise ApiError(ErrorCode.INVALID_REQUEST, "the level of the root logger cannot be removed")
    if operation == SET and level not in _LEVELS:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{level!r} is no level, those are {', '.join(_LEVELS)}")


def _subsystem(name: str) -> str:
    return logs.ROOT if name == ROOT else name
