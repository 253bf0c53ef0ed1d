"""The settings of a node that was given no file: one broker and controller, a cluster by itself, on the loopback.

They are defaults below everything that the user said, and bow to it: whoever names other listeners keeps a controller
listener, and whoever describes a cluster (roles, voters, bootstrap servers) gets none of them, because one replica of
the internal topics is right for one node only. A directory is formatted by itself only for such a single node, see
`is_single_node`. Counterpart: `config/server.properties` of Apache Kafka with `kafka-storage format --standalone`.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.definition import as_list
from config.keys import BROKER_KEYS
from config.listeners import ANY_ADDRESS, SECURITY_PROTOCOLS
from config.node_config import NodeConfig

BROKER_LISTENER = "PLAINTEXT://127.0.0.1:9092"
CONTROLLER_LISTENER = "CONTROLLER://127.0.0.1:9093"
FREE_CONTROLLER_LISTENER = "CONTROLLER://127.0.0.1:0"
DATA_DIRECTORY = "data"

_CLUSTER_KEYS = frozenset({"process.roles", "controller.quorum.voters", "controller.quorum.bootstrap.servers"})
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_ONE_NODE = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}


def single_node_settings(given: Mapping[str, str]) -> dict[str, str]:
    """The defaults for a node without a file, where `given` are the settings of environment and command line.

    Where `given` describes a cluster, only the place of the data is added.
    """
    settings = {"log.dirs": DATA_DIRECTORY} if "log.dir" not in given else {}
    if _CLUSTER_KEYS & given.keys():
        return settings
    names = [name.upper() for name in _list_of(given, "controller.listener.names", "CONTROLLER")]
    written = _list_of(given, "listeners", f"{BROKER_LISTENER},{CONTROLLER_LISTENER}")
    controllers = [entry for entry in written if entry.partition(":")[0].upper() in names]
    if not controllers and names == ["CONTROLLER"]:
        controllers = [FREE_CONTROLLER_LISTENER]
        written = [*written, *controllers]
    address = controllers[0].partition("://")[2] if controllers else "127.0.0.1:0"
    host, _, port = address.rpartition(":")
    return {
        **_listener_settings(given, written, names),
        "node.id": given.get("broker.id", "1"),
        "process.roles": "broker,controller",
        "controller.listener.names": ",".join(names),
        "controller.quorum.bootstrap.servers": f"{host if host not in ('', ANY_ADDRESS) else '127.0.0.1'}:{port}",
        **settings,
        **_ONE_NODE,
        "listeners": ",".join(written),
    }


def _listener_settings(given: Mapping[str, str], written: list[str], controller_names: list[str]) -> dict[str, str]:
    """What listeners of other names than PLAINTEXT need and the user has no reason to know of: a protocol for the
    controller's, and one for brokers to talk over. What is wrong with such listeners is then told about them."""
    protocol_map = BROKER_KEYS["listener.security.protocol.map"]
    inter_broker = ("inter.broker.listener.name", "security.inter.broker.protocol")
    settings: dict[str, str] = {}
    names = [entry.partition(":")[0].upper() for entry in written]
    secured = set(SECURITY_PROTOCOLS) - {"PLAINTEXT"}
    if protocol_map.name not in given and secured & set(names):
        controllers = [f"{name}:PLAINTEXT" for name in controller_names if name not in SECURITY_PROTOCOLS]
        settings[protocol_map.name] = ",".join([str(protocol_map.default_text), *controllers])
    broker_names = [name for name in names if name not in controller_names]
    if broker_names and "PLAINTEXT" not in broker_names and not any(key in given for key in inter_broker):
        settings[inter_broker[0]] = broker_names[0]
    return settings


def is_single_node(config: NodeConfig) -> bool:
    """Whether the quorum, as far as the configuration tells, consists of this node alone."""
    if not (config.is_broker and config.is_controller):
        return False
    if config.controller_quorum_voters:
        return [voter.id for voter in config.controller_quorum_voters] == [config.node_id]
    own = config.advertised_controller_listeners
    hosts = _LOCAL_HOSTS | {endpoint.host for endpoint in own if endpoint.host}
    ports = {endpoint.port for endpoint in own}
    return all(server.host in hosts and server.port in ports for server in config.controller_quorum_bootstrap_servers)


def _list_of(given: Mapping[str, str], name: str, default: str) -> list[str]:
    return as_list(BROKER_KEYS[name].parse(given.get(name, default)))
