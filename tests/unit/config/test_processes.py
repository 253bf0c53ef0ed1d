"""What each of several nodes of one configuration is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from broker.processes import process_configs
from config.checks import notices
from config.definition import ConfigError, Effect
from config.keys import BROKER_KEYS
from config.node_config import NodeConfig
from config.processes import process_settings
from config.properties import load_node_config

FILE = """
process.roles=broker,controller
node.id=2
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://host2.example:9092,CONTROLLER://host2.example:9093
controller.listener.names=CONTROLLER
controller.quorum.voters=1@host1.example:9093,2@host2.example:9093,3@host3.example:9093
log.dirs=/disk1/k,/disk2/k
"""


def nodes(tmp_path: Path, count: int, extra: str = "", file: str = FILE) -> list[NodeConfig]:
    path = tmp_path / "server.properties"
    path.write_text(file + extra)

    def load(overrides: Sequence[str]) -> NodeConfig:
        return load_node_config(path, None, overrides).config

    return [config for config, _ in process_configs(load, count)]


def nodes_without_file(count: int, *overrides: str) -> list[NodeConfig]:
    def load(more: Sequence[str]) -> NodeConfig:
        return load_node_config(None, {}, [*overrides, *more]).config

    return [config for config, _ in process_configs(load, count)]


def test_each_node_has_an_id_ports_and_directories_of_its_own(tmp_path: Path) -> None:
    configs = nodes(tmp_path, 3)
    assert [config.node_id for config in configs] == [2, 1002, 2002]
    assert [config.broker_id for config in configs] == [2, 1002, 2002]
    assert [config.original["listeners"] for config in configs] == [
        "PLAINTEXT://:9092,CONTROLLER://:9093",
        "PLAINTEXT://:9102",
        "PLAINTEXT://:9112",
    ]
    assert [str(config.advertised_listeners[0]) for config in configs] == [
        "PLAINTEXT://host2.example:9092",
        "PLAINTEXT://host2.example:9102",
        "PLAINTEXT://host2.example:9112",
    ]
    assert [config.metrics_port for config in configs] == [9404, 9414, 9424]
    assert [config.log_dirs for config in configs] == [
        ["/disk1/k/node2", "/disk2/k/node2"],
        ["/disk1/k/node1002", "/disk2/k/node1002"],
        ["/disk1/k/node2002", "/disk2/k/node2002"],
    ]
    assert [config.metadata_log_dir for config in configs] == [config.log_dirs[0] for config in configs]


def test_one_controller_a_host(tmp_path: Path) -> None:
    configs = nodes(tmp_path, 4)
    assert [config.is_controller for config in configs] == [True, False, False, False]
    assert all(config.is_broker for config in configs)
    assert {tuple(config.controller_quorum_voters) for config in configs} == {
        tuple(configs[0].controller_quorum_voters)
    }


def test_brokers_alone_stay_brokers(tmp_path: Path) -> None:
    file = FILE.replace("broker,controller", "broker").replace(",CONTROLLER://:9093", "")
    configs = nodes(tmp_path, 2, file=file.replace(",CONTROLLER://host2.example:9093", ""), extra="node.id=12\n")
    assert [config.is_controller for config in configs] == [False, False]


def test_the_rack_is_the_users_or_the_host(tmp_path: Path) -> None:
    assert {config.broker_rack for config in nodes(tmp_path, 2, "broker.rack=zone-a\n")} == {"zone-a"}
    path = tmp_path / "server.properties"
    path.write_text(FILE)
    config = load_node_config(path).config
    racks = [process_settings(config, number, 2, "host2")["broker.rack"] for number in range(2)]
    assert racks == ["host2", "host2"]


def test_an_id_under_its_older_name(tmp_path: Path) -> None:
    configs = nodes(tmp_path, 2, file=FILE.replace("node.id=2", "broker.id=2"))
    assert [config.node_id for config in configs] == [2, 1002]


def test_metadata_and_cordoned_directories(tmp_path: Path) -> None:
    configs = nodes(tmp_path, 2, "metadata.log.dir=/meta\ncordoned.log.dirs=/disk2/k\n")
    assert [config.metadata_log_dir for config in configs] == ["/meta/node2", "/meta/node1002"]
    assert [config.cordoned_log_dirs for config in configs] == [["/disk2/k/node2"], ["/disk2/k/node1002"]]
    configs = nodes(tmp_path, 2, "cordoned.log.dirs=*\n")
    assert configs[1].cordoned_log_dirs == configs[1].log_dirs


def test_ports_that_are_none_stay_so(tmp_path: Path) -> None:
    file = FILE.replace("PLAINTEXT://:9092", "PLAINTEXT://:0")
    configs = nodes(tmp_path, 2, "metrics.port=-1\n", file)
    assert [config.metrics_port for config in configs] == [-1, -1]
    assert [config.broker_listeners[0].port for config in configs] == [0, 0]


@pytest.mark.parametrize(("count", "replicas", "in_sync"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (8, 3, 2)])
def test_without_a_file_internal_topics_get_the_replicas_that_there_can_be(
    count: int, replicas: int, in_sync: int
) -> None:
    wanted = {
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
    served = {key for key in wanted if BROKER_KEYS[key].effect is not Effect.NONE}
    assert "offsets.topic.replication.factor" in served
    for config in nodes_without_file(count):
        assert {key: config.value(key) for key in served} == {key: wanted[key] for key in served}
        assert notices(config) == [], "nobody has set what has no effect"
    chosen = nodes_without_file(count, "offsets.topic.replication.factor=1")
    assert {config.offsets_topic_replication_factor for config in chosen} == {1}


def test_without_a_file_the_nodes_are_one_cluster() -> None:
    configs = nodes_without_file(2)
    assert [str(config.broker_listeners[0]) for config in configs] == [
        "PLAINTEXT://127.0.0.1:9092",
        "PLAINTEXT://127.0.0.1:9102",
    ]
    servers = {tuple(map(str, config.controller_quorum_bootstrap_servers)) for config in configs}
    assert servers == {("127.0.0.1:9093",)}


@pytest.mark.parametrize("count", [0, -1, 1000])
def test_how_many_there_can_be(count: int) -> None:
    with pytest.raises(ConfigError, match="from 1 to"):
        nodes_without_file(count)


def test_what_cannot_be_several_nodes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="9092"):
        nodes(tmp_path, 3, "metrics.port=9082\n")
    with pytest.raises(ConfigError, match="controller's listener"):
        nodes_without_file(2, "listeners=PLAINTEXT://127.0.0.1:9092")
    controller = FILE.replace("broker,controller", "controller").replace("PLAINTEXT://:9092,", "")
    with pytest.raises(ConfigError, match="for brokers"):
        nodes(tmp_path, 2, file=controller.replace("PLAINTEXT://host2.example:9092,", ""))
