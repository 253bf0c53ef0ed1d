"""A disk that is full, the metadata log's too: errors to clients, reads go on, and all goes on once there is room."""

from __future__ import annotations

import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.faulty_disk import FaultyDisk
from tests.support.node import BarnabasNode


def _create(node: BarnabasNode, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": node.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(60)


def _produce(node: BarnabasNode, value: bytes, timeout_ms: int) -> KafkaError | None:
    outcome: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": node.bootstrap, "message.timeout.ms": timeout_ms})
    producer.produce("t", value, partition=0, on_delivery=lambda error, _: outcome.append(error))
    producer.flush(60)
    return outcome[0]


def _values(node: BarnabasNode, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": "g", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition("t", 0, 0)])
        messages = consumer.consume(count, 30)
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
        return [message.value() or b"" for message in messages]
    finally:
        consumer.close()


def test_a_node_outlives_a_full_disk(tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path / "faulty")
    node = BarnabasNode(tmp_path / "node")
    try:
        node.start(disk.environment)
        _create(node, "t")
        assert _produce(node, b"before", 30_000) is None
        disk.full(node.data)
        # Longer than the controller leaves its log without a record.
        time.sleep(2)
        assert _produce(node, b"while full", 2_000) is not None
        assert _values(node, 1) == [b"before"]
        disk.healthy()
        assert _produce(node, b"after", 30_000) is None
        _create(node, "u")
        assert _values(node, 2) == [b"before", b"after"]
        assert node.stop() == 0
    finally:
        node.kill()
