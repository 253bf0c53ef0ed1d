"""One configuration for several nodes on one host: what each of them is told beyond what the user said.

`barnabas serve --processes N` makes N nodes of one configuration, counted from 0. Number k has

- `node.id` + 1000 k, so hosts may be numbered 1, 2, 3, ...
- every port, of `listeners`, `advertised.listeners` and `metrics.port`, + 10 k; 0 and -1 stay what they are
- a folder `node<its id>` in each of `log.dirs`, in `metadata.log.dir` and for `cordoned.log.dirs`
- `broker.rack` as it was set, or else the name of the host, so that replicas are spread over hosts
- `process.roles` as they were set where k is 0, and `broker` else: one voter a host, for the host fails as a whole.

With no file, internal topics get as many replicas as Apache Kafka gives them, if there are as many nodes.
Pure: a NodeConfig in, texts out. Apache Kafka has no counterpart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from config.checks import BUILT_IN
from config.definition import ConfigError, Effect, as_list
from config.keys import BROKER_KEYS
from config.node_config import METRICS_PORT, NodeConfig

NODE_IDS_APART = 1000
PORTS_APART = 10
MAX_PROCESSES = 256

_REPLICAS = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor")
_SHARE_REPLICAS = "share.coordinator.state.topic.replication.factor"
_MIN_ISR = ("transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")


def process_settings(config: NodeConfig, number: int, count: int, host_name: str) -> dict[str, str]:
    """The settings of process `number` of `count` that differ from those of `config`, or stand in no file."""
    node_id = config.node_id + NODE_IDS_APART * number
    settings = _built_in(config, count)
    settings["node.id"] = str(node_id)
    if "broker.id" in config.sources:
        settings["broker.id"] = str(node_id)
    settings["broker.rack"] = config.broker_rack or host_name
    for key in ("listeners", "advertised.listeners"):
        kept = _listeners(config, as_list(config.value(key) or []), number)
        if kept:
            settings[key] = ",".join(kept)
    if number:
        settings["process.roles"] = "broker"
    settings["log.dirs"] = ",".join(_inside(config.log_dirs, node_id))
    if config.value("metadata.log.dir"):
        [settings["metadata.log.dir"]] = _inside([config.metadata_log_dir], node_id)
    cordoned = as_list(config.value("cordoned.log.dirs") or [])
    if cordoned and cordoned != ["*"]:
        settings["cordoned.log.dirs"] = ",".join(_inside(config.cordoned_log_dirs, node_id))
    if config.metrics_port > 0:
        settings[METRICS_PORT] = str(config.metrics_port + PORTS_APART * number)
    return settings


def check_processes(config: NodeConfig, count: int) -> None:
    """Raises ConfigError if there cannot be so many nodes of the configuration."""
    if not 1 <= count <= MAX_PROCESSES:
        raise ConfigError(f"--processes {count}: must be from 1 to {MAX_PROCESSES}")
    if not config.is_broker:
        raise ConfigError("--processes is for brokers: process.roles names none")
    if count > 1 and any(endpoint.port == 0 for endpoint in config.controller_listeners):
        raise ConfigError("--processes: the controller's listener needs a port of its own, 0 could be found by nobody")


def check_ports(configs: Iterable[NodeConfig]) -> None:
    """Raises ConfigError if two of the nodes would listen on one port."""
    ports = Counter(
        port
        for config in configs
        for port in {config.metrics_port, *(endpoint.port for endpoint in config.listeners)}
        if port > 0
    )
    twice = sorted(port for port, count in ports.items() if count > 1)
    if twice:
        raise ConfigError(
            f"--processes: ports of the nodes are {PORTS_APART} apart, and more than one would listen on "
            f"{', '.join(map(str, twice))}: leave more room between those of listeners and {METRICS_PORT}"
        )


def _built_in(config: NodeConfig, count: int) -> dict[str, str]:
    """What a node without a file is given; it has to be said to those that are told their roles."""
    settings = {
        key: text
        for key, text in config.original.items()
        # What is without effect would earn a notice once it is said.
        if config.sources.get(key) == BUILT_IN and BROKER_KEYS[key].effect is not Effect.NONE
    }
    for key in (*_REPLICAS, _SHARE_REPLICAS):
        if key in settings:
            settings[key] = str(min(3, count))
    for key in _MIN_ISR:
        if key in settings:
            settings[key] = str(max(1, min(2, count - 1)))
    return settings


def _listeners(config: NodeConfig, entries: Iterable[str], number: int) -> list[str]:
    kept: list[str] = []
    for entry in entries:
        name = entry.partition(":")[0].upper()
        if number and config.is_controller_listener(name):
            continue
        address, _, port = entry.rpartition(":")
        kept.append(f"{address}:{int(port) + PORTS_APART * number if int(port) else 0}")
    return kept


def _inside(directories: Iterable[str], node_id: int) -> list[str]:
    return [f"{directory}/node{node_id}" for directory in directories]
