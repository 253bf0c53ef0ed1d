"""Configuration through the clients that are not Java's: described, changed, replaced, refused.

What is set on the node that tests share concerns nobody else: how long a deleted key's mark stays, and how fast Apache
Kafka's cleaner would look for work.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource as AioResource
from aiokafka.admin.config_resource import ConfigResourceType as AioType
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourceType,
)
from kafka import KafkaAdminClient
from kafka.admin import AlterConfigOp, ConfigResourceType
from kafka.admin import ConfigResource as PythonResource

from tests.support.librdkafka import DEADLINE_S, admin, create_topic
from tests.support.node import BarnabasNode


def described(client: AdminClient, kind: ResourceType, name: str) -> dict[str, ConfigEntry]:
    resource = ConfigResource(kind, name)
    entries: dict[str, ConfigEntry] = client.describe_configs([resource])[resource].result(DEADLINE_S)
    return entries


def change(
    client: AdminClient, kind: ResourceType, name: str, key: str, operation: AlterConfigOpType, value: str | None
) -> None:
    entry = ConfigEntry(key, value, incremental_operation=operation)
    resource = ConfigResource(kind, name, incremental_configs=[entry])
    client.incremental_alter_configs([resource])[resource].result(DEADLINE_S)


@pytest.mark.filterwarnings("ignore:.*alter_configs:DeprecationWarning")
def test_librdkafka_and_a_topic(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    client, topic = admin(node.bootstrap), unique("t")
    create_topic(node.bootstrap, topic)
    change(client, ResourceType.TOPIC, topic, "cleanup.policy", AlterConfigOpType.APPEND, "compact")
    change(client, ResourceType.TOPIC, topic, "cleanup.policy", AlterConfigOpType.SUBTRACT, "delete")
    change(client, ResourceType.TOPIC, topic, "retention.ms", AlterConfigOpType.SET, "1000")
    entries = described(client, ResourceType.TOPIC, topic)
    assert entries["cleanup.policy"].value == "compact"
    assert ConfigSource(entries["cleanup.policy"].source) is ConfigSource.DYNAMIC_TOPIC_CONFIG
    assert set(entries["cleanup.policy"].synonyms) == {"cleanup.policy", "log.cleanup.policy"}
    replacing = ConfigResource(ResourceType.TOPIC, topic, set_config={"flush.ms": "5"})
    client.alter_configs([replacing])[replacing].result(DEADLINE_S)
    entries = described(client, ResourceType.TOPIC, topic)
    assert (entries["flush.ms"].value, entries["cleanup.policy"].value) == ("5", "delete")
    assert entries["retention.ms"].is_default
    with pytest.raises(KafkaException, match="INVALID_CONFIG"):
        change(client, ResourceType.TOPIC, topic, "retention.ms", AlterConfigOpType.SET, "soon")
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        described(client, ResourceType.TOPIC, unique("unknown"))


def test_librdkafka_and_the_broker(node: BarnabasNode) -> None:
    client, key = admin(node.bootstrap), "log.cleaner.delete.retention.ms"
    (broker,) = client.list_topics(timeout=DEADLINE_S).brokers
    name = str(broker)
    entries = described(client, ResourceType.BROKER, name)
    assert len(entries) > 340
    assert entries["node.id"].is_read_only
    assert entries[key].is_default
    change(client, ResourceType.BROKER, name, key, AlterConfigOpType.SET, "5000")
    try:
        assert described(client, ResourceType.BROKER, name)[key].value == "5000"
    finally:
        change(client, ResourceType.BROKER, name, key, AlterConfigOpType.DELETE, None)
    assert described(client, ResourceType.BROKER, name)[key].is_default
    with pytest.raises(KafkaException, match="INVALID_REQUEST"):
        change(client, ResourceType.BROKER, name, "node.id", AlterConfigOpType.SET, "7")


async def test_aiokafka(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic = unique("t")
    create_topic(node.bootstrap, topic)
    client = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
    await client.start()
    try:
        (answer,) = await client.alter_configs([AioResource(AioType.TOPIC, topic, configs={"retention.ms": "1000"})])
        ((code, *_),) = answer.resources
        assert code == 0
        (answer,) = await client.describe_configs([AioResource(AioType.TOPIC, topic)])
        ((code, _, _, name, entries),) = answer.resources
        assert (code, name) == (0, topic)
        assert {entry[0]: entry[1] for entry in entries}["retention.ms"] == "1000"
    finally:
        await client.close()


def test_kafka_python(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic, group, subscription = unique("t"), unique("g"), unique("m")
    create_topic(node.bootstrap, topic)
    client = KafkaAdminClient(bootstrap_servers=node.bootstrap)
    try:
        for kind, name, key, value in (
            (ConfigResourceType.TOPIC, topic, "retention.ms", "1000"),
            (ConfigResourceType.BROKER, "1", "log.cleaner.backoff.ms", "16000"),
            (ConfigResourceType.BROKER_LOGGER, "1", "storage", "WARN"),
            (ConfigResourceType.GROUP, group, "consumer.session.timeout.ms", "50000"),
            (ConfigResourceType.CLIENT_METRICS, subscription, "interval.ms", "1000"),
        ):
            client.alter_configs([PythonResource(kind, name, configs={key: (AlterConfigOp.SET, value)})])
            assert shown(client, kind, name, key) == value
            client.alter_configs([PythonResource(kind, name, configs={key: (AlterConfigOp.DELETE, None)})])
            assert shown(client, kind, name, key) != value
    finally:
        client.close()


def shown(client: KafkaAdminClient, kind: ConfigResourceType, name: str, key: str) -> str | None:
    answer = client.describe_configs([PythonResource(kind, name)], config_filter="all")
    (resources,) = answer.values()
    value: str | None = resources[name][key]["value"]
    return value
