"""Fetch sessions: what incremental requests ask and answers leave out, epochs, and the cache's rules (KIP-227)."""

from __future__ import annotations

import pytest

from broker.replication.fetch_session import (
    EPOCH_MAX,
    EVICTION_S,
    Answers,
    FetchContext,
    FetchSessions,
    next_epoch,
)
from protocol.errors import ErrorCode
from protocol.ids import ZERO_UUID, Uuid
from protocol.messages.fetch import FetchRequest, FetchResponse

VERSION_WITH_NAMES = 12
VERSION_WITH_IDS = 13
ID = Uuid(b"i" * 16)


class TestClock:
    __test__ = False

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return 0


class CountingRandom:
    def __init__(self) -> None:
        self.last = 0

    def uuid(self) -> Uuid:
        raise AssertionError

    def random(self) -> float:
        raise AssertionError

    def randrange(self, start: int, stop: int) -> int:
        self.last += 1
        return self.last


def sessions(slots: int = 10) -> tuple[FetchSessions, TestClock]:
    clock = TestClock()
    return FetchSessions(clock, CountingRandom(), slots), clock


def request(
    session_id: int = 0,
    epoch: int = 0,
    partitions: dict[tuple[str, int], int] | None = None,
    forgotten: list[tuple[str, int]] | None = None,
) -> FetchRequest:
    topics: dict[str, list[FetchRequest.FetchPartition]] = {}
    for (topic, partition), offset in (partitions or {}).items():
        asked = FetchRequest.FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=100)
        topics.setdefault(topic, []).append(asked)
    return FetchRequest(
        session_id=session_id,
        session_epoch=epoch,
        topics=[FetchRequest.FetchTopic(topic=topic, partitions=asked) for topic, asked in topics.items()],
        forgotten_topics_data=[
            FetchRequest.ForgottenTopic(topic=topic, partitions=[partition]) for topic, partition in forgotten or []
        ],
    )


def open_session(
    made: FetchSessions, asked: FetchRequest, version: int = VERSION_WITH_NAMES, *, follower: bool = False
) -> FetchContext:
    return made.open(asked, version, lambda topic_id: "t" if topic_id == ID else None, is_follower=follower)


def answers(context: FetchContext, **fields: object) -> Answers:
    """The same answer for each partition of the request."""
    values = {"high_watermark": 10, "log_start_offset": 0, "records": b"", **fields}
    return [
        (asked, FetchResponse.PartitionData(partition_index=asked.partition, **values))  # type: ignore[arg-type]
        for asked in context.partitions
    ]


def start(made: FetchSessions, partitions: dict[tuple[str, int], int], *, follower: bool = False) -> int:
    context = open_session(made, request(partitions=partitions), follower=follower)
    error, session_id, sent = context.finish(answers(context))
    assert error == ErrorCode.NONE
    assert len(sent) == len(partitions)
    return session_id


def asked_of(context: FetchContext) -> dict[tuple[str | None, int], int]:
    return {(each.topic, each.partition): each.fetch_offset for each in context.partitions}


def test_an_incremental_request_needs_no_partitions() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 1, ("a", 1): 2, ("b", 0): 3})
    context = open_session(made, request(session_id, 1))
    assert asked_of(context) == {("a", 0): 1, ("a", 1): 2, ("b", 0): 3}
    assert context.finish(answers(context)) == (ErrorCode.NONE, session_id, [])


def test_changes_and_forgotten_partitions() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 1, ("a", 1): 2})
    asked = request(session_id, 1, {("a", 0): 7, ("c", 3): 9}, forgotten=[("a", 1)])
    assert asked_of(open_session(made, asked)) == {("a", 0): 7, ("c", 3): 9}
    assert asked_of(open_session(made, request(session_id, 2))) == {("a", 0): 7, ("c", 3): 9}


@pytest.mark.parametrize(
    "news",
    [
        {"records": b"x"},
        {"high_watermark": 11},
        {"log_start_offset": 1},
        {"error_code": 1, "high_watermark": -1},
        {"preferred_read_replica": 2},
        {"diverging_epoch": FetchResponse.EpochEndOffset(epoch=1, end_offset=2)},
    ],
)
def test_only_news_is_sent(news: dict[str, object]) -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 1, ("a", 1): 2})
    context = open_session(made, request(session_id, 1))
    mixed = [answers(context)[0], answers(context, **news)[1]]
    error, same_id, sent = context.finish(mixed)
    assert (error, same_id) == (ErrorCode.NONE, session_id)
    assert [asked.partition for asked, _ in sent] == [1]


def test_a_partition_is_told_again_after_an_error() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 1})
    context = open_session(made, request(session_id, 1))
    context.finish(answers(context, error_code=6, high_watermark=-1))
    context = open_session(made, request(session_id, 2))
    assert len(context.finish(answers(context))[2]) == 1
    context = open_session(made, request(session_id, 3))
    assert context.finish(answers(context))[2] == []


def test_partitions_with_records_go_to_the_end() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 0, ("a", 1): 0, ("a", 2): 0})
    context = open_session(made, request(session_id, 1))
    first, *rest = answers(context)
    first[1].records = b"records"
    context.finish([first, *rest])
    context = open_session(made, request(session_id, 2))
    assert [each.partition for each in context.partitions] == [1, 2, 0]


def test_epochs() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 0})
    assert open_session(made, request(session_id, 2)).error == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert open_session(made, request(session_id, 1)).error == ErrorCode.NONE
    assert open_session(made, request(session_id, 1)).error == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert open_session(made, request(999, 1)).error == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert next_epoch(EPOCH_MAX) == 1
    assert next_epoch(-1) == -1


def test_two_requests_of_a_session_at_once() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 0})
    first = open_session(made, request(session_id, 1))
    second = open_session(made, request(session_id, 2))
    assert first.finish(answers(first)) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, session_id, [])
    assert second.finish(answers(second))[0] == ErrorCode.NONE


def test_a_full_request_ends_the_session_it_names() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 0})
    context = open_session(made, request(session_id, -1, {("a", 0): 5}))
    assert asked_of(context) == {("a", 0): 5}
    assert context.finish(answers(context))[1] == 0
    assert len(made) == 0


def test_a_session_that_forgets_everything_ends() -> None:
    made, _ = sessions()
    session_id = start(made, {("a", 0): 0})
    context = open_session(made, request(session_id, 1, forgotten=[("a", 0)]))
    assert context.error == ErrorCode.NONE
    assert context.partitions == []
    assert len(made) == 0


def test_topic_ids() -> None:
    made, _ = sessions()
    asked = FetchRequest(
        session_epoch=0,
        topics=[
            FetchRequest.FetchTopic(topic_id=topic_id, partitions=[FetchRequest.FetchPartition(partition=0)])
            for topic_id in (ID, Uuid(b"u" * 16))
        ],
    )
    known: set[Uuid] = {ID}
    context = made.open(asked, VERSION_WITH_IDS, lambda each: each.hex() if each in known else None, is_follower=False)
    assert [each.topic for each in context.partitions] == [ID.hex(), None]
    _, session_id, _ = context.finish(answers(context))
    known.add(Uuid(b"u" * 16))
    by_name = made.open(request(session_id, 1), VERSION_WITH_NAMES, lambda _: None, is_follower=False)
    assert by_name.error == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    context = made.open(request(session_id, 1), VERSION_WITH_IDS, lambda each: each.hex(), is_follower=False)
    assert None not in [each.topic for each in context.partitions], "an id is resolved as soon as it is known"


def test_the_cache_is_bounded_and_consumers_give_way_to_followers() -> None:
    made, clock = sessions(slots=2)
    first, second = start(made, {("a", 0): 0}), start(made, {("a", 0): 0, ("a", 1): 0})
    assert first and second
    assert start(made, {(f"t{number}", 0): 0 for number in range(9)}) == 0, "larger, but the others are young"
    follower = start(made, {("a", 0): 0}, follower=True)
    assert follower
    assert len(made) == 2
    assert open_session(made, request(first, 1)).error == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert open_session(made, request(second, 1)).error == ErrorCode.NONE
    clock.now_s += EVICTION_S - 1
    open_session(made, request(second, 2))
    clock.now_s += 2
    assert start(made, {("z", 0): 0}), "the follower's session is stale by now"
    assert made.evictions == 2


def test_an_old_session_gives_way_to_a_larger_one_only() -> None:
    made, clock = sessions(slots=1)
    session_id = start(made, {("a", 0): 0, ("a", 1): 0})
    clock.now_s += EVICTION_S + 1
    open_session(made, request(session_id, 1))
    assert start(made, {("b", 0): 0}) == 0
    assert start(made, {("b", 0): 0, ("b", 1): 0}) == 0
    assert start(made, {("b", 0): 0, ("b", 1): 0, ("b", 2): 0}) != 0


def test_the_number_of_partitions() -> None:
    made, _ = sessions()
    start(made, {("a", 0): 0, ("a", 1): 0})
    start(made, {("a", 0): 0})
    assert made.partition_count == 3
    assert bytes(16) == ZERO_UUID
