from collections.abc import Mapping

import pytest

from config.broker_changes import alternatives, layered, problems_of_change, usable
from config.node_config import NodeConfig
from config.properties import load_node_config

STATIC = [
    "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
    "advertised.listeners=PLAINTEXT://127.0.0.1:9092",
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTRA:PLAINTEXT,TLS:SSL",
]


def changed(settings: Mapping[str, str], *overrides: str) -> tuple[NodeConfig, NodeConfig]:
    before = load_node_config(overrides=[*STATIC, *overrides]).config
    return before, before.reconfigured(layered(before.original, settings))


def test_the_upper_layer_counts_whatever_name_it_uses() -> None:
    assert layered({"a": "1", "b": "2"}, {"b": "3"}, {"c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    assert layered({"log.roll.ms": "1"}, {"log.roll.hours": "2"}) == {"log.roll.hours": "2"}
    assert layered({"log.flush.scheduler.interval.ms": "1"}, {"log.flush.interval.ms": "2"}) == {
        "log.flush.interval.ms": "2"
    }


def test_the_interval_of_the_scheduler_is_a_default_and_has_none() -> None:
    assert alternatives("log.flush.interval.ms") == ("log.flush.interval.ms", "log.flush.scheduler.interval.ms")
    assert alternatives("log.flush.scheduler.interval.ms") == ("log.flush.scheduler.interval.ms",)


def test_what_is_usable_of_what_is_stored() -> None:
    stored = {
        "max.connections": "5",
        "log.retention.ms": "soon",
        "node.id": "7",
        "cordoned.log.dirs": "*",
        "listener.name.plaintext.max.connections": "0",
        "ssl.keystore.location": "/x",
        "unheard.of": "1",
    }
    assert usable(stored, is_cluster_default=True) == {"max.connections": "5", "unheard.of": "1"}
    assert "cordoned.log.dirs" in usable(stored, is_cluster_default=False)


def test_of_a_listeners_keys_few_may_be_set_for_all_brokers() -> None:
    stored = {f"listener.name.plaintext.{key}": "5" for key in ("max.connections", "message.max.bytes")}
    assert list(usable(stored, is_cluster_default=True)) == ["listener.name.plaintext.max.connections"]
    assert usable(stored, is_cluster_default=False) == stored


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num.io.threads": "16"},
        {"num.io.threads": "4"},
        {"log.cleaner.threads": "2"},
        {"max.connections": "1"},
        {"metric.reporters": ""},
        {"log.local.retention.ms": "10", "log.retention.ms": "10"},
        {"log.local.retention.ms": "10", "log.retention.ms": "-1"},
        {"listeners": "PLAINTEXT://localhost:9092,CONTROLLER://127.0.0.1:9093,EXTRA://127.0.0.1:9094"},
    ],
)
def test_what_a_running_broker_bears(settings: dict[str, str]) -> None:
    assert problems_of_change(*changed(settings)) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num.io.threads": "17"}, "it is 8"),
        ({"num.io.threads": "3"}, "it is 8"),
        ({"max.connections": "0"}, "at least 1"),
        ({"metric.reporters": "com.example.Reporter"}, "not loaded"),
        ({"log.roll.ms": "0"}, "at least 1"),
        ({"log.local.retention.ms": "11", "log.retention.ms": "10"}, "must not be above"),
        ({"log.local.retention.bytes": "-1", "log.retention.bytes": "10"}, "must not be above"),
        ({"cordoned.log.dirs": "/nowhere"}, "not among log.dirs"),
        ({"listeners": "EXTRA://127.0.0.1:9094,CONTROLLER://127.0.0.1:9093"}, "PLAINTEXT is advertised"),
        ({"listeners": "PLAINTEXT://:1,CONTROLLER://:2,TLS://:3"}, "TLS is not served"),
        ({"listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT"}, "cannot change while it is open"),
    ],
)
def test_what_it_does_not(settings: dict[str, str], said: str) -> None:
    assert said in "\n".join(problems_of_change(*changed(settings)))


def test_what_the_file_says_already_is_no_change() -> None:
    assert problems_of_change(*changed({"max.connections": "0"}, "max.connections=0")) == []
    file = ["log.local.retention.ms=11", "log.retention.ms=10"]
    assert problems_of_change(*changed({"log.segment.bytes": "2000000"}, *file)) == []
