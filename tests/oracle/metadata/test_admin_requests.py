"""The same administration requests to Apache Kafka and to this node: the answers differ in words and ids alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.apis import response_class
from protocol.messages.alter_configs import AlterConfigsRequest
from protocol.messages.create_partitions import CreatePartitionsRequest
from protocol.messages.create_topics import CreateTopicsRequest
from protocol.messages.delete_topics import DeleteTopicsRequest
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from protocol.messages.metadata import MetadataRequest, MetadataResponse
from protocol.schema import Message
from tests.support.apache_kafka import ApacheKafka
from tests.support.node import BarnabasNode
from tests.support.wire import api_key, ask

LEVELS = [
    part
    for feature in ("group", "transaction", "share", "streams", "eligible.leader.replicas")
    for part in ("--feature", f"{feature}.version=0")
]
PROPERTIES = {"num.partitions": "3", "log.retention.hours": "7", "node.id": "1"}
# Words are our own; ids are random.
UNCOMPARED = {"error_message", "topic_id", "throttle_time_ms", "unknown_tagged_fields"}

Topic = CreateTopicsRequest.CreatableTopic
Config = CreateTopicsRequest.CreatableTopicConfig
Assignment = CreateTopicsRequest.CreatableReplicaAssignment
Addition = CreatePartitionsRequest.CreatePartitionsTopic
AdditionAssignment = CreatePartitionsRequest.CreatePartitionsAssignment
Deletion = DeleteTopicsRequest.DeleteTopicState
Resource = IncrementalAlterConfigsRequest.AlterConfigsResource
Key = IncrementalAlterConfigsRequest.AlterableConfig
OldResource = AlterConfigsRequest.AlterConfigsResource
OldKey = AlterConfigsRequest.AlterableConfig
SET, DELETE, APPEND, SUBTRACT = range(4)
TOPIC, BROKER = 2, 4


def creation(*topics: Topic, validate_only: bool = False) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=list(topics), validate_only=validate_only, timeout_ms=10_000)


def plain(name: str, partitions: int = 1, factor: int = 1, **configs: str | None) -> Topic:
    entries = [Config(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    return Topic(name=name, num_partitions=partitions, replication_factor=factor, configs=entries)


def assigned(name: str, *assignments: tuple[int, list[int]], partitions: int = -1, factor: int = -1) -> Topic:
    return Topic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[Assignment(partition_index=index, broker_ids=brokers) for index, brokers in assignments],
    )


def alteration(resource_type: int, name: str, *keys: tuple[str, int, str | None]) -> Resource:
    configs = [Key(name=key, config_operation=operation, value=value) for key, operation, value in keys]
    return Resource(resource_type=resource_type, resource_name=name, configs=configs)


def altering(*resources: Resource, validate_only: bool = False) -> IncrementalAlterConfigsRequest:
    return IncrementalAlterConfigsRequest(resources=list(resources), validate_only=validate_only)


def replacing(resource_type: int, name: str, **keys: str | None) -> AlterConfigsRequest:
    configs = [OldKey(name=key.replace("_", "."), value=value) for key, value in keys.items()]
    return AlterConfigsRequest(
        resources=[OldResource(resource_type=resource_type, resource_name=name, configs=configs)]
    )


def adding(*topics: Addition, validate_only: bool = False) -> CreatePartitionsRequest:
    return CreatePartitionsRequest(topics=list(topics), validate_only=validate_only, timeout_ms=10_000)


def deleting(*topics: Deletion) -> DeleteTopicsRequest:
    return DeleteTopicsRequest(topics=list(topics), timeout_ms=10_000)


# In this order, to one cluster: later requests meet what earlier ones made.
SCRIPT: list[tuple[Message, int]] = [
    (creation(plain("one")), 7),
    (creation(plain("two", -1, -1, retention_ms="100", cleanup_policy="compact,delete")), 7),
    (creation(plain("old-version", -1, -1)), 4),
    (creation(plain("checked", 2)), 2),
    (creation(plain("only-validated", 5), validate_only=True), 7),
    (creation(assigned("assigned", (0, [1]), (1, [1]))), 7),
    (
        creation(
            plain("one"),
            plain(""),
            plain("."),
            plain("a b"),
            plain("x" * 250),
            plain("no-partitions", 0),
            plain("negative", -3),
            plain("no-replicas", 1, 0),
            plain("too-many-replicas", 1, 2),
            plain("bad-key", no_such_key="1"),
            plain("bad-value", retention_ms="soon"),
            plain("null-value", retention_ms=None),
            plain("bad-policy", cleanup_policy="keep"),
            plain("lags", min_compaction_lag_ms="10", max_compaction_lag_ms="5"),
            plain("__cluster_metadata"),
            assigned("both-1", (0, [1]), partitions=1),
            assigned("both-2", (0, [1]), factor=1),
            assigned("unknown-broker", (0, [7])),
            assigned("broker-twice", (0, [1, 1])),
            assigned("nobody", (0, [])),
            assigned("gap", (0, [1]), (2, [1])),
            plain("fine"),
        ),
        7,
    ),
    (creation(plain("dotted.name")), 7),
    (creation(plain("dotted_name")), 7),
    (creation(plain("huge", 10_001)), 7),
    (creation(), 7),
    (adding(Addition(name="one", count=2, assignments=None)), 3),
    (adding(Addition(name="one", count=4, assignments=None), validate_only=True), 3),
    (
        adding(
            Addition(name="one", count=2, assignments=None),
            Addition(name="two", count=1, assignments=None),
            Addition(name="absent", count=2, assignments=None),
            Addition(name="assigned", count=3, assignments=[]),
            Addition(name="checked", count=3, assignments=[AdditionAssignment(broker_ids=[7])]),
            Addition(name="fine", count=2, assignments=[AdditionAssignment(broker_ids=[1])]),
        ),
        3,
    ),
    (adding(Addition(name="fine", count=9, assignments=None), Addition(name="fine", count=9, assignments=None)), 3),
    (altering(alteration(TOPIC, "one", ("retention.ms", SET, "5000"))), 1),
    (altering(alteration(TOPIC, "one", ("cleanup.policy", APPEND, "compact"))), 1),
    (altering(alteration(TOPIC, "one", ("cleanup.policy", SUBTRACT, "delete"), ("flush.ms", SET, "7"))), 1),
    (altering(alteration(TOPIC, "one", ("flush.ms", DELETE, None)), validate_only=True), 1),
    (
        altering(
            alteration(TOPIC, "absent", ("flush.ms", SET, "7")),
            alteration(TOPIC, "two", ("no.such.key", SET, "7")),
            alteration(TOPIC, "fine", ("flush.ms", SET, "often")),
            alteration(TOPIC, "checked", ("flush.ms", APPEND, "7")),
            alteration(TOPIC, "assigned", ("flush.ms", SET, None)),
            alteration(TOPIC, "old-version", ("flush.ms", SET, "1"), ("flush.ms", SET, "2")),
            alteration(TOPIC, "", ("flush.ms", SET, "1")),
            alteration(BROKER, "9", ("log.retention.ms", SET, "1")),
            alteration(BROKER, "x", ("log.retention.ms", SET, "1")),
            alteration(BROKER, "1", ("log.retention.ms", SET, "soon")),
            alteration(BROKER, "", ("log.retention.ms", SET, "123456")),
        ),
        1,
    ),
    (altering(*[alteration(TOPIC, "one", ("flush.ms", SET, "7"))] * 2), 1),
    (replacing(TOPIC, "one", flush_ms="8"), 2),
    (replacing(TOPIC, "one", flush_ms=None), 2),
    (replacing(TOPIC, "absent", flush_ms="8"), 2),
    (replacing(BROKER, "1", log_retention_ms="99999"), 2),
    (creation(plain("with-dynamic-defaults")), 7),
    (deleting(Deletion(name="two"), Deletion(name="absent")), 6),
    (deleting(Deletion(name=None, topic_id=b"7" * 16), Deletion(name=None)), 6),  # type: ignore[arg-type]
    (deleting(Deletion(name="one"), Deletion(name="one")), 6),
    (DeleteTopicsRequest(topic_names=["fine", "absent"], timeout_ms=10_000), 5),
    (DeleteTopicsRequest(topic_names=["checked"], timeout_ms=10_000), 1),
]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The addresses of Apache Kafka and of this node, with the same settings."""
    directory: Path = tmp_path_factory.mktemp("admin")
    kafka = ApacheKafka(directory / "kafka", properties=PROPERTIES)
    ours = BarnabasNode(directory / "ours", PROPERTIES)
    try:
        kafka.format("--standalone", *LEVELS)
        kafka.start()
        ours.start()
        yield kafka.bootstrap, ours.bootstrap
    finally:
        kafka.kill()
        ours.kill()


def comparable(value: Any) -> Any:
    """Without what may differ; lists in an order of their own, because Kafka's depends on hashes."""
    if isinstance(value, Message):
        return {name: comparable(getattr(value, name)) for name in value.__struct_fields__ if name not in UNCOMPARED}
    if isinstance(value, list):
        return sorted((comparable(each) for each in value), key=_order)
    return value


def _order(value: Any) -> bytes:
    if isinstance(value, dict):
        keys = ("resource_type", "resource_name", "name", "partition_index", "error_code")
        return msgspec.json.encode([value.get(key) for key in keys])
    return msgspec.json.encode(value)


def differences(path: str, theirs: Any, ours: Any) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in theirs:
            yield from differences(f"{path}.{name}", theirs[name], ours[name])
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (their, our) in enumerate(zip(theirs, ours, strict=True)):
            key = next((their[name] for name in ("name", "resource_name") if name in their), index)
            yield from differences(f"{path}[{key}]", their, our)
    elif theirs != ours:
        yield f"{path}: Kafka {theirs}, ours {ours}"


def test_answers_are_the_same(nodes: tuple[str, str]) -> None:
    found: list[str] = []
    for number, (request, version) in enumerate(SCRIPT):
        answer = response_class(api_key(request))
        theirs, ours = (comparable(ask(address, request, version, answer)) for address in nodes)
        found += differences(f"{number} {type(request).__name__} v{version}", theirs, ours)
    assert not found, "\n".join(found)


def test_the_metadata_is_the_same_in_the_end(nodes: tuple[str, str]) -> None:
    described = []
    for address in nodes:
        response = ask(address, MetadataRequest(topics=None), 12, MetadataResponse)
        described.append({topic.name: comparable(topic) for topic in response.topics})
    assert described[0] == described[1]
