"""Configuration that changes while the node runs: of topics, of brokers and of groups.

A topic's value is, first found: set on the topic, set dynamically on this broker, set dynamically for all brokers, set
in the node's file, default; on the broker under the synonyms of the table below. `ConfigLayers` holds what a broker
needs for that and hands out values, checks and the entries of DescribeConfigs. Pure; the texts come from the metadata
image.
Counterpart: `DynamicBrokerConfig`, `ServerTopicConfigSynonyms`, `LogConfig.validate`, `GroupConfig`, `ConfigHelper`
(KIP-226, KIP-339, KIP-412, KIP-1142).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

from config.broker_changes import (
    alternatives,
    check_key,
    find_broker_key,
    layered,
    problems_of_change,
    usable,
    within_bounds,
)
from config.checks import find_key, relation_problems
from config.definition import (
    ConfigError,
    ConfigKey,
    ConfigValue,
    Effect,
    Type,
    UnknownKeyError,
    UpdateMode,
    as_int,
    format_value,
)
from config.keys import BROKER_KEYS, CLIENT_METRICS_KEYS, GROUP_KEYS, REFUSALS, TOPIC_KEYS
from config.node_config import NodeConfig

_MS_PER_HOUR = 60 * 60 * 1000
_MS_PER_MINUTE = 60 * 1000


class Synonym(NamedTuple):
    name: str
    factor: int = 1  # what a unit of this key is in the unit of the key it stands for


def _log(*names: str) -> tuple[Synonym, ...]:
    factors = {"hours": _MS_PER_HOUR, "minutes": _MS_PER_MINUTE}
    return tuple(Synonym(f"log.{name}", factors.get(name.rpartition(".")[2], 1)) for name in names)


# Topic key -> the broker keys that stand for it, first set first.
TOPIC_SYNONYMS: dict[str, tuple[Synonym, ...]] = {
    "cleanup.policy": _log("cleanup.policy"),
    "compression.type": (Synonym("compression.type"),),
    "compression.gzip.level": (Synonym("compression.gzip.level"),),
    "compression.lz4.level": (Synonym("compression.lz4.level"),),
    "compression.zstd.level": (Synonym("compression.zstd.level"),),
    "delete.retention.ms": _log("cleaner.delete.retention.ms"),
    "file.delete.delay.ms": _log("segment.delete.delay.ms"),
    "flush.messages": _log("flush.interval.messages"),
    "flush.ms": _log("flush.interval.ms", "flush.scheduler.interval.ms"),
    "index.interval.bytes": _log("index.interval.bytes"),
    "local.retention.bytes": _log("local.retention.bytes"),
    "local.retention.ms": _log("local.retention.ms"),
    "max.compaction.lag.ms": _log("cleaner.max.compaction.lag.ms"),
    "max.message.bytes": (Synonym("message.max.bytes"),),
    "message.timestamp.after.max.ms": _log("message.timestamp.after.max.ms"),
    "message.timestamp.before.max.ms": _log("message.timestamp.before.max.ms"),
    "message.timestamp.type": _log("message.timestamp.type"),
    "min.cleanable.dirty.ratio": _log("cleaner.min.cleanable.ratio"),
    "min.compaction.lag.ms": _log("cleaner.min.compaction.lag.ms"),
    "min.insync.replicas": (Synonym("min.insync.replicas"),),
    "preallocate": _log("preallocate"),
    "retention.bytes": _log("retention.bytes"),
    "retention.ms": _log("retention.ms", "retention.minutes", "retention.hours"),
    "segment.bytes": _log("segment.bytes"),
    "segment.index.bytes": _log("index.size.max.bytes"),
    "segment.jitter.ms": _log("roll.jitter.ms", "roll.jitter.hours"),
    "segment.ms": _log("roll.ms", "roll.hours"),
    "unclean.leader.election.enable": (Synonym("unclean.leader.election.enable"),),
}

# Group keys that no broker key stands for; all others are `group.` and the key.
_GROUP_KEYS_ALONE = {"share.auto.offset.reset", "share.isolation.level", "share.renew.acknowledge.enable"}


class ConfigSource(IntEnum):
    """Where a value comes from, numbered as in DescribeConfigs answers."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    CLIENT_METRICS = 7
    GROUP = 8


class EntrySynonym(NamedTuple):
    name: str
    value: str | None
    source: ConfigSource


class ConfigEntry(NamedTuple):
    """One key as DescribeConfigs shows it; a secret has no value."""

    key: ConfigKey
    value: str | None
    source: ConfigSource
    is_read_only: bool
    synonyms: list[EntrySynonym]


def topic_defaults(config: NodeConfig) -> dict[str, ConfigValue]:
    return {name: _topic_default(config, key) for name, key in TOPIC_KEYS.items()}


def _topic_default(config: NodeConfig, key: ConfigKey) -> ConfigValue:
    for synonym in TOPIC_SYNONYMS.get(key.name, ()):
        value = config.value(synonym.name)
        if value is not None:
            if key.name == "retention.ms":
                return config.log_retention_ms
            return value if synonym.factor == 1 else as_int(value) * synonym.factor
    return key.default


class ConfigLayers:
    """The node's file and the dynamic values above it. Immutable: new dynamic values make new layers."""

    def __init__(
        self,
        static: NodeConfig,
        cluster_default: Mapping[str, str] | None = None,
        broker: Mapping[str, str] | None = None,
    ) -> None:
        """What cannot be used of the dynamic values is left out; ConfigError if the rest contradicts itself."""
        self.static = static
        self.cluster_default = usable(cluster_default or {}, is_cluster_default=True)
        self.broker = usable(broker or {}, is_cluster_default=False)
        self.effective = static
        if self.cluster_default or self.broker:
            texts = layered(static.original, self.cluster_default, self.broker)
            self.effective = static.reconfigured(within_bounds(static, texts))
            _raise_all(relation_problems(self.effective))
        self._topic_defaults = topic_defaults(self.effective)

    def with_dynamic(self, cluster_default: Mapping[str, str], broker: Mapping[str, str]) -> ConfigLayers:
        return ConfigLayers(self.static, cluster_default, broker)

    def topic_values(self, overrides: Mapping[str, str]) -> dict[str, ConfigValue]:
        """Every topic key with its value, for a topic that sets `overrides`; what cannot be read keeps its default."""
        values = dict(self._topic_defaults)
        for name, text in overrides.items():
            key = TOPIC_KEYS.get(name)
            if key is not None:
                values[name] = _parsed_or(key, text, values[name])
        return values

    def check_topic(self, overrides: Mapping[str, str]) -> None:
        """Raises ConfigError (UnknownKeyError) unless a topic may set all of these together."""
        values = dict(self._topic_defaults)
        for name, text in overrides.items():
            key = TOPIC_KEYS.get(name)
            if key is None:
                raise UnknownKeyError(f"{name} is no topic configuration")
            values[name] = key.parse(text)
        shortest, longest = values["min.compaction.lag.ms"], values["max.compaction.lag.ms"]
        if as_int(shortest) > as_int(longest):
            raise ConfigError(f"min.compaction.lag.ms ({shortest}) must not be above max.compaction.lag.ms ({longest})")
        if values["remote.storage.enable"]:
            raise ConfigError(f"remote.storage.enable = true: {REFUSALS['remote-storage']}")

    def check_broker(self, settings: Mapping[str, str], stored: Mapping[str, str], *, is_cluster_default: bool) -> None:
        """Raises ConfigError unless this broker can go on with these dynamic settings, for it or for all, in place of
        the `stored` ones."""
        for name, text in settings.items():
            if text != stored.get(name):
                check_key(name, text, is_cluster_default=is_cluster_default)
        wanted = (settings, self.broker) if is_cluster_default else (self.cluster_default, settings)
        after = self.static.reconfigured(layered(self.static.original, *wanted))
        _raise_all(problems_of_change(self.effective, after))

    def check_group(self, overrides: Mapping[str, str]) -> None:
        """Raises ConfigError unless a group may set all of these together, within the broker's bounds."""
        values = {name: self._group_default(name) for name in GROUP_KEYS}
        for name, text in overrides.items():
            if name not in GROUP_KEYS:
                raise UnknownKeyError(f"{name} is no group configuration")
            values[name] = GROUP_KEYS[name].parse(text)
            self._check_group_bounds(name, values[name])
        for kind in ("consumer", "share", "streams"):
            heartbeat, session = f"{kind}.heartbeat.interval.ms", f"{kind}.session.timeout.ms"
            if as_int(values[heartbeat]) >= as_int(values[session]):
                raise ConfigError(f"{heartbeat} ({values[heartbeat]}) must be below {session} ({values[session]})")

    def describe_topic(self, overrides: Mapping[str, str], names: Iterable[str] | None = None) -> list[ConfigEntry]:
        values = self.topic_values(overrides)
        entries: list[ConfigEntry] = []
        for key in _chosen(TOPIC_KEYS, names, overrides):
            synonyms = TOPIC_SYNONYMS.get(key.name)
            chain = self._broker_chain(synonyms[0].name) if synonyms else []
            value = format_value(values[key.name])
            if key.name in overrides:
                chain.insert(0, EntrySynonym(key.name, value, ConfigSource.DYNAMIC_TOPIC))
            entries.append(ConfigEntry(key, value, _first_source(chain), False, chain))
        return entries

    def describe_broker(self, names: Iterable[str] | None = None) -> list[ConfigEntry]:
        """What is in force on this broker, with the keys of its listeners and what was set that nobody knows."""
        texts = layered(self.static.original, self.cluster_default, self.broker)
        keys = {**BROKER_KEYS, **{name: _broker_key(name) for name in texts}}
        return [self._describe_broker_key(key) for key in _chosen(keys, names, texts)]

    def describe_cluster_default(self, names: Iterable[str] | None = None) -> list[ConfigEntry]:
        """What is set dynamically for all brokers, and nothing else."""
        keys = {name: _broker_key(name) for name in self.cluster_default}
        source = ConfigSource.DYNAMIC_DEFAULT_BROKER
        entries: list[ConfigEntry] = []
        for key in _chosen(keys, names, self.cluster_default):
            value = None if key.is_sensitive else self.cluster_default[key.name]
            entries.append(ConfigEntry(key, value, source, key.is_read_only, [EntrySynonym(key.name, value, source)]))
        return entries

    def describe_group(self, overrides: Mapping[str, str], names: Iterable[str] | None = None) -> list[ConfigEntry]:
        entries: list[ConfigEntry] = []
        for key in _chosen(GROUP_KEYS, names, overrides):
            default = self._group_default(key.name)
            if key.name in _GROUP_KEYS_ALONE:
                chain = [EntrySynonym(key.name, format_value(default), ConfigSource.DEFAULT)]
            else:
                chain = self._broker_chain(f"group.{key.name}")
            value = format_value(default)
            if key.name in overrides:
                value = format_value(_parsed_or(key, overrides[key.name], default))
                chain.insert(0, EntrySynonym(key.name, value, ConfigSource.GROUP))
            entries.append(ConfigEntry(key, value, _first_source(chain), False, chain))
        return entries

    @staticmethod
    def describe_client_metrics(overrides: Mapping[str, str], names: Iterable[str] | None = None) -> list[ConfigEntry]:
        entries: list[ConfigEntry] = []
        for key in _chosen(CLIENT_METRICS_KEYS, names, overrides):
            chain: list[EntrySynonym] = []
            value = format_value(key.default)
            if key.name in overrides:
                value = format_value(_parsed_or(key, overrides[key.name], key.default))
                chain.append(EntrySynonym(key.name, value, ConfigSource.CLIENT_METRICS))
            entries.append(ConfigEntry(key, value, _first_source(chain), False, chain))
        return entries

    def _group_default(self, name: str) -> ConfigValue:
        return GROUP_KEYS[name].default if name in _GROUP_KEYS_ALONE else self.effective.value(f"group.{name}")

    def _check_group_bounds(self, name: str, value: ConfigValue) -> None:
        kind, _, rest = name.partition(".")
        low, high = f"group.{kind}.min.{rest}", f"group.{kind}.max.{rest}"
        if name == "streams.num.standby.replicas":
            high = "group.streams.max.standby.replicas"
        if low in BROKER_KEYS and as_int(value) < as_int(self.effective.value(low)):
            raise ConfigError(f"{name} = {value}: must not be below {low} ({self.effective.value(low)})")
        if high in BROKER_KEYS and as_int(value) > as_int(self.effective.value(high)):
            raise ConfigError(f"{name} = {value}: must not be above {high} ({self.effective.value(high)})")

    def _describe_broker_key(self, key: ConfigKey) -> ConfigEntry:
        chain = self._broker_chain(key.name)
        if key.is_sensitive:
            value = None
        elif key.name in self.effective.values:
            # A text is shown as it was written; what has another type, as it was understood.
            value = format_value(self.effective.value(key.name))
        else:
            value = chain[0].value if chain else None
        return ConfigEntry(key, value, _first_source(chain), key.is_read_only, chain)

    def _broker_chain(self, name: str) -> list[EntrySynonym]:
        """Everything that was set for a broker key or one of its synonyms, what wins first."""
        names = broker_synonyms(name)
        layers = (
            (self.broker, ConfigSource.DYNAMIC_BROKER),
            (self.cluster_default, ConfigSource.DYNAMIC_DEFAULT_BROKER),
            (self.static.original, ConfigSource.STATIC_BROKER),
        )
        chain = [
            EntrySynonym(each, _shown(each, texts[each]), source)
            for texts, source in layers
            for each in names
            if each in texts
        ]
        for each in names:
            key = BROKER_KEYS.get(each)
            default = format_value(key.default) if key else None
            if default is not None:
                chain.append(EntrySynonym(each, _shown(each, default), ConfigSource.DEFAULT))
        # As in Kafka: what stands in front of the key itself is about another key, even if its value is in force.
        return list(itertools.dropwhile(lambda entry: entry.name != name, chain))


def broker_synonyms(name: str) -> list[str]:
    """The broker keys that are looked at for a broker key, first set first; itself among them."""
    key = find_key(name)
    return [name, key.name] if key is not None and key.name != name else list(alternatives(name))


def _broker_key(name: str) -> ConfigKey:
    key = find_broker_key(name)
    if key is None:
        return ConfigKey(name, Type.UNKNOWN, None, "", "MEDIUM", UpdateMode.READ_ONLY, False, Effect.NONE, "", "")
    return key._replace(name=name)


def _raise_all(problems: list[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems))


def _parsed_or(key: ConfigKey, text: str, default: ConfigValue) -> ConfigValue:
    try:
        return key.parse(text)
    except ConfigError:
        return default


def _chosen(keys: Mapping[str, ConfigKey], names: Iterable[str] | None, texts: Mapping[str, str]) -> list[ConfigKey]:
    """The keys asked for by name, else all, in the order of their names; internal ones only if they are set."""
    wanted = keys.keys() if names is None else set(names)
    return [keys[name] for name in sorted(keys) if name in wanted and (not keys[name].internal or name in texts)]


def _shown(name: str, text: str) -> str | None:
    return None if _broker_key(name).is_sensitive else text


def _first_source(chain: list[EntrySynonym]) -> ConfigSource:
    return chain[0].source if chain else ConfigSource.DEFAULT
