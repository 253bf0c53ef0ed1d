"""One member of the metadata quorum as a pure state machine.

    step(event, now) -> effects        deadline: when to call step(TimePassed()) if nothing else happens

No clock, socket, file or task in here; the log is known by its outline. The six states and the moves between them are
the table below; who asks for a move is `elections.py`, `replication.py`, `membership.py` and the poll functions here.

    Unattached   the leader of the epoch is unknown        Prospective  would I win an election? (pre-vote)
    Follower     fetches from the leader                   Candidate    asks for votes in a new epoch
    Leader       appends, answers fetches, commits         Resigned     led this epoch, and never will again

A voter goes round all six; an observer (not in the voter set) is only ever Unattached or Follower. A quorum of one
takes the same way, all in its first step: Unattached or Resigned, Prospective, Candidate, Leader.

Invariants, asserted here: the epoch never goes back; one vote an epoch; one leader an epoch; the high watermark never
goes back; nothing below it is cut. Every change of (epoch, leader, vote) is a PersistElection ahead of all that depends
on it.
Counterparts in Kafka: KafkaRaftClient, QuorumState. KIP-595, KIP-630 (snapshots), KIP-853 (voters), KIP-996 (pre-vote).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from protocol.errors import ErrorCode
from protocol.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse
from protocol.messages.api_versions import ApiVersionsResponse
from protocol.messages.begin_quorum_epoch import BeginQuorumEpochRequest, BeginQuorumEpochResponse
from protocol.messages.describe_quorum import DescribeQuorumRequest
from protocol.messages.end_quorum_epoch import EndQuorumEpochRequest, EndQuorumEpochResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.fetch_snapshot import FetchSnapshotRequest, FetchSnapshotResponse
from protocol.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse
from protocol.messages.update_raft_voter import UpdateRaftVoterRequest, UpdateRaftVoterResponse
from protocol.messages.vote import VoteRequest, VoteResponse
from protocol.schema import Message
from raft import elections, membership, replication
from raft.candidate import Candidate, EpochElection, Nominee, Prospective
from raft.connections import INFINITY, Connections, Random
from raft.events import (
    AbandonSnapshot,
    AdvanceHighWatermark,
    AppendAsLeader,
    BatchAppended,
    ChangeLeader,
    CompleteShutdown,
    DeleteBefore,
    Effect,
    Event,
    KRaftVersionRequested,
    LogCleaned,
    LogSynced,
    Now,
    PersistElection,
    QuorumConfig,
    QuorumFault,
    RequestArrived,
    ResignRequested,
    ResponseArrived,
    SendRequest,
    SendResponse,
    ShutdownRequested,
    SnapshotCreated,
    SnapshotInstalled,
    SyncLog,
    TimePassed,
    TruncateLog,
)
from raft.follower import Follower, Unattached
from raft.leader import Leader, Resigned, initial_progress
from raft.log import LogOutline
from raft.quorum_state import ElectionState
from raft.records import ControlRecord, control_batch, leader_change_records
from raft.rpc import Leadership
from raft.voters import Endpoints, Membership, Node, ReplicaKey

log = logging.getLogger(__name__)

State: TypeAlias = Unattached | Prospective | Candidate | Leader | Follower | Resigned

# From each state, the states that may come next; the same state again means its data changed (a vote, endpoints, an
# epoch).
TRANSITIONS: Final[dict[type[State], frozenset[type[State]]]] = {
    Unattached: frozenset({Unattached, Prospective, Follower}),
    Prospective: frozenset({Prospective, Candidate, Unattached, Follower}),
    Candidate: frozenset({Leader, Prospective, Unattached, Follower}),
    Leader: frozenset({Resigned, Unattached, Follower}),
    Follower: frozenset({Follower, Prospective, Unattached}),
    Resigned: frozenset({Prospective, Unattached, Follower}),
}

_FIRST_BOOTSTRAP_ID: Final = -2
# Nobody gets there by elections; whoever says so would leave none to be held after it.
EPOCH_MAX: Final = 2**31 - 2**20
EARLY_TRIES_MAX: Final = 10  # of an epoch: refusals that come within one back-off count one by one


class Quorum:
    """See the module. `membership` and `outline` describe the log at start and are this object's from then on."""

    def __init__(
        self,
        config: QuorumConfig,
        membership: Membership,
        outline: LogOutline,
        election: ElectionState | None,
        random: Random,
    ) -> None:
        self.config = config
        self.membership = membership
        self.outline = outline
        self.committed_offset = outline.start_offset  # the highest high watermark ever known here
        self.synced_offset = outline.start_offset  # the log is durable below this
        self.truncations = 0
        self.installing = False  # a snapshot is being frozen: no fetch, no election
        self.upgrade_error: ErrorCode | None = None
        self.is_closed = False
        self.connections = Connections(
            self._bootstrap_nodes(), config.retry_backoff_ms, config.request_timeout_ms, random
        )
        self.parked_fetches: dict[int, replication.ParkedFetch] = {}
        self._random = random
        self._effects: list[Effect] = []
        self._found = election or ElectionState(0)
        self._persisted = (election, 1 if election is not None and not election.voter_ids else 0)
        self._announced = (0, -1)
        self._deadline_ms = INFINITY
        self._early_tries = (-1, 0)  # in which epoch, how many
        self._shutdown_at_ms: float | None = None
        self.now = Now(0.0, 0)
        self.state: State = Unattached(0, INFINITY)

    def _bootstrap_nodes(self) -> Sequence[Node]:
        if self.config.bootstrap_servers:
            return [
                Node(_FIRST_BOOTSTRAP_ID - index, address.host, address.port)
                for index, address in enumerate(self.config.bootstrap_servers)
            ]
        nodes = (self.membership.static_voters.node(voter, self.config.listener_name) for voter in self._static_peers())
        return [node for node in nodes if node is not None]

    def _static_peers(self) -> list[int]:
        return [voter_id for voter_id in self.membership.static_voters.ids if voter_id != self.config.node_id]

    # ---- what others may read

    @property
    def deadline_ms(self) -> float:
        """On the monotonic clock; infinity if only an event can change anything."""
        return self._deadline_ms

    @property
    def epoch(self) -> int:
        return self.state.epoch

    @property
    def leader_id(self) -> int | None:
        return self.state.leader_id

    @property
    def is_leader(self) -> bool:
        return isinstance(self.state, Leader)

    @property
    def is_voter(self) -> bool:
        return self.membership.voters.is_voter(self.config.replica_key)

    @property
    def is_only_voter(self) -> bool:
        return self.membership.voters.is_only_voter(self.config.replica_key)

    @property
    def must_sync_before_fetch(self) -> bool:
        """Whether a leader may count our fetch offset towards its high watermark, now or soon."""
        return self.config.can_become_voter or self.is_voter

    @property
    def is_shutting_down(self) -> bool:
        return self._shutdown_at_ms is not None

    def leadership(self, listener: str) -> Leadership:
        leader_id = self.state.leader_id
        address = self.state.leader_endpoints.address(listener)
        return Leadership(-1 if leader_id is None else leader_id, self.epoch, address)

    # ---- life

    def start(self, now: Now) -> list[Effect]:
        """Take up the state that was left on disk, and go on from there."""
        self.now = now
        self.state = self._initial_state(self._found)
        self._persist()
        self._announce()
        self.request_sync()
        match self.state:
            case Candidate():
                self._maybe_become_leader(self.state)
            case _ if self.is_only_voter:
                self.transition_to_prospective()
            case _:
                pass
        return self._finish()

    def _initial_state(self, election: ElectionState) -> State:
        config = self.config
        if election.epoch < self.outline.last_epoch:
            log.warning("quorum-state is at epoch %d, behind the log's %d", election.epoch, self.outline.last_epoch)
            return Unattached(self.outline.last_epoch, self._election_timeout())
        if election.leader_id == config.node_id:
            # Offset and epoch name a record once and for all; what was not synced before a crash may be gone, so this
            # epoch must not be led again, nor voted in.
            peers = {voter_id for voter_id in self.membership.voters.ids if voter_id != config.node_id}
            return Resigned(election.epoch, config.node_id, config.endpoints, self._random_timeout(), peers)
        if election.is_voted_candidate(config.replica_key) and self.is_voter:
            tally = EpochElection(self.membership.voters, config.node_id)
            return Candidate(election.epoch, tally, self._election_timeout(), config.replica_key)
        endpoints = Endpoints()
        if election.leader_id is not None:
            endpoints = self.membership.voters.listeners(election.leader_id)
        if election.leader_id is None or not endpoints:
            return Unattached(election.epoch, self._election_timeout(), election.leader_id, election.voted_key)
        return self._follower(election.epoch, election.leader_id, endpoints, election.voted_key, None)

    def step(self, event: Event, now: Now) -> list[Effect]:
        assert now.ms >= self.now.ms, (now, self.now)
        self.now = now
        if self.is_closed:
            return []
        match event:
            case TimePassed():
                pass
            case RequestArrived():
                self._on_request(event)
            case ResponseArrived():
                self._on_response(event)
            case BatchAppended():
                self._on_batch(event)
            case LogSynced():
                self._on_synced(event)
            case SnapshotCreated():
                self.outline.add_snapshot(event.snapshot_id)
                self.membership.truncate_old(event.snapshot_id.offset)
            case SnapshotInstalled():
                replication.on_snapshot_installed(self, event)
            case LogCleaned():
                self.outline.advance_start(event.snapshot_id)
                self.emit(DeleteBefore(event.snapshot_id))
            case ResignRequested():
                if isinstance(self.state, Leader) and self.state.epoch == event.epoch:
                    self.state.is_resign_requested = True
            case KRaftVersionRequested():
                self.upgrade_error = membership.on_kraft_version_requested(self, event)
            case ShutdownRequested():
                self._shutdown_at_ms = now.ms + event.timeout_ms
        return self._finish()

    def _finish(self) -> list[Effect]:
        """Do all that time and state ask for, until nothing more moves."""
        replication.expire_parked(self)
        for _ in range(len(TRANSITIONS) + 2):
            state = self.state
            deadline_ms = INFINITY if self._complete_shutdown() else self._poll()
            if self.state is state:
                break
        else:
            raise AssertionError(f"no rest in {self.state}")
        parked = (parked.expires_at_ms for parked in self.parked_fetches.values())
        self._deadline_ms = min(deadline_ms, *parked, INFINITY)
        effects, self._effects = self._effects, []
        return effects

    def _complete_shutdown(self) -> bool:
        if self._shutdown_at_ms is None or self.is_closed:
            return self.is_closed
        timed_out = self.now.ms >= self._shutdown_at_ms
        has_remote_leader = self.leader_id not in (None, self.config.node_id)
        if timed_out or not self.is_voter or self.is_only_voter or has_remote_leader:
            self.is_closed = True
            replication.fail_parked(self)
            self.emit(CompleteShutdown(timed_out))
        return self.is_closed

    # ---- effects

    def emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def respond(self, request_id: int, message: Message) -> None:
        self.emit(SendResponse(request_id, message))

    def send(self, node: Node, make: Callable[[], Message]) -> float:
        """Send unless the node is busy or backing off. When to try again, if nothing happens before."""
        if self.connections.is_ready(node, self.now.ms):
            self.emit(SendRequest(self.connections.on_sent(node, self.now.ms), node, make()))
        return self.connections.ready_at(node, self.now.ms)

    def request_sync(self) -> None:
        if self.synced_offset < self.outline.end_offset:
            self.emit(SyncLog(self.outline.end_offset))

    def _persist(self) -> None:
        state = self.state
        version = self.membership.kraft_version
        voters = tuple(self.membership.voters.ids) if version == 0 else ()
        election = ElectionState(state.epoch, state.leader_id, state.voted_key, voters)
        if self._persisted != (election, version):
            self._persisted = (election, version)
            self._drop_superseded_persist()
            self.emit(PersistElection(election, version))

    def _drop_superseded_persist(self) -> None:
        """Of two writes with nothing between that leaves this process, the second says all. A quorum of one, which
        passes from candidate to leader in one step, so writes the file once."""
        for index in range(len(self._effects) - 1, -1, -1):
            effect = self._effects[index]
            if isinstance(effect, PersistElection):
                del self._effects[index]
            if not isinstance(effect, ChangeLeader):
                return

    def _announce(self) -> None:
        """Tell listeners of a new epoch or a newly known leader; of a resignation they learn by the next epoch."""
        state = self.state
        if isinstance(state, Resigned):
            return
        # The leader that a restart remembers may be this node itself: it leads no more.
        leader = state.leader_id if isinstance(state, Leader) or state.leader_id != self.config.node_id else None
        leader_id = -1 if leader is None else leader
        epoch, announced_id = self._announced
        if state.epoch > epoch or (state.epoch == epoch and leader_id >= 0 > announced_id):
            self._announced = (state.epoch, leader_id)
            start_offset = state.epoch_start_offset if isinstance(state, Leader) else None
            self.emit(ChangeLeader(leader, state.epoch, start_offset))

    # ---- the log

    def append_control(self, records: Sequence[ControlRecord]) -> int:
        """Append a control batch of the leader's own; the offset of its last record."""
        assert isinstance(self.state, Leader)
        base_offset = self.outline.end_offset
        batch = control_batch(records, base_offset, self.epoch, self.now.wall_ms)
        last_offset = base_offset + len(records) - 1
        self._append(batch, base_offset, last_offset)
        self.apply_control_records(records, base_offset)
        self.state.set_voters(self.membership.voters)
        return last_offset

    def apply_control_records(self, records: Sequence[ControlRecord], base_offset: int) -> None:
        for offset, record in enumerate(records, base_offset):
            if record.voters is not None:
                self.membership.add_voters(offset, record.voters)
            elif record.kraft_version is not None:
                self.membership.add_kraft_version(offset, record.kraft_version)

    def _on_batch(self, event: BatchAppended) -> None:
        assert self.is_leader and event.base_offset == self.outline.end_offset, (self.state, self.outline, event)
        self._append(event.batch, event.base_offset, event.last_offset)

    def _append(self, batch: bytes, base_offset: int, last_offset: int) -> None:
        self.outline.append(self.epoch, base_offset, last_offset)
        self.emit(AppendAsLeader(batch, self.epoch, base_offset, last_offset))
        self.request_sync()
        replication.complete_parked(self)  # followers may take it while our disk does

    def _on_synced(self, event: LogSynced) -> None:
        if event.truncations != self.truncations:
            return  # began before the log was cut: says nothing about what was appended since
        assert event.end_offset <= self.outline.end_offset, (event, self.outline)
        self.synced_offset = max(self.synced_offset, event.end_offset)
        if isinstance(self.state, Leader) and self.state.on_local_sync(self.synced_offset):
            self.on_high_watermark(self.state)

    def truncate_to(self, offset: int) -> None:
        if offset < self.committed_offset:
            raise QuorumFault(f"the leader's log parts from ours at {offset}, below the high watermark")
        self.outline.truncate_to(offset)
        self.membership.truncate_new(offset)
        self.synced_offset = min(self.synced_offset, offset)
        self.truncations += 1
        self.emit(TruncateLog(offset))

    def on_high_watermark(self, leader: Leader) -> None:
        assert leader.high_watermark is not None
        self.commit_to(leader.high_watermark)
        membership.on_high_watermark(self, leader)
        replication.complete_parked(self, high_watermark_rose=True)

    def commit_to(self, offset: int) -> None:
        if offset > self.committed_offset:
            assert offset <= self.outline.end_offset, (offset, self.outline)
            self.committed_offset = offset
            self.emit(AdvanceHighWatermark(offset))

    # ---- transitions

    def _transition(self, new: State) -> None:
        old = self.state
        assert type(new) in TRANSITIONS[type(old)], (old, new)
        assert new.epoch >= old.epoch, (old, new)
        assert not (isinstance(old, Leader | Resigned) and isinstance(new, Follower) and new.epoch == old.epoch), new
        self._leave(old)
        self.state = new
        self._persist()
        self._announce()
        log.info("%s, epoch %d, leader %s", type(new).__name__, new.epoch, new.leader_id)

    def _leave(self, old: State) -> None:
        if isinstance(old, Leader):
            replication.fail_parked(self)
            membership.fail_pending(self, old)
        elif isinstance(old, Follower) and old.fetching_snapshot is not None and not self.installing:
            self.emit(AbandonSnapshot())

    def _election_timeout(self) -> float:
        """Observers never stand for election."""
        return self._random_timeout() if self.is_voter else INFINITY

    def _random_timeout(self) -> float:
        timeout_ms = max(1, self.config.election_timeout_ms)
        return self.now.ms + timeout_ms + self._random.randrange(0, timeout_ms)

    def may_stand_early(self) -> bool:
        epoch, tries = self._early_tries
        tries = tries + 1 if epoch == self.epoch else 1
        self._early_tries = (self.epoch, tries)
        return tries <= EARLY_TRIES_MAX

    def soon_ms(self) -> float:
        """By chance, so that two who learn of the same thing do not stand for election in the same moment."""
        return self.now.ms + self._random.randrange(0, max(1, self.config.election_timeout_ms // 10))

    def _voted_key_in(self, epoch: int) -> ReplicaKey | None:
        """A vote outlives every change of state within its epoch: there is no second one."""
        return self.state.voted_key if epoch == self.state.epoch else None

    def transition_to_unattached(self, epoch: int, leader_id: int | None = None) -> None:
        old = self.state
        assert epoch > old.epoch or (epoch == old.epoch and isinstance(old, Prospective)), (old, epoch)
        if not self.is_voter:
            election_at_ms = INFINITY
        elif isinstance(old, Prospective):
            election_at_ms = self._election_timeout() if old.election.is_rejected else old.election_at_ms
        elif isinstance(old, Candidate | Unattached | Resigned) and old.election_at_ms < INFINITY:
            election_at_ms = old.election_at_ms
        else:
            election_at_ms = self._election_timeout()
        voted_key = self._voted_key_in(epoch)
        self._transition(Unattached(epoch, election_at_ms, leader_id, voted_key, old.high_watermark))
        self.connections.reset_all()

    def transition_to_follower(self, epoch: int, leader_id: int, endpoints: Endpoints) -> None:
        """Of a leader at known endpoints; again in the same epoch only to learn more of them."""
        old = self.state
        assert leader_id != self.config.node_id and len(endpoints) > 0, (leader_id, endpoints)
        assert epoch > old.epoch or old.leader_id in (None, leader_id), (old, epoch, leader_id)
        voted_key = self._voted_key_in(epoch)
        self._transition(self._follower(epoch, leader_id, endpoints, voted_key, old.high_watermark))
        self.connections.reset_all()

    def _follower(
        self, epoch: int, leader_id: int, endpoints: Endpoints, voted_key: ReplicaKey | None, high_watermark: int | None
    ) -> Follower:
        timeout_at_ms = self.now.ms + self.config.fetch_timeout_ms
        return Follower(epoch, leader_id, endpoints, timeout_at_ms, timeout_at_ms, voted_key, high_watermark)

    def transition_to_prospective(self) -> None:
        old = self.state
        assert self.is_voter and not self.installing
        new = Prospective(
            old.epoch,
            EpochElection(self.membership.voters, self.config.node_id),
            self._election_timeout(),
            old.leader_id,
            old.leader_endpoints,
            old.voted_key,
            old.high_watermark,
        )
        self._transition(new)
        if new.election.is_granted:
            self.transition_to_candidate()
        else:
            self.connections.reset_all()

    def transition_to_candidate(self) -> None:
        old = self.state
        assert self.is_voter and isinstance(old, Prospective), old
        election = EpochElection(self.membership.voters, self.config.node_id)
        new = Candidate(old.epoch + 1, election, self._election_timeout(), self.config.replica_key, old.high_watermark)
        self._transition(new)
        if not self._maybe_become_leader(new):
            self.connections.reset_all()

    def advance_nominee(self, nominee: Nominee) -> None:
        """A vote was granted: is it enough?"""
        if isinstance(nominee, Candidate):
            self._maybe_become_leader(nominee)
        elif nominee.election.is_granted:
            self.transition_to_candidate()

    def _maybe_become_leader(self, candidate: Candidate) -> bool:
        if candidate.election.is_granted:
            self._transition_to_leader(candidate)
            return True
        return False

    def _transition_to_leader(self, candidate: Candidate) -> None:
        """Lead, and begin the epoch with a record of it, without which nothing could be committed."""
        assert self.is_voter
        config = self.config
        voters = self.membership.voters
        leader = Leader(
            epoch=candidate.epoch,
            epoch_start_offset=self.outline.end_offset,
            local=config.voter_node,
            granting_voters=candidate.election.granting,
            fetch_timeout_ms=config.fetch_timeout_ms,
            check_quorum_at_ms=INFINITY,
            begin_quorum_at_ms=self.now.ms,
            voters=initial_progress(voters),
        )
        leader.check_quorum_at_ms = self.now.ms + leader.check_quorum_timeout_ms
        if not self.membership.is_reconfiguration_supported:
            leader.volatile_voters = voters.update(config.voter_node, ignore_directory=True)
        self._transition(leader)
        self.append_control(leader_change_records(leader, self.membership))
        self.connections.reset_all()

    def transition_to_resigned(self, successors: list[ReplicaKey]) -> None:
        config = self.config
        peers = {voter_id for voter_id in self.membership.voters.ids if voter_id != config.node_id}
        self._transition(
            Resigned(self.epoch, config.node_id, config.endpoints, self._random_timeout(), peers, successors)
        )
        self.connections.reset_all()

    def add_vote(self, voted_key: ReplicaKey) -> None:
        """Grant a candidate our one vote of this epoch; it has as good a chance as we have, so let it try."""
        old = self.state
        assert isinstance(old, Unattached | Prospective) and old.voted_key is None and old.leader_id is None, old
        assert voted_key.id != self.config.node_id
        timeout_at_ms = self._election_timeout()
        if isinstance(old, Unattached):
            self._transition(Unattached(old.epoch, timeout_at_ms, old.leader_id, voted_key, old.high_watermark))
        else:
            election = EpochElection(self.membership.voters, self.config.node_id)
            self._transition(
                Prospective(
                    old.epoch,
                    election,
                    timeout_at_ms,
                    old.leader_id,
                    old.leader_endpoints,
                    voted_key,
                    old.high_watermark,
                )
            )

    # ---- time

    def _poll(self) -> float:
        """What the state asks for now; when to look again. A transition means at once."""
        if self.installing:
            return INFINITY
        match self.state:
            case Leader():
                return self._poll_leader(self.state)
            case Prospective() | Candidate():
                return self._poll_nominee(self.state)
            case Follower():
                return replication.poll_follower(self, self.state)
            case Unattached():
                return self._poll_unattached(self.state)
            case Resigned():
                return self._poll_resigned(self.state)

    def _poll_leader(self, leader: Leader) -> float:
        if self.is_shutting_down or leader.is_resign_requested or self.now.ms >= leader.check_quorum_deadline_ms:
            self.transition_to_resigned(leader.successors())
            return self.now.ms
        return min(
            membership.expire_pending(self, leader),
            elections.remind_voters(self, leader),
            leader.check_quorum_deadline_ms,
        )

    def _poll_nominee(self, nominee: Nominee) -> float:
        if self._shutdown_at_ms is not None:
            return min(self._shutdown_at_ms, elections.request_votes(self, nominee))
        if self.now.ms >= nominee.election_at_ms:
            if isinstance(nominee, Candidate):
                self.transition_to_prospective()
            else:
                elections.lose_pre_vote(self, nominee)
            return self.now.ms
        return min(elections.request_votes(self, nominee), nominee.election_at_ms)

    def _poll_unattached(self, state: Unattached) -> float:
        if self.is_voter:
            if self._shutdown_at_ms is not None:
                return self._shutdown_at_ms
            if state.election_at_ms == INFINITY:
                state.election_at_ms = self._election_timeout()  # was an observer until now
            if self.now.ms >= state.election_at_ms:
                self.transition_to_prospective()
                return self.now.ms
        return min(replication.fetch_from_bootstrap(self), state.election_at_ms)

    def _poll_resigned(self, state: Resigned) -> float:
        retry_at_ms = elections.send_end_quorum_epoch(self, state)
        if self._shutdown_at_ms is not None:
            return min(self._shutdown_at_ms, retry_at_ms)
        if self.now.ms >= state.election_at_ms:
            # The others had their time to take over. In a new epoch, so that nobody can follow or fetch from us in
            # this.
            self.transition_to_unattached(state.epoch + 1)
            return self.now.ms
        return min(state.election_at_ms, retry_at_ms)

    # ---- requests and responses

    def _on_request(self, event: RequestArrived) -> None:
        match event.message:
            case VoteRequest():
                elections.on_vote_request(self, event, event.message)
            case BeginQuorumEpochRequest():
                elections.on_begin_quorum_epoch_request(self, event, event.message)
            case EndQuorumEpochRequest():
                elections.on_end_quorum_epoch_request(self, event, event.message)
            case FetchRequest():
                replication.on_fetch_request(self, event, event.message)
            case FetchSnapshotRequest():
                replication.on_fetch_snapshot_request(self, event, event.message)
            case DescribeQuorumRequest():
                membership.on_describe_quorum_request(self, event, event.message)
            case AddRaftVoterRequest():
                membership.on_add_voter_request(self, event, event.message)
            case RemoveRaftVoterRequest():
                membership.on_remove_voter_request(self, event, event.message)
            case UpdateRaftVoterRequest():
                membership.on_update_voter_request(self, event, event.message)
            case _:
                raise AssertionError(f"not a request of Raft: {event.message!r}")

    def _on_response(self, event: ResponseArrived) -> None:
        if not self.connections.is_expected(event.node, event.correlation_id):
            return  # given up on, or asked in another state
        succeeded = event.message is not None and self._handle_response(event, event.message)
        if event.message is None:
            elections.on_request_failed(self, event)
        self.connections.on_response(event.node, event.correlation_id, succeeded, self.now.ms)

    def _handle_response(self, event: ResponseArrived, message: Message) -> bool:
        """False if the sender should be left alone for a while."""
        match message:
            case VoteResponse():
                return elections.on_vote_response(self, event, message)
            case BeginQuorumEpochResponse():
                return elections.on_begin_quorum_epoch_response(self, event, message)
            case EndQuorumEpochResponse():
                return elections.on_end_quorum_epoch_response(self, event, message)
            case FetchResponse():
                return replication.on_fetch_response(self, event, message)
            case FetchSnapshotResponse():
                return replication.on_fetch_snapshot_response(self, event, message)
            case ApiVersionsResponse():
                return membership.on_api_versions_response(self, event, message)
            case AddRaftVoterResponse():
                return membership.on_add_voter_response(self, message)
            case RemoveRaftVoterResponse():
                return membership.on_remove_voter_response(self, message)
            case UpdateRaftVoterResponse():
                return membership.on_update_voter_response(self, event, message)
            case _:
                raise AssertionError(f"not a response of Raft: {message!r}")

    # ---- rules that all requests share

    def is_wrong_cluster(self, cluster_id: str | None) -> bool:
        return cluster_id is not None and cluster_id != self.config.cluster_id

    def check_voter_request(self, sender_id: int, epoch: int) -> ErrorCode:
        """Of those that establish leadership: Vote, BeginQuorumEpoch, EndQuorumEpoch."""
        if epoch < self.epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        return ErrorCode.INVALID_REQUEST if sender_id < 0 or epoch > EPOCH_MAX else ErrorCode.NONE

    def check_leader_request(self, epoch: int) -> ErrorCode:
        """Of those that only the leader can serve."""
        if epoch < self.epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        if epoch > self.epoch:
            return ErrorCode.UNKNOWN_LEADER_EPOCH
        if not self.is_leader:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return ErrorCode.BROKER_NOT_AVAILABLE if self.is_shutting_down else ErrorCode.NONE

    def is_intended_here(self, key: ReplicaKey) -> bool:
        """Whether a request that names its receiver (or none, by a negative id) means this node on this disk."""
        return key.id < 0 or (key.id == self.config.node_id and key.matches(self.config.replica_key))

    def maybe_transition(self, leader_id: int | None, epoch: int, endpoints: Endpoints) -> bool:
        """Follow a newer epoch, or a leader not known yet. False if it contradicts what is known, so is not to be
        believed."""
        if epoch < self.epoch:
            return True
        if not self._is_consistent(leader_id, epoch):
            log.error("leader %s of epoch %d contradicts %s", leader_id, epoch, self.state)
            return False
        if epoch > self.epoch and (leader_id is None or not endpoints):
            self.transition_to_unattached(epoch, leader_id)
        elif leader_id is not None and leader_id != self.config.node_id and endpoints:
            learns_more = self.leader_id is None or len(endpoints) > len(self.state.leader_endpoints)
            if epoch > self.epoch or learns_more:
                self.transition_to_follower(epoch, leader_id, endpoints)
        return True

    def _is_consistent(self, leader_id: int | None, epoch: int) -> bool:
        if leader_id == self.config.node_id:
            return self.is_leader and epoch == self.epoch
        return epoch != self.epoch or leader_id is None or self.leader_id in (None, leader_id)

    def handle_common(
        self, error: ErrorCode, leader_id: int | None, epoch: int, endpoints: Endpoints, source: Node
    ) -> bool | None:
        """What every response may tell: a newer epoch, a leader, an error of no API in particular. None leaves the rest
        to the API's own handler, else whether the sender may be asked again at once."""
        if leader_id is not None and not endpoints:
            endpoints = self.membership.voters.listeners(leader_id)  # from a version that does not name them
        if epoch < self.epoch or error == ErrorCode.UNKNOWN_LEADER_EPOCH:
            return True
        stale = (ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if epoch > self.epoch or error in stale:
            return self.maybe_transition(leader_id, epoch, endpoints)
        if leader_id is not None and (self.leader_id is None or isinstance(self.state, Unattached)):
            if not self.maybe_transition(leader_id, epoch, endpoints):
                return False
            return None if error == ErrorCode.NONE and isinstance(self.state, Follower) else True
        if error == ErrorCode.BROKER_NOT_AVAILABLE:
            return False
        if error == ErrorCode.INVALID_VOTER_KEY:
            log.info("%s is not the replica that we took it for", source)
            return True
        if error == ErrorCode.INVALID_REQUEST:
            log.error("%s calls a request of ours invalid", source)
            return False
        return None
