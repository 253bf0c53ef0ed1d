"""What must hold between keys, and which settings a node must not pass over in silence.

`relation_problems` are errors: the settings contradict each other. `refusals` are settings that Barnabas does not serve
and whose missing effect would weaken security or durability. `notices` are settings without effect that harm nobody.
Pure functions over a NodeConfig. Counterpart: `KafkaConfig.validateValues`, `GroupCoordinatorConfig`,
`ShareGroupConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from config.definition import ConfigError, ConfigKey, Effect
from config.keys import BROKER_KEYS, REFUSALS, REFUSED_UNKNOWN_KEYS
from config.listeners import ANY_ADDRESS, is_valid_host, problem_with_ports
from config.node_config import PROTOCOL_MAP, NodeConfig

_LISTENER_KEY = re.compile(r"listener\.name\.[^.]*\.(.*)")
# The source of what single_node.py adds; nobody set it, so it earns no notice.
BUILT_IN = "built in"

# What --insecure-ignore lets pass where it stands not in the configuration but in the metadata: ACLs.
IGNORABLE_IN_METADATA = frozenset({"authorizer"})

NOT_COMPACTED = "compaction is not served yet: old values stay, and the log grows"

_BYTES_PER_CLEANER_THREAD = 1024 * 1024

# Pairs of keys whose values must be in order: the first not above the second.
_NOT_ABOVE = [
    ("replica.fetch.wait.max.ms", "replica.socket.timeout.ms"),
    ("replica.fetch.wait.max.ms", "replica.lag.time.max.ms"),
    ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    ("group.min.session.timeout.ms", "group.max.session.timeout.ms"),
    *(
        pair
        for kind in ("consumer", "share", "streams")
        for name in ("heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms")
        for pair in (
            (f"group.{kind}.min.{name}", f"group.{kind}.max.{name}"),
            (f"group.{kind}.min.{name}", f"group.{kind}.{name}"),
            (f"group.{kind}.{name}", f"group.{kind}.max.{name}"),
        )
    ),
    *(
        pair
        for name in ("delivery.count.limit", "partition.max.record.locks", "record.lock.duration.ms")
        for pair in (
            (f"group.share.min.{name}", f"group.share.{name}"),
            (f"group.share.{name}", f"group.share.max.{name}"),
        )
    ),
    ("group.share.max.size", "group.share.max.share.sessions"),
    ("group.streams.num.standby.replicas", "group.streams.max.standby.replicas"),
]


def relation_problems(config: NodeConfig) -> list[str]:
    """Every contradiction, each a sentence that names the keys and the way out."""
    parts = (
        _number_problems,
        _log_problems,
        _listener_problems,
        _role_problems,
        _advertised_problems,
        _limit_problems,
        _selector_problems,
    )
    return [problem for part in parts for problem in part(config)]


def relation_warnings(config: NodeConfig) -> list[str]:
    warnings: list[str] = []
    if config.broker_heartbeat_interval_ms * 2 > config.broker_session_timeout_ms:
        warnings.append(
            f"broker.heartbeat.interval.ms ({config.broker_heartbeat_interval_ms}) is more than half of "
            f"broker.session.timeout.ms ({config.broker_session_timeout_ms}): one late heartbeat can fence a broker"
        )
    if "compact" in config.log_cleanup_policy:
        warnings.append(f"log.cleanup.policy{config.describe_source('log.cleanup.policy')}: {NOT_COMPACTED}")
    return warnings


def find_key(name: str) -> ConfigKey | None:
    """The key of a name, also of a `listener.name.NAME.` form of it; None if there is none."""
    key = BROKER_KEYS.get(name)
    match = None if key else _LISTENER_KEY.fullmatch(name)
    if match is None:
        return key
    base = match.group(1)
    # SASL keys of a listener may have the mechanism in front: listener.name.external.plain.sasl.jaas.config
    return BROKER_KEYS.get(base) or BROKER_KEYS.get(base.partition(".")[2])


def refusals(config: NodeConfig) -> dict[str, str]:
    """Key -> why a node that leaves its value without effect must not start."""
    found: dict[str, str] = {}
    for name, text in config.original.items():
        key = find_key(name)
        reason = _refused_unknown(name) if key is None else key.reason
        if reason and (key is None or is_off_default(key, text)):
            found[name] = REFUSALS[reason]
    for endpoint in config.listeners:
        protocol = config.requested_security_protocols[endpoint.listener_name]
        if protocol != "PLAINTEXT":
            reason = "tls" if protocol == "SSL" else "sasl"
            found[PROTOCOL_MAP] = f"listener {endpoint.listener_name} asks for {protocol}, and {REFUSALS[reason]}"
    if config.value("security.inter.broker.protocol") != "PLAINTEXT":
        found["security.inter.broker.protocol"] = "brokers would talk to each other in plain text"
    return found


def notices(config: NodeConfig) -> list[str]:
    """The keys that were set off their default, have no effect, and harm nobody by it."""
    found: list[str] = []
    for name, text in config.original.items():
        key = find_key(name)
        is_ours = config.sources.get(name) == BUILT_IN
        if key is not None and key.effect is Effect.NONE and not is_ours and is_off_default(key, text):
            found.append(name)
    return sorted(found)


def unknown_keys(config: NodeConfig) -> list[str]:
    return sorted(name for name in config.original if find_key(name) is None and _refused_unknown(name) is None)


def similar_key(name: str) -> str | None:
    """What a name that is no key may have been meant to be."""
    from difflib import get_close_matches  # by those alone who have made a mistake

    matches = get_close_matches(name.lower().replace("_", "."), BROKER_KEYS, 1, 0.8)
    return matches[0] if matches else None


def _refused_unknown(name: str) -> str | None:
    for known, reason in REFUSED_UNKNOWN_KEYS.items():
        if name == known or (known.endswith(".") and name.startswith(known)):
            return reason
    return None


def is_off_default(key: ConfigKey, text: str) -> bool:
    try:
        return key.parse(text) != key.default
    except ConfigError:
        return True


def _number_problems(config: NodeConfig) -> Iterator[str]:
    if config.node_id != config.value("broker.id"):
        yield f"node.id ({config.node_id}) and broker.id ({config.value('broker.id')}) are two names of one number"
    for low, high in _NOT_ABOVE:
        low_value, high_value = config.value(low), config.value(high)
        assert isinstance(low_value, int) and isinstance(high_value, int)
        if low_value > high_value:
            yield f"{low} ({low_value}) must not be above {high} ({high_value})"
    for kind in ("consumer", "share", "streams"):
        heartbeat, session = f"group.{kind}.heartbeat.interval.ms", f"group.{kind}.session.timeout.ms"
        heartbeat_ms, session_ms = config.value(heartbeat), config.value(session)
        assert isinstance(heartbeat_ms, int) and isinstance(session_ms, int)
        if heartbeat_ms >= session_ms:
            yield f"{heartbeat} ({heartbeat_ms}) must be below {session} ({session_ms})"
    if len(config.group_share_assignors) != 1:
        yield "group.share.assignors must name exactly one assignor"
    if "classic" not in config.group_coordinator_rebalance_protocols:
        yield "group.coordinator.rebalance.protocols must contain classic"


def _log_problems(config: NodeConfig) -> Iterator[str]:
    if config.log_roll_ms < 1:
        yield f"log.roll.ms ({config.log_roll_ms}) must be at least 1"
    if config.log_roll_jitter_ms < 0:
        yield f"log.roll.jitter.ms ({config.log_roll_jitter_ms}) must be at least 0"
    if config.log_retention_ms == 0:
        yield "log.retention.ms, log.retention.minutes or log.retention.hours must not be 0; -1 keeps records for ever"
    threads = config.log_cleaner_threads
    if not threads:
        yield "log.cleaner.threads must be at least 1"
    elif config.log_cleaner_dedupe_buffer_size // threads <= _BYTES_PER_CLEANER_THREAD:
        yield "log.cleaner.dedupe.buffer.size must be above 1 MiB for each of log.cleaner.threads"
    unknown = [path for path in config.cordoned_log_dirs if path not in config.log_dirs]
    if config.is_broker and unknown:
        yield f"cordoned.log.dirs: {', '.join(unknown)} is not among log.dirs"


def _listener_problems(config: NodeConfig) -> Iterator[str]:
    problem = problem_with_ports(config.listeners)
    if problem:
        yield problem
    if config.value("inter.broker.listener.name") is not None and "security.inter.broker.protocol" in config.original:
        yield "inter.broker.listener.name and security.inter.broker.protocol exclude each other: set one of them"
    elif config.inter_broker_listener_name not in config.listener_security_protocol_map:
        yield f"inter.broker.listener.name: {config.inter_broker_listener_name} is not in {PROTOCOL_MAP}"
    known = {endpoint.listener_name for endpoint in config.listeners} | set(config.controller_listener_names)
    for name in config.early_start_listeners:
        if name not in known:
            yield f"early.start.listeners: {name} is neither in listeners nor in controller.listener.names"


def _role_problems(config: NodeConfig) -> Iterator[str]:
    if not config.process_roles:
        yield "process.roles must contain broker, controller or both"
    if not config.controller_quorum_voters and not config.controller_quorum_bootstrap_servers:
        yield (
            "controller.quorum.bootstrap.servers must name the controllers' addresses "
            "(or controller.quorum.voters the fixed set of controllers)"
        )
    yield from _controller_problems(config) if config.is_controller else _broker_only_problems(config)


def _controller_problems(config: NodeConfig) -> Iterator[str]:
    voters = {voter.id for voter in config.controller_quorum_voters}
    if voters and config.node_id not in voters:
        yield (
            f"controller.quorum.voters must contain node.id {config.node_id}, because process.roles contains controller"
        )
    opened = {endpoint.listener_name for endpoint in config.listeners}
    missing = [name for name in config.controller_listener_names if name not in opened]
    if missing:
        yield (
            f"controller.listener.names: {', '.join(missing)} is not in listeners; "
            f"add for example {missing[0]}://localhost:9093"
        )
    if not config.is_broker:
        extra = [endpoint.listener_name for endpoint in config.broker_listeners]
        if extra:
            yield f"listeners: a controller opens only controller.listener.names, and {', '.join(extra)} is not there"
        if config.value("inter.broker.listener.name") and (
            config.inter_broker_listener_name in config.controller_listener_names
        ):
            yield "inter.broker.listener.name must not be one of controller.listener.names"


def _broker_only_problems(config: NodeConfig) -> Iterator[str]:
    if config.node_id in {voter.id for voter in config.controller_quorum_voters}:
        yield f"controller.quorum.voters contains node.id {config.node_id}, but process.roles lacks controller"
    if config.controller_listeners:
        yield "listeners: a node without the role controller must not open one of controller.listener.names"
    for name in config.controller_listener_names:
        if name not in config.listener_security_protocol_map:
            yield f"controller.listener.names: {name} is not in {PROTOCOL_MAP}; add {name}:PLAINTEXT"
    if config.controller_quorum_auto_join_enable:
        yield "controller.quorum.auto.join.enable is only for nodes with the role controller"


def _advertised_problems(config: NodeConfig) -> Iterator[str]:
    advertised = [endpoint.listener_name for endpoint in config.advertised_listeners]
    opened = [endpoint.listener_name for endpoint in config.listeners]
    if config.is_broker:
        if not advertised:
            yield "advertised.listeners: no listener is left for clients; all are in controller.listener.names"
        elif config.inter_broker_listener_name not in advertised:
            yield (
                f"inter.broker.listener.name: {config.inter_broker_listener_name} is not advertised; "
                f"it must be one of {', '.join(advertised)}"
            )
        extra = [name for name in advertised if name not in opened]
        if extra:
            yield f"advertised.listeners: {', '.join(extra)} is not in listeners ({', '.join(opened)})"
    for endpoint in [*config.advertised_listeners, *config.advertised_controller_listeners]:
        if endpoint.host == ANY_ADDRESS:
            yield (
                f"advertised.listeners: {endpoint} is no address that anyone could connect to; set for example "
                f"advertised.listeners={endpoint.listener_name}://localhost:{endpoint.port or 9092}, "
                "with the name or address under which clients reach this machine"
            )


def _limit_problems(config: NodeConfig) -> Iterator[str]:
    if 0 < config.queued_max_request_bytes < config.socket_request_max_bytes:
        yield (
            f"queued.max.request.bytes ({config.queued_max_request_bytes}) must not be below "
            f"socket.request.max.bytes ({config.socket_request_max_bytes}); -1 sets no limit"
        )
    if config.max_connections_per_ip == 0 and not config.max_connections_per_ip_overrides:
        yield "max.connections.per.ip can be 0 only with exceptions in max.connections.per.ip.overrides"
    for host in config.max_connections_per_ip_overrides:
        if not is_valid_host(host):
            yield f"max.connections.per.ip.overrides: {host} is no host name or address"
    if 0 <= config.connections_max_idle_ms <= config.connection_failed_authentication_delay_ms:
        yield "connection.failed.authentication.delay.ms must be below connections.max.idle.ms"


REPLICA_SELECTORS = tuple(
    f"org.apache.kafka.common.replica.{name}" for name in ("LeaderSelector", "RackAwareReplicaSelector")
)


def _selector_problems(config: NodeConfig) -> Iterator[str]:
    selector = config.replica_selector_class
    if selector is not None and selector not in REPLICA_SELECTORS:
        yield f"replica.selector.class: {selector} is not served, only {' and '.join(REPLICA_SELECTORS)} are"


assert all(name in BROKER_KEYS for pair in _NOT_ABOVE for name in pair)
