"""From a file, the environment and the command line to a NodeConfig.

The file has the format of `java.util.Properties`. Later sources win: file, then `KAFKA_*` variables as the apache/kafka
image maps them, then `--override`. With no file, `single_node.py` supplies the settings of a node that is a cluster by
itself. Only variables that name a known key count, so that a stray KAFKA_BROKERS harms nobody; the rest are named in a
warning. Everything that is wrong is reported at once, before anything is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from config.checks import (
    BUILT_IN,
    IGNORABLE_IN_METADATA,
    find_key,
    notices,
    refusals,
    relation_problems,
    relation_warnings,
    similar_key,
    unknown_keys,
)
from config.definition import ConfigError
from config.node_config import NodeConfig
from config.single_node import single_node_settings

ENVIRONMENT_PREFIX = "KAFKA_"

# Variables of Apache Kafka's scripts and image; they are about the Java process, not the broker.
IGNORED_VARIABLES = frozenset(
    {
        "KAFKA_VERSION",
        "KAFKA_HEAP_OPTS",
        "KAFKA_LOG4J_OPTS",
        "KAFKA_OPTS",
        "KAFKA_JMX_OPTS",
        "KAFKA_JVM_PERFORMANCE_OPTS",
        "KAFKA_GC_LOG_OPTS",
        "KAFKA_LOG4J_ROOT_LOGLEVEL",
        "KAFKA_LOG4J_LOGGERS",
        "KAFKA_TOOLS_LOG4J_LOGLEVEL",
        "KAFKA_JMX_HOSTNAME",
        "KAFKA_JMX_PORT",
        "KAFKA_HOME",
    }
)

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_BLANKS = " \t\f"


class Property(NamedTuple):
    key: str
    value: str
    line: int  # where it begins, from 1


class Loaded(NamedTuple):
    config: NodeConfig
    warnings: list[str]


def load_node_config(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
    insecure_ignore: Iterable[str] = (),
    data_dir: Path | None = None,
    *,
    is_for_serving: bool = True,
) -> Loaded:
    """The configuration of this node, checked; raises ConfigError. `environ` None leaves the environment out.

    Who does not mean to serve with it need not hear of keys without effect.
    """
    settings = _Settings()
    if file is not None:
        settings.add_file(file)
    if environ is not None:
        settings.add_environment(environ)
    settings.add_overrides(overrides)
    if data_dir is not None:
        settings.set_data_dir(data_dir)
    if environ is not None:
        settings.derive_listeners(environ)
    if file is None:
        settings.add_single_node()
    config = NodeConfig(settings.texts, settings.sources, frozenset(insecure_ignore))
    problems = relation_problems(config)
    if problems:
        raise ConfigError("\n".join(problems))
    return Loaded(config, settings.warnings + (_judge(config) if is_for_serving else []))


class _Settings:
    """What was written so far, where, and what was odd about it."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.warnings: list[str] = []

    def add_file(self, file: Path) -> None:
        for key, value, line in parse_properties(read_text(file)):
            if key in self.texts:
                self.warnings.append(f"{key} is set more than once in {file}; line {line} counts")
            self._set(key, value, f"{file.name}:{line}")

    def add_environment(self, environ: Mapping[str, str]) -> None:
        unknown: list[str] = []
        for variable, value in sorted(environ.items()):
            if not variable.startswith(ENVIRONMENT_PREFIX) or variable in IGNORED_VARIABLES:
                continue
            key = key_of_variable(variable)
            if find_key(key) is None:
                unknown.append(variable)
            else:
                self._set(key, value, f"environment variable {variable}")
        if unknown:
            self.warnings.append(f"environment variables that name no key are left out: {', '.join(unknown)}")

    def add_overrides(self, overrides: Iterable[str]) -> None:
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals or not key.strip():
                raise ConfigError(f"--override {override}: must be KEY=VALUE")
            self._set(key.strip(), value, "--override")

    def set_data_dir(self, data_dir: Path) -> None:
        if self.sources.get("log.dirs", self.sources.get("log.dir")) == "--override":
            raise ConfigError("--data and --override log.dirs=... both say where the data lies: use one of them")
        self.texts.pop("log.dir", None)
        self._set("log.dirs", str(data_dir), "--data")

    def derive_listeners(self, environ: Mapping[str, str]) -> None:
        """As in the apache/kafka image: who only says what to advertise listens there on every interface."""
        advertised = environ.get("KAFKA_ADVERTISED_LISTENERS", "").strip()
        if advertised and "listeners" not in self.texts and self.texts.get("process.roles") != "controller":
            entries = [_with_any_host(entry.strip()) for entry in advertised.split(",")]
            self._set("listeners", ",".join(entries), "from KAFKA_ADVERTISED_LISTENERS")

    def add_single_node(self) -> None:
        for key, value in single_node_settings(self.texts).items():
            # Listeners come back as they were given, with a controller's where there was none.
            if key not in self.texts or key == "listeners":
                self._set(key, value, self.sources.get(key, BUILT_IN))

    def _set(self, key: str, value: str, source: str) -> None:
        self.texts[key] = value
        self.sources[key] = source


def _judge(config: NodeConfig) -> list[str]:
    """Warnings about what has no effect; raises ConfigError for what must not be without effect."""
    refused = refusals(config)
    fatal = {name: reason for name, reason in refused.items() if name not in config.insecure_ignore}
    if fatal:
        lines = [f"{name}{config.describe_source(name)}: {reason}" for name, reason in fatal.items()]
        flags = " ".join(f"--insecure-ignore {name}" for name in fatal)
        raise ConfigError("\n".join([*lines, f"To start all the same, without it: {flags}"]))
    warnings = [f"{name} is ignored as asked; {reason}" for name, reason in refused.items()]
    idle = config.insecure_ignore - refused.keys() - IGNORABLE_IN_METADATA
    warnings += [f"--insecure-ignore {name}: there is nothing to ignore" for name in sorted(idle)]
    warnings += [_unknown_key_warning(config, name) for name in unknown_keys(config)]
    without_effect = notices(config)
    if without_effect:
        warnings.append(f"set, but without effect: {', '.join(without_effect)}")
    return warnings + relation_warnings(config)


def _unknown_key_warning(config: NodeConfig, name: str) -> str:
    similar = similar_key(name)
    return f"unknown key {name}{config.describe_source(name)}" + (f"; did you mean {similar}?" if similar else "")


def key_of_variable(variable: str) -> str:
    """KAFKA_LOG_DIRS -> log.dirs; two underscores stand for one, three for a dash."""
    name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
    return name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


def read_text(file: Path) -> str:
    """UTF-8, or Latin-1 (what Java reads) where it is not valid UTF-8."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def parse_properties(text: str) -> Iterator[Property]:
    """The entries of a .properties text, as `java.util.Properties.load` reads them; raises ConfigError."""
    for line, content in _logical_lines(text):
        end = _end_of_key(content)
        rest = content[end:].lstrip(_BLANKS)
        if rest[:1] in ("=", ":"):
            rest = rest[1:].lstrip(_BLANKS)
        yield Property(_unescape(content[:end], line), _unescape(rest, line), line)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines joined where they end in an odd number of backslashes, without comments and blank lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    number = 0
    while number < len(lines):
        start = number
        content = lines[number].lstrip(_BLANKS)
        number += 1
        if not content or content[0] in "#!":
            continue
        while _is_continued(content):
            content = content[:-1]
            if number == len(lines):
                break
            content += lines[number].lstrip(_BLANKS)
            number += 1
        yield start + 1, content


def _is_continued(content: str) -> bool:
    return (len(content) - len(content.rstrip("\\"))) % 2 == 1


def _end_of_key(content: str) -> int:
    position = 0
    while position < len(content):
        if content[position] == "\\":
            position += 1
        elif content[position] in "=: \t\f":
            return position
        position += 1
    return len(content)


def _unescape(text: str, line: int) -> str:
    if "\\" not in text:
        return text
    parts: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character != "\\" or position == len(text):
            parts.append(character)
            continue
        escaped = text[position]
        position += 1
        if escaped == "u":
            digits = text[position : position + 4]
            if len(digits) < 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise ConfigError(f"line {line}: \\u must be followed by four hexadecimal digits")
            parts.append(chr(int(digits, 16)))
            position += 4
        else:
            parts.append(_ESCAPES.get(escaped, escaped))
    # Java's characters are UTF-16: two escapes may make one.
    return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _with_any_host(entry: str) -> str:
    name, separator, address = entry.partition("://")
    return f"{name}{separator}0.0.0.0:{address.rpartition(':')[2]}" if separator else entry
