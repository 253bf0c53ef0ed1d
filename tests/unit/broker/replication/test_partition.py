"""Leadership, in-sync replicas and the high watermark, as decided by the pure machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.metadata.partitions import PartitionRegistration
from broker.replication.partition import FollowerState, Partition
from protocol.errors import ApiError, ErrorCode
from protocol.ids import TopicPartition, Uuid

LAG_S = 30.0
OWN = 1


def registration(
    replicas: tuple[int, ...] = (1, 2, 3),
    isr: tuple[int, ...] | None = None,
    *,
    leader: int = OWN,
    leader_epoch: int = 1,
    partition_epoch: int = 1,
) -> PartitionRegistration:
    return PartitionRegistration(
        replicas=replicas,
        directories=(Uuid(bytes(16)),) * len(replicas),
        isr=replicas if isr is None else isr,
        leader=leader,
        leader_epoch=leader_epoch,
        partition_epoch=partition_epoch,
    )


def partition(replicas: tuple[int, ...] = (1, 2, 3), isr: tuple[int, ...] | None = None, *, end: int = 0) -> Partition:
    made = Partition(TopicPartition("t", 0), Uuid(bytes(16)), OWN)
    made.become_leader(registration(replicas, isr), end, 0.0)
    return made


def eligible(_: FollowerState) -> bool:
    return True


def high_watermark(made: Partition, own_end: int, now_s: float = 0.0) -> int | None:
    return made.next_high_watermark(own_end, now_s, LAG_S, eligible)


def fetch(made: Partition, broker: int, offset: int, leader_end: int, now_s: float) -> None:
    made.followers[broker].record_fetch(offset, 0, now_s, leader_end, -1)


def test_alone_the_leader_decides() -> None:
    assert high_watermark(partition((1,)), 17) == 17


def test_the_high_watermark_is_the_least_of_the_isr() -> None:
    made = partition()
    fetch(made, 2, 10, 10, 1.0)
    assert high_watermark(made, 10, 1.0) == -1, "of replica 3 nothing is known in this epoch"
    fetch(made, 3, 7, 10, 1.0)
    assert high_watermark(made, 10, 1.0) == 7


def test_a_laggard_outside_the_isr_holds_back_nothing() -> None:
    made = partition(isr=(1, 2))
    fetch(made, 2, 10, 10, 1.0)
    assert high_watermark(made, 10, 1.0) == 10


def test_who_is_about_to_join_is_waited_for() -> None:
    made = partition(isr=(1, 2))
    fetch(made, 2, 10, 10, 1.0)
    fetch(made, 3, 9, 9, 1.0)
    assert high_watermark(made, 10, 1.0) == 9
    assert made.next_high_watermark(10, 1.0, LAG_S, lambda follower: False) == 10
    assert high_watermark(made, 10, 1.0 + LAG_S + 1) == 10


def test_the_proposed_isr_counts() -> None:
    made = partition(isr=(1, 2))
    fetch(made, 2, 10, 10, 100.0)
    made.followers[3].log_end_offset = 4
    made.propose_isr((1, 2, 3))
    assert made.maximal_isr == (1, 2, 3)
    assert high_watermark(made, 10, 100.0) == 4
    made.isr_proposal_failed()
    assert high_watermark(made, 10, 100.0) == 10
    made.propose_isr((1,))
    assert set(made.maximal_isr) == {1, 2}, "who may still be in it is waited for"


def test_it_stands_still_below_the_minimum() -> None:
    made = partition(isr=(1,))
    made.min_insync_replicas = 2
    assert made.is_under_min_isr
    assert high_watermark(made, 10) is None
    with pytest.raises(ApiError) as refused:
        made.check_enough_in_sync()
    assert refused.value.code == ErrorCode.NOT_ENOUGH_REPLICAS
    assert made.acknowledgement == ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND


def test_the_minimum_is_no_more_than_there_are_replicas() -> None:
    made = partition((1,))
    made.min_insync_replicas = 2
    made.check_enough_in_sync()
    assert high_watermark(made, 3) == 3


def test_a_new_epoch_forgets_what_followers_had() -> None:
    made = partition()
    fetch(made, 2, 10, 10, 1.0)
    fetch(made, 3, 10, 10, 1.0)
    assert high_watermark(made, 10, 1.0) == 10
    made.become_follower(registration(leader=2, leader_epoch=2, partition_epoch=2))
    assert not made.is_leader
    assert made.isr == ()
    assert made.become_leader(registration(leader_epoch=3, partition_epoch=3), 12, 2.0)
    assert made.leader_epoch_start_offset == 12
    assert high_watermark(made, 12, 2.0) == -1


def test_older_registrations_are_ignored() -> None:
    made = partition()
    made.become_leader(registration(leader_epoch=5, partition_epoch=5), 0, 0.0)
    assert not made.become_leader(registration(leader_epoch=4, partition_epoch=4), 0, 0.0)
    assert not made.become_follower(registration(leader=2, leader_epoch=4, partition_epoch=4))
    assert made.is_leader
    assert made.leader_epoch == 5


def test_the_same_epoch_changes_the_isr_alone() -> None:
    made = partition(end=5)
    assert not made.become_leader(registration(isr=(1, 2), partition_epoch=2), 9, 1.0)
    assert made.isr == (1, 2)
    assert made.leader_epoch_start_offset == 5


@pytest.mark.parametrize(
    ("epoch", "code"),
    [
        (-1, ErrorCode.NONE),
        (1, ErrorCode.NONE),
        (0, ErrorCode.FENCED_LEADER_EPOCH),
        (2, ErrorCode.UNKNOWN_LEADER_EPOCH),
    ],
)
def test_epochs_of_clients(epoch: int, code: ErrorCode) -> None:
    assert partition().check_leader_epoch(epoch) == code


def test_caught_up_as_of_the_fetch_before() -> None:
    follower = FollowerState(2)
    follower.record_fetch(0, 0, 1.0, 10, -1)
    assert follower.last_caught_up_s == float("-inf")
    follower.record_fetch(10, 0, 2.0, 20, -1)
    assert follower.last_caught_up_s == 1.0
    follower.record_fetch(20, 0, 3.0, 20, -1)
    assert follower.last_caught_up_s == 3.0


def test_shrinking() -> None:
    made = partition()
    fetch(made, 2, 10, 10, 50.0)
    fetch(made, 3, 5, 10, 50.0)
    assert made.shrunk_isr(10, 20.0, LAG_S) is None
    assert made.deadline(10, LAG_S) == LAG_S
    assert made.shrunk_isr(10, LAG_S + 1, LAG_S) == (1, 2)
    made.propose_isr((1, 2))
    assert made.shrunk_isr(10, 1000.0, LAG_S) is None, "one change at a time"
    assert made.deadline(10, LAG_S) is None
    assert made.isr_committed((1, 2), 2)
    assert made.isr == (1, 2)
    assert not made.isr_committed((1, 2, 3), 1), "older than what is known"


def test_an_idle_partition_shrinks_not() -> None:
    made = partition()
    fetch(made, 2, 10, 10, 1.0)
    fetch(made, 3, 10, 10, 1.0)
    assert made.shrunk_isr(10, 10_000.0, LAG_S) is None
    assert made.deadline(10, LAG_S) is None


def test_expanding_needs_the_high_watermark_and_the_epochs_start() -> None:
    made = partition(isr=(1, 2), end=8)
    follower = made.followers[3]
    follower.log_end_offset = 7
    assert made.expanded_isr(follower, 5, eligible) is None, "before the epoch's start"
    follower.log_end_offset = 8
    assert made.expanded_isr(follower, 9, eligible) is None, "below the high watermark"
    assert made.expanded_isr(follower, 8, lambda _: False) is None
    assert made.expanded_isr(follower, 8, eligible) == (1, 2, 3)


def test_strangers_are_told_apart() -> None:
    made = partition()
    with pytest.raises(ApiError) as refused:
        made.follower(9, 1)
    assert refused.value.code == ErrorCode.UNKNOWN_LEADER_EPOCH
    with pytest.raises(ApiError) as refused:
        made.follower(9, -1)
    assert refused.value.code == ErrorCode.NOT_LEADER_OR_FOLLOWER


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("fetch"), st.sampled_from([2, 3])),
        st.tuples(st.just("isr"), st.sampled_from([(1,), (1, 2), (1, 3), (1, 2, 3)])),
        st.tuples(st.just("propose"), st.sampled_from([(1, 2), (1, 2, 3)])),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=40,
)


@given(STEPS)
def test_what_is_below_the_high_watermark_is_on_every_member_of_the_isr(steps: list[tuple[str, object]]) -> None:
    """Invariant: the high watermark never passes what a member of the committed or proposed ISR has acknowledged."""
    made = partition()
    end, now_s, mark, epoch = 0, 0.0, -1, 1
    for kind, value in steps:
        before = mark
        if kind == "append":
            assert isinstance(value, int)
            end += value
        elif kind == "fetch":
            assert isinstance(value, int)
            fetch(made, value, made.followers[value].last_fetch_leader_end_offset if end % 2 else end, end, now_s)
        elif kind == "isr":
            assert isinstance(value, tuple)
            epoch += 1
            if all(made.followers[each].log_end_offset >= mark for each in value if each != OWN):
                made.isr_committed(value, epoch)
        elif kind == "propose" and made.proposed_isr is None:
            assert isinstance(value, tuple)
            made.propose_isr(value)
        else:
            now_s += 1.0
        target = high_watermark(made, end, now_s)
        if target is not None and target > mark:
            mark = target
            assert mark <= end
            for member in made.maximal_isr:
                assert member == OWN or made.followers[member].log_end_offset >= mark
        assert mark >= before


def test_a_follower_that_was_put_out_is_not_waited_for() -> None:
    """Unless it has caught up since: then it is about to come back."""
    made = partition(end=10)
    fetch(made, 2, 10, 10, 1.0)
    fetch(made, 3, 10, 10, 1.0)
    made.become_leader(registration(isr=(1, 2), partition_epoch=2), 10, 2.0)
    fetch(made, 2, 15, 15, 2.0)
    assert high_watermark(made, 15, 2.0) == 15
    fetch(made, 3, 15, 15, 3.0)
    assert high_watermark(made, 20, 3.0) == 15
