"""DeleteRecords: where partitions begin afterwards, and every refusal."""

from __future__ import annotations

from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Client
from tests.conformance.records import batch, fill, stored

cases = Cases()

HIGH_WATERMARK = -1


Topic = tuple[str, bytes]


def deletes(b: Client, v: int, name: str, *offsets: tuple[int, int], timeout_ms: int = 10000) -> None:
    rows = [{"partition_index": index, "offset": offset} for index, offset in offsets]
    b.ask("DeleteRecords", v, topics=[{"name": name, "partitions": rows}], timeout_ms=timeout_ms)


def filled(b: Client, partitions: int = 1) -> Topic:
    """A topic with the offsets 0 to 5 in partition 0, two a batch."""
    topic = b.create(partitions=partitions)
    fill(b, topic, *(batch(b"a", b"b") for _ in range(3)))
    return topic


def shows(b: Client, topic: Topic) -> None:
    """Where the partition begins and ends, for several kinds of clients."""
    for timestamp in (-2, -1, -3, 0):
        asked = [{"partition_index": 0, "timestamp": timestamp}]
        b.ask("ListOffsets", 7, replica_id=-1, topics=[{"name": topic[0], "partitions": asked}])
    for offset in (0, 3, 4, 6):
        stored(b, topic, offset)


@cases("DeleteRecords", ALL)
def some(b: Client, v: int) -> None:
    topic = filled(b)
    deletes(b, v, topic[0], (0, 3))
    shows(b, topic)
    deletes(b, v, topic[0], (0, 4))
    shows(b, topic)


@cases("DeleteRecords", ALL)
def all_of_them(b: Client, v: int) -> None:
    topic = filled(b)
    deletes(b, v, topic[0], (0, HIGH_WATERMARK))
    shows(b, topic)
    fill(b, topic, batch(b"c"))
    shows(b, topic)
    deletes(b, v, topic[0], (0, HIGH_WATERMARK))
    shows(b, topic)


@cases("DeleteRecords", ALL)
def what_is_gone_already(b: Client, v: int) -> None:
    topic = filled(b)
    for offset in (0, 4, 4, 2, 0):
        deletes(b, v, topic[0], (0, offset))
    shows(b, topic)


@cases("DeleteRecords", ALL)
def offsets_that_are_not_there(b: Client, v: int) -> None:
    topic = filled(b)
    for offset in (7, 2**62, -2, -(2**62)):
        deletes(b, v, topic[0], (0, offset))
    deletes(b, v, topic[0], (0, 6))
    shows(b, topic)


@cases("DeleteRecords", ALL)
def partitions_that_are_not_there(b: Client, v: int) -> None:
    topic = filled(b)
    deletes(b, v, topic[0], (1, 0), (-1, 0), (0, 1))
    deletes(b, v, b.name("unknown"), (0, 0))
    for bad in ("", "in valid", "."):
        deletes(b, v, bad, (0, 0))


@cases("DeleteRecords", ENDS)
def nothing(b: Client, v: int) -> None:
    topic = filled(b)
    b.ask("DeleteRecords", v, topics=[], timeout_ms=1000)
    deletes(b, v, topic[0])


@cases("DeleteRecords", ENDS)
def several_at_once(b: Client, v: int) -> None:
    topic = filled(b, partitions=3)
    deletes(b, v, topic[0], (0, 2), (1, HIGH_WATERMARK), (2, 1), (9, 0))
    shows(b, topic)


@cases("DeleteRecords", ENDS)
def the_same_twice(b: Client, v: int) -> None:
    topic = filled(b)
    deletes(b, v, topic[0], (0, 4), (0, 2))
    again = {"name": topic[0], "partitions": [{"partition_index": 0, "offset": 3}]}
    b.ask("DeleteRecords", v, topics=[again, again], timeout_ms=1000)
    shows(b, topic)


@cases("DeleteRecords", ENDS)
def no_time(b: Client, v: int) -> None:
    topic = filled(b)
    deletes(b, v, topic[0], (0, 2), timeout_ms=0)
    deletes(b, v, topic[0], (0, 4), timeout_ms=-1)


@cases("DeleteRecords", ENDS)
def compacted_topics(b: Client, v: int) -> None:
    for policy in ("compact", "compact,delete", "delete"):
        topic = b.create(policy.replace(",", "-"), configs={"cleanup.policy": policy})
        fill(b, topic, batch(b"a", b"b"))
        deletes(b, v, topic[0], (0, 1))
        deletes(b, v, topic[0], (0, 9))


@cases("DeleteRecords", ENDS)
def internal_topics(b: Client, v: int) -> None:
    deletes(b, v, "__consumer_offsets", (0, 0), (99, 0))
    deletes(b, v, "__cluster_metadata", (0, 0))


@cases("DeleteRecords", LAST)
def leader_epochs(b: Client, v: int) -> None:
    topic = filled(b)
    deletes(b, v, topic[0], (0, 3))
    asked: list[dict[str, Any]] = [{"partition": 0, "current_leader_epoch": -1, "leader_epoch": e} for e in (0, 1)]
    for each in asked:
        b.ask("OffsetForLeaderEpoch", 4, replica_id=-2, topics=[{"topic": topic[0], "partitions": [each]}])


@cases.parametrize()
def test_delete_records(case: Case, pair: Pair) -> None:
    pair.compare(case)
