"""Leading: what each replica has, how far the quorum has committed, and whether the quorum is still there.

The leader's own offset counts only as far as its log is synced; another voter's, as far as it fetched (it syncs before
it fetches on). The high watermark never goes back, and does not move before a record of the leader's own epoch is on a
majority (Raft, section 5.4.2). Without fetches from a majority for 1.5 fetch timeouts the leader resigns (KAFKA-15489).
Counterparts in Kafka: LeaderState, ResignedState, AddVoterHandlerState, RemoveVoterHandlerState, KRaftVersionUpgrade.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from raft.events import Now
from raft.voters import NO_ENDPOINTS, Endpoints, ReplicaKey, VoterNode, VoterSet

CHECK_QUORUM_TIMEOUT_FACTOR = 1.5
OBSERVER_SESSION_TIMEOUT_MS = 300_000
CAUGHT_UP_TIMEOUT_MS = 3_600_000
NEVER = float("-inf")


@dataclass(slots=True)
class ReplicaProgress:
    """`end_offset` is None until the replica was heard of in this epoch. The two timestamps are for DescribeQuorum."""

    key: ReplicaKey
    listeners: Endpoints = NO_ENDPOINTS
    end_offset: int | None = None
    last_fetch_ms: float = NEVER
    last_fetch_timestamp: int = -1
    last_caught_up_timestamp: int = -1
    leader_end_at_last_fetch: int = -1

    def on_fetch(self, fetch_offset: int, leader_end_offset: int, now: Now) -> None:
        if fetch_offset >= leader_end_offset:
            self.last_caught_up_timestamp = max(self.last_caught_up_timestamp, now.wall_ms)
        elif 0 < self.leader_end_at_last_fetch <= fetch_offset:
            # Since its last fetch it reached what was then the end.
            self.last_caught_up_timestamp = max(self.last_caught_up_timestamp, self.last_fetch_timestamp)
        self.leader_end_at_last_fetch = leader_end_offset
        self.last_fetch_ms = now.ms
        self.last_fetch_timestamp = max(self.last_fetch_timestamp, now.wall_ms)
        self.end_offset = fetch_offset


@dataclass(slots=True)
class PendingAddVoter:
    """Waits for the new voter's ApiVersions (`last_offset` is None), then for its VotersRecord to commit."""

    request_id: int
    voter: ReplicaKey
    endpoints: Endpoints
    ack_when_committed: bool
    expires_at_ms: float
    last_offset: int | None = None
    is_answered: bool = False


@dataclass(slots=True)
class PendingRemoveVoter:
    request_id: int
    last_offset: int
    expires_at_ms: float


@dataclass(slots=True)
class Leader:
    epoch: int
    epoch_start_offset: int
    local: VoterNode
    granting_voters: list[int]
    fetch_timeout_ms: int
    check_quorum_at_ms: float
    begin_quorum_at_ms: float
    voters: dict[int, ReplicaProgress] = field(default_factory=dict)
    observers: dict[ReplicaKey, ReplicaProgress] = field(default_factory=dict)
    high_watermark: int | None = None
    is_resign_requested: bool = False
    pending_add: PendingAddVoter | None = None
    pending_remove: PendingRemoveVoter | None = None
    volatile_voters: VoterSet | None = None  # under kraft.version 0: what the voters told of themselves
    voted_key: None = field(default=None, init=False)
    _fetched_voters: set[int] = field(default_factory=set)

    @property
    def leader_id(self) -> int:
        return self.local.key.id

    @property
    def leader_endpoints(self) -> Endpoints:
        return self.local.listeners

    @property
    def check_quorum_timeout_ms(self) -> float:
        return self.fetch_timeout_ms * CHECK_QUORUM_TIMEOUT_FACTOR

    @property
    def begin_quorum_timeout_ms(self) -> float:
        return self.fetch_timeout_ms / 2

    # ---- replicas

    def is_voter(self, key: ReplicaKey) -> bool:
        voter = self.voters.get(key.id)
        return voter is not None and voter.key.matches(key)

    def progress(self, key: ReplicaKey) -> ReplicaProgress:
        """The replica's, as voter or observer; made if it is new."""
        if self.is_voter(key):
            return self.voters[key.id]
        return self.observers.setdefault(key, ReplicaProgress(key))

    def set_voters(self, voters: VoterSet) -> None:
        """Take over a new voter set: observers may become voters and the other way round, keeping their progress."""
        old = dict(self.voters)
        self.voters = {}
        for node in voters:
            progress = self._known_progress(old, node.key)
            old.pop(node.key.id, None)
            self.observers.pop(node.key, None)
            progress.key = node.key
            progress.listeners = node.listeners
            self.voters[node.key.id] = progress
        for progress in old.values():
            progress.listeners = NO_ENDPOINTS
            self.observers.setdefault(progress.key, progress)
        self._fetched_voters &= self.voters.keys()

    def _known_progress(self, voters: dict[int, ReplicaProgress], key: ReplicaKey) -> ReplicaProgress:
        voter = voters.get(key.id)
        if voter is not None and voter.key.matches(key):
            return voter
        return self.observers.get(key) or ReplicaProgress(key)

    def active_observers(self, now: Now) -> list[ReplicaProgress]:
        """Those heard of in the last five minutes; the others are forgotten."""
        for key, progress in list(self.observers.items()):
            if now.ms - progress.last_fetch_ms >= OBSERVER_SESSION_TIMEOUT_MS and key != self.local.key:
                del self.observers[key]
        return [self.observers[key] for key in sorted(self.observers, key=lambda key: (key.id, key.wire_directory_id))]

    def is_caught_up(self, key: ReplicaKey, now: Now) -> bool:
        """Good enough to be made a voter: it reached the end once, and has fetched within the hour."""
        progress = self.observers.get(key)
        return (
            progress is not None
            and progress.last_caught_up_timestamp > 0
            and now.ms - progress.last_fetch_ms < CAUGHT_UP_TIMEOUT_MS
        )

    def voters_to_remind(self, now: Now) -> list[ReplicaKey]:
        """Voters that do not fetch, so may not know of this leader."""
        return [
            progress.key
            for voter_id, progress in sorted(self.voters.items())
            if voter_id != self.leader_id and now.ms - progress.last_fetch_ms >= self.begin_quorum_timeout_ms
        ]

    def successors(self) -> list[ReplicaKey]:
        """The other voters, the most complete log first."""
        return [progress.key for progress in self._by_descending_offset() if not progress.key.matches(self.local.key)]

    # ---- commitment

    def on_local_sync(self, end_offset: int) -> bool:
        """The leader's own log is durable to `end_offset`. True if the high watermark rose."""
        progress = self.progress(self.local.key)
        assert progress.end_offset is None or progress.end_offset <= end_offset, (progress, end_offset)
        progress.end_offset = end_offset
        return self.maybe_advance_high_watermark()

    def on_fetch(self, key: ReplicaKey, fetch_offset: int, leader_end_offset: int, now: Now) -> bool:
        """A replica's log is durable to `fetch_offset`. True if the high watermark rose."""
        self.progress(key).on_fetch(fetch_offset, leader_end_offset, now)
        self.on_voter_heard(key, now)
        return self.is_voter(key) and self.maybe_advance_high_watermark()

    def maybe_advance_high_watermark(self) -> bool:
        offset = self._by_descending_offset()[len(self.voters) // 2].end_offset
        if offset is None or offset <= self.epoch_start_offset:
            return False
        if self.high_watermark is not None and offset <= self.high_watermark:
            return False  # lower only where the voters changed
        self.high_watermark = offset
        return True

    def _by_descending_offset(self) -> list[ReplicaProgress]:
        def rank(progress: ReplicaProgress) -> tuple[int, int]:
            return (-1 if progress.end_offset is None else progress.end_offset), -progress.key.id

        return sorted(self.voters.values(), key=rank, reverse=True)

    # ---- the quorum itself

    @property
    def check_quorum_deadline_ms(self) -> float:
        """A sole voter is always a majority."""
        return float("inf") if len(self.voters) == 1 and self.leader_id in self.voters else self.check_quorum_at_ms

    def on_voter_heard(self, key: ReplicaKey, now: Now) -> None:
        """A voter fetched: once a majority has, the quorum is there for another period."""
        if self.is_voter(key):
            self._fetched_voters.add(key.id)
        majority = len(self.voters) // 2 + 1
        if self.leader_id in self.voters:
            majority -= 1
        if len(self._fetched_voters) >= majority:
            self._fetched_voters.clear()
            self.check_quorum_at_ms = now.ms + self.check_quorum_timeout_ms


@dataclass(slots=True)
class Resigned:
    """Was the leader of this epoch and will not lead it again; tells the voters so until it is acknowledged."""

    epoch: int
    leader_id: int
    leader_endpoints: Endpoints
    election_at_ms: float
    unacknowledged: set[int]
    preferred_successors: list[ReplicaKey] = field(default_factory=list)
    voted_key: None = field(default=None, init=False)
    high_watermark: None = field(default=None, init=False)

    def acknowledge(self, voter_id: int) -> None:
        self.unacknowledged.discard(voter_id)


def initial_progress(voters: Iterable[VoterNode]) -> dict[int, ReplicaProgress]:
    return {node.key.id: ReplicaProgress(node.key, node.listeners) for node in voters}
