"""What a leader makes of its replicas' progress."""

from __future__ import annotations

import pytest

from raft.events import Now
from raft.leader import OBSERVER_SESSION_TIMEOUT_MS, Leader, initial_progress
from raft.voters import NO_ENDPOINTS, ReplicaKey, VoterNode, VoterSet
from tests.support.raft_simulation import directory_id, voter_node

WALL_MS = 1_000_000


def at(ms: float) -> Now:
    return Now(ms, WALL_MS + int(ms))


def leader(size: int = 3, *, epoch_start_offset: int = 10) -> Leader:
    voters = VoterSet(voter_node(voter_id) for voter_id in range(1, size + 1))
    return Leader(
        epoch=5,
        epoch_start_offset=epoch_start_offset,
        local=voter_node(1),
        granting_voters=[1, 2],
        fetch_timeout_ms=2000,
        check_quorum_at_ms=3000,
        begin_quorum_at_ms=0,
        voters=initial_progress(voters),
    )


def key(node_id: int, disk: int = 0) -> ReplicaKey:
    return ReplicaKey(node_id, directory_id(node_id, disk))


def test_high_watermark_is_what_a_majority_has() -> None:
    it = leader()
    assert not it.on_local_sync(20) and it.high_watermark is None
    assert it.on_fetch(key(2), 15, 20, at(1)) and it.high_watermark == 15
    assert it.on_fetch(key(3), 18, 20, at(2)) and it.high_watermark == 18
    assert not it.on_fetch(key(3), 18, 20, at(3))
    assert it.on_fetch(key(2), 20, 20, at(4)) and it.high_watermark == 20


def test_followers_may_commit_without_the_leaders_disk() -> None:
    it = leader()
    assert not it.on_fetch(key(2), 15, 15, at(1))
    assert it.on_fetch(key(3), 15, 15, at(1)) and it.high_watermark == 15


def test_records_of_earlier_epochs_commit_only_with_one_of_this() -> None:
    """Raft, figure 8: a majority having them is not enough, for a later leader may still lack them."""
    it = leader(epoch_start_offset=10)
    it.on_local_sync(11)
    assert not it.on_fetch(key(2), 9, 11, at(1)) and it.high_watermark is None
    assert not it.on_fetch(key(2), 10, 11, at(2)) and it.high_watermark is None
    assert it.on_fetch(key(2), 11, 11, at(3)) and it.high_watermark == 11


def test_high_watermark_never_goes_back() -> None:
    it = leader()
    it.on_local_sync(20)
    it.on_fetch(key(2), 20, 20, at(1))
    assert not it.on_fetch(key(2), 12, 20, at(2)) and it.high_watermark == 20
    it.set_voters(VoterSet(voter_node(voter_id) for voter_id in range(1, 6)))
    assert not it.maybe_advance_high_watermark() and it.high_watermark == 20


def test_leader_alone_is_its_own_majority() -> None:
    it = leader(1)
    assert it.on_local_sync(11) and it.high_watermark == 11
    assert it.check_quorum_deadline_ms == float("inf")


def test_sync_of_less_than_before_is_our_mistake() -> None:
    it = leader()
    it.on_local_sync(20)
    with pytest.raises(AssertionError):
        it.on_local_sync(19)


def test_namesake_on_another_disk_is_no_voter() -> None:
    it = leader()
    it.on_local_sync(20)
    assert not it.on_fetch(key(2, disk=1), 20, 20, at(1)) and it.high_watermark is None
    assert key(2, disk=1) in it.observers and not it.is_voter(key(2, disk=1))


def test_voter_without_known_directory_is_its_id() -> None:
    it = leader()
    it.set_voters(VoterSet([VoterNode(ReplicaKey(1)), VoterNode(ReplicaKey(2))]))
    it.on_local_sync(20)
    assert it.on_fetch(key(2), 20, 20, at(1)) and it.high_watermark == 20


def test_quorum_is_checked_by_fetches_of_a_majority() -> None:
    it = leader(5)
    it.on_voter_heard(key(2), at(1000))
    assert it.check_quorum_at_ms == 3000
    it.on_voter_heard(key(2), at(1500))
    it.on_voter_heard(key(9), at(1500))
    assert it.check_quorum_at_ms == 3000
    it.on_voter_heard(key(3), at(2000))
    assert it.check_quorum_at_ms == 5000
    it.on_voter_heard(key(4), at(2500))
    assert it.check_quorum_at_ms == 5000


def test_leader_outside_the_voters_needs_a_majority_of_them() -> None:
    it = leader()
    it.set_voters(VoterSet([voter_node(2), voter_node(3), voter_node(4)]))
    it.on_voter_heard(key(2), at(1000))
    assert it.check_quorum_at_ms == 3000
    it.on_voter_heard(key(3), at(1000))
    assert it.check_quorum_at_ms == 4000
    it.on_local_sync(99)
    it.on_fetch(key(2), 20, 99, at(1))
    assert it.on_fetch(key(3), 30, 99, at(1)) and it.high_watermark == 20


def test_progress_goes_with_the_replica_between_voters_and_observers() -> None:
    it = leader()
    it.on_fetch(key(4), 17, 20, at(1))
    it.set_voters(VoterSet([voter_node(1), voter_node(2), voter_node(4)]))
    assert it.voters[4].end_offset == 17 and it.voters[4].listeners == voter_node(4).listeners
    assert key(4) not in it.observers and key(3) in it.observers
    assert it.observers[key(3)].listeners == NO_ENDPOINTS


def test_silent_observers_are_forgotten() -> None:
    it = leader()
    it.on_fetch(key(7), 17, 20, at(0))
    it.on_fetch(key(8), 17, 20, at(1000))
    observers = it.active_observers(at(OBSERVER_SESSION_TIMEOUT_MS + 500))
    assert [progress.key for progress in observers] == [key(8)] and list(it.observers) == [key(8)]


def test_caught_up_is_remembered_from_the_fetch_before() -> None:
    it = leader()
    it.on_fetch(key(7), 10, 20, at(100))
    assert it.observers[key(7)].last_caught_up_timestamp == -1 and not it.is_caught_up(key(7), at(100))
    it.on_fetch(key(7), 20, 30, at(200))
    assert it.observers[key(7)].last_caught_up_timestamp == WALL_MS + 100
    it.on_fetch(key(7), 30, 30, at(300))
    assert it.observers[key(7)].last_caught_up_timestamp == WALL_MS + 300
    assert it.is_caught_up(key(7), at(400)) and not it.is_caught_up(key(7), at(3_700_000))


def test_who_is_reminded_and_who_succeeds() -> None:
    it = leader()
    it.on_fetch(key(3), 17, 20, at(500))
    assert it.voters_to_remind(at(600)) == [key(2)]
    assert it.voters_to_remind(at(1500)) == [key(2), key(3)]
    assert it.successors() == [key(3), key(2)]
