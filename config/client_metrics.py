"""What a subscription to clients' metrics may be set to: which metrics, how often, from which clients (KIP-714).

Subscriptions are stored and shown; metrics pushed by clients are not served yet. Counterpart: `ClientMetricsConfigs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from config.definition import ConfigError, UnknownKeyError, as_int, as_list
from config.keys import CLIENT_METRICS_KEYS

_INTERVAL: Final = "interval.ms"
_INTERVALS_MS: Final = range(100, 3_600_001)
_MATCHED: Final = frozenset(
    {
        "client_id",
        "client_instance_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    }
)


class IntervalError(ConfigError):
    """A number that is no interval."""


def check_client_metrics(settings: Mapping[str, str]) -> None:
    """Raises ConfigError (UnknownKeyError, IntervalError) unless a subscription may be set to all of these together."""
    for name in settings:
        if name not in CLIENT_METRICS_KEYS:
            raise UnknownKeyError(f"{name} is no configuration of client metrics")
    values = {name: CLIENT_METRICS_KEYS[name].parse(text) for name, text in settings.items()}
    if _INTERVAL in values and as_int(values[_INTERVAL]) not in _INTERVALS_MS:
        raise IntervalError(f"{_INTERVAL} = {values[_INTERVAL]}: must be from 100 to 3600000, an hour")
    for pattern in as_list(values.get("match", [])):
        _check_pattern(pattern)


def _check_pattern(pattern: str) -> None:
    name, _, expression = (part.strip() for part in pattern.partition("="))
    if not expression or "=" in expression:
        raise ConfigError(f"match: {pattern} must be NAME=PATTERN")
    if name not in _MATCHED:
        raise ConfigError(f"match: {name} is not one of {', '.join(sorted(_MATCHED))}")
    try:
        re.compile(expression)
    except re.error as error:
        raise ConfigError(f"match: {expression} is no regular expression: {error}") from error
