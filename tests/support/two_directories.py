"""A node with two log directories of which one can be troubled, and the latency of a partition in the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

from tests.support.faulty_disk import FaultyDisk
from tests.support.librdkafka import DEADLINE_S, create_topic
from tests.support.node import BarnabasNode


class TwoDirectories:
    """A node with two log directories, and topics known to lie in the first or the second."""

    def __init__(self, tmp_path: Path) -> None:
        self.faults = FaultyDisk(tmp_path / "faults")
        self.first, self.second = tmp_path / "first", tmp_path / "second"
        # The metadata log is the first directory's: trouble is ordered for the second.
        self.node = BarnabasNode(tmp_path / "node", {"log.dirs": f"{self.first},{self.second}"})

    def start(self) -> None:
        self.node.start(self.faults.environment)

    def topic_in(self, directory: Path, config: Mapping[str, str] | None = None) -> str:
        return topic_in(self.node, directory, config)


def topic_in(node: BarnabasNode, directory: Path, config: Mapping[str, str] | None = None) -> str:
    """A new topic whose one partition lies in `directory`."""
    for number in range(40):
        name = f"{directory.name}-{number}-{time.monotonic_ns()}"
        create_topic(node.bootstrap, name, 1, config)
        if (directory / f"{name}-0").is_dir():
            return name
    raise AssertionError(f"no partition was placed in {directory}")


def produce_latencies(bootstrap: str, topic: str, count: int) -> list[float]:
    """Seconds from handing one record over to its report, one after the other."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
    latencies = []
    done: list[KafkaError | None] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        done.append(error)

    for number in range(count):
        done.clear()
        began = time.monotonic()
        producer.produce(topic, f"{number}", on_delivery=delivered)
        while not done:
            producer.poll(0.5)
            assert time.monotonic() < began + DEADLINE_S
        assert done == [None]
        latencies.append(time.monotonic() - began)
    return latencies
