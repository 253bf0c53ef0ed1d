"""Whether the simulation would notice: each rule of Raft broken on purpose, and found within a fixed set of seeds.

Not among them: committing records of earlier epochs by counting replicas. The chance that does harm is too rare; the
rule is tested by itself in test_leader.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol.ids import OffsetAndEpoch
from raft import elections, membership, replication
from raft.candidate import EpochElection
from raft.events import BatchAppended, QuorumFault
from raft.leader import Leader
from raft.log import LogOutline, Validation, ValidationKind
from raft.quorum import Quorum
from raft.quorum_state import ElectionState
from raft.voters import VoterSet
from tests.unit.raft.test_simulation import survive_changes_of_voters, survive_faults

SEEDS = 60

Patch = Callable[[pytest.MonkeyPatch], None]


def votes_are_not_persisted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quorum, "_persist", lambda quorum: None)


def leader_counts_what_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    on_batch = Quorum._on_batch

    def count(quorum: Quorum, event: BatchAppended) -> None:
        on_batch(quorum, event)
        if isinstance(quorum.state, Leader) and quorum.state.on_local_sync(quorum.outline.end_offset):
            quorum.on_high_watermark(quorum.state)

    patch.setattr(Quorum, "_on_batch", count)
    patch.setattr(Quorum, "_on_synced", lambda quorum, event: None)


def follower_fetches_past_what_it_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quorum, "must_sync_before_fetch", property(lambda quorum: False))


def high_watermark_needs_one_voter_less(patch: pytest.MonkeyPatch) -> None:
    def advance(leader: Leader) -> bool:
        index = max(0, len(leader.voters) // 2 - 1)
        offset = leader._by_descending_offset()[index].end_offset
        if offset is None or offset <= max(leader.epoch_start_offset, leader.high_watermark or 0):
            return False
        leader.high_watermark = offset
        return True

    patch.setattr(Leader, "maybe_advance_high_watermark", advance)


def votes_go_to_incomplete_logs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(elections, "is_up_to_date", lambda theirs, ours: True)


def votes_twice_in_an_epoch(patch: pytest.MonkeyPatch) -> None:
    can_grant_vote = elections.can_grant_vote

    def generous(quorum: Quorum, candidate: Any, up_to_date: bool, pre_vote: bool) -> bool:
        return can_grant_vote(quorum, candidate, up_to_date, True)

    patch.setattr(elections, "can_grant_vote", generous)


def half_the_votes_are_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EpochElection, "_majority", property(lambda election: max(1, len(election.voters) // 2)))


def leads_the_same_epoch_again_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    initial_state = Quorum._initial_state

    def resume(quorum: Quorum, election: ElectionState) -> Any:
        if election.leader_id == quorum.config.node_id and quorum.is_only_voter:
            election = ElectionState(election.epoch, None, quorum.config.replica_key)
        return initial_state(quorum, election)

    patch.setattr(Quorum, "_initial_state", resume)


def followers_are_never_told_to_cut(patch: pytest.MonkeyPatch) -> None:
    def valid(outline: LogOutline, offset: int, epoch: int) -> Validation:
        return Validation(ValidationKind.VALID, OffsetAndEpoch(offset, epoch))

    patch.setattr(LogOutline, "validate", valid)


def high_watermark_is_taken_without_the_records(patch: pytest.MonkeyPatch) -> None:
    def trust(quorum: Quorum, follower: Any, high_watermark: int) -> None:
        if high_watermark > (follower.high_watermark or 0):
            follower.high_watermark = high_watermark
            quorum.commit_to(high_watermark)

    patch.setattr(replication, "_follow_high_watermark", trust)


def voters_change_before_the_last_change_is_committed(patch: pytest.MonkeyPatch) -> None:
    def current(quorum: Quorum, leader: Leader) -> VoterSet:
        return quorum.membership.voters

    patch.setattr(membership, "_blocker", lambda quorum, leader: None)
    patch.setattr(membership, "_committed_voters", current)
    patch.setattr(Leader, "is_caught_up", lambda leader, key, now: True)


BUGS: list[Patch] = [
    votes_are_not_persisted,
    leader_counts_what_is_not_synced,
    follower_fetches_past_what_it_synced,
    high_watermark_needs_one_voter_less,
    votes_go_to_incomplete_logs,
    votes_twice_in_an_epoch,
    half_the_votes_are_enough,
    leads_the_same_epoch_again_after_a_restart,
    followers_are_never_told_to_cut,
    high_watermark_is_taken_without_the_records,
]


@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_planted_bug_is_found(plant: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(SEEDS):
        try:
            survive_faults(1 + 2 * (seed % 3), "static" if seed % 2 else "dynamic", seed)
        except (AssertionError, QuorumFault):
            return
    pytest.fail(f"not found in {SEEDS} seeds")


def test_hasty_change_of_voters_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    voters_change_before_the_last_change_is_committed(monkeypatch)
    for seed in range(15, SEEDS):
        try:
            survive_changes_of_voters(seed)
        except (AssertionError, QuorumFault):
            return
    pytest.fail(f"not found in {SEEDS} seeds")
