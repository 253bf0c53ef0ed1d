"""Fetch: which bytes, which errors, waiting, sessions."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Answer, Client
from tests.conformance.records import batch, fill

cases = Cases()
UNKNOWN_ID = bytes(range(16))
Topic = tuple[str, bytes]


def partition(offset: int = 0, index: int = 0, max_bytes: int = 1 << 20, **values: Any) -> dict[str, Any]:
    return {"partition": index, "fetch_offset": offset, "partition_max_bytes": max_bytes, **values}


def fetched(b: Client, v: int, *wanted: tuple[Topic, list[dict[str, Any]]], **values: Any) -> Answer:
    topics = [{"topic": topic[0], "topic_id": topic[1], "partitions": rows} for topic, rows in wanted]
    return b.ask("Fetch", v, **{"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 22, "topics": topics, **values})


def filled(b: Client, what: str = "topic", partitions: int = 1) -> Topic:
    """Three batches of 3, 1 and 2 records."""
    topic = b.create(what, partitions=partitions)
    fill(b, topic, batch(b"a", b"b", b"c"), batch(b"d", timestamp=5000), batch(b"e", b"f", timestamp=3000))
    return topic


@cases("Fetch", ALL)
def from_the_start(b: Client, v: int) -> None:
    fetched(b, v, (filled(b), [partition()]))


@cases("Fetch", ALL)
def the_whole_batch_of_an_offset(b: Client, v: int) -> None:
    topic = filled(b)
    for offset in (1, 2, 3, 4, 5, 6):
        fetched(b, v, (topic, [partition(offset)]))


@cases("Fetch", ALL)
def out_of_range(b: Client, v: int) -> None:
    topic = filled(b)
    for offset in (7, 1000, -1, -2, 2**62):
        fetched(b, v, (topic, [partition(offset)]))


@cases("Fetch", ALL)
def unknown_topic_and_partition(b: Client, v: int) -> None:
    topic = filled(b)
    fetched(b, v, ((b.name("unknown"), UNKNOWN_ID), [partition()]))
    fetched(b, v, (topic, [partition(index=3)]))
    fetched(b, v, (topic, [partition(index=-1)]))


@cases("Fetch", ENDS)
def an_empty_log(b: Client, v: int) -> None:
    topic = b.create()
    fetched(b, v, (topic, [partition()]))
    fetched(b, v, (topic, [partition(1)]))


@cases("Fetch", ENDS)
def max_bytes_of_a_partition(b: Client, v: int) -> None:
    topic = filled(b)
    for size in (0, 1, 50, 100, 120, 200, 300, -1):
        fetched(b, v, (topic, [partition(max_bytes=size)]))


@cases("Fetch", ENDS)
def max_bytes_of_the_request(b: Client, v: int) -> None:
    topic = filled(b)
    for size in (0, 1, 50, 120, 200, 300, -1):
        fetched(b, v, (topic, [partition()]), max_bytes=size)


@cases("Fetch", ENDS)
def max_bytes_over_partitions(b: Client, v: int) -> None:
    topic = b.create(partitions=3)
    for index in range(3):
        fill(b, topic, batch(b"x" * 1000), batch(b"y" * 1000), partition=index)
    for size in (1, 1000, 1100, 2300, 3500):
        fetched(b, v, (topic, [partition(index=index) for index in range(3)]), max_bytes=size)
        fetched(b, v, (topic, [partition(index=index, max_bytes=size) for index in range(3)]))


@cases("Fetch", ENDS)
def several_topics(b: Client, v: int) -> None:
    first, second = filled(b, "b", 2), filled(b, "a")
    fetched(b, v, (first, [partition(index=1), partition(4)]), (second, [partition(2)]))


@cases("Fetch", ENDS)
def the_same_partition_twice(b: Client, v: int) -> None:
    topic = filled(b)
    fetched(b, v, (topic, [partition(0), partition(3)]))


@cases("Fetch", ENDS)
def nothing(b: Client, v: int) -> None:
    fetched(b, v)
    fetched(b, v, (b.create(), []))


@cases("Fetch", LAST)
def waits_for_bytes(b: Client, v: int) -> None:
    topic = filled(b)
    topics = [{"topic_id": topic[1], "partitions": [partition(6)]}]
    pending = b.start("Fetch", v, max_wait_ms=8000, min_bytes=1, max_bytes=1 << 20, topics=topics)
    b.note("it waits", pending.waits())
    fill(b, topic, batch(b"late"))
    pending.answer()


@cases("Fetch", LAST)
def waits_for_many_bytes(b: Client, v: int) -> None:
    topic = filled(b)
    topics = [{"topic_id": topic[1], "partitions": [partition(6)]}]
    pending = b.start("Fetch", v, max_wait_ms=8000, min_bytes=150, max_bytes=1 << 20, topics=topics)
    fill(b, topic, batch(b"small"))
    b.note("it waits on", pending.waits())
    fill(b, topic, batch(b"x" * 100))
    pending.answer()


@cases("Fetch", LAST)
def waits_no_longer_than_asked(b: Client, v: int) -> None:
    topic = filled(b)
    begun = time.monotonic()
    fetched(b, v, (topic, [partition(6)]), max_wait_ms=400, min_bytes=1)
    b.note("about as long as asked", 0.35 < time.monotonic() - begun < 3)


@cases("Fetch", LAST)
def an_error_ends_the_waiting(b: Client, v: int) -> None:
    topic = filled(b)
    begun = time.monotonic()
    fetched(b, v, (topic, [partition(6), partition(99, 0), partition(0, 7)]), max_wait_ms=5000, min_bytes=1)
    b.note("at once", time.monotonic() - begun < 2.5)


@cases("Fetch", LAST)
def no_minimum_means_no_waiting(b: Client, v: int) -> None:
    topic = filled(b)
    begun = time.monotonic()
    fetched(b, v, (topic, [partition(6)]), max_wait_ms=5000, min_bytes=0)
    b.note("at once", time.monotonic() - begun < 2.5)


@cases("Fetch", [9, 11, 12, 18])
def leader_epochs(b: Client, v: int) -> None:
    topic = filled(b)
    for epoch in (0, 1, 7, -1):
        fetched(b, v, (topic, [partition(current_leader_epoch=epoch)]))


@cases("Fetch", [12, 13, 18])
def diverging_epochs(b: Client, v: int) -> None:
    topic = filled(b)
    for last_epoch, offset in ((0, 3), (0, 6), (1, 6), (5, 3), (0, 9)):
        fetched(b, v, (topic, [partition(offset, current_leader_epoch=0, last_fetched_epoch=last_epoch)]))


@cases("Fetch", ENDS)
def isolation(b: Client, v: int) -> None:
    topic = filled(b)
    for level in (0, 1, 2, -1):
        fetched(b, v, (topic, [partition()]), isolation_level=level)


@cases("Fetch", [11, 12, 18])
def racks(b: Client, v: int) -> None:
    topic = filled(b)
    for rack in ("", "rack-1", "elsewhere"):
        fetched(b, v, (topic, [partition()]), rack_id=rack)


@cases("Fetch", [14, 15, 18])
def as_a_follower_that_is_none(b: Client, v: int) -> None:
    topic = filled(b)
    state = {"replica_id": 5, "replica_epoch": 1}
    fetched(b, v, (topic, [partition()]), replica_id=5, replica_state=state)


@cases("Fetch", [13, 18])
def a_deleted_and_created_topic(b: Client, v: int) -> None:
    old = filled(b)
    b.quietly("DeleteTopics", topics=[{"name": old[0]}], timeout_ms=10000)
    b.settle()
    fetched(b, v, (old, [partition()]))
    new = b.create()
    fetched(b, v, (old, [partition()]), (new, [partition()]))


@cases("Fetch", ENDS)
def compressed(b: Client, v: int) -> None:
    topic = b.create()
    if v >= 10:
        fill(b, topic, batch(b"x" * 100, compression=4))
    fill(b, topic, batch(b"x" * 100, b"y", compression=1), batch(b"x" * 100, compression=3))
    fetched(b, v, (topic, [partition(1)]))


@cases("Fetch", [9])
def zstd_for_an_old_version(b: Client, v: int) -> None:
    topic = b.create()
    fill(b, topic, batch(b"x" * 100, compression=4))
    fetched(b, v, (topic, [partition()]))
    forced = b.create("forced", configs={"compression.type": "zstd"})
    fill(b, forced, batch(b"x" * 100))
    fetched(b, v, (forced, [partition()]))


def session(b: Client, v: int, answer: Answer, epoch: int, *wanted: Any, **values: Any) -> Answer:
    return fetched(b, v, *wanted, session_id=answer["session_id"], session_epoch=epoch, **values)


SESSIONS = [7, 11, 12, 13, 16, 18]


@cases("Fetch", SESSIONS)
def a_session(b: Client, v: int) -> None:
    topic = filled(b, partitions=2)
    begun = fetched(b, v, (topic, [partition(), partition(index=1)]), session_id=0, session_epoch=0)
    session(b, v, begun, 1)
    session(b, v, begun, 2, (topic, [partition(6)]))
    session(b, v, begun, 3)
    fill(b, topic, batch(b"new"), partition=1)
    session(b, v, begun, 4)
    session(b, v, begun, 5, (topic, [partition(1, 1)]))
    fill(b, topic, batch(b"newer"), batch(b"newest", timestamp=9000))
    session(b, v, begun, 6)


@cases("Fetch", SESSIONS)
def forgetting(b: Client, v: int) -> None:
    topic, other = filled(b, partitions=2), filled(b, "other")
    wanted = ((topic, [partition(), partition(index=1)]), (other, [partition()]))
    begun = fetched(b, v, *wanted, session_id=0, session_epoch=0)
    gone = [{"topic": topic[0], "topic_id": topic[1], "partitions": [0]}]
    session(b, v, begun, 1, forgotten_topics_data=gone)
    session(b, v, begun, 2, (topic, [partition(3)]), forgotten_topics_data=[])
    again = [{"topic": other[0], "topic_id": other[1], "partitions": [0, 5]}]
    session(b, v, begun, 3, forgotten_topics_data=again)
    session(b, v, begun, 4, forgotten_topics_data=[*gone, {"topic": topic[0], "topic_id": topic[1], "partitions": [1]}])
    session(b, v, begun, 5)


@cases("Fetch", SESSIONS)
def wrong_epochs(b: Client, v: int) -> None:
    topic = filled(b)
    begun = fetched(b, v, (topic, [partition()]), session_id=0, session_epoch=0)
    for epoch in (2, 7, 1, 1, 2):
        session(b, v, begun, epoch)


@cases("Fetch", SESSIONS)
def unknown_sessions(b: Client, v: int) -> None:
    topic = filled(b)
    for identity, epoch in ((0, 1), (12345, 1), (12345, 0), (12345, -1), (-7, 3)):
        answer = fetched(b, v, (topic, [partition()]), session_id=identity, session_epoch=epoch)
        b.note("in a session", answer["session_id"] > 0)


@cases("Fetch", SESSIONS)
def closing(b: Client, v: int) -> None:
    topic = filled(b)
    begun = fetched(b, v, (topic, [partition()]), session_id=0, session_epoch=0)
    session(b, v, begun, -1, (topic, [partition(3)]))
    session(b, v, begun, 1)


@cases("Fetch", SESSIONS)
def begun_anew(b: Client, v: int) -> None:
    topic = filled(b)
    begun = fetched(b, v, (topic, [partition()]), session_id=0, session_epoch=0)
    again = session(b, v, begun, 0, (topic, [partition(3)]))
    session(b, v, begun, 1)
    session(b, v, again, 1, (topic, [partition(4)]))


@cases("Fetch", SESSIONS)
def an_empty_session(b: Client, v: int) -> None:
    answer = fetched(b, v, session_id=0, session_epoch=0)
    b.note("in a session", answer["session_id"] > 0)


@cases("Fetch", SESSIONS)
def errors_within_a_session(b: Client, v: int) -> None:
    topic = filled(b)
    begun = fetched(b, v, (topic, [partition(), partition(index=4)]), session_id=0, session_epoch=0)
    session(b, v, begun, 1)
    session(b, v, begun, 2, (topic, [partition(77)]))
    session(b, v, begun, 3)
    session(b, v, begun, 4, (topic, [partition(6)]))
    session(b, v, begun, 5)


@cases("Fetch", [13, 18])
def an_unknown_id_within_a_session(b: Client, v: int) -> None:
    topic = filled(b)
    wanted = ((topic, [partition()]), (("", UNKNOWN_ID), [partition()]))
    begun = fetched(b, v, *wanted, session_id=0, session_epoch=0)
    session(b, v, begun, 1)
    session(b, v, begun, 2)


@cases("Fetch", [13])
def names_and_ids_in_one_session(b: Client, v: int) -> None:
    topic = filled(b)
    begun = fetched(b, 12, (topic, [partition()]), session_id=0, session_epoch=0)
    session(b, 13, begun, 1, (topic, [partition(3)]))
    other = fetched(b, 13, (topic, [partition()]), session_id=0, session_epoch=0)
    session(b, 12, other, 1, (topic, [partition(3)]))


@cases.parametrize()
def test_fetch(case: Case, pair: Pair) -> None:
    pair.compare(case)
