"""Not leading: Follower fetches from a known leader, Unattached looks for one. Voters and observers alike.

Counterparts in Kafka: FollowerState, UnattachedState.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.ids import OffsetAndEpoch
from raft.voters import NO_ENDPOINTS, Endpoints, ReplicaKey


@dataclass(slots=True)
class Unattached:
    """Knows the epoch; of its leader at most the id, not where it is."""

    epoch: int
    election_at_ms: float
    leader_id: int | None = None
    voted_key: ReplicaKey | None = None
    high_watermark: int | None = None
    leader_endpoints: Endpoints = field(default=NO_ENDPOINTS, init=False)


@dataclass(slots=True)
class FetchingSnapshot:
    """The snapshot that the leader told us to take instead of records, and how much of it is here."""

    snapshot_id: OffsetAndEpoch
    position: int = 0


@dataclass(slots=True)
class Follower:
    epoch: int
    leader_id: int
    leader_endpoints: Endpoints
    fetch_at_ms: float  # without a successful fetch until then, a voter stands for election
    update_voter_at_ms: float  # when to look again whether our entry in the voter set is up to date
    voted_key: ReplicaKey | None = None
    high_watermark: int | None = None
    has_fetched: bool = False
    has_updated_leader: bool = False
    fetching_snapshot: FetchingSnapshot | None = None
