"""What several suites do through confluent-kafka (librdkafka): create topics, produce, read everything."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

DEADLINE_S = 60
PARTITION_BY_KEY = -1
Settings = Mapping[str, object]


class Read(NamedTuple):
    partition: int
    offset: int
    key: bytes | None
    value: bytes


def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap})


def create_topic(bootstrap: str, topic: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
    request = NewTopic(topic, partitions, 1, config=dict(config or {}))
    client = admin(bootstrap)  # its futures fail when it goes
    client.create_topics([request])[topic].result(DEADLINE_S)


def producer(bootstrap: str, settings: Settings | None = None) -> Producer:
    return Producer({"bootstrap.servers": bootstrap, **(settings or {})})


def group_consumer(bootstrap: str, group: str, settings: Settings | None = None) -> Consumer:
    """Commits by hand only, and begins at the beginning."""
    defaults = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, **defaults, **(settings or {})})


def produced(message: Message) -> Read:
    partition, offset, key, value = message.partition(), message.offset(), message.key(), message.value()
    assert partition is not None and offset is not None and value is not None
    assert key is None or isinstance(key, bytes)
    assert isinstance(value, bytes)
    return Read(partition, offset, key, value)


def produce(
    bootstrap: str,
    topic: str,
    values: Sequence[bytes],
    settings: Settings | None = None,
    *,
    partition: int = PARTITION_BY_KEY,
    keys: int | None = None,
    values_at_once: int | None = None,
) -> dict[bytes, Read]:
    """Where each value landed. Keys are numbers, each value's own unless there are to be only so many; `values_at_once`
    makes many small batches. AssertionError where a value is refused."""
    landed: dict[bytes, Read] = {}
    client = producer(bootstrap, {"linger.ms": 5, **(settings or {})})

    def delivered(error: object, message: Message) -> None:
        assert error is None, error
        read = produced(message)
        landed[read.value] = read

    for number, value in enumerate(values):
        key = number if keys is None else number % keys
        client.produce(topic, value, key=str(key).encode(), partition=partition, on_delivery=delivered)
        if values_at_once is not None and number % values_at_once == 0:
            client.flush(DEADLINE_S)
        client.poll(0)
    assert client.flush(DEADLINE_S) == 0
    return landed


def read_all(bootstrap: str, topic: str, partitions: int = 1, isolation: str = "read_uncommitted") -> list[Read]:
    """Every record that a consumer is given, up to the ends of the partitions."""
    settings = {"isolation.level": isolation, "enable.partition.eof": True}
    consumer = group_consumer(bootstrap, "read-all", settings)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    records: list[Read] = []
    unfinished = set(range(partitions))
    deadline = time.monotonic() + 2 * DEADLINE_S
    try:
        while unfinished:
            assert time.monotonic() < deadline, f"no end of partitions {unfinished}"
            for message in consumer.consume(2000, timeout=0.5):
                error = message.error()
                if error is None:
                    records.append(produced(message))
                else:
                    assert error.name() == "_PARTITION_EOF", error
                    assert message.partition() is not None
                    unfinished.discard(message.partition() or 0)
    finally:
        consumer.close()
    return records
