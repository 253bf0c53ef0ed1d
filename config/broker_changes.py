"""What a broker bears of a change of its own configuration while it runs.

A change is checked key by key, and then as the whole configuration that it would make: as a file of these settings is
(`checks.py`), and for what is allowed at a start but not at once. Texts that the metadata holds and that this broker
cannot use (another release wrote them) do not stand in the way of others: they are left out. Pure.

Counterpart: `DynamicBrokerConfig` and the BrokerReconfigurables (KIP-226).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.checks import find_key, is_off_default, relation_problems
from config.definition import ConfigError, ConfigKey, Effect, Type, UnknownKeyError, UpdateMode, as_int, as_list
from config.keys import BROKER_KEYS, REFUSALS
from config.node_config import NodeConfig

# Broker keys that exist only dynamically: throttles of replication.
DYNAMIC_ONLY_BROKER_KEYS = {
    name: ConfigKey(
        name, Type.LONG, str((1 << 63) - 1), "[0,...]", "MEDIUM", UpdateMode.CLUSTER_WIDE, False, Effect.NONE, "", text
    )
    for name, text in {
        "leader.replication.throttled.rate": "The most bytes a second sent to followers of throttled replicas.",
        "follower.replication.throttled.rate": "The most bytes a second fetched by followers of throttled replicas.",
        "replica.alter.log.dirs.io.max.bytes.per.second": "The most bytes a second moved between log directories.",
    }.items()
}

# Keys that stand for one setting, in the order in which they count: where one is set dynamically, the others are gone.
_ALTERNATIVES = (
    ("log.roll.ms", "log.roll.hours"),
    ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
)

# The scheduler's interval is only the default of the other.
_ALTERNATIVES_OF = {
    name: names for names in _ALTERNATIVES for name in names if name != "log.flush.scheduler.interval.ms"
}

# Keys that count only for one listener: changing them for all at once is refused, as in Kafka.
_LISTENER_ONLY_PREFIXES = ("ssl.", "sasl.")

# Of a listener's keys those that may stand at the default of all brokers, too.
_CLUSTER_WIDE_LISTENER_KEYS = frozenset({"max.connections", "max.connection.creation.rate", "num.network.threads"})

_AT_LEAST_ONE = ("max.connections", "max.connection.creation.rate")

# Pools that may double or halve at once, and no more.
_POOLS = (
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
)


def alternatives(name: str) -> tuple[str, ...]:
    """The keys that are looked at for a key, first set first; itself among them."""
    return _ALTERNATIVES_OF.get(name, (name,))


def find_broker_key(name: str) -> ConfigKey | None:
    return DYNAMIC_ONLY_BROKER_KEYS.get(name) or find_key(name)


def layered(static: Mapping[str, str], *layers: Mapping[str, str]) -> dict[str, str]:
    """The texts in force with dynamic layers above the static ones, the last on top."""
    texts = dict(static)
    for layer in layers:
        for name, text in layer.items():
            for other in alternatives(name):
                texts.pop(other, None)
            texts[name] = text
    return texts


def within_bounds(static: NodeConfig, texts: Mapping[str, str]) -> dict[str, str]:
    """The texts with what was stored under wider bounds, which are those of the file, brought back between them."""
    bounded = dict(texts)
    for kind in ("consumer", "share", "streams"):
        name = f"group.{kind}.assignment.interval.ms"
        if name in bounded:
            low, high = (as_int(static.value(f"group.{kind}.{end}.assignment.interval.ms")) for end in ("min", "max"))
            bounded[name] = str(min(max(as_int(BROKER_KEYS[name].parse(bounded[name])), low), high))
    return bounded


def usable(settings: Mapping[str, str], *, is_cluster_default: bool) -> dict[str, str]:
    """What of stored settings this broker can use. Names that nobody knows stay, and are shown without their value."""
    kept: dict[str, str] = {}
    for name, text in settings.items():
        try:
            check_key(name, text, is_cluster_default=is_cluster_default)
        except UnknownKeyError:
            pass
        except ConfigError:
            continue
        kept[name] = text
    return kept


def check_key(name: str, text: str, *, is_cluster_default: bool) -> None:
    """Raises ConfigError (UnknownKeyError) unless a broker, or all of them, may be given this at run time."""
    key = find_broker_key(name)
    if key is None:
        raise UnknownKeyError(f"{name} is no broker configuration")
    if key.is_read_only:
        raise ConfigError(f"{name} cannot change while the broker runs")
    if key.effect is Effect.REFUSE and is_off_default(key, text):
        raise ConfigError(f"{name}: {REFUSALS[key.reason]}")
    if name.startswith(_LISTENER_ONLY_PREFIXES):
        raise ConfigError(f"{name} can change for one listener only: listener.name.NAME.{name}")
    is_of_listener = key.name != name and key.name not in _CLUSTER_WIDE_LISTENER_KEYS
    if is_cluster_default and (key.update_mode is UpdateMode.PER_BROKER or is_of_listener):
        raise ConfigError(f"{name} can be set for one broker only, not for all of them")
    key.parse(text)
    if name.startswith("listener.name.") and key.name in _AT_LEAST_ONE and key.parse(text) == 0:
        raise ConfigError(f"{name} must be at least 1")


def problems_of_change(before: NodeConfig, after: NodeConfig) -> list[str]:
    """Why a broker that runs with one configuration cannot go on with the other."""
    parts = (_number_problems, _retention_problems, _listener_problems, _plugin_problems)
    return [*relation_problems(after), *(problem for part in parts for problem in part(before, after))]


def _number_problems(before: NodeConfig, after: NodeConfig) -> Iterator[str]:
    for name in _AT_LEAST_ONE:
        if after.value(name) == 0 != before.value(name):
            yield f"{name} must be at least 1"
    for name in _POOLS:
        old, new = as_int(before.value(name)), as_int(after.value(name))
        if new != old and not old // 2 <= new <= old * 2:
            yield f"{name} ({new}) may at once be halved or doubled at most; it is {old}"


def _retention_problems(before: NodeConfig, after: NodeConfig) -> Iterator[str]:
    """What stays local cannot be more than what stays at all."""
    for unit in ("ms", "bytes"):
        name, of_all = f"log.local.retention.{unit}", f"log.retention.{unit}"
        local = as_int(after.value(name))
        limit = after.log_retention_ms if unit == "ms" else after.log_retention_bytes
        is_changed = (before.value(name), before.value(of_all)) != (after.value(name), after.value(of_all))
        if is_changed and limit != -1 and local != -2 and (local == -1 or local > limit):
            yield f"{name} ({local}) must not be above {of_all} ({limit})"


def _listener_problems(before: NodeConfig, after: NodeConfig) -> Iterator[str]:
    opened = {endpoint.listener_name for endpoint in after.listeners}
    for endpoint in before.advertised_listeners:
        if endpoint.listener_name not in opened:
            yield f"listeners: {endpoint.listener_name} is advertised and cannot go before the broker starts anew"
    protocols = {endpoint.listener_name: endpoint.security_protocol for endpoint in before.listeners}
    for endpoint in after.listeners:
        if endpoint.security_protocol != protocols.get(endpoint.listener_name, endpoint.security_protocol):
            yield f"the security protocol of {endpoint.listener_name} cannot change while it is open"
        elif endpoint.listener_name not in protocols and endpoint.security_protocol != "PLAINTEXT":
            reason = REFUSALS["tls" if endpoint.security_protocol == "SSL" else "sasl"]
            yield f"listener {endpoint.listener_name} asks for {endpoint.security_protocol}, and {reason}"


def _plugin_problems(before: NodeConfig, after: NodeConfig) -> Iterator[str]:
    reporters = as_list(after.value("metric.reporters"))
    loadable = {*as_list(BROKER_KEYS["metric.reporters"].default), *as_list(before.value("metric.reporters"))}
    unknown = [name for name in reporters if name not in loadable]
    if unknown:
        yield f"metric.reporters: Java classes are not loaded ({', '.join(unknown)})"


assert all(name in BROKER_KEYS for name in (*_POOLS, *_AT_LEAST_ONE, *_ALTERNATIVES_OF))
