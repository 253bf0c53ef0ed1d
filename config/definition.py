"""What a configuration key is: its type, its default, what it allows, and how its text is read and written.

Pure: text in, typed value or `ConfigError` out. The tables of keys are in `keys.py`, relations between keys in
`checks.py`. A value is read as Kafka's `ConfigDef` reads it (blanks around it do not count, lists are split at commas,
numbers have Java's ranges), so a file that Apache Kafka accepts means the same here.
"""

from __future__ import annotations

import math
import re
from enum import Enum, IntEnum
from typing import NamedTuple, cast

ConfigValue = bool | int | float | str | list[str] | None


class ConfigError(Exception):
    """A configuration that cannot be used. The text says which key, what was written, and what is allowed."""


class UnknownKeyError(ConfigError):
    """A key that no table has."""


class Type(IntEnum):
    """Kafka's types, numbered as in DescribeConfigs answers."""

    UNKNOWN = 0  # of keys that no table has
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class UpdateMode(Enum):
    READ_ONLY = "read-only"  # at start only
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"


class Effect(Enum):
    EFFECT = "effect"
    NONE = "none"  # read, checked, shown, and harmless to leave without effect
    REFUSE = "refuse"  # without effect, security or durability would suffer: a value off the default stops the start


class Password(str):
    """A secret: never shown in logs, errors or answers."""

    def __repr__(self) -> str:
        return HIDDEN


HIDDEN = "[hidden]"
REQUIRED = "REQUIRED"

_INTEGER_BITS = {Type.SHORT: 16, Type.INT: 32, Type.LONG: 64}
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?)", re.ASCII)
_LIST_SEPARATOR = re.compile(r"\s*,\s*", re.ASCII)
_RANGE = re.compile(r"\[(-?[0-9]+),\.\.\.(?:,(-?[0-9]+))?\](?: or (-?[0-9]+))?", re.ASCII)
_CHOICES = re.compile(r"(\(case insensitive\) )?\[([^\[\]]+)\]")
_THROTTLED_REPLICA = re.compile(r"[0-9]+:[0-9]+", re.ASCII)
_ISO_DURATION = re.compile(
    r"\+?P(?=[0-9+T-])([+-]?[0-9]+D)?(T(?=[0-9+-])([+-]?[0-9]+H)?([+-]?[0-9]+M)?([+-]?[0-9]+([.,][0-9]{0,9})?S)?)?",
    re.ASCII | re.IGNORECASE,
)

ALLOWS_THROTTLED_REPLICAS = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
ALLOWS_OFFSET_RESET = "[latest, earliest, by_duration:PnDTnHnMn.nS]"


class ConfigKey(NamedTuple):
    name: str
    type: Type
    default_text: str | None  # None: null; REQUIRED: there is none
    allows: str  # as Kafka writes it: "[1,...]", "[1,...,9] or -1", "[a, b]", "not empty", ...
    importance: str
    update_mode: UpdateMode
    internal: bool  # for tests: works, but is not shown
    effect: Effect
    reason: str  # for REFUSE: a name in keys.REFUSALS
    documentation: str

    @property
    def attribute(self) -> str:
        return self.name.replace(".", "_").replace("-", "_")

    @property
    def is_required(self) -> bool:
        return self.default_text == REQUIRED

    @property
    def is_sensitive(self) -> bool:
        """What nobody knows may be a secret of a plug-in."""
        return self.type in (Type.PASSWORD, Type.UNKNOWN)

    @property
    def is_read_only(self) -> bool:
        return self.update_mode is UpdateMode.READ_ONLY

    @property
    def default(self) -> ConfigValue:
        return None if self.default_text is None or self.is_required else parse_type(self, self.default_text)

    def parse(self, text: str) -> ConfigValue:
        """The typed and validated value; raises ConfigError."""
        value = parse_type(self, text)
        problem = self.problem_with(value)
        if problem:
            raise ConfigError(f"{self.name} = {self.shown(text)}: {problem}")
        return value

    def shown(self, text: str) -> str:
        return HIDDEN if self.is_sensitive else text if text.strip() else "(empty)"

    def problem_with(self, value: ConfigValue) -> str | None:
        """What is wrong with a value of the right type, as a half sentence; None if nothing is."""
        if isinstance(value, list):
            return self._problem_with_list(value)
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, (int, float)):
            return _problem_with_number(value, self.allows)
        if self.allows == "non-empty string":
            return None if value else "must not be empty"
        if self.allows == ALLOWS_OFFSET_RESET:
            return _problem_with_offset_reset(value)
        return _problem_with_choice(value, self.allows)

    def _problem_with_list(self, values: list[str]) -> str | None:
        if self.allows == ALLOWS_THROTTLED_REPLICAS:
            if values == ["*"] or all(_THROTTLED_REPLICA.fullmatch(value) for value in values):
                return None
            return "must be * or a list of PARTITION:BROKER pairs"
        if self.allows == "not empty" and not values:
            return "must not be empty"
        if "" in values:
            return "has an empty entry; entries are separated by one comma each"
        return next((problem for value in values if (problem := _problem_with_choice(value, self.allows))), None)


def parse_type(key: ConfigKey, text: str) -> ConfigValue:
    """The text as a value of the key's type, not yet validated; raises ConfigError."""
    text = _java_trim(text)
    match key.type:
        case Type.BOOLEAN:
            if text.lower() not in ("true", "false"):
                raise ConfigError(f"{key.name} = {key.shown(text)}: must be true or false")
            return text.lower() == "true"
        case Type.SHORT | Type.INT | Type.LONG:
            return _parse_integer(key, text)
        case Type.DOUBLE:
            if not _DOUBLE.fullmatch(text):
                raise ConfigError(f"{key.name} = {key.shown(text)}: must be a number{_allowed_suffix(key)}")
            return float(text.rstrip("fFdD").replace("Infinity", "inf") if text[-1] not in "Ny" else text)
        case Type.LIST:
            # Duplicates go, as in Kafka: they never mean anything.
            return list(dict.fromkeys(_LIST_SEPARATOR.split(text))) if text else []
        case Type.PASSWORD:
            return Password(text)
        case Type.STRING | Type.CLASS | Type.UNKNOWN:
            return text


def format_value(value: ConfigValue) -> str | None:
    """The value as Kafka writes it in answers. A password comes out as it is: hiding it is the caller's duty."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    return format_double(value) if isinstance(value, float) else str(value)


def format_double(value: float) -> str:
    """As Java's Double.toString: 0.5, 1.0E10, 1.7976931348623157E308."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = repr(value)
        return text if "e" not in text else f"{value:.{17}f}".rstrip("0")
    mantissa, _, exponent = f"{value!r}".lower().partition("e")
    if not exponent:
        digits = mantissa.lstrip("-").replace(".", "").lstrip("0").rstrip("0") or "0"
        exponent = str(math.floor(math.log10(abs(value))))
        mantissa = ("-" if value < 0 else "") + digits[0] + "." + (digits[1:] or "0")
    elif "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{int(exponent)}"


def _parse_integer(key: ConfigKey, text: str) -> int:
    bits = _INTEGER_BITS[key.type]
    if not _INTEGER.fullmatch(text) or not -(1 << bits - 1) <= int(text) < 1 << bits - 1:
        raise ConfigError(
            f"{key.name} = {key.shown(text)}: must be a whole number of {bits} bits{_allowed_suffix(key)}"
        )
    return int(text)


def _allowed_suffix(key: ConfigKey) -> str:
    return f", {_describe_range(key.allows)}" if _RANGE.fullmatch(key.allows) else ""


def _describe_range(allows: str) -> str:
    match = _RANGE.fullmatch(allows)
    assert match is not None, allows
    low, high, exception = match.groups()
    text = f"from {low} to {high}" if high else f"at least {low}"
    return f"{text}, or {exception}" if exception else text


def _problem_with_number(value: int | float, allows: str) -> str | None:
    match = _RANGE.fullmatch(allows)
    if match is None:
        return None
    low, high, exception = match.groups()
    if exception is not None and value == int(exception):
        return None
    in_range = int(low) <= value and (high is None or value <= int(high))
    return None if in_range else f"must be {_describe_range(allows)}"


def _problem_with_choice(value: str, allows: str) -> str | None:
    match = _CHOICES.fullmatch(allows)
    if match is None:
        return None
    choices = match.group(2).split(", ")
    folded = value.upper() in [choice.upper() for choice in choices] if match.group(1) else value in choices
    if folded:
        return None
    return f"must be {choices[0]}" if len(choices) == 1 else f"must be one of {', '.join(choices)}"


def _problem_with_offset_reset(value: str) -> str | None:
    kind, _, duration = value.partition(":")
    if value in ("latest", "earliest") or (
        kind == "by_duration" and _ISO_DURATION.fullmatch(duration) and "-" not in duration
    ):
        return None
    return "must be latest, earliest or by_duration: with an ISO 8601 duration such as PT1H30M"


def _java_trim(text: str) -> str:
    """Java's String.trim: takes off control characters too."""
    start, end = 0, len(text)
    while start < end and text[start] <= " ":
        start += 1
    while end > start and text[end - 1] <= " ":
        end -= 1
    return text[start:end]


def as_list(value: ConfigValue) -> list[str]:
    assert isinstance(value, list), value
    return value


def as_int(value: ConfigValue) -> int:
    assert isinstance(value, int) and not isinstance(value, bool), value
    return value


def as_str(value: ConfigValue) -> str:
    assert isinstance(value, str), value
    return value


def as_bool(value: ConfigValue) -> bool:
    assert isinstance(value, bool), value
    return value


def as_float(value: ConfigValue) -> float:
    return cast(float, value)
