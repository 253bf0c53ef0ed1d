"""Voter sets, and how they change along the log."""

from __future__ import annotations

import pytest

from protocol.ids import ZERO_UUID
from raft.voters import NO_ENDPOINTS, Address, Endpoints, LogHistory, Membership, Node, ReplicaKey, VoterNode, VoterSet
from tests.support.raft_simulation import directory_id, endpoints, voter_node

ONE, TWO, THREE = voter_node(1), voter_node(2), voter_node(3)
VOTERS = VoterSet([TWO, ONE])


def test_key_without_directory_matches_any() -> None:
    known, unknown = ReplicaKey(1, directory_id(1)), ReplicaKey(1)
    assert unknown.matches(known) and known.matches(known)
    assert not known.matches(unknown) and not known.matches(ReplicaKey(1, directory_id(1, disk=1)))
    assert not unknown.matches(ReplicaKey(2))
    assert ReplicaKey.of(1, ZERO_UUID) == unknown and unknown.wire_directory_id == ZERO_UUID


def test_listener_names_are_upper_case() -> None:
    named = Endpoints({"controller": Address("a", 1)})
    assert named == Endpoints({"CONTROLLER": Address("a", 1)}) and named.address("CONTROLLER") == ("a", 1)
    assert hash(named) == hash(Endpoints({"CONTROLLER": Address("a", 1)})) and "a:1" in repr(named)


def test_set_is_in_id_order() -> None:
    assert VOTERS.ids == [1, 2] and VOTERS.keys == [ONE.key, TWO.key] and len(VOTERS) == 2 and 1 in VOTERS
    assert VoterSet([ONE, TWO]) == VOTERS and hash(VOTERS) == hash(VoterSet([ONE, TWO]))


def test_who_is_a_voter() -> None:
    assert VOTERS.is_voter(ONE.key)
    assert not VOTERS.is_voter(ReplicaKey(1, directory_id(1, disk=1)))
    assert not VOTERS.is_voter(ReplicaKey(1))
    assert VoterSet([VoterNode(ReplicaKey(1))]).is_voter(ReplicaKey(1, directory_id(1)))
    assert VoterSet([ONE]).is_only_voter(ONE.key) and not VOTERS.is_only_voter(ONE.key)


def test_where_a_voter_is() -> None:
    assert VOTERS.node(1, "CONTROLLER") == Node(1, "node1", 9001)
    assert VOTERS.node(1, "OTHER") is None and VOTERS.node(9, "CONTROLLER") is None
    assert VOTERS.listeners(9) == NO_ENDPOINTS


def test_changes_of_one_voter() -> None:
    added = VOTERS.add(THREE)
    assert added is not None and added.ids == [1, 2, 3]
    assert VOTERS.add(voter_node(2, disk=1)) is None
    removed = VOTERS.remove(TWO.key)
    assert removed is not None and removed.ids == [1]
    assert removed.remove(ONE.key) is None, "the last voter stays"
    assert VOTERS.remove(ReplicaKey(2)) is None, "only by its exact key"
    moved = VoterNode(ONE.key, endpoints(7), 0, 1)
    updated = VOTERS.update(moved)
    assert updated is not None and updated.get(1) == moved
    assert VOTERS.update(voter_node(1, disk=1)) is None
    replaced = VOTERS.update(voter_node(1, disk=1), ignore_directory=True)
    assert replaced is not None and replaced.ids == [1, 2]
    assert VOTERS.needs_update(moved) and not VOTERS.needs_update(ONE) and not VOTERS.needs_update(THREE)


def test_supported_versions() -> None:
    assert VOTERS.support(1) and not VOTERS.support(2)
    assert not VoterSet([ONE, VoterNode(ReplicaKey(2))]).support(1)


def test_history_by_offset() -> None:
    history: LogHistory[str] = LogHistory()
    assert history.last is None and history.last_offset is None and history.at_or_before(10) is None
    for offset, value in ((-1, "bootstrap"), (5, "five"), (9, "nine")):
        history.add(offset, value)
    assert [history.at_or_before(offset) for offset in (-2, -1, 4, 5, 8, 9, 99)] == [
        None,
        "bootstrap",
        "bootstrap",
        "five",
        "five",
        "nine",
        "nine",
    ]
    with pytest.raises(AssertionError):
        history.add(9, "again")
    history.truncate_new(9)
    assert history.last == "five" and history.last_offset == 5
    history.truncate_old(7)
    assert history.at_or_before(4) is None and history.last == "five"
    history.clear()
    assert history.last is None


def test_static_voters_serve_until_the_log_names_some() -> None:
    membership = Membership(VOTERS)
    assert membership.voters == VOTERS and membership.voters_offset is None and membership.kraft_version == 0
    membership.add_kraft_version(3, 1)
    membership.add_voters(4, VoterSet([ONE]))
    assert membership.voters == VoterSet([ONE]) and membership.voters_offset == 4
    assert membership.is_reconfiguration_supported
    assert (
        membership.voters_at(3) is None and membership.kraft_version_at(2) == 0 and membership.kraft_version_at(3) == 1
    )
    membership.truncate_new(4)
    assert membership.voters == VOTERS and membership.kraft_version == 1
