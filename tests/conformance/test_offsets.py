"""ListOffsets and OffsetForLeaderEpoch."""

from __future__ import annotations

from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Client
from tests.conformance.records import batch, fill

cases = Cases()


def filled(b: Client, what: str = "topic", **configs: str) -> str:
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    topic = b.create(what, configs=settings)
    fill(
        b,
        topic,
        batch(b"a", b"b", b"c", timestamp=1000),
        batch(b"d", timestamp=5000),
        batch(b"e", b"f", timestamp=3000),
        batch(b"g", b"h", b"i", timestamp=4998, compression=1),
        batch(b"j", timestamp=-1),
    )
    return topic[0]


def listed(b: Client, v: int, name: str, *timestamps: int, index: int = 0, **values: Any) -> None:
    for timestamp in timestamps:
        asked = {"partition_index": index, "timestamp": timestamp, "current_leader_epoch": values.get("epoch", -1)}
        rest = {key: value for key, value in values.items() if key != "epoch"}
        topics = [{"name": name, "partitions": [asked]}]
        b.ask("ListOffsets", v, **{"replica_id": -1, "topics": topics, "timeout_ms": 5000, **rest})


@cases("ListOffsets", ALL)
def special_timestamps(b: Client, v: int) -> None:
    listed(b, v, filled(b), -1, -2, -3, -4, -5, -6, -7, -100)


@cases("ListOffsets", ALL)
def by_time(b: Client, v: int) -> None:
    listed(b, v, filled(b), 0, 999, 1000, 1001, 1002, 1003, 2999, 3001, 4999, 5000, 5001, 2**62)


@cases("ListOffsets", ENDS)
def an_empty_log(b: Client, v: int) -> None:
    listed(b, v, b.create()[0], -1, -2, -3, -4, -5, 0, 1000)


@cases("ListOffsets", ALL)
def unknown(b: Client, v: int) -> None:
    name = filled(b)
    listed(b, v, b.name("unknown"), -1, 1000)
    listed(b, v, name, -1, 1000, index=3)
    listed(b, v, name, -1, index=-1)


@cases("ListOffsets", [4, 6, 11])
def leader_epochs(b: Client, v: int) -> None:
    name = filled(b)
    for epoch in (0, 1, 9, -1):
        listed(b, v, name, -1, 1000, epoch=epoch)


@cases("ListOffsets", [2, 6, 11])
def isolation(b: Client, v: int) -> None:
    name = filled(b)
    for level in (0, 1, 2):
        listed(b, v, name, -1, -2, -3, 5000, isolation_level=level)


@cases("ListOffsets", ENDS)
def the_same_partition_twice(b: Client, v: int) -> None:
    rows = [{"partition_index": 0, "timestamp": timestamp} for timestamp in (-1, -2)]
    b.ask("ListOffsets", v, replica_id=-1, topics=[{"name": filled(b), "partitions": rows}], timeout_ms=5000)


@cases("ListOffsets", ENDS)
def several(b: Client, v: int) -> None:
    first, second = filled(b, "b"), filled(b, "a")
    rows = [{"partition_index": index, "timestamp": -1} for index in (0, 7)]
    topics = [{"name": name, "partitions": rows} for name in (first, second, b.name("unknown"))]
    b.ask("ListOffsets", v, replica_id=-1, topics=topics, timeout_ms=5000)
    b.ask("ListOffsets", v, replica_id=-1, topics=[], timeout_ms=5000)
    b.ask("ListOffsets", v, replica_id=-1, topics=[{"name": first, "partitions": []}], timeout_ms=5000)


@cases("ListOffsets", ENDS)
def as_other_replicas(b: Client, v: int) -> None:
    name = filled(b)
    for replica in (-2, -3, 1, 5):
        listed(b, v, name, -1, -2, 1000, replica_id=replica)


@cases("ListOffsets", LAST)
def append_times(b: Client, v: int) -> None:
    name = filled(b, message_timestamp_type="LogAppendTime")
    listed(b, v, name, -1, -2, 1000)


def epochs(b: Client, v: int, name: str, *pairs: tuple[int, int], index: int = 0, replica: int = -1) -> None:
    for current, wanted in pairs:
        asked = {"partition": index, "current_leader_epoch": current, "leader_epoch": wanted}
        topics = [{"topic": name, "partitions": [asked]}]
        b.ask("OffsetForLeaderEpoch", v, replica_id=replica, topics=topics)


@cases("OffsetForLeaderEpoch", ALL)
def of_epochs(b: Client, v: int) -> None:
    epochs(b, v, filled(b), (-1, 0), (0, 0), (-1, 1), (0, 5), (-1, -1), (1, 0), (9, 0), (-1, -2))


@cases("OffsetForLeaderEpoch", ALL)
def of_unknown_topics(b: Client, v: int) -> None:
    epochs(b, v, b.name("unknown"), (-1, 0))
    epochs(b, v, filled(b), (-1, 0), index=4)


@cases("OffsetForLeaderEpoch", ENDS)
def of_an_empty_log(b: Client, v: int) -> None:
    epochs(b, v, b.create()[0], (-1, 0), (0, 0), (-1, 1))


@cases("OffsetForLeaderEpoch", ENDS)
def for_other_replicas(b: Client, v: int) -> None:
    for replica in (-2, 1, 5):
        epochs(b, v, filled(b), (-1, 0), replica=replica)


@cases("OffsetForLeaderEpoch", ENDS)
def of_several(b: Client, v: int) -> None:
    name = filled(b)
    rows = [{"partition": index, "current_leader_epoch": -1, "leader_epoch": 0} for index in (0, 9)]
    topics = [{"topic": each, "partitions": rows} for each in (name, b.name("unknown"))]
    b.ask("OffsetForLeaderEpoch", v, replica_id=-1, topics=topics)
    b.ask("OffsetForLeaderEpoch", v, replica_id=-1, topics=[])


@cases.parametrize()
def test_offsets(case: Case, pair: Pair) -> None:
    pair.compare(case)
