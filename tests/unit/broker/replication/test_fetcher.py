"""The state machine of follower fetching: which partitions are asked for, and what every answer leads to."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.replication.fetcher import FIRST_BACKOFF_S, Cut, Fetcher, FetchState, Phase, Verdict, backoff_s
from broker.replication.follower_session import FetchKey
from protocol.errors import ErrorCode
from protocol.ids import OffsetAndEpoch, TopicPartition, Uuid
from protocol.messages.fetch import FetchRequest, FetchResponse
from storage.leader_epochs import LeaderEpochs
from storage.log_config import LogConfig

BACKOFF_MAX_S = 1.0
MAX_BYTES = 1 << 20


@dataclass
class FakeLog:
    """A log as the epoch of the leader of each of its records, from `log_start_offset` on."""

    epochs: list[int] = field(default_factory=list)
    log_start_offset: int = 0
    high_watermark: int = 0
    config: LogConfig = field(default_factory=lambda: LogConfig(segment_bytes=1 << 30))
    leading: int | None = None
    """An epoch in which it led, or leads, and appended nothing."""

    @property
    def log_end_offset(self) -> int:
        return self.log_start_offset + len(self.epochs)

    @property
    def leader_epochs(self) -> LeaderEpochs:
        known = LeaderEpochs()
        for number, epoch in enumerate(self.epochs):
            known.assign(epoch, self.log_start_offset + number)
        if self.leading is not None:
            known.assign(self.leading, self.log_end_offset)
        return known

    def end_offset_for_epoch(self, epoch: int) -> OffsetAndEpoch:
        return self.leader_epochs.end_offset_for(epoch, self.log_end_offset)

    def cut(self, cut: Cut) -> None:
        if cut.is_whole:
            self.epochs, self.log_start_offset = [], cut.offset
        else:
            del self.epochs[max(0, cut.offset - self.log_start_offset) :]
            self.log_start_offset = min(self.log_start_offset, cut.offset)
        if self.leading is not None and self.log_end_offset <= cut.offset:
            self.leading = None
        self.high_watermark = min(self.high_watermark, self.log_end_offset)


class FakeReplica:
    def __init__(self, *epochs: int, partition: int = 0, topic: int = 1, high_watermark: int = 0) -> None:
        self.topic_partition = TopicPartition(f"t{topic}", partition)
        self.topic_id = Uuid(bytes(15) + bytes([topic]))
        self.log = FakeLog(list(epochs), high_watermark=high_watermark)
        self.synced: int | None = None

    @property
    def key(self) -> FetchKey:
        return self.topic_id, self.topic_partition.partition

    @property
    def own_end_offset(self) -> int:
        return self.log.log_end_offset if self.synced is None else self.synced


def made(*replicas: FakeReplica, leader_epoch: int = 5) -> Fetcher:
    fetcher = Fetcher(MAX_BYTES, BACKOFF_MAX_S)
    for replica in replicas:
        assert fetcher.add(replica, leader_epoch)
    return fetcher


def asked(request: FetchRequest | None) -> dict[FetchKey, FetchRequest.FetchPartition]:
    assert request is not None
    return {(topic.topic_id, each.partition): each for topic in request.topics for each in topic.partitions}


def forgotten(request: FetchRequest | None) -> set[FetchKey]:
    assert request is not None
    return {(topic.topic_id, each) for topic in request.forgotten_topics_data for each in topic.partitions}


def answer(
    *replicas: FakeReplica, error: int = 0, session_id: int = 7, code: int = 0, **fields: object
) -> FetchResponse:
    response = FetchResponse(error_code=code, session_id=session_id)
    response.responses = [
        FetchResponse.FetchableTopicResponse(
            topic_id=replica.topic_id,
            partitions=[
                FetchResponse.PartitionData(
                    partition_index=replica.topic_partition.partition,
                    error_code=error,
                    high_watermark=0,
                    records=b"",
                    **fields,  # type: ignore[arg-type]
                )
            ],
        )
        for replica in replicas
    ]
    return response


def take(fetcher: Fetcher, response: FetchResponse, now_s: float = 0.0) -> list[tuple[FetchState, Verdict]]:
    code, found = fetcher.answered(response)
    assert code == ErrorCode.NONE
    return [(state, fetcher.judge(state, data, now_s)) for state, data in found]


def grow(fetcher: Fetcher, replica: FakeReplica, *epochs: int, now_s: float = 0.0) -> None:
    """The answer to the next request: records of these epochs."""
    ((state, verdict),) = take(fetcher, answer(replica))
    assert verdict is Verdict.APPEND
    replica.log.epochs += epochs
    fetcher.appended(state, replica.log.log_end_offset, now_s)


def diverging(epoch: int, end_offset: int) -> FetchResponse.EpochEndOffset:
    return FetchResponse.EpochEndOffset(epoch=epoch, end_offset=end_offset)


# What is asked.


def test_the_first_request_names_everything_and_later_ones_what_has_changed() -> None:
    one, two = FakeReplica(1, 1, 3), FakeReplica(partition=1)
    fetcher = made(one, two)
    first = fetcher.next_fetch(0.0)
    assert first is not None and (first.session_id, first.session_epoch) == (0, 0)
    found = asked(first)
    assert set(found) == {one.key, two.key}
    of_one = found[one.key]
    assert (of_one.fetch_offset, of_one.last_fetched_epoch, of_one.current_leader_epoch) == (3, 3, 5)
    assert (found[two.key].fetch_offset, found[two.key].last_fetched_epoch) == (0, -1)
    for state, verdict in take(fetcher, answer(one, two)):
        assert verdict is Verdict.APPEND
        if state.replica is two:
            two.log.epochs.append(4)
        fetcher.appended(state, 9, 0.0)
    second = fetcher.next_fetch(0.0)
    assert second is not None and (second.session_id, second.session_epoch) == (7, 1)
    assert {key: (each.fetch_offset, each.last_fetched_epoch) for key, each in asked(second).items()} == {
        two.key: (1, 4)
    }
    take(fetcher, answer())
    third = fetcher.next_fetch(0.0)
    assert third is not None and not third.topics and third.session_epoch == 2


def test_a_log_start_that_moved_is_told() -> None:
    replica = FakeReplica(1, 1, 1)
    fetcher = made(replica)
    fetcher.next_fetch(0.0)
    ((state, _),) = take(fetcher, answer(replica))
    replica.log.log_start_offset, replica.log.epochs = 2, [1]
    fetcher.appended(state, 3, 0.0)
    assert asked(fetcher.next_fetch(0.0))[replica.key].log_start_offset == 2


def test_no_more_is_asked_for_than_a_segment_holds() -> None:
    replica = FakeReplica()
    replica.log.config = LogConfig(segment_bytes=1000)
    assert asked(made(replica).next_fetch(0.0))[replica.key].partition_max_bytes == 1000


def test_a_partition_that_is_removed_is_forgotten_and_its_answer_is_nobodys() -> None:
    one, two = FakeReplica(1), FakeReplica(1, partition=1)
    fetcher = made(one, two)
    fetcher.next_fetch(0.0)
    fetcher.remove(one.key)
    assert [state.replica for state, _ in take(fetcher, answer(one, two))] == [two]
    assert forgotten(fetcher.next_fetch(0.0)) == {one.key}
    fetcher.remove(two.key)
    take(fetcher, answer())
    assert fetcher.next_fetch(0.0) is None, "an empty session is no use"
    assert not len(fetcher)


def test_an_answer_to_what_was_before_counts_no_more() -> None:
    replica = FakeReplica(1)
    fetcher = made(replica)
    fetcher.next_fetch(0.0)
    assert not fetcher.add(replica, 5), "nothing new"
    assert fetcher.add(replica, 6)
    assert fetcher.has_news
    assert [verdict for _, verdict in take(fetcher, answer(replica))] == [Verdict.LEFT]
    assert asked(fetcher.next_fetch(0.0))[replica.key].current_leader_epoch == 6


def test_what_is_not_synced_is_not_fetched_past() -> None:
    one, two = FakeReplica(1), FakeReplica(1, partition=1)
    fetcher = made(one, two)
    one.synced = 0
    assert set(asked(fetcher.next_fetch(0.0))) == {two.key}
    assert [state.replica for state in fetcher.unsynced] == [one]
    assert not fetcher.synced(one.key)
    one.synced = 1
    assert fetcher.synced(one.key)
    take(fetcher, answer(two))
    assert set(asked(fetcher.next_fetch(0.0))) == {one.key}
    grow(fetcher, one, 1)
    assert [state.replica for state in fetcher.unsynced] == [one]
    assert forgotten(fetcher.next_fetch(0.0)) == {one.key}


# Sessions.


@pytest.mark.parametrize(
    ("code", "session_id"),
    [
        (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0),
        (ErrorCode.INVALID_FETCH_SESSION_EPOCH, 7),
        (ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR, 7),
        (ErrorCode.UNKNOWN_SERVER_ERROR, 7),
    ],
)
def test_after_an_error_of_the_session_all_is_asked_anew(code: ErrorCode, session_id: int) -> None:
    replica = FakeReplica(1)
    fetcher = made(replica)
    fetcher.next_fetch(0.0)
    take(fetcher, answer(replica))
    fetcher.next_fetch(0.0)
    assert fetcher.answered(answer(code=code)) == (code, [])
    request = fetcher.next_fetch(0.0)
    assert request is not None and (request.session_id, request.session_epoch) == (session_id, 0)
    assert set(asked(request)) == {replica.key}


def test_without_an_answer_all_is_asked_anew_and_the_old_session_given_up() -> None:
    replica = FakeReplica(1)
    fetcher = made(replica)
    fetcher.next_fetch(0.0)
    take(fetcher, answer(replica))
    fetcher.next_fetch(0.0)
    fetcher.failed()
    request = fetcher.next_fetch(0.0)
    assert request is not None and (request.session_id, request.session_epoch) == (7, 0)
    assert set(asked(request)) == {replica.key}


def test_a_leader_without_room_for_sessions() -> None:
    replica = FakeReplica(1)
    fetcher = made(replica)
    for _ in range(3):
        request = fetcher.next_fetch(0.0)
        assert request is not None and request.session_epoch == 0
        assert set(asked(request)) == {replica.key}
        take(fetcher, answer(replica, session_id=0))


def test_an_answer_that_does_not_fit_ends_the_session() -> None:
    one, two = FakeReplica(1), FakeReplica(1, partition=1)
    fetcher = made(one)
    fetcher.next_fetch(0.0)
    assert fetcher.answered(answer(one, two)) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, [])
    fetcher.next_fetch(0.0)
    assert fetcher.answered(answer())[0] == ErrorCode.INVALID_FETCH_SESSION_EPOCH, "a full answer names all"
    fetcher.next_fetch(0.0)
    take(fetcher, answer(one))
    fetcher.next_fetch(0.0)
    assert fetcher.answered(answer(session_id=8))[0] == ErrorCode.INVALID_FETCH_SESSION_EPOCH


# Errors.


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.INCONSISTENT_TOPIC_ID,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.UNKNOWN_SERVER_ERROR,
    ],
)
def test_after_most_errors_a_partition_pauses_for_longer_each_time(code: ErrorCode) -> None:
    troubled, other = FakeReplica(1), FakeReplica(1, partition=1)
    fetcher = made(troubled, other)
    now_s = 100.0
    pauses: list[float] = []
    for _ in range(10):
        assert troubled.key in asked(fetcher.next_fetch(now_s))
        response = answer(troubled, error=code)
        if not pauses:
            response.responses += answer(other).responses
        take(fetcher, response, now_s)
        due_s = fetcher.next_due_s()
        assert due_s is not None
        pauses.append(due_s - now_s)
        meanwhile = fetcher.next_fetch(now_s + pauses[-1] / 2)
        assert forgotten(meanwhile) == {troubled.key}
        take(fetcher, answer())
        now_s = due_s
    assert pauses[0] == pytest.approx(FIRST_BACKOFF_S)
    assert pauses == pytest.approx([backoff_s(number, BACKOFF_MAX_S) for number in range(10)])
    assert pauses[-1] == pytest.approx(BACKOFF_MAX_S)
    fetcher.next_fetch(now_s)
    grow(fetcher, troubled, 1)
    assert fetcher._states[troubled.key].failures == 0


def test_a_fenced_partition_waits_for_the_metadata() -> None:
    replica, other = FakeReplica(1), FakeReplica(1, partition=1)
    fetcher = made(replica, other)
    fetcher.next_fetch(0.0)
    take(fetcher, answer(replica, other, error=ErrorCode.FENCED_LEADER_EPOCH))
    assert fetcher.next_fetch(1e9) is None
    assert fetcher.add(replica, 6)
    assert set(asked(fetcher.next_fetch(1e9))) == {replica.key}


def test_records_of_a_later_epoch_are_left_until_the_metadata_knows_it() -> None:
    replica = FakeReplica(1)
    fetcher = made(replica)
    fetcher.next_fetch(0.0)
    ((state, _),) = take(fetcher, answer(replica))
    fetcher.appended(state, 5, 0.0, is_cut_short=True)
    assert fetcher.next_due_s() == pytest.approx(FIRST_BACKOFF_S)


# Out of range.


def out_of_range(replica: FakeReplica) -> tuple[Fetcher, FetchState]:
    fetcher = made(replica)
    fetcher.next_fetch(0.0)
    ((state, verdict),) = take(fetcher, answer(replica, error=ErrorCode.OFFSET_OUT_OF_RANGE))
    assert verdict is Verdict.LEFT
    assert fetcher.look_ups(0.0) == [state]
    assert fetcher.next_fetch(0.0) is None
    return fetcher, state


def cut_and_go_on(fetcher: Fetcher, state: FetchState, replica: FakeReplica) -> Cut:
    assert fetcher.cuts(0.0) == [state]
    assert state.cut is not None
    cut = state.cut
    replica.log.cut(cut)
    fetcher.truncated(state)
    assert not fetcher.cuts(0.0)
    return cut


def test_behind_the_leaders_start_all_is_dropped() -> None:
    replica = FakeReplica(1, 1)
    fetcher, state = out_of_range(replica)
    fetcher.looked_up(state, 50, 80, 0.0)
    assert cut_and_go_on(fetcher, state, replica) == Cut(50, is_whole=True)
    found = asked(fetcher.next_fetch(0.0))[replica.key]
    assert (found.fetch_offset, found.last_fetched_epoch, found.log_start_offset) == (50, -1, 50)


def test_beyond_the_leaders_end_the_rest_is_dropped() -> None:
    replica = FakeReplica(1, 1, 1, 2)
    fetcher, state = out_of_range(replica)
    fetcher.looked_up(state, 0, 2, 0.0)
    assert cut_and_go_on(fetcher, state, replica) == Cut(2)
    assert asked(fetcher.next_fetch(0.0))[replica.key].fetch_offset == 2


def test_in_range_by_now() -> None:
    replica = FakeReplica(1, 1)
    fetcher, state = out_of_range(replica)
    fetcher.looked_up(state, 0, 9, 0.0)
    assert not fetcher.cuts(1.0) and not fetcher.look_ups(1.0)
    assert fetcher.next_fetch(0.0) is None, "not in a circle"
    assert asked(fetcher.next_fetch(FIRST_BACKOFF_S))[replica.key].fetch_offset == 2
    assert state.lag == 7


def test_look_ups_that_fail() -> None:
    replica = FakeReplica(1, 1)
    fetcher, state = out_of_range(replica)
    fetcher.look_up_failed(state, ErrorCode.NOT_LEADER_OR_FOLLOWER, 0.0)
    assert not fetcher.look_ups(0.0)
    assert fetcher.look_ups(FIRST_BACKOFF_S) == [state]
    fetcher.look_up_failed(state, ErrorCode.FENCED_LEADER_EPOCH, 1.0)
    assert not fetcher.look_ups(1e9)
    assert state.phase is Phase.FENCED
    fetcher.looked_up(state, 50, 80, 2.0)
    assert state.phase is Phase.FENCED, "too late"


# Truncation.


@pytest.mark.parametrize(
    ("epochs", "told", "cut"),
    [
        ((1, 1, 2, 2), (1, 2), Cut(2)),  # the leader knows no epoch 2
        ((1, 1, 2, 2), (1, 1), Cut(1)),  # and has less of epoch 1
        ((1, 1, 2, 2), (1, 9), Cut(2)),  # and has more of epoch 1
        ((2, 2, 2, 2), (2, 3), Cut(3)),  # less of the same epoch
        ((1, 1, 4, 4), (3, 7), Cut(2)),  # epoch 3 is not known here: to the end of 1, and then ask with 1
        ((3, 3), (2, 1), Cut(0)),  # before all that is known here
        ((3, 3), (-1, -1), None),
    ],
)
def test_where_logs_part(epochs: tuple[int, ...], told: tuple[int, int], cut: Cut | None) -> None:
    replica = FakeReplica(*epochs)
    fetcher = made(replica)
    fetcher.next_fetch(0.0)
    ((state, verdict),) = take(fetcher, answer(replica, diverging_epoch=diverging(*told)))
    if cut is None:
        assert verdict is Verdict.APPEND
        return
    assert verdict is Verdict.LEFT
    assert cut_and_go_on(fetcher, state, replica) == cut
    assert asked(fetcher.next_fetch(0.0))[replica.key].fetch_offset == cut.offset


def test_records_without_epochs_are_kept_up_to_the_high_watermark() -> None:
    replica = FakeReplica(-1, -1, -1, high_watermark=2)
    replica.log.epochs = [-1, -1, -1]
    replica.log = _WithoutEpochs(replica.log.epochs, high_watermark=2)
    fetcher = made(replica)
    (state,) = fetcher.cuts(0.0)
    assert state.cut == Cut(2)
    assert fetcher.next_fetch(0.0) is None


class _WithoutEpochs(FakeLog):
    @property
    def leader_epochs(self) -> LeaderEpochs:
        return LeaderEpochs()


def test_a_batch_that_begins_before_the_end() -> None:
    replica = FakeReplica()
    replica.log.log_start_offset = 7
    fetcher = made(replica)
    (state,) = fetcher
    fetcher.overlapped(state, 4)
    assert state.cut == Cut(4, is_whole=True)
    full = FakeReplica(1, 1, 1)
    fetcher = made(full)
    (state,) = fetcher
    fetcher.overlapped(state, 2)
    assert state.cut == Cut(2)


EPOCH_RUNS = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=6)


def _log(runs: list[tuple[int, int]]) -> list[int]:
    return [epoch for epoch, count in sorted(dict(runs).items()) for _ in range(count)]


@given(EPOCH_RUNS, EPOCH_RUNS, EPOCH_RUNS, st.booleans())
def test_follower_and_leader_always_agree_in_the_end(
    common: list[tuple[int, int]], of_leader: list[tuple[int, int]], of_follower: list[tuple[int, int]], led: bool
) -> None:
    """Logs with a common beginning, each with records of its own after it: an epoch has one leader, so what both have
    of an epoch of the same leader is equal."""
    shared = _log(common)
    base = max(shared, default=0) + 1
    # Odd epochs were led by one, even ones by the other: no record of the same offset and epoch differs.
    leader = FakeLog(shared + [base + 2 * epoch for epoch in _log(of_leader)])
    replica = FakeReplica(*shared, *(base + 2 * epoch + 1 for epoch in _log(of_follower)))
    leader_epoch = max([0, *leader.epochs, *replica.log.epochs]) + 2
    leader.leading = leader_epoch
    if led:
        replica.log.leading = leader_epoch - 1
    fetcher = made(replica, leader_epoch=leader_epoch)
    for _ in range(60):
        request = fetcher.next_fetch(0.0)
        of_replica = asked(request).get(replica.key) if request is not None and request.topics else None
        if of_replica is None:
            break
        _serve(fetcher, replica, leader, of_replica)
    assert replica.log.epochs == leader.epochs


def _serve(fetcher: Fetcher, replica: FakeReplica, leader: FakeLog, wanted: FetchRequest.FetchPartition) -> None:
    """As a leader does (`fetching.py`)."""
    if wanted.last_fetched_epoch >= 0:
        end = leader.end_offset_for_epoch(wanted.last_fetched_epoch)
        assert end.offset >= 0 and end.epoch >= 0
        if end.epoch < wanted.last_fetched_epoch or end.offset < wanted.fetch_offset:
            ((state, _),) = take(fetcher, answer(replica, diverging_epoch=diverging(end.epoch, end.offset)))
            before = (replica.log.log_end_offset, replica.log.leader_epochs.latest)
            cut_and_go_on(fetcher, state, replica)
            assert (replica.log.log_end_offset, replica.log.leader_epochs.latest) < before, "every cut is a step"
            return
    if wanted.fetch_offset > leader.log_end_offset:
        ((state, _),) = take(fetcher, answer(replica, error=ErrorCode.OFFSET_OUT_OF_RANGE))
        fetcher.looked_up(state, leader.log_start_offset, leader.log_end_offset, 0.0)
        cut_and_go_on(fetcher, state, replica)
        return
    grow(fetcher, replica, *leader.epochs[wanted.fetch_offset :][:3])
