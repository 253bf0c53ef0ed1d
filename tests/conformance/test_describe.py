"""DescribeLogDirs, AlterReplicaLogDirs, DescribeProducers, ListConfigResources: what this broker has."""

from __future__ import annotations

from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, Case, Cases
from tests.conformance.client import Client
from tests.conformance.records import batch, fill

cases = Cases()

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32


# Log directories.


def directories(b: Client, v: int, topics: list[dict[str, Any]] | None) -> None:
    b.ask("DescribeLogDirs", v, topics=topics)


@cases("DescribeLogDirs", ALL)
def partitions_that_are_named(b: Client, v: int) -> None:
    topic, other = b.create(partitions=3), b.create("other")
    fill(b, topic, batch(b"a", b"b"))
    fill(b, other, batch(b"c" * 1000))
    directories(b, v, [{"topic": topic[0], "partitions": [0, 2]}, {"topic": other[0], "partitions": [0]}])


@cases("DescribeLogDirs", ALL)
def all_partitions(b: Client, v: int) -> None:
    topic = b.create(partitions=2)
    fill(b, topic, batch(b"a", b"b"))
    answer = b.quietly("DescribeLogDirs", v, topics=None)
    (result,) = answer["results"]
    topics = {each["name"]: each for each in result["topics"]}
    result["topics"] = [topics[topic[0]]]
    b.note(f"DescribeLogDirs v{v}", answer)
    b.note("internal topics", [each in topics for each in ("__consumer_offsets", "__cluster_metadata")])


@cases("DescribeLogDirs", ALL)
def partitions_that_are_not_there(b: Client, v: int) -> None:
    name, _ = b.create()
    directories(b, v, [])
    directories(b, v, [{"topic": name, "partitions": []}])
    directories(b, v, [{"topic": name, "partitions": [7, -1]}, {"topic": b.name("unknown"), "partitions": [0]}])
    directories(b, v, [{"topic": "__cluster_metadata", "partitions": [0]}, {"topic": "", "partitions": [0]}])


def moved(b: Client, v: int, *wanted: tuple[str, str, list[int]]) -> None:
    dirs = [{"path": path, "topics": [{"name": name, "partitions": indexes}]} for path, name, indexes in wanted]
    b.ask("AlterReplicaLogDirs", v, dirs=dirs)


@cases("AlterReplicaLogDirs", ALL)
def to_where_they_are(b: Client, v: int) -> None:
    name, _ = b.create(partitions=2)
    (result,) = b.quietly("DescribeLogDirs", topics=[])["results"]
    moved(b, v, (result["log_dir"], name, [0, 1]))
    moved(b, v, (result["log_dir"], name, [0, 2, -1]), (result["log_dir"], b.name("unknown"), [0]))
    moved(b, v, (result["log_dir"], "__consumer_offsets", [0]), (result["log_dir"], "x" * 249, [0]))
    moved(b, v, (result["log_dir"] + "/", name, [0]))


@cases("AlterReplicaLogDirs", ALL)
def to_nowhere(b: Client, v: int) -> None:
    name, _ = b.create()
    for path in ("/nowhere", "", "relative"):
        moved(b, v, (path, name, [0, 7]), (path, b.name("unknown"), [0]))
    moved(b, v, ("/nowhere", name, []))
    b.ask("AlterReplicaLogDirs", v, dirs=[])


# Producers.


def producers(b: Client, *topics: tuple[str, list[int]]) -> None:
    asked = [{"name": name, "partition_indexes": indexes} for name, indexes in topics]
    b.ask("DescribeProducers", 0, topics=asked)


@cases("DescribeProducers", ALL)
def who_has_produced(b: Client, v: int) -> None:
    topic = b.create(partitions=2)
    fill(b, topic, batch(b"a"))
    producers(b, (topic[0], [0, 1]))
    made = b.quietly("InitProducerId", transactional_id=None, transaction_timeout_ms=1000)["producer_id"]
    for sequence in (0, 2):
        fill(b, topic, batch(b"a", b"b", producer_id=made, producer_epoch=0, base_sequence=sequence))
    producers(b, (topic[0], [0, 1]))
    fill(b, topic, batch(b"c", producer_id=made, producer_epoch=1, base_sequence=0))
    producers(b, (topic[0], [0]))


@cases("DescribeProducers", ALL)
def where_nobody_can(b: Client, v: int) -> None:
    name, _ = b.create()
    producers(b, (name, [1, -1]), (b.name("unknown"), [0, 1]))
    producers(b, ("", [0]), ("in valid", [0]), (".", []), ("x" * 250, [0]))
    producers(b, (name, []))
    producers(b)


# Configuration resources.


def resources(b: Client, v: int, types: list[int]) -> None:
    """Other cases have topics, too: only this case's are compared."""
    answer = b.quietly("ListConfigResources", v, resource_types=types)
    answer["config_resources"] = [
        each
        for each in answer["config_resources"]
        if each.get("resource_type", CLIENT_METRICS) in (BROKER, BROKER_LOGGER)
        or each["resource_name"].startswith(b.name(""))
    ]
    b.note(f"ListConfigResources v{v}", answer)


def sets(b: Client, kind: int, name: str, **configs: str) -> None:
    rows = [{"name": key.replace("_", "."), "config_operation": 0, "value": value} for key, value in configs.items()]
    resource = {"resource_type": kind, "resource_name": name, "configs": rows}
    (answer,) = b.quietly("IncrementalAlterConfigs", resources=[resource], validate_only=False)["responses"]
    b.note(f"set for {kind}", answer)


@cases("ListConfigResources", ALL)
def what_has_a_configuration(b: Client, v: int) -> None:
    """Without subscriptions to clients' metrics, which cannot be made here yet."""
    b.create()
    sets(b, GROUP, b.name("group"), consumer_session_timeout_ms="50000")
    b.settle()
    every: list[list[int]] = [[], [CLIENT_METRICS]]
    if v >= 1:
        every += [[TOPIC], [BROKER], [BROKER_LOGGER], [GROUP], [GROUP, TOPIC, TOPIC], [BROKER, BROKER_LOGGER]]
    for types in every:
        resources(b, v, types)


@cases("ListConfigResources", ALL, since=1)
def unknown_types(b: Client, v: int) -> None:
    for types in ([0], [1], [3], [99], [-1], [TOPIC, 3]):
        resources(b, v, types)


@cases.parametrize()
def test_describe(case: Case, pair: Pair) -> None:
    pair.compare(case)
