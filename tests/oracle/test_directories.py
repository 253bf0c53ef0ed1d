"""Directories change hands: Apache Kafka serves what we wrote, and we serve what Apache Kafka wrote."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.support.apache_kafka import ApacheKafka
from tests.support.librdkafka import DEADLINE_S, Read, create_topic, produce, read_all
from tests.support.node import BarnabasNode, NodeFailed, running_node

# The levels that this node serves so far; Kafka finalises more unless told.
SERVED_LEVELS = [
    part
    for feature in ("group", "transaction", "share", "streams", "eligible.leader.replicas")
    for part in ("--feature", f"{feature}.version=0")
]


def fill(bootstrap: str, topic: str, values: list[bytes], **settings: object) -> None:
    """Many batches, keys again and again, all in partition 0."""
    produce(bootstrap, topic, values, {"linger.ms": 0, **settings}, partition=0, keys=50, values_at_once=20)


def produce_transactions(bootstrap: str, topic: str, count: int) -> None:
    """`count` transactions of two records each; every third is aborted."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "directories"})
    producer.init_transactions(DEADLINE_S)
    for number in range(count):
        producer.begin_transaction()
        for part in (0, 1):
            producer.produce(topic, f"transaction {number} part {part}".encode(), partition=0)
        producer.flush(DEADLINE_S)
        if number % 3 == 2:
            producer.abort_transaction(DEADLINE_S)
        else:
            producer.commit_transaction(DEADLINE_S)


def commit(bootstrap: str, group: str, topic: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


def committed(bootstrap: str, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        return int(consumer.committed([TopicPartition(topic, 0)], timeout=DEADLINE_S)[0].offset)
    finally:
        consumer.close()


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
def test_apache_kafka_serves_a_directory_that_we_wrote(tmp_path: Path, clean: bool) -> None:
    with running_node(tmp_path / "ours") as node:
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            create_topic(node.bootstrap, codec, config={"segment.bytes": "1048576"})
            values = [f"{codec} {i} {'x' * 1000}".encode() for i in range(1500)]
            fill(node.bootstrap, codec, values, **{"compression.type": codec, "enable.idempotence": True})
        commit(node.bootstrap, "kept", "none", 17)
        ours = {codec: read_all(node.bootstrap, codec) for codec in ("none", "gzip", "snappy", "lz4", "zstd")}
        _ = node.stop() if clean else node.kill()
        kafka = ApacheKafka(tmp_path / "kafka", data=node.data)
        try:
            kafka.start()
            for codec, records in ours.items():
                assert len(records) == 1500
                assert read_all(kafka.bootstrap, codec) == records
            assert committed(kafka.bootstrap, "kept", "none") == 17
            fill(kafka.bootstrap, "none", [b"from kafka"])
            kafka.stop()
        finally:
            kafka.kill()
        node.start()
        back = read_all(node.bootstrap, "none")
        assert back[:1500] == ours["none"]
        assert [each.value for each in back[1500:]] == [b"from kafka"]


def kafka_with_history(directory: Path) -> tuple[ApacheKafka, dict[str, list[Read]]]:
    """A stopped Apache Kafka with compacted logs, control batches and offsets in its directory; and the contents."""
    kafka = ApacheKafka(
        directory,
        properties={"log.cleaner.backoff.ms": "200", "log.segment.delete.delay.ms": "100", "log.cleaner.threads": "1"},
    )
    kafka.format("--standalone", *SERVED_LEVELS)
    try:
        kafka.start()
        create_topic(kafka.bootstrap, "plain", config={"segment.bytes": "1048576"})
        fill(kafka.bootstrap, "plain", [f"{i} {'y' * 900}".encode() for i in range(3000)], acks="all")
        create_topic(kafka.bootstrap, "transactions")
        produce_transactions(kafka.bootstrap, "transactions", 12)
        compaction = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "500"}
        create_topic(kafka.bootstrap, "compacted", config=compaction)
        for _ in range(4):
            fill(kafka.bootstrap, "compacted", [f"{i}".encode() for i in range(300)], **{"enable.idempotence": True})
            time.sleep(0.6)
        deadline = time.monotonic() + DEADLINE_S
        while len(read_all(kafka.bootstrap, "compacted")) > 700:
            assert time.monotonic() < deadline, "the cleaner did not run"
            fill(kafka.bootstrap, "compacted", [b"again"])
            time.sleep(0.6)
        commit(kafka.bootstrap, "kept", "plain", 42)
        kafka.stop()
        kafka.start()
        contents = {topic: read_all(kafka.bootstrap, topic) for topic in ("plain", "transactions", "compacted")}
        contents["committed"] = read_all(kafka.bootstrap, "transactions", isolation="read_committed")
        kafka.stop()
    finally:
        kafka.kill()
    return kafka, contents


def test_we_serve_a_directory_that_apache_kafka_wrote(tmp_path: Path) -> None:
    kafka, contents = kafka_with_history(tmp_path / "kafka")
    assert len(contents["transactions"]) == 24
    assert len(contents["committed"]) == 16
    node = BarnabasNode(tmp_path / "ours")
    node.data = kafka.data
    try:
        node.start()
        for topic in ("plain", "transactions", "compacted"):
            assert read_all(node.bootstrap, topic) == contents[topic]
        assert read_all(node.bootstrap, "transactions", isolation="read_committed") == contents["committed"]
        assert committed(node.bootstrap, "kept", "plain") == 42
        fill(node.bootstrap, "plain", [b"from us"], **{"enable.idempotence": True})
        assert node.stop() == 0
        kafka.start()
        assert read_all(kafka.bootstrap, "plain")[:-1] == contents["plain"]
        assert read_all(kafka.bootstrap, "compacted") == contents["compacted"]
        kafka.stop()
    finally:
        node.kill()
        kafka.kill()


def test_a_directory_above_the_served_levels_is_refused_with_the_cure(tmp_path: Path) -> None:
    kafka = ApacheKafka(tmp_path / "kafka")
    kafka.format()
    try:
        kafka.start()
        kafka.stop()
    finally:
        kafka.kill()
    node = BarnabasNode(tmp_path / "ours")
    node.data = kafka.data
    with pytest.raises(NodeFailed, match=r"kafka-features.*downgrade.*transaction\.version=0"):
        node.start()
