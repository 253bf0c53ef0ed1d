"""Standing for election: the count of votes, and the two states that gather them.

Prospective asks, without raising the epoch, whether it would win (pre-vote, KIP-996), so that a member which was cut
off does not disturb a healthy quorum when it returns. Candidate has raised the epoch and voted for itself, durably.
Counterparts in Kafka: EpochElection, ProspectiveState, CandidateState.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from raft.voters import NO_ENDPOINTS, Endpoints, ReplicaKey, VoterSet


class EpochElection:
    """Votes by voter id: granted, rejected or not in yet. A later answer replaces an earlier one."""

    __slots__ = ("_votes", "voters")

    def __init__(self, voters: VoterSet, local_id: int) -> None:
        assert local_id in voters, (local_id, voters)
        self.voters = voters
        self._votes: dict[int, bool] = {local_id: True}

    def record(self, voter_id: int, granted: bool) -> None:
        if voter_id in self.voters:
            self._votes[voter_id] = granted

    @property
    def _majority(self) -> int:
        return len(self.voters) // 2 + 1

    @property
    def granting(self) -> list[int]:
        return sorted(voter_id for voter_id, granted in self._votes.items() if granted)

    @property
    def unrecorded(self) -> list[ReplicaKey]:
        return [key for key in self.voters.keys if key.id not in self._votes]

    @property
    def is_granted(self) -> bool:
        return len(self.granting) >= self._majority

    @property
    def is_rejected(self) -> bool:
        return len(self.granting) + len(self.unrecorded) < self._majority


@dataclass(slots=True)
class Prospective:
    """Would I win? Keeps what it knew of the epoch: its leader, and its own vote in it."""

    epoch: int
    election: EpochElection
    election_at_ms: float
    leader_id: int | None = None
    leader_endpoints: Endpoints = NO_ENDPOINTS
    voted_key: ReplicaKey | None = None
    high_watermark: int | None = None


@dataclass(slots=True)
class Candidate:
    """Gathers votes in an epoch of its own. `voted_key` is this node."""

    epoch: int
    election: EpochElection
    election_at_ms: float
    voted_key: ReplicaKey
    high_watermark: int | None = None
    leader_id: None = field(default=None, init=False)
    leader_endpoints: Endpoints = field(default=NO_ENDPOINTS, init=False)


Nominee = Prospective | Candidate
