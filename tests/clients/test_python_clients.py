"""The pure-Python clients: aiokafka and kafka-python, each with codecs of its own for protocol and records."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioNewTopic
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from tests.support.node import BarnabasNode

DEADLINE_MS = 60_000


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_aiokafka(node: BarnabasNode, unique: Callable[[str], str], codec: str | None) -> None:
    topic = unique("t")
    values = [f"value {i}".encode() for i in range(500)]
    async with AIOKafkaProducer(
        bootstrap_servers=node.bootstrap, enable_idempotence=True, compression_type=codec
    ) as producer:
        sent = [await producer.send(topic, value, headers=[("h", b"1")]) for value in values]
        offsets = [(await each).offset for each in sent]
    assert offsets == list(range(500))
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=node.bootstrap, group_id=unique("g"), auto_offset_reset="earliest"
    ) as consumer:
        read = [await consumer.getone() for _ in values]
        await consumer.commit()
    assert [each.value for each in read] == values
    assert read[0].headers == (("h", b"1"),)


async def test_aiokafka_admin(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
    await client.start()
    try:
        topic = unique("t")
        await client.create_topics([AioNewTopic(topic, 3, 1)])
        (described,) = await client.describe_topics([topic])
        assert len(described["partitions"]) == 3
        await client.delete_topics([topic])
        assert topic not in await client.list_topics()
    finally:
        await client.close()


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_kafka_python(node: BarnabasNode, unique: Callable[[str], str], codec: str | None) -> None:
    topic, group = unique("t"), unique("g")
    values = [f"value {i}".encode() for i in range(500)]
    producer = KafkaProducer(bootstrap_servers=node.bootstrap, compression_type=codec, acks="all")
    sent = [producer.send(topic, value, key=b"k") for value in values]
    assert [each.get(60).offset for each in sent] == list(range(500))
    producer.close()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=node.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        consumer_timeout_ms=DEADLINE_MS,
    )
    try:
        read = [next(consumer).value for _ in values]
        assert read == values
        consumer.commit()
        assert consumer.committed(TopicPartition(topic, 0)) == 500
        assert consumer.end_offsets([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): 500}
    finally:
        consumer.close()


def test_kafka_python_admin(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    client = KafkaAdminClient(bootstrap_servers=node.bootstrap)
    try:
        topic = unique("t")
        client.create_topics([NewTopic(topic, 2, 1)])
        assert topic in client.list_topics()
        (described,) = client.describe_topics([topic])
        assert len(described["partitions"]) == 2
        client.delete_topics([topic])
        assert topic not in client.list_topics()
    finally:
        client.close()
