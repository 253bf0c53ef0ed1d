"""Disks that are slow, full or broken under a running node: an error to the client, nothing acknowledged lost, and no
harm to the partitions of other directories."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer

from protocol.errors import ErrorCode
from tests.support.librdkafka import DEADLINE_S, admin
from tests.support.two_directories import TwoDirectories, produce_latencies
from tests.support.wire import produce
from tests.support.workload import RecordedLoad, assert_nothing_lost_or_duplicated, read_values

SYNC_MS = 200
CLIENT_PATIENCE_MS = 2000
"""Where a record cannot be written; then it tells of an error at the latest."""


@pytest.fixture
def two(tmp_path: Path) -> Iterator[TwoDirectories]:
    directories = TwoDirectories(tmp_path)
    directories.start()
    yield directories
    directories.node.kill()


def outcome(bootstrap: str, topic: str, value: str, timeout_ms: int = DEADLINE_S * 1000 // 2) -> KafkaError | None:
    """What the client is told of one record, without retries. A record for a partition without a leader it keeps until
    `timeout_ms` have passed."""
    settings = {"acks": "all", "message.send.max.retries": 0, "message.timeout.ms": timeout_ms}
    producer = Producer({"bootstrap.servers": bootstrap, **settings})
    told: list[KafkaError | None] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        told.append(error)

    producer.produce(topic, value, on_delivery=delivered)
    producer.flush(DEADLINE_S)
    assert len(told) == 1
    return told[0]


def await_leader(bootstrap: str, topic: str, leader: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while admin(bootstrap).list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions[0].leader != leader:
        assert time.monotonic() < deadline, f"{topic} is not led by {leader}"
        time.sleep(0.05)


def assert_refuses(bootstrap: str, topic: str, value: str) -> None:
    """Writes are answered with an error while the partition still has a leader and after; the client tells of one."""
    assert produce(bootstrap, topic, value.encode()) == ErrorCode.KAFKA_STORAGE_ERROR
    await_leader(bootstrap, topic, -1)
    assert produce(bootstrap, topic, value.encode()) == ErrorCode.KAFKA_STORAGE_ERROR
    assert outcome(bootstrap, topic, value, CLIENT_PATIENCE_MS) is not None


def test_slow_syncs_of_one_directory_do_not_slow_the_other(two: TwoDirectories) -> None:
    quick, slow = two.topic_in(two.first), two.topic_in(two.second, {"flush.messages": "1"})
    bootstrap = two.node.bootstrap
    member = Consumer({"bootstrap.servers": bootstrap, "group.id": "watched", "session.timeout.ms": 6000})
    lost: list[object] = []
    member.subscribe([quick], on_lost=lambda *_: lost.append(1))
    while not member.assignment():
        member.poll(0.1)
    two.faults.slow_syncs(two.second, SYNC_MS)
    load = RecordedLoad(bootstrap, slow, 1).start()
    try:
        began = time.monotonic()
        beside = []
        while time.monotonic() < began + 5:
            beside += produce_latencies(bootstrap, quick, 50)
            member.poll(0)
    finally:
        two.faults.healthy()
    load.finish()
    # What waits behind a sync waits for half of one on average; bench/slow_directory.py has the figures.
    assert statistics.median(beside) < SYNC_MS / 2000
    assert not lost
    assert load.acknowledged
    assert_nothing_lost_or_duplicated(load, read_values(bootstrap, slow, 1))
    member.close()


@pytest.mark.parametrize("trouble", ["full", "failing_writes"])
def test_a_disk_that_fails_under_writes(two: TwoDirectories, trouble: str) -> None:
    sound, broken = two.topic_in(two.first), two.topic_in(two.second)
    bootstrap = two.node.bootstrap
    load = RecordedLoad(bootstrap, broken, 1, **{"message.timeout.ms": 3000}).start()
    deadline = time.monotonic() + DEADLINE_S
    while len(load.acknowledged) <= 10:
        assert time.monotonic() < deadline, "nothing was acknowledged before the disk broke"
        time.sleep(0.05)
    order: Callable[[Path], None] = getattr(two.faults, trouble)
    order(two.second)
    deadline = time.monotonic() + DEADLINE_S
    while produce(bootstrap, broken, b"0") == ErrorCode.NONE:
        assert time.monotonic() < deadline, "writes to a broken disk are acknowledged"
    if trouble == "failing_writes":
        assert_refuses(bootstrap, broken, "0")
    else:
        assert outcome(bootstrap, broken, "0", CLIENT_PATIENCE_MS) is not None
    load.stop()
    # The other directory serves on, for produce, consume and new topics.
    assert outcome(bootstrap, sound, "1") is None
    assert list(read_values(bootstrap, sound, 1)) == [1]
    two.faults.healthy()
    assert two.node.stop() == 0
    two.start()
    places = read_values(bootstrap, broken, 1)
    places.pop(0, None)
    load.acknowledged.pop(0, None)
    assert_nothing_lost_or_duplicated(load, places)


def test_a_failed_sync_is_not_retried(two: TwoDirectories) -> None:
    synced = two.topic_in(two.second, {"flush.messages": "1"})
    bootstrap = two.node.bootstrap
    assert outcome(bootstrap, synced, "1") is None
    two.faults.failing_syncs(two.second)
    assert produce(bootstrap, synced, b"2") == ErrorCode.KAFKA_STORAGE_ERROR
    two.faults.healthy()
    # The directory stays offline until the node starts again: what a failed sync left in the page cache is unknown.
    assert_refuses(bootstrap, synced, "3")
    two.node.kill()
    two.start()
    assert outcome(bootstrap, synced, "4") is None
    values = list(read_values(bootstrap, synced, 1))
    assert values[0] == 1 and values[-1] == 4 and 3 not in values
