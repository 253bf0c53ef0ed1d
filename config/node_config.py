"""NodeConfig: the configuration of one node, every key parsed to its type and reachable as an attribute.

`config.num_partitions` is the key `num.partitions`: dots and dashes become underscores (attributes.py has the types). A
few attributes say more than the bare value of their key, because the key has a synonym or an inner structure; those are
declared below. `values` has each key's bare value, `original` the texts as they were written. Immutable once built;
dynamic changes make a new one (`reconfigured`). Counterpart: `KafkaConfig`.
"""

from __future__ import annotations

import os.path
from collections.abc import Collection, Mapping

from config.attributes import BrokerAttributes
from config.definition import ConfigError, ConfigKey, ConfigValue, as_int, as_list, as_str
from config.keys import BROKER_KEYS
from config.listeners import (
    ANY_ADDRESS,
    Endpoint,
    HostPort,
    Voter,
    effective_protocol_map,
    parse_endpoints,
    parse_host_ports,
    parse_map,
    parse_protocol_map,
    parse_voters,
)

_MS_PER_HOUR = 60 * 60 * 1000
_MS_PER_MINUTE = 60 * 1000
_ALL_DIRECTORIES = "*"
PROTOCOL_MAP = "listener.security.protocol.map"
METRICS_PORT = "metrics.port"
NO_PORT = "-1"

_ZOOKEEPER_MODE = (
    "process.roles is not set, but zookeeper.connect is: ZooKeeper mode is gone, as in Apache Kafka since 4.0. Instead "
    "of zookeeper.connect and broker.id set process.roles=broker,controller, node.id, "
    "controller.listener.names=CONTROLLER, "
    "listeners=PLAINTEXT://:9092,CONTROLLER://:9093 and controller.quorum.bootstrap.servers=localhost:9093. "
    "Data from ZooKeeper mode has to be migrated with Apache Kafka 3.9 first"
)

# Attributes that NodeConfig declares itself, because they hold more than the bare value of the key.
DERIVED_ATTRIBUTES = frozenset(
    {
        "advertised_listeners",
        "broker_id",
        "controller_listener_names",
        "controller_quorum_bootstrap_servers",
        "controller_quorum_voters",
        "cordoned_log_dirs",
        "early_start_listeners",
        "inter_broker_listener_name",
        "listener_security_protocol_map",
        "listeners",
        "log_dirs",
        "log_flush_interval_ms",
        "log_retention_ms",
        "log_roll_jitter_ms",
        "log_roll_ms",
        "max_connections_per_ip_overrides",
        "metadata_log_dir",
        "node_id",
        "process_roles",
    }
)


class NodeConfig(BrokerAttributes):
    node_id: int
    broker_id: int
    process_roles: frozenset[str]
    listeners: list[Endpoint]  # all that this node opens
    advertised_listeners: list[Endpoint]  # what clients and brokers are told; no controller listeners
    controller_listener_names: list[str]
    early_start_listeners: list[str]
    inter_broker_listener_name: str
    listener_security_protocol_map: dict[str, str]
    requested_security_protocols: dict[str, str]  # the same, before --insecure-ignore
    controller_quorum_voters: list[Voter]
    controller_quorum_bootstrap_servers: list[HostPort]
    max_connections_per_ip_overrides: dict[str, int]
    log_dirs: list[str]  # absolute
    cordoned_log_dirs: list[str]
    metadata_log_dir: str
    log_retention_ms: int  # -1: for ever
    log_roll_ms: int
    log_roll_jitter_ms: int
    log_flush_interval_ms: int

    def __init__(
        self,
        original: Mapping[str, str],
        sources: Mapping[str, str] | None = None,
        insecure_ignore: Collection[str] = (),
    ) -> None:
        """`sources` says where each text came from, for messages; `insecure_ignore` are the keys of that flag.

        Raises ConfigError, naming all problems found.
        """
        self.original = dict(original)
        self.sources = dict(sources or {})
        self.insecure_ignore = frozenset(insecure_ignore)
        _make_synonym(self.original, "node.id", "broker.id")
        self.values = self._parse_values()
        for key in BROKER_KEYS.values():
            setattr(self, key.attribute, self.values[key.name])
        self._derive()

    def value(self, name: str) -> ConfigValue:
        """The bare value of a key, without its synonyms."""
        return self.values[name]

    def listener_value(self, listener_name: str, name: str) -> ConfigValue:
        """The value of a key for one listener: `listener.name.NAME.key`, else the key itself."""
        text = self.original.get(f"listener.name.{listener_name.lower()}.{name}")
        return self.values[name] if text is None else BROKER_KEYS[name].parse(text)

    @property
    def is_broker(self) -> bool:
        return "broker" in self.process_roles

    @property
    def is_controller(self) -> bool:
        return "controller" in self.process_roles

    @property
    def broker_listeners(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.listeners if not self.is_controller_listener(endpoint.listener_name)]

    @property
    def controller_listeners(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.listeners if self.is_controller_listener(endpoint.listener_name)]

    def is_controller_listener(self, listener_name: str) -> bool:
        return listener_name in self.controller_listener_names

    @property
    def advertised_controller_listeners(self) -> list[Endpoint]:
        """What this controller tells others, in the order of controller.listener.names."""
        advertised = {endpoint.listener_name: endpoint for endpoint in self._endpoints_of("advertised.listeners")}
        opened = {endpoint.listener_name: endpoint for endpoint in self.listeners}
        found: list[Endpoint] = []
        for position, name in enumerate(self.controller_listener_names):
            endpoint = advertised.get(name)
            if endpoint is None and name in opened:
                endpoint = self._routable(opened[name], is_default=position == 0)
            if endpoint is not None:
                found.append(endpoint)
        return found

    def broker_defaults_for_topic(self) -> dict[str, ConfigValue]:
        """The value that each topic key has where the topic does not set it."""
        from config.dynamic import topic_defaults

        return topic_defaults(self)

    def reconfigured(self, original: Mapping[str, str]) -> NodeConfig:
        """The configuration that other texts in place of `original` make."""
        return NodeConfig(original, self.sources, self.insecure_ignore)

    def describe_source(self, name: str) -> str:
        source = self.sources.get(name)
        return f" ({source})" if source else ""

    def _parse_values(self) -> dict[str, ConfigValue]:
        values: dict[str, ConfigValue] = {}
        problems: list[str] = []
        for key in BROKER_KEYS.values():
            text = self.original.get(key.name)
            if key.name == METRICS_PORT and text is not None and not text.strip():
                text = NO_PORT  # As compose files switch things off: KAFKA_METRICS_PORT= with nothing behind it.
            if text is None and key.is_required:
                problems.append(self._why_required(key))
                continue
            try:
                values[key.name] = key.default if text is None else key.parse(text)
            except ConfigError as error:
                problems.append(f"{error}{self.describe_source(key.name)}")
        if problems:
            raise ConfigError("\n".join(problems))
        return values

    def _why_required(self, key: ConfigKey) -> str:
        if key.name == "process.roles" and "zookeeper.connect" in self.original:
            return _ZOOKEEPER_MODE
        return f"{key.name} is not set, and has no default: {key.documentation}"

    def _derive(self) -> None:
        values = self.values
        self.node_id = as_int(values["node.id"])
        self.process_roles = frozenset(as_list(values["process.roles"]))
        self._derive_listeners()
        self.early_start_listeners = [name.upper() for name in as_list(values["early.start.listeners"] or [])]
        self.controller_quorum_voters = parse_voters(
            "controller.quorum.voters", as_list(values["controller.quorum.voters"])
        )
        self.controller_quorum_bootstrap_servers = parse_host_ports(
            "controller.quorum.bootstrap.servers", as_list(values["controller.quorum.bootstrap.servers"])
        )
        self._derive_directories()
        self._derive_times()
        overrides = "max.connections.per.ip.overrides"
        self.max_connections_per_ip_overrides = _parse_counts(overrides, as_str(values[overrides]))

    def _derive_listeners(self) -> None:
        values = self.values
        self.controller_listener_names = [name.upper() for name in as_list(values["controller.listener.names"])]
        self.requested_security_protocols = effective_protocol_map(
            parse_protocol_map(PROTOCOL_MAP, as_str(values[PROTOCOL_MAP])),
            PROTOCOL_MAP in self.original,
            self.controller_listener_names,
            as_list(values["listeners"]),
        )
        self.listener_security_protocol_map = self.requested_security_protocols
        if PROTOCOL_MAP in self.insecure_ignore:
            # Nothing else is served yet, and nobody shall be told that a listener is what it is not.
            self.listener_security_protocol_map = dict.fromkeys(self.requested_security_protocols, "PLAINTEXT")
        self.listeners = self._endpoints_of("listeners")
        written = self._endpoints_of("advertised.listeners") or self.listeners
        self.advertised_listeners = [
            endpoint for endpoint in written if not self.is_controller_listener(endpoint.listener_name)
        ]
        name = values["inter.broker.listener.name"]
        self.inter_broker_listener_name = as_str(name or values["security.inter.broker.protocol"]).upper()

    def _endpoints_of(self, name: str) -> list[Endpoint]:
        return parse_endpoints(name, as_list(self.values[name] or []), self.listener_security_protocol_map)

    def _routable(self, endpoint: Endpoint, *, is_default: bool) -> Endpoint:
        if endpoint.host not in (None, ANY_ADDRESS):
            return endpoint
        voter = next((voter for voter in self.controller_quorum_voters if voter.id == self.node_id), None)
        if is_default and voter is not None:
            return endpoint._replace(host=voter.host, port=voter.port)
        return endpoint._replace(host=None)

    def _derive_directories(self) -> None:
        values = self.values
        self.log_dirs = [os.path.abspath(path) for path in as_list(values["log.dirs"] or values["log.dir"])]
        cordoned = as_list(values["cordoned.log.dirs"] or [])
        self.cordoned_log_dirs = (
            self.log_dirs if cordoned == [_ALL_DIRECTORIES] else [os.path.abspath(path) for path in cordoned]
        )
        metadata_log_dir = values["metadata.log.dir"]
        self.metadata_log_dir = os.path.abspath(as_str(metadata_log_dir)) if metadata_log_dir else self.log_dirs[0]

    def _derive_times(self) -> None:
        retention_ms = self._first_set(
            ("log.retention.ms", 1), ("log.retention.minutes", _MS_PER_MINUTE), ("log.retention.hours", _MS_PER_HOUR)
        )
        self.log_retention_ms = max(retention_ms, -1)
        self.log_roll_ms = self._first_set(("log.roll.ms", 1), ("log.roll.hours", _MS_PER_HOUR))
        self.log_roll_jitter_ms = self._first_set(("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", _MS_PER_HOUR))
        self.log_flush_interval_ms = self._first_set(
            ("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)
        )

    def _first_set(self, *synonyms: tuple[str, int]) -> int:
        """The first of the keys that has a value, in milliseconds; the last one always has a default."""
        name, factor = next((name, factor) for name, factor in synonyms if self.values[name] is not None)
        return as_int(self.values[name]) * factor


def _make_synonym(original: dict[str, str], name: str, older: str) -> None:
    if name in original:
        original.setdefault(older, original[name])
    elif older in original:
        original[name] = original[older]


def _parse_counts(key: str, text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for host, count in parse_map(key, text).items():
        if not count.isdecimal():
            raise ConfigError(f"{key} = {host}:{count}: must be a list of HOST:COUNT pairs")
        counts[host] = int(count)
    return counts
