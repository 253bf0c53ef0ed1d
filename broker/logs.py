"""Logs for people: one line an event, a level for each subsystem, nothing from a client that could forge a line.

    2026-07-14 09:12:44.218 INFO  raft         became leader of epoch 3
    ^ local time            ^ level ^ subsystem

Modules log through `logging.getLogger(__name__)`; the subsystem is the package that speaks (`SUBSYSTEMS`). Control
characters in a message come out escaped, so names that clients choose cannot end a line. A traceback follows its line,
indented. `--log-format json` writes one object a line instead. Counterpart: `log4j2.yaml`.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, TextIO

from config.definition import ConfigError

# Subsystem -> the packages that speak for it; the most specific package wins.
SUBSYSTEMS: Final = {
    "config": ("config",),
    "controller": ("broker.controller",),
    "coordinator": ("broker.coordinator",),
    "metadata": ("broker.metadata",),
    "node": ("broker",),
    "protocol": ("protocol",),
    "raft": ("raft",),
    "replication": ("broker.replication",),
    "requests": ("broker.handlers", "broker.api", "broker.dispatch"),
    "server": ("broker.server",),
    "storage": ("storage",),
}
LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
LEVEL_VARIABLE: Final = "BARNABAS_LOG_LEVEL"
ROOT: Final = ""

# Of the process, as the loggers are: the levels of the subsystems that do not follow ROOT.
_own_levels: dict[str, int] = {}

_SYNONYMS = {"warn": "warning", "trace": "debug", "fatal": "error"}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PACKAGES = sorted(((package, name) for name, packages in SUBSYSTEMS.items() for package in packages), reverse=True)


def parse_levels(texts: Iterable[str]) -> dict[str, int]:
    """`info,raft=debug` -> the level of each subsystem, ROOT for all others; later ones win; raises ConfigError."""
    levels: dict[str, int] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        if not part:
            continue
        subsystem, equals, name = part.rpartition("=")
        subsystem, name = subsystem.strip().lower(), name.strip().lower()
        if equals and subsystem not in SUBSYSTEMS:
            raise ConfigError(f"log level {part}: the subsystem must be one of {', '.join(SUBSYSTEMS)}")
        name = _SYNONYMS.get(name, name)
        if name not in LEVELS:
            raise ConfigError(f"log level {part}: the level must be one of {', '.join(LEVELS)}")
        levels[subsystem] = LEVELS[name]
    return levels


def configure(levels: dict[str, int], *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Replaces whatever logging was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(levels.get(ROOT, logging.INFO))
    _own_levels.clear()
    _own_levels.update({subsystem: level for subsystem, level in levels.items() if subsystem != ROOT})
    _apply_levels()


def set_level(subsystem: str, level: int | None) -> None:
    """Changes the level of a subsystem, or of ROOT and thereby of all that have none of their own. None: none of its
    own any more."""
    if subsystem == ROOT:
        assert level is not None
        logging.getLogger().setLevel(level)
    elif level is None:
        _own_levels.pop(subsystem, None)
    else:
        _own_levels[subsystem] = level
    _apply_levels()


def level_of(subsystem: str) -> int:
    return _own_levels.get(subsystem, logging.getLogger().level)


def _apply_levels() -> None:
    # Each gets its level outright: `broker.server` must not inherit that of `broker`, which is the node's.
    for subsystem, packages in SUBSYSTEMS.items():
        for package in packages:
            logging.getLogger(package).setLevel(level_of(subsystem))


def subsystem_of(logger_name: str) -> str:
    for package, subsystem in _PACKAGES:
        if logger_name == package or logger_name.startswith(package + "."):
            return subsystem
    return logger_name


def escape(text: str) -> str:
    """The text with every control character visible: a line stays a line, a terminal stays as it is."""
    return _CONTROL.sub(lambda match: _escaped(match.group()), text)


def _escaped(character: str) -> str:
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return known.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


class LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = f"{_local_time(record):%Y-%m-%d %H:%M:%S}.{int(record.msecs):03d}"
        line = f"{stamp} {_level_name(record):<7} {subsystem_of(record.name):<12} {escape(record.getMessage())}"
        lines = _exception_lines(record)
        return "\n    ".join([line, *lines])


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        import json

        event = {
            "time": _local_time(record).isoformat(timespec="milliseconds"),
            "level": _level_name(record),
            "subsystem": subsystem_of(record.name),
            "logger": record.name,
            "message": record.getMessage(),
        }
        lines = _exception_lines(record)
        if lines:
            event["exception"] = "\n".join(lines)
        return json.dumps(event)


def _local_time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, tz=UTC).astimezone()


def _level_name(record: logging.LogRecord) -> str:
    return "ERROR" if record.levelno >= logging.ERROR else record.levelname


def _exception_lines(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return []
    text = "".join(traceback.format_exception(record.exc_info[1]))
    return [escape(line) for line in text.rstrip("\n").split("\n")]
