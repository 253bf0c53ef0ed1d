"""The machine by itself: what each state answers, what it does when time passes, in which order its effects come."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import pytest

from protocol.errors import ErrorCode
from protocol.ids import OffsetAndEpoch
from protocol.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.begin_quorum_epoch import BeginQuorumEpochRequest, BeginQuorumEpochResponse
from protocol.messages.describe_quorum import DescribeQuorumRequest, DescribeQuorumResponse
from protocol.messages.end_quorum_epoch import EndQuorumEpochRequest, EndQuorumEpochResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.fetch_snapshot import FetchSnapshotRequest, FetchSnapshotResponse
from protocol.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse
from protocol.messages.update_raft_voter import UpdateRaftVoterRequest, UpdateRaftVoterResponse
from protocol.messages.vote import VoteRequest, VoteResponse
from protocol.metadata.log import NoOpRecord
from protocol.schema import Message
from raft import rpc
from raft.candidate import Candidate, Prospective
from raft.events import (
    AbandonSnapshot,
    AdvanceHighWatermark,
    AppendAsFollower,
    AppendAsLeader,
    AppendSnapshot,
    BatchAppended,
    BeginSnapshot,
    ChangeLeader,
    CompleteShutdown,
    Effect,
    Event,
    InstallSnapshot,
    KRaftVersionRequested,
    LogSynced,
    Now,
    PersistElection,
    QuorumConfig,
    QuorumFault,
    RequestArrived,
    ResignRequested,
    ResponseArrived,
    SendRecords,
    SendRequest,
    SendResponse,
    SendSnapshot,
    ShutdownRequested,
    SnapshotCreated,
    SnapshotInstalled,
    SyncLog,
    TimePassed,
    TruncateLog,
)
from raft.follower import Follower, Unattached
from raft.leader import Leader, Resigned
from raft.log import EpochStart, LogOutline
from raft.quorum import EARLY_TRIES_MAX, TRANSITIONS, Quorum
from raft.quorum_state import ElectionState
from raft.records import data_batch
from raft.voters import BOOTSTRAP_OFFSET, Address, Endpoints, Membership, Node, ReplicaKey, VoterNode, VoterSet
from tests.support.raft_simulation import CLUSTER_ID, LISTENER, directory_id, endpoints, voter_node

E = TypeVar("E")
M = TypeVar("M", bound=Message)


class Machine:
    """Node 1 of a quorum, with the effects of its last step and of all steps."""

    def __init__(
        self,
        *,
        voters: int = 3,
        election: ElectionState | None = None,
        outline: LogOutline | None = None,
        static: bool = False,
        start: bool = True,
        **changes: Any,
    ) -> None:
        voter_set = VoterSet(voter_node(voter_id) for voter_id in range(1, voters + 1))
        if static:
            voter_set = VoterSet(VoterNode(ReplicaKey(i), endpoints(i)) for i in voter_set.ids)
        membership = Membership(voter_set if static else VoterSet())
        if not static:
            membership.add_kraft_version(BOOTSTRAP_OFFSET, 1)
            membership.add_voters(BOOTSTRAP_OFFSET, voter_set)
        bootstrap = tuple(Address(f"node{i}", 9000 + i) for i in (2, 3))
        settings = {"endpoints": endpoints(1), "bootstrap_servers": bootstrap, **changes}
        config = QuorumConfig(1, directory_id(1), CLUSTER_ID, **settings)
        self.quorum = Quorum(config, membership, outline or LogOutline(), election, Random(3))
        self.ms = 1000.0
        self.effects: list[Effect] = []
        self.last: list[Effect] = []
        self.requests = 0
        if start:
            self.note(self.quorum.start(self.now))

    @property
    def now(self) -> Now:
        return Now(self.ms, 1_700_000_000_000 + int(self.ms))

    @property
    def state(self) -> Any:
        return self.quorum.state

    def note(self, effects: list[Effect]) -> list[Effect]:
        self.last = effects
        self.effects += effects
        return effects

    def step(self, event: Event) -> list[Effect]:
        return self.note(self.quorum.step(event, self.now))

    def wait(self, ms: float) -> list[Effect]:
        self.ms += ms
        return self.step(TimePassed())

    def wait_for_deadline(self) -> list[Effect]:
        self.ms = max(self.ms, self.quorum.deadline_ms)
        return self.step(TimePassed())

    def ask(self, message: Message, kind: type[M], version: int | None = None) -> M:
        """The answer, which has to come at once."""
        self.requests += 1
        version = message.SPEC.versions.highest if version is None else version
        self.step(RequestArrived(self.requests, message, version, LISTENER))
        [response] = [e for e in self.last if isinstance(e, SendResponse) and e.request_id == self.requests]
        assert isinstance(response.message, kind)
        return response.message

    def send(self, message: Message) -> int:
        self.requests += 1
        self.step(RequestArrived(self.requests, message, message.SPEC.versions.highest, LISTENER))
        return self.requests

    def found(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.last if isinstance(effect, kind)]

    def sent(self, kind: type[M]) -> list[tuple[Node, M]]:
        return [(e.node, e.message) for e in self.found(SendRequest) if isinstance(e.message, kind)]

    def answer(self, kind: type[Message], response: Message | None, node_id: int | None = None, **more: Any) -> None:
        """Answer the newest request of that kind (to that node)."""
        request = next(
            effect
            for effect in reversed(self.effects)
            if isinstance(effect, SendRequest)
            and isinstance(effect.message, kind)
            and node_id in (None, effect.node.id)
        )
        self.step(ResponseArrived(request.correlation_id, request.node, response, **more))

    def sync(self) -> list[Effect]:
        return self.step(LogSynced(self.quorum.outline.end_offset, self.quorum.truncations))

    def append(self, count: int = 1) -> int:
        base = self.quorum.outline.end_offset
        self.step(BatchAppended(batch(base, count, self.quorum.epoch), base, base + count - 1))
        return base + count


def batch(base_offset: int, count: int, epoch: int) -> bytes:
    return data_batch([(NoOpRecord(), 0)] * count, base_offset, epoch, 0)


def key(node_id: int, disk: int = 0) -> ReplicaKey:
    return ReplicaKey(node_id, directory_id(node_id, disk))


def log_of(*epochs: tuple[int, int], end: int) -> LogOutline:
    return LogOutline(0, end, [EpochStart(*entry) for entry in epochs])


def leadership(leader_id: int | None, epoch: int) -> rpc.Leadership:
    address = None if leader_id is None else Address(f"node{leader_id}", 9000 + leader_id)
    return rpc.Leadership(-1 if leader_id is None else leader_id, epoch, address)


def vote_request(epoch: int, end: tuple[int, int], *, pre_vote: bool = False, candidate: int = 2) -> VoteRequest:
    return rpc.vote_request(CLUSTER_ID, epoch, key(candidate), key(1), OffsetAndEpoch(*end), pre_vote)


def vote(granted: bool, epoch: int, leader_id: int | None = None, error: ErrorCode = ErrorCode.NONE) -> VoteResponse:
    return rpc.vote_response(error, leadership(leader_id, epoch), granted, 2)


def begin_request(leader_id: int, epoch: int, voter: ReplicaKey | None = None) -> BeginQuorumEpochRequest:
    return rpc.begin_quorum_epoch_request(CLUSTER_ID, epoch, leader_id, endpoints(leader_id), voter or key(1))


def elected(**settings: Any) -> Machine:
    """A leader of three in epoch 1, its first records synced here and on node 2."""
    machine = Machine(**settings)
    machine.wait(2500)
    machine.answer(VoteRequest, vote(True, 0), 2)
    machine.answer(VoteRequest, vote(True, 1), 2)
    assert isinstance(machine.state, Leader)
    machine.sync()
    machine.send(fetch_request(2, machine.quorum.outline.end_offset, 1))
    assert machine.state.high_watermark == machine.quorum.outline.end_offset
    return machine


def following(leader_id: int = 2, epoch: int = 5, **settings: Any) -> Machine:
    machine = Machine(**settings)
    machine.ask(begin_request(leader_id, epoch), BeginQuorumEpochResponse)
    assert isinstance(machine.state, Follower)
    return machine


def fetch_request(
    node_id: int, offset: int, last_epoch: int, *, epoch: int = 1, wait_ms: int = 500, high_watermark: int | None = None
) -> FetchRequest:
    return rpc.fetch_request(
        CLUSTER_ID,
        key(node_id),
        epoch,
        OffsetAndEpoch(offset, last_epoch),
        high_watermark,
        max_bytes=1 << 20,
        max_wait_ms=wait_ms,
    )


def fetch_answer(
    leader_id: int,
    epoch: int,
    records: bytes = b"",
    *,
    high_watermark: int | None = None,
    error: ErrorCode = ErrorCode.NONE,
) -> FetchResponse:
    response = rpc.fetch_response(
        error, leadership(leader_id, epoch), 18, high_watermark=high_watermark, log_start_offset=0
    )
    response.responses[0].partitions[0].records = records
    return response


# ---- the table


def test_every_state_has_its_way_on() -> None:
    assert set(TRANSITIONS) == {Unattached, Prospective, Candidate, Leader, Follower, Resigned}
    for state, following_states in TRANSITIONS.items():
        assert (following_states <= set(TRANSITIONS) and Leader not in following_states) or state is Candidate
    assert [state for state in TRANSITIONS if Candidate in TRANSITIONS[state]] == [Prospective]


# ---- starting


def test_quorum_of_one_goes_the_whole_way_in_its_first_step() -> None:
    machine = Machine(voters=1)
    kinds = [type(effect) for effect in machine.effects]
    assert kinds == [ChangeLeader, PersistElection, ChangeLeader, AppendAsLeader, SyncLog]
    [persist] = machine.found(PersistElection)
    assert persist == PersistElection(ElectionState(1, 1), 1)
    assert machine.found(ChangeLeader)[1] == ChangeLeader(1, 1, 0)
    [append] = machine.found(AppendAsLeader)
    assert (append.epoch, append.base_offset, append.last_offset) == (1, 0, 2)
    assert machine.sync() == [AdvanceHighWatermark(3)]
    assert machine.quorum.deadline_ms == float("inf"), "nothing to wake up for"


def test_static_quorum_of_one_writes_version_0_and_no_voters() -> None:
    machine = Machine(voters=1, static=True)
    [persist] = machine.found(PersistElection)
    assert persist == PersistElection(ElectionState(1, 1, None, (1,)), 0)
    [append] = machine.found(AppendAsLeader)
    assert (append.base_offset, append.last_offset) == (0, 0)


@pytest.mark.parametrize(
    ("election", "state", "epoch"),
    [
        (None, Unattached, 0),
        (ElectionState(4), Unattached, 4),
        (ElectionState(4, None, key(2)), Unattached, 4),
        (ElectionState(4, None, key(1)), Candidate, 4),
        (ElectionState(4, None, key(1, disk=1)), Unattached, 4),
        (ElectionState(4, 1), Resigned, 4),
        (ElectionState(4, 2), Follower, 4),
        (ElectionState(4, 9), Unattached, 4),
        (ElectionState(1, 2), Unattached, 3),
    ],
)
def test_state_after_a_restart(election: ElectionState | None, state: type, epoch: int) -> None:
    machine = Machine(election=election, outline=log_of((3, 0), end=7) if epoch == 3 else None)
    assert isinstance(machine.state, state) and machine.quorum.epoch == epoch
    if state is Unattached and election is not None and epoch == 4:
        assert machine.quorum.state.voted_key == election.voted_key


def test_sole_voter_that_led_leads_in_a_new_epoch() -> None:
    machine = Machine(voters=1, election=ElectionState(4, 1), outline=log_of((4, 0), end=9))
    assert isinstance(machine.state, Leader) and machine.quorum.epoch == 5
    assert machine.state.epoch_start_offset == 9


def test_observer_never_stands() -> None:
    machine = Machine(voters=1, start=False)
    machine.quorum = Quorum(
        QuorumConfig(7, directory_id(7), CLUSTER_ID, bootstrap_servers=(Address("node2", 9002),)),
        machine.quorum.membership,
        LogOutline(),
        None,
        Random(1),
    )
    machine.note(machine.quorum.start(machine.now))
    assert [node.host for node, _ in machine.sent(FetchRequest)] == ["node2"]
    for _ in range(20):
        machine.wait_for_deadline()
        assert isinstance(machine.state, Unattached)


# ---- elections


def test_election_from_pre_vote_to_leadership() -> None:
    machine = Machine()
    assert machine.wait(900) == [] or not isinstance(machine.state, Prospective)
    machine.wait(1600)
    assert isinstance(machine.state, Prospective)
    asked = machine.sent(VoteRequest)
    assert [node.id for node, _ in asked] == [2, 3]
    assert all(request.topics[0].partitions[0].pre_vote for _, request in asked)
    assert not machine.found(PersistElection), "asking commits to nothing"
    machine.answer(VoteRequest, vote(True, 0), 2)
    assert isinstance(machine.state, Candidate) and machine.quorum.epoch == 1
    assert [type(e) for e in machine.last[:2]] == [PersistElection, ChangeLeader]
    assert machine.found(PersistElection) == [PersistElection(ElectionState(1, None, key(1)), 1)]
    asked = machine.sent(VoteRequest)
    assert [r.topics[0].partitions[0].replica_epoch for _, r in asked] == [1, 1]
    assert not any(r.topics[0].partitions[0].pre_vote for _, r in asked)
    machine.answer(VoteRequest, vote(True, 1), 3)
    assert isinstance(machine.state, Leader)
    kinds = [type(e) for e in machine.last]
    assert kinds.index(PersistElection) < kinds.index(AppendAsLeader) < kinds.index(SendRequest)
    assert [node.id for node, _ in machine.sent(BeginQuorumEpochRequest)] == [2, 3]


def test_lost_pre_vote_goes_back_to_waiting() -> None:
    machine = Machine()
    machine.wait(2500)
    machine.answer(VoteRequest, vote(False, 0), 2)
    assert isinstance(machine.state, Prospective)
    machine.answer(VoteRequest, vote(False, 0), 3)
    assert isinstance(machine.state, Unattached) and machine.quorum.epoch == 0


def test_pre_vote_that_is_not_understood_is_a_vote() -> None:
    machine = Machine()
    machine.wait(2500)
    machine.answer(VoteRequest, None, 2, error=ErrorCode.UNSUPPORTED_VERSION)
    assert isinstance(machine.state, Candidate)
    machine = Machine()
    machine.wait(2500)
    machine.answer(VoteRequest, VoteResponse(error_code=ErrorCode.UNSUPPORTED_VERSION), 2)
    assert isinstance(machine.state, Candidate)


def test_candidate_without_votes_asks_again_before_it_tries_the_next_epoch() -> None:
    machine = Machine(election=ElectionState(4, None, key(1)))
    machine.answer(VoteRequest, vote(False, 4), 2)
    machine.answer(VoteRequest, vote(False, 4), 3)
    assert isinstance(machine.state, Candidate)
    machine.wait(2500)
    assert isinstance(machine.state, Prospective) and machine.quorum.epoch == 4
    assert machine.state.voted_key == key(1), "its own vote of this epoch stays given"


def test_vote_response_with_a_newer_epoch() -> None:
    machine = Machine(election=ElectionState(4, None, key(1)))
    machine.answer(VoteRequest, vote(False, 9, error=ErrorCode.FENCED_LEADER_EPOCH), 2)
    assert isinstance(machine.state, Unattached) and machine.quorum.epoch == 9
    assert machine.found(PersistElection) == [PersistElection(ElectionState(9), 1)]
    machine = Machine(election=ElectionState(4, None, key(1)))
    machine.answer(VoteRequest, vote(False, 9, 3, error=ErrorCode.FENCED_LEADER_EPOCH), 2)
    assert isinstance(machine.state, Follower) and machine.state.leader_id == 3


def test_votes_of_strangers_do_not_count() -> None:
    machine = Machine(election=ElectionState(4, None, key(1)))
    machine.state.election.record(9, True)
    assert not machine.state.election.is_granted


LOG = log_of((1, 0), (3, 5), end=10)
BEHIND, EQUAL, AHEAD, NEWER = (9, 3), (10, 3), (11, 3), (2, 4)


@pytest.mark.parametrize(
    ("end", "granted"), [(BEHIND, False), (EQUAL, True), (AHEAD, True), (NEWER, True), ((99, 2), False)]
)
@pytest.mark.parametrize("pre_vote", [True, False])
def test_unattached_votes_for_a_log_that_is_complete(end: tuple[int, int], granted: bool, pre_vote: bool) -> None:
    machine = Machine(election=ElectionState(3), outline=LOG.copy())
    epoch = 5
    response = machine.ask(vote_request(epoch, end, pre_vote=pre_vote), VoteResponse)
    partition = response.topics[0].partitions[0]
    assert partition.vote_granted == granted and partition.error_code == ErrorCode.NONE
    assert partition.leader_epoch == epoch
    voted = key(2) if granted and not pre_vote else None
    assert machine.found(PersistElection)[-1] == PersistElection(ElectionState(epoch, None, voted), 1)
    assert isinstance(machine.last[-1], SendResponse | SendRequest)
    kinds = [type(effect) for effect in machine.last]
    assert kinds.index(PersistElection) < kinds.index(SendResponse), "on disk before it is said"


def states_in_epoch_4() -> dict[str, Callable[[], Machine]]:
    def prospective(voted: ReplicaKey | None) -> Machine:
        machine = Machine(election=ElectionState(4, None, voted), outline=LOG.copy())
        machine.wait(2500)
        assert isinstance(machine.state, Prospective)
        return machine

    def fetched() -> Machine:
        machine = Machine(election=ElectionState(4, 3), outline=LOG.copy())
        machine.sync()
        machine.answer(FetchRequest, fetch_answer(3, 4))
        return machine

    return {
        "unattached": lambda: Machine(election=ElectionState(4), outline=LOG.copy()),
        "unattached, voted for 2": lambda: Machine(election=ElectionState(4, None, key(2)), outline=LOG.copy()),
        "unattached, voted for 3": lambda: Machine(election=ElectionState(4, None, key(3)), outline=LOG.copy()),
        "unattached, knows leader": lambda: Machine(election=ElectionState(4, 9), outline=LOG.copy()),
        "prospective": lambda: prospective(None),
        "prospective, voted for 3": lambda: prospective(key(3)),
        "candidate": lambda: Machine(election=ElectionState(4, None, key(1)), outline=LOG.copy()),
        "follower": lambda: Machine(election=ElectionState(4, 3), outline=LOG.copy()),
        "follower that fetched": fetched,
        "resigned": lambda: Machine(election=ElectionState(4, 1), outline=LOG.copy()),
    }


@pytest.mark.parametrize(
    ("state", "pre_vote", "vote"),
    [
        ("unattached", True, True),
        ("unattached, voted for 2", True, True),
        ("unattached, voted for 3", True, False),
        ("unattached, knows leader", True, False),
        ("prospective", True, True),
        ("prospective, voted for 3", True, False),
        ("candidate", True, False),
        ("follower", True, False),
        ("follower that fetched", False, False),
        ("resigned", True, False),
    ],
)
def test_who_is_voted_for_in_the_present_epoch(state: str, pre_vote: bool, vote: bool) -> None:
    make = states_in_epoch_4()[state]
    for asked_pre_vote, expected in ((True, pre_vote), (False, vote)):
        machine = make()
        response = machine.ask(vote_request(4, EQUAL, pre_vote=asked_pre_vote), VoteResponse)
        assert response.topics[0].partitions[0].vote_granted == expected, (state, asked_pre_vote)
        response = make().ask(vote_request(4, BEHIND, pre_vote=asked_pre_vote), VoteResponse)
        assert response.topics[0].partitions[0].vote_granted == (
            expected and "voted for 2" in state and not asked_pre_vote
        )


def test_same_vote_may_be_given_again_but_no_other() -> None:
    machine = Machine()
    for candidate, granted in ((2, True), (2, True), (3, False)):
        response = machine.ask(vote_request(7, (0, 0), candidate=candidate), VoteResponse)
        assert response.topics[0].partitions[0].vote_granted == granted


def test_no_vote_for_our_own_id() -> None:
    response = Machine().ask(vote_request(7, (0, 0), candidate=1), VoteResponse)
    assert not response.topics[0].partitions[0].vote_granted


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"last_offset": -1}, ErrorCode.INVALID_REQUEST),
        ({"last_offset_epoch": -1}, ErrorCode.INVALID_REQUEST),
        ({"last_offset_epoch": 7}, ErrorCode.INVALID_REQUEST),
        ({"last_offset_epoch": 8, "pre_vote": True}, ErrorCode.INVALID_REQUEST),
        ({"last_offset_epoch": 7, "pre_vote": True}, ErrorCode.NONE),
        ({"replica_epoch": 3}, ErrorCode.FENCED_LEADER_EPOCH),
        ({"replica_id": -1}, ErrorCode.INVALID_REQUEST),
        ({"voter_directory_id": directory_id(1, disk=1)}, ErrorCode.INVALID_VOTER_KEY),
    ],
)
def test_vote_requests_that_make_no_sense(change: dict[str, Any], error: ErrorCode) -> None:
    machine = Machine(election=ElectionState(4))
    request = vote_request(7, (0, 0))
    for name, value in change.items():
        setattr(request.topics[0].partitions[0], name, value)
    partition = machine.ask(request, VoteResponse).topics[0].partitions[0]
    assert partition.error_code == error and (error != ErrorCode.NONE) >= (not partition.vote_granted)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (VoteRequest, VoteResponse),
        (BeginQuorumEpochRequest, BeginQuorumEpochResponse),
        (EndQuorumEpochRequest, EndQuorumEpochResponse),
    ],
)
def test_cluster_and_partition_are_checked_first(message: Any, kind: Any) -> None:
    assert Machine().ask(message(cluster_id="other"), kind).error_code == ErrorCode.INCONSISTENT_CLUSTER_ID
    assert Machine().ask(message(cluster_id=CLUSTER_ID), kind).error_code == ErrorCode.INVALID_REQUEST
    assert Machine().ask(message(), kind).error_code == ErrorCode.INVALID_REQUEST


def test_responses_name_the_leaders_endpoint_from_version_1_on() -> None:
    machine = following(leader_id=3)
    request = vote_request(5, (0, 0))
    response = machine.ask(request, VoteResponse, version=1)
    [endpoint] = response.node_endpoints
    assert (endpoint.node_id, endpoint.host, endpoint.port) == (3, "node3", 9003)
    assert machine.ask(request, VoteResponse, version=0).node_endpoints == []


# ---- BeginQuorumEpoch and EndQuorumEpoch


def test_begin_quorum_epoch_is_believed_once() -> None:
    machine = following(leader_id=2, epoch=5)
    assert machine.found(PersistElection) == [PersistElection(ElectionState(5, 2), 1)]
    stale = machine.ask(begin_request(3, 4), BeginQuorumEpochResponse)
    assert stale.topics[0].partitions[0].error_code == ErrorCode.FENCED_LEADER_EPOCH
    other = machine.ask(begin_request(3, 5), BeginQuorumEpochResponse)
    assert other.topics[0].partitions[0].error_code == ErrorCode.INVALID_REQUEST, "two leaders in an epoch"
    assert machine.state.leader_id == 2
    self_made = machine.ask(begin_request(1, 6), BeginQuorumEpochResponse)
    assert self_made.topics[0].partitions[0].error_code == ErrorCode.INVALID_REQUEST
    wrong_disk = machine.ask(begin_request(3, 7, key(1, disk=1)), BeginQuorumEpochResponse)
    assert wrong_disk.topics[0].partitions[0].error_code == ErrorCode.INVALID_VOTER_KEY
    assert machine.state.leader_id == 3, "the epoch is news all the same"


def test_vote_given_is_kept_when_its_leader_is_found() -> None:
    machine = Machine()
    machine.ask(vote_request(7, (0, 0), candidate=2), VoteResponse)
    machine.ask(begin_request(3, 7), BeginQuorumEpochResponse)
    assert machine.found(PersistElection) == [PersistElection(ElectionState(7, 3, key(2)), 1)]


@pytest.mark.parametrize(
    ("successors", "backoff_ms"), [([1, 3], 0), ([3, 1], 500), ([3, 2, 1], 500), ([3], 1000), ([], 1000)]
)
def test_end_quorum_epoch_lets_the_best_stand_first(successors: list[int], backoff_ms: int) -> None:
    machine = following(leader_id=2, epoch=5)
    request = rpc.end_quorum_epoch_request(CLUSTER_ID, 5, 2, [key(node_id) for node_id in successors])
    response = machine.ask(request, EndQuorumEpochResponse)
    assert response.topics[0].partitions[0].error_code == ErrorCode.NONE
    if backoff_ms == 0:
        assert isinstance(machine.state, Prospective)
    else:
        assert machine.state.fetch_at_ms == machine.ms + backoff_ms
    if successors == [1, 3]:
        machine = following(leader_id=2, epoch=5)
        old = machine.ask(request, EndQuorumEpochResponse, version=0)
        assert old.topics[0].partitions[0].error_code == ErrorCode.NONE


def test_resigned_leader_tells_the_voters_and_then_goes_on() -> None:
    machine = elected()
    machine.step(ResignRequested(1))
    assert isinstance(machine.state, Resigned)
    told = machine.sent(EndQuorumEpochRequest)
    assert [node.id for node, _ in told] == [2, 3]
    assert told[0][1].topics[0].partitions[0].preferred_successors == [2, 3]
    assert not machine.found(ChangeLeader)
    machine.answer(EndQuorumEpochRequest, rpc.end_quorum_epoch_response(ErrorCode.NONE, leadership(1, 1), 1), 2)
    assert machine.state.unacknowledged == {3}
    machine.wait(2500)
    assert isinstance(machine.state, Unattached | Prospective) and machine.quorum.epoch == 2
    assert machine.found(ChangeLeader)[0] == ChangeLeader(None, 2)


def test_resignation_of_another_epoch_is_no_news() -> None:
    machine = elected()
    machine.step(ResignRequested(0))
    assert isinstance(machine.state, Leader)


def test_leader_without_followers_resigns() -> None:
    machine = elected()
    machine.wait(2900)
    assert isinstance(machine.state, Leader)
    machine.wait(200)
    assert isinstance(machine.state, Resigned)


def test_leader_reminds_voters_that_do_not_fetch() -> None:
    machine = elected()
    for voter_id in (2, 3):
        response = rpc.begin_quorum_epoch_response(ErrorCode.NONE, leadership(1, 1), 1)
        machine.answer(BeginQuorumEpochRequest, response, voter_id)
    assert machine.wait(900) == []
    machine.send(fetch_request(2, 1, 1))
    machine.wait(200)
    assert [node.id for node, _ in machine.sent(BeginQuorumEpochRequest)] == [3]
    machine.wait(1000)
    assert [node.id for node, _ in machine.sent(BeginQuorumEpochRequest)] == [2], "3 has not answered the last one yet"


# ---- fetching, at the leader


def fetched(machine: Machine) -> FetchResponse.PartitionData:
    [effect] = machine.found(SendResponse) + machine.found(SendRecords)
    assert isinstance(effect.message, FetchResponse)
    return effect.message.responses[0].partitions[0]


def test_fetch_gets_records_before_the_leader_synced_them() -> None:
    machine = elected()
    start = machine.quorum.outline.end_offset
    machine.append(2)
    machine.send(fetch_request(3, start, 1))
    [answer] = machine.found(SendRecords)
    assert (answer.start_offset, answer.end_offset, answer.epoch) == (start, start + 2, 1)
    assert fetched(machine).high_watermark == start


def test_two_followers_commit_what_the_leader_has_not_synced() -> None:
    machine = elected()
    end = machine.append(2)
    for follower in (2, 3):
        machine.send(fetch_request(follower, end, 1, wait_ms=500))
    assert AdvanceHighWatermark(end) in machine.last


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (fetch_request(2, 0, 0, epoch=0), ErrorCode.FENCED_LEADER_EPOCH),
        (fetch_request(2, 0, 0, epoch=2), ErrorCode.UNKNOWN_LEADER_EPOCH),
        (fetch_request(2, -1, 0), ErrorCode.INVALID_REQUEST),
        (fetch_request(2, 0, -1), ErrorCode.INVALID_REQUEST),
        (fetch_request(2, 0, 2), ErrorCode.INVALID_REQUEST),
        (fetch_request(2, 0, 0, wait_ms=-1), ErrorCode.INVALID_REQUEST),
        (fetch_request(1, 0, 0), ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
def test_fetches_that_make_no_sense(request_: FetchRequest, error: ErrorCode) -> None:
    machine = elected()
    machine.send(request_)
    partition = fetched(machine)
    assert partition.error_code == error
    assert (partition.current_leader.leader_id, partition.current_leader.leader_epoch) == (1, 1)


def test_fetch_of_something_else() -> None:
    machine = elected()
    assert machine.ask(FetchRequest(cluster_id="other"), FetchResponse).error_code == ErrorCode.INCONSISTENT_CLUSTER_ID
    assert machine.ask(FetchRequest(), FetchResponse).error_code == ErrorCode.INVALID_REQUEST
    request = fetch_request(2, 0, 0)
    request.topics[0].topic, request.topics[0].topic_id = "other", directory_id(9)
    assert machine.ask(request, FetchResponse).error_code == ErrorCode.INVALID_REQUEST


def test_fetch_by_name_of_versions_without_ids() -> None:
    machine = elected()
    request = fetch_request(2, 0, 0)
    request.topics[0].topic_id = bytes(16)  # type: ignore[assignment]
    machine.send(request)
    assert fetched(machine).error_code == ErrorCode.NONE


def test_fetch_at_the_end_waits() -> None:
    machine = elected()
    end = machine.quorum.outline.end_offset
    machine.send(fetch_request(3, end, 1, high_watermark=end))
    assert not machine.found(SendResponse)
    assert machine.quorum.deadline_ms == machine.ms + 500
    machine.wait(500)
    partition = fetched(machine)
    assert (partition.error_code, partition.high_watermark) == (ErrorCode.NONE, end)
    assert machine.quorum.parked_fetches == {}


def test_new_high_watermark_ends_the_wait() -> None:
    machine = elected()
    end = machine.append()
    machine.send(fetch_request(3, end, 1, high_watermark=end - 1))
    assert not machine.found(SendResponse)
    machine.sync()
    assert fetched(machine).high_watermark == end


def test_follower_that_is_behind_on_the_high_watermark_is_answered_at_once() -> None:
    machine = elected()
    end = machine.quorum.outline.end_offset
    machine.send(fetch_request(3, end, 1, high_watermark=end - 1))
    assert fetched(machine).high_watermark == end


def test_losing_leadership_ends_the_wait() -> None:
    machine = elected()
    end = machine.quorum.outline.end_offset
    machine.send(fetch_request(3, end, 1, high_watermark=end))
    machine.step(RequestArrived(99, begin_request(2, 5), 1, LISTENER))
    answers = {e.request_id: e.message for e in machine.found(SendResponse)}
    failed = next(message for message in answers.values() if isinstance(message, FetchResponse))
    assert failed.responses[0].partitions[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_diverging_follower_is_told_where() -> None:
    machine = Machine(voters=1, election=ElectionState(4), outline=log_of((2, 0), (4, 6), end=9))
    machine.send(fetch_request(2, 8, 3, epoch=5))
    partition = fetched(machine)
    assert (partition.diverging_epoch.epoch, partition.diverging_epoch.end_offset) == (2, 6)


def test_newcomer_is_sent_to_the_snapshot() -> None:
    machine = elected()
    end = machine.quorum.outline.end_offset
    machine.step(SnapshotCreated(OffsetAndEpoch(end, 1)))
    machine.send(fetch_request(7, 0, 0))
    partition = fetched(machine)
    assert (partition.snapshot_id.end_offset, partition.snapshot_id.epoch) == (end, 1)
    machine.send(rpc.fetch_snapshot_request(CLUSTER_ID, key(7), 1, OffsetAndEpoch(end, 1), 0, 1000))
    [answer] = machine.found(SendSnapshot)
    assert (answer.snapshot_id, answer.position, answer.max_bytes) == (OffsetAndEpoch(end, 1), 0, 1000)


def test_bootstrap_snapshot_is_nobodys_business() -> None:
    machine = elected(outline=LogOutline(0, 0, [], [OffsetAndEpoch(0, 0)]))
    machine.send(fetch_request(7, 0, 0))
    assert machine.found(SendRecords)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ((0, OffsetAndEpoch(5, 1), 0), ErrorCode.FENCED_LEADER_EPOCH),
        ((2, OffsetAndEpoch(5, 1), 0), ErrorCode.UNKNOWN_LEADER_EPOCH),
        ((1, OffsetAndEpoch(5, 1), 0), ErrorCode.SNAPSHOT_NOT_FOUND),
        ((1, OffsetAndEpoch(0, 0), 0), ErrorCode.SNAPSHOT_NOT_FOUND),
        ((1, OffsetAndEpoch(3, 1), -1), ErrorCode.POSITION_OUT_OF_RANGE),
    ],
)
def test_fetch_snapshot_errors(request_: tuple[int, OffsetAndEpoch, int], error: ErrorCode) -> None:
    machine = elected()
    machine.step(SnapshotCreated(OffsetAndEpoch(3, 1)))
    epoch, snapshot_id, position = request_
    request = rpc.fetch_snapshot_request(CLUSTER_ID, key(2), epoch, snapshot_id, position, 100)
    response = machine.ask(request, FetchSnapshotResponse)
    assert response.topics[0].partitions[0].error_code == error


def test_fetch_snapshot_of_something_else() -> None:
    machine = elected()
    request = FetchSnapshotRequest(cluster_id="other")
    assert machine.ask(request, FetchSnapshotResponse).error_code == ErrorCode.INCONSISTENT_CLUSTER_ID
    assert machine.ask(FetchSnapshotRequest(), FetchSnapshotResponse).error_code == ErrorCode.INVALID_REQUEST
    request = rpc.fetch_snapshot_request(CLUSTER_ID, key(2), 1, OffsetAndEpoch(3, 1), 0, 100)
    request.topics[0].name = "other"
    response = machine.ask(request, FetchSnapshotResponse)
    assert response.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


# ---- fetching, at the follower


def test_follower_appends_syncs_and_only_then_fetches_on() -> None:
    machine = following(leader_id=2, epoch=5)
    [(node, request)] = machine.sent(FetchRequest)
    assert node == Node(2, "node2", 9002) and request.topics[0].partitions[0].fetch_offset == 0
    machine.answer(FetchRequest, fetch_answer(2, 5, batch(0, 3, 5), high_watermark=2))
    kinds = [type(effect) for effect in machine.last]
    assert kinds == [AppendAsFollower, SyncLog, AdvanceHighWatermark]
    assert machine.found(AdvanceHighWatermark) == [AdvanceHighWatermark(2)]
    machine.sync()
    [(_, request)] = machine.sent(FetchRequest)
    partition = request.topics[0].partitions[0]
    assert (partition.fetch_offset, partition.last_fetched_epoch, partition.high_watermark) == (3, 5, 2)


def test_broker_does_not_sync_for_the_quorum() -> None:
    machine = following(leader_id=2, epoch=5, voters=3, can_become_voter=False)
    machine.quorum.membership.add_voters(50, VoterSet([voter_node(2), voter_node(3)]))
    machine.answer(FetchRequest, fetch_answer(2, 5, batch(0, 3, 5)))
    assert [type(effect) for effect in machine.last] == [AppendAsFollower, SendRequest]


def test_high_watermark_is_followed_only_as_far_as_the_log_goes() -> None:
    machine = following(leader_id=2, epoch=5)
    machine.answer(FetchRequest, fetch_answer(2, 5, batch(0, 3, 5), high_watermark=99))
    assert machine.found(AdvanceHighWatermark) == [AdvanceHighWatermark(3)]


def test_follower_cuts_what_parts_from_the_leader() -> None:
    machine = Machine(election=ElectionState(5, 2), outline=log_of((2, 0), (4, 6), end=9))
    machine.sync()
    response = fetch_answer(2, 5)
    response.responses[0].partitions[0].diverging_epoch = FetchResponse.EpochEndOffset(epoch=3, end_offset=8)
    machine.answer(FetchRequest, response)
    assert machine.found(TruncateLog) == [TruncateLog(6)] and machine.quorum.outline.end == (6, 2)
    [(_, request)] = machine.sent(FetchRequest)
    assert request.topics[0].partitions[0].fetch_offset == 6


def test_sync_from_before_a_cut_says_nothing() -> None:
    machine = Machine(election=ElectionState(5, 2), outline=log_of((2, 0), (4, 6), end=9))
    old = LogSynced(9, machine.quorum.truncations)
    machine.quorum.truncate_to(6)
    machine.step(old)
    assert machine.quorum.synced_offset == 0


def test_committed_records_are_never_cut() -> None:
    machine = following(leader_id=2, epoch=5)
    machine.answer(FetchRequest, fetch_answer(2, 5, batch(0, 3, 5), high_watermark=3))
    machine.sync()
    response = fetch_answer(2, 5)
    response.responses[0].partitions[0].diverging_epoch = FetchResponse.EpochEndOffset(epoch=5, end_offset=1)
    with pytest.raises(QuorumFault):
        machine.answer(FetchRequest, response)


def test_follower_without_answers_stands_for_election() -> None:
    machine = following(leader_id=2, epoch=5)
    machine.answer(FetchRequest, fetch_answer(2, 5))
    machine.wait(1900)
    assert isinstance(machine.state, Follower)
    machine.wait(200)
    assert isinstance(machine.state, Prospective) and machine.state.leader_id == 2


def refused(machine: Machine, kind: type[Message]) -> None:
    [(node, _)] = machine.sent(kind)
    [effect] = [e for e in machine.last if isinstance(e, SendRequest)]
    machine.step(ResponseArrived(effect.correlation_id, node, None, ErrorCode.NETWORK_EXCEPTION, is_refused=True))


def test_follower_of_a_leader_whose_process_is_gone_stands_for_election_at_once() -> None:
    machine = following(leader_id=2, epoch=5)
    machine.answer(FetchRequest, fetch_answer(2, 5))
    refused(machine, FetchRequest)
    assert machine.state.fetch_at_ms <= machine.ms + 100 and not machine.state.has_fetched
    machine.wait(100)
    assert isinstance(machine.state, Prospective) and machine.state.leader_id == 2


def test_an_epoch_that_leaves_no_room_for_elections_is_refused() -> None:
    machine = following(leader_id=2, epoch=5)
    answer = machine.ask(begin_request(3, 2**31 - 1), BeginQuorumEpochResponse)
    assert answer.topics[0].partitions[0].error_code == ErrorCode.INVALID_REQUEST
    vote_answer = machine.ask(vote_request(2**31 - 1, (10, 5)), VoteResponse)
    assert vote_answer.topics[0].partitions[0].error_code == ErrorCode.INVALID_REQUEST
    assert machine.quorum.epoch == 5


def test_follower_that_alone_is_refused_waits_after_a_few_tries() -> None:
    """As by a firewall: the others still hear of the leader, and deny the pre-vote."""
    machine = following(leader_id=2, epoch=5)
    for _ in range(EARLY_TRIES_MAX):
        assert machine.quorum.may_stand_early()
    machine.state.fetch_at_ms = machine.ms + 2000
    refused(machine, FetchRequest)
    assert machine.state.fetch_at_ms == machine.ms + 2000
    assert not machine.state.has_fetched, "it does not keep others from standing"


def test_bootstrap_server_that_is_gone_is_no_reason_for_an_election() -> None:
    machine = following(leader_id=2, epoch=5)
    machine.answer(FetchRequest, None, error=ErrorCode.NETWORK_EXCEPTION)
    before = machine.state.fetch_at_ms
    refused(machine, FetchRequest)
    assert machine.state.fetch_at_ms == before


def test_leader_that_fails_makes_the_follower_ask_others() -> None:
    machine = following(leader_id=2, epoch=5)
    machine.answer(FetchRequest, None, error=ErrorCode.NETWORK_EXCEPTION)
    [(node, _)] = machine.sent(FetchRequest)
    assert node.id < 0, "a bootstrap server"
    machine.answer(FetchRequest, fetch_answer(3, 6, error=ErrorCode.FENCED_LEADER_EPOCH))
    assert isinstance(machine.state, Follower) and (machine.state.leader_id, machine.quorum.epoch) == (3, 6)


def test_unattached_finds_the_leader_and_records_in_one_answer() -> None:
    machine = Machine(election=ElectionState(5))
    machine.answer(FetchRequest, fetch_answer(2, 5, batch(0, 2, 5)))
    assert isinstance(machine.state, Follower)
    assert machine.found(AppendAsFollower)


def test_leader_known_by_id_is_followed_once_its_endpoint_is_known() -> None:
    machine = Machine(election=ElectionState(5, 9))
    machine.answer(FetchRequest, fetch_answer(9, 5, batch(0, 2, 5)))
    assert isinstance(machine.state, Follower) and machine.found(AppendAsFollower)
    machine = Machine(election=ElectionState(5, 9))
    machine.answer(FetchRequest, fetch_answer(8, 5))
    assert isinstance(machine.state, Unattached) and not machine.found(PersistElection)


def test_answers_to_questions_of_another_state_are_ignored() -> None:
    machine = following(leader_id=2, epoch=5)
    old = next(e for e in machine.effects if isinstance(e, SendRequest) and isinstance(e.message, FetchRequest))
    machine.ask(begin_request(3, 6), BeginQuorumEpochResponse)
    machine.step(ResponseArrived(old.correlation_id, old.node, fetch_answer(2, 5, batch(0, 2, 5))))
    assert machine.last == [] and machine.quorum.outline.end_offset == 0


@pytest.mark.parametrize("response", [FetchResponse(), FetchResponse(error_code=ErrorCode.UNKNOWN_SERVER_ERROR)])
def test_senseless_answers_make_the_follower_back_off(response: FetchResponse) -> None:
    machine = following(leader_id=2, epoch=5)
    machine.answer(FetchRequest, response)
    assert all(node.id != 2 for node, _ in machine.sent(FetchRequest))
    machine.ms += 20
    assert isinstance(machine.state, Follower)


def test_follower_takes_a_snapshot_in_slices() -> None:
    machine = following(leader_id=2, epoch=5)
    response = fetch_answer(2, 5)
    response.responses[0].partitions[0].snapshot_id = FetchResponse.SnapshotId(end_offset=40, epoch=4)
    machine.answer(FetchRequest, response)
    snapshot_id = OffsetAndEpoch(40, 4)
    assert machine.found(BeginSnapshot) == [BeginSnapshot(snapshot_id)]
    for position, data in ((0, b"12345"), (5, b"6789")):
        [(_, request)] = machine.sent(FetchSnapshotRequest)
        assert request.topics[0].partitions[0].position == position
        answer = rpc.fetch_snapshot_response(ErrorCode.NONE, leadership(2, 5), 1, snapshot_id, position)
        answer.topics[0].partitions[0].size = 9
        answer.topics[0].partitions[0].unaligned_records = data
        machine.answer(FetchSnapshotRequest, answer)
        assert machine.found(AppendSnapshot) == [AppendSnapshot(data)]
    assert machine.found(InstallSnapshot) == [InstallSnapshot(snapshot_id)]
    assert machine.quorum.outline.end == (40, 4) and not machine.found(SendRequest)
    assert machine.quorum.deadline_ms == float("inf"), "no election while it is being installed"
    voters = VoterSet([voter_node(1), voter_node(2)])
    machine.step(SnapshotInstalled(snapshot_id, 1, voters))
    assert machine.found(AdvanceHighWatermark) == [AdvanceHighWatermark(40)]
    assert machine.quorum.membership.voters == voters and machine.quorum.membership.voters_offset == 39
    [(_, fetch)] = machine.sent(FetchRequest)
    assert fetch.topics[0].partitions[0].fetch_offset == 40


@pytest.mark.parametrize("answer_", ["gone", "other snapshot", "other position"])
def test_snapshot_that_cannot_be_had(answer_: str) -> None:
    machine = following(leader_id=2, epoch=5)
    response = fetch_answer(2, 5)
    response.responses[0].partitions[0].snapshot_id = FetchResponse.SnapshotId(end_offset=40, epoch=4)
    machine.answer(FetchRequest, response)
    error = ErrorCode.SNAPSHOT_NOT_FOUND if answer_ == "gone" else ErrorCode.NONE
    named = OffsetAndEpoch(41 if answer_ == "other snapshot" else 40, 4)
    position = 3 if answer_ == "other position" else 0
    machine.answer(FetchSnapshotRequest, rpc.fetch_snapshot_response(error, leadership(2, 5), 1, named, position))
    assert machine.found(AbandonSnapshot) and machine.state.fetching_snapshot is None


def test_new_leader_ends_the_download() -> None:
    machine = following(leader_id=2, epoch=5)
    response = fetch_answer(2, 5)
    response.responses[0].partitions[0].snapshot_id = FetchResponse.SnapshotId(end_offset=40, epoch=4)
    machine.answer(FetchRequest, response)
    machine.ask(begin_request(3, 6), BeginQuorumEpochResponse)
    assert machine.found(AbandonSnapshot)


# ---- membership


def describe() -> DescribeQuorumRequest:
    partition = DescribeQuorumRequest.PartitionData(partition_index=0)
    return DescribeQuorumRequest(topics=[DescribeQuorumRequest.TopicData(topic_name=rpc.TOPIC, partitions=[partition])])


def test_describe_quorum() -> None:
    machine = elected()
    machine.send(fetch_request(7, 1, 1))
    response = machine.ask(describe(), DescribeQuorumResponse)
    partition = response.topics[0].partitions[0]
    end = machine.quorum.outline.end_offset
    assert (partition.leader_id, partition.leader_epoch, partition.high_watermark) == (1, 1, end)
    assert [(v.replica_id, v.log_end_offset) for v in partition.current_voters] == [(1, end), (2, end), (3, -1)]
    assert partition.current_voters[0].last_fetch_timestamp == machine.now.wall_ms
    assert [(o.replica_id, o.replica_directory_id) for o in partition.observers] == [(7, directory_id(7))]
    assert [node.node_id for node in response.nodes] == [1, 2, 3]
    old = machine.ask(describe(), DescribeQuorumResponse, version=0)
    assert old.nodes == [] and old.topics[0].partitions[0].current_voters[0].replica_directory_id == bytes(16)


def test_describe_quorum_elsewhere_and_of_something_else() -> None:
    response = Machine().ask(describe(), DescribeQuorumResponse)
    assert response.topics[0].partitions[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    request = describe()
    request.topics[0].topic_name = "other"
    response = elected().ask(request, DescribeQuorumResponse)
    assert response.topics[0].topic_name == "other"
    assert response.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def add_request(node_id: int, **changes: Any) -> AddRaftVoterRequest:
    return AddRaftVoterRequest(
        **{
            "cluster_id": CLUSTER_ID,
            "voter_id": node_id,
            "voter_directory_id": directory_id(node_id),
            "listeners": rpc.listeners_of(AddRaftVoterRequest.Listener, endpoints(node_id)),
            **changes,
        }
    )


def versions(low: int = 0, high: int = 1) -> ApiVersionsResponse:
    feature = ApiVersionsResponse.SupportedFeatureKey(name="kraft.version", min_version=low, max_version=high)
    return ApiVersionsResponse(supported_features=[feature])


def catch_up(machine: Machine, node_id: int) -> None:
    machine.send(fetch_request(node_id, machine.quorum.outline.end_offset, 1))


def commit(machine: Machine) -> None:
    machine.sync()
    for voter_id in machine.quorum.membership.voters.ids:
        if voter_id != 1:
            machine.send(fetch_request(voter_id, machine.quorum.outline.end_offset, 1))


def answers(machine: Machine, request_id: int) -> list[Message]:
    return [e.message for e in machine.effects if isinstance(e, SendResponse) and e.request_id == request_id]


def test_voter_is_added_once_it_has_shown_what_it_can() -> None:
    machine = elected()
    catch_up(machine, 4)
    request_id = machine.send(add_request(4))
    [(node, _)] = machine.sent(ApiVersionsRequest)
    assert node == Node(4, "node4", 9004)
    machine.answer(ApiVersionsRequest, versions())
    assert machine.found(AppendAsLeader) and machine.quorum.membership.voters.ids == [1, 2, 3, 4]
    assert answers(machine, request_id) == []
    commit(machine)
    assert answers(machine, request_id) == [rpc.add_voter_response(ErrorCode.NONE)]


def test_voter_that_does_not_want_to_wait_for_the_commit() -> None:
    machine = elected()
    catch_up(machine, 4)
    request_id = machine.send(add_request(4, ack_when_committed=False))
    machine.answer(ApiVersionsRequest, versions())
    assert answers(machine, request_id) == [rpc.add_voter_response(ErrorCode.NONE)]
    commit(machine)
    assert len(answers(machine, request_id)) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"cluster_id": "other"}, ErrorCode.INCONSISTENT_CLUSTER_ID),
        ({"voter_directory_id": bytes(16)}, ErrorCode.INVALID_REQUEST),
        ({"voter_id": -1}, ErrorCode.INVALID_REQUEST),
        ({"listeners": []}, ErrorCode.INVALID_REQUEST),
        ({"voter_id": 3}, ErrorCode.DUPLICATE_VOTER),
    ],
)
def test_voters_that_cannot_be_added(changes: dict[str, Any], error: ErrorCode) -> None:
    response = elected().ask(add_request(4, **changes), AddRaftVoterResponse)
    assert response.error_code == error and response.error_message


def test_voters_cannot_be_added_elsewhere_or_too_early() -> None:
    assert Machine().ask(add_request(4), AddRaftVoterResponse).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    early = Machine(voters=1)
    assert early.ask(add_request(4), AddRaftVoterResponse).error_code == ErrorCode.REQUEST_TIMED_OUT
    static = elected(static=True)
    assert static.ask(add_request(4), AddRaftVoterResponse).error_code == ErrorCode.UNSUPPORTED_VERSION


def test_one_change_of_voters_at_a_time() -> None:
    machine = elected()
    catch_up(machine, 4)
    machine.send(add_request(4))
    assert machine.ask(add_request(5), AddRaftVoterResponse).error_code == ErrorCode.REQUEST_TIMED_OUT
    remove = RemoveRaftVoterRequest(cluster_id=CLUSTER_ID, voter_id=3, voter_directory_id=directory_id(3))
    assert machine.ask(remove, RemoveRaftVoterResponse).error_code == ErrorCode.REQUEST_TIMED_OUT


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (None, ErrorCode.REQUEST_TIMED_OUT),
        (ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION), ErrorCode.REQUEST_TIMED_OUT),
        (ApiVersionsResponse(), ErrorCode.INVALID_REQUEST),
        (versions(0, 0), ErrorCode.INVALID_REQUEST),
        (versions(), ErrorCode.REQUEST_TIMED_OUT),
    ],
)
def test_voter_that_does_not_fit(response: ApiVersionsResponse | None, error: ErrorCode) -> None:
    machine = elected()
    request_id = machine.send(add_request(4))
    machine.answer(
        ApiVersionsRequest, response, error=ErrorCode.NETWORK_EXCEPTION if response is None else ErrorCode.NONE
    )
    [answer] = answers(machine, request_id)
    assert isinstance(answer, AddRaftVoterResponse) and answer.error_code == error
    assert machine.quorum.membership.voters.ids == [1, 2, 3] and machine.state.pending_add is None


def test_new_voter_that_is_silent_is_given_up() -> None:
    machine = elected()
    request_id = machine.send(add_request(4))
    machine.send(fetch_request(2, 1, 1))
    machine.wait(1500)
    machine.send(fetch_request(2, 1, 1))
    machine.wait(600)
    [answer] = answers(machine, request_id)
    assert isinstance(answer, AddRaftVoterResponse) and answer.error_code == ErrorCode.REQUEST_TIMED_OUT


def test_pending_change_fails_with_leadership() -> None:
    machine = elected()
    request_id = machine.send(add_request(4))
    machine.ask(begin_request(2, 5), BeginQuorumEpochResponse)
    [answer] = answers(machine, request_id)
    assert isinstance(answer, AddRaftVoterResponse) and answer.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


def remove_request(node_id: int, disk: int = 0, **changes: Any) -> RemoveRaftVoterRequest:
    return RemoveRaftVoterRequest(
        **{
            "cluster_id": CLUSTER_ID,
            "voter_id": node_id,
            "voter_directory_id": directory_id(node_id, disk),
            **changes,
        }
    )


def test_voter_is_removed() -> None:
    machine = elected()
    request_id = machine.send(remove_request(3))
    assert machine.quorum.membership.voters.ids == [1, 2] and answers(machine, request_id) == []
    commit(machine)
    assert answers(machine, request_id) == [rpc.remove_voter_response(ErrorCode.NONE)]
    assert isinstance(machine.state, Leader)


def test_leader_that_removed_itself_leads_until_it_is_committed() -> None:
    machine = elected()
    request_id = machine.send(remove_request(1))
    end = machine.quorum.outline.end_offset
    machine.sync()
    assert isinstance(machine.state, Leader) and not machine.quorum.is_voter
    machine.send(fetch_request(2, end, 1))
    assert isinstance(machine.state, Leader), "its own copy counts no more"
    machine.send(fetch_request(3, end, 1))
    assert answers(machine, request_id) == [rpc.remove_voter_response(ErrorCode.NONE)]
    assert isinstance(machine.state, Resigned)
    machine.wait(2500)
    assert isinstance(machine.state, Unattached) and machine.state.election_at_ms == float("inf")


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (remove_request(3, disk=1), ErrorCode.VOTER_NOT_FOUND),
        (remove_request(9), ErrorCode.VOTER_NOT_FOUND),
        (remove_request(3, cluster_id="other"), ErrorCode.INCONSISTENT_CLUSTER_ID),
        (remove_request(3, voter_directory_id=bytes(16)), ErrorCode.INVALID_REQUEST),
    ],
)
def test_voters_that_cannot_be_removed(request_: RemoveRaftVoterRequest, error: ErrorCode) -> None:
    assert elected().ask(request_, RemoveRaftVoterResponse).error_code == error


def test_last_voter_cannot_be_removed() -> None:
    machine = Machine(voters=1)
    machine.sync()
    assert machine.ask(remove_request(1), RemoveRaftVoterResponse).error_code == ErrorCode.VOTER_NOT_FOUND
    assert (
        elected(static=True).ask(remove_request(3), RemoveRaftVoterResponse).error_code == ErrorCode.UNSUPPORTED_VERSION
    )


def update_request(node_id: int, at: int = 8, epoch: int = 1, **changes: Any) -> UpdateRaftVoterRequest:
    request = rpc.update_voter_request(CLUSTER_ID, epoch, VoterNode(key(node_id), endpoints(at), 0, 1))
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def test_voter_moves() -> None:
    machine = elected()
    response = machine.ask(update_request(2), UpdateRaftVoterResponse)
    assert response.error_code == ErrorCode.NONE
    assert (response.current_leader.leader_id, response.current_leader.leader_epoch) == (1, 1)
    assert (response.current_leader.host, response.current_leader.port) == ("node1", 9001)
    assert machine.quorum.membership.voters.listeners(2) == endpoints(8)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (update_request(2, cluster_id="other"), ErrorCode.INCONSISTENT_CLUSTER_ID),
        (update_request(2, epoch=0), ErrorCode.FENCED_LEADER_EPOCH),
        (update_request(2, epoch=2), ErrorCode.UNKNOWN_LEADER_EPOCH),
        (update_request(2, voter_directory_id=bytes(16)), ErrorCode.INVALID_REQUEST),
        (update_request(2, listeners=[]), ErrorCode.INVALID_REQUEST),
        (
            update_request(
                2,
                kraft_version_feature=UpdateRaftVoterRequest.KRaftVersionFeature(
                    min_supported_version=0, max_supported_version=0
                ),
            ),
            ErrorCode.INVALID_REQUEST,
        ),
        (update_request(9), ErrorCode.VOTER_NOT_FOUND),
    ],
)
def test_updates_that_make_no_sense(request_: UpdateRaftVoterRequest, error: ErrorCode) -> None:
    assert elected().ask(request_, UpdateRaftVoterResponse).error_code == error


def test_follower_tells_its_new_endpoints() -> None:
    machine = following(leader_id=2, epoch=5, endpoints=endpoints(8))
    machine.answer(FetchRequest, fetch_answer(2, 5))
    machine.wait(1900)
    machine.answer(FetchRequest, fetch_answer(2, 5))
    machine.wait(200)
    machine.answer(FetchRequest, fetch_answer(2, 5))
    [(node, request)] = machine.sent(UpdateRaftVoterRequest)
    assert node.id == 2 and request.listeners[0].host == "node8"
    response = rpc.update_voter_response(ErrorCode.NONE, leadership(2, 5))
    machine.answer(UpdateRaftVoterRequest, response)
    assert machine.state.has_updated_leader and machine.sent(FetchRequest)


def test_kraft_version_is_raised_when_all_voters_can() -> None:
    machine = elected(static=True)
    machine.step(KRaftVersionRequested(1, 1, False))
    assert machine.quorum.upgrade_error == ErrorCode.INVALID_UPDATE_VERSION, "the others have not told yet"
    for voter_id in (2, 3):
        assert machine.ask(update_request(voter_id, at=voter_id), UpdateRaftVoterResponse).error_code == ErrorCode.NONE
    machine.step(KRaftVersionRequested(1, 1, True))
    assert machine.quorum.upgrade_error is None and not machine.found(AppendAsLeader)
    machine.step(KRaftVersionRequested(1, 1, False))
    assert machine.quorum.upgrade_error is None and machine.found(AppendAsLeader)
    assert machine.quorum.membership.kraft_version == 1
    assert machine.quorum.membership.voters.keys == [key(1), key(2), key(3)]
    machine.step(KRaftVersionRequested(1, 0, False))
    assert machine.quorum.upgrade_error == ErrorCode.INVALID_UPDATE_VERSION
    machine.step(KRaftVersionRequested(9, 1, False))
    assert machine.quorum.upgrade_error == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_observer_joins_by_itself() -> None:
    machine = following(leader_id=2, epoch=5, auto_join=True)
    machine.quorum.membership.add_voters(50, VoterSet([voter_node(2), voter_node(3), voter_node(1, disk=1)]))
    machine.ms += 2100
    machine.answer(FetchRequest, fetch_answer(2, 5))
    [(_, remove)] = machine.sent(RemoveRaftVoterRequest)
    assert (remove.voter_id, remove.voter_directory_id) == (1, directory_id(1, disk=1))
    machine.answer(RemoveRaftVoterRequest, RemoveRaftVoterResponse())
    machine.quorum.membership.add_voters(60, VoterSet([voter_node(2), voter_node(3)]))
    machine.ms += 2100
    machine.answer(FetchRequest, fetch_answer(2, 5))
    [(_, add)] = machine.sent(AddRaftVoterRequest)
    assert (add.voter_id, add.voter_directory_id, add.ack_when_committed) == (1, directory_id(1), False)
    machine.answer(AddRaftVoterRequest, add_busy())
    assert machine.sent(FetchRequest)


def add_busy() -> AddRaftVoterResponse:
    return rpc.add_voter_response(ErrorCode.REQUEST_TIMED_OUT)


# ---- the end


def test_sole_voter_stops_at_once() -> None:
    machine = Machine(voters=1)
    assert CompleteShutdown(False) in machine.step(ShutdownRequested(5000))
    assert machine.step(TimePassed()) == [] and machine.quorum.deadline_ms == float("inf")


def test_follower_stops_at_once() -> None:
    machine = following()
    assert CompleteShutdown(False) in machine.step(ShutdownRequested(5000))


def test_leader_hands_over_before_it_stops() -> None:
    machine = elected()
    machine.step(ShutdownRequested(5000))
    assert isinstance(machine.state, Resigned) and machine.sent(EndQuorumEpochRequest)
    assert not machine.found(CompleteShutdown)
    machine.step(RequestArrived(98, vote_request(2, (9, 1)), 2, LISTENER))
    assert not machine.found(CompleteShutdown)
    machine.step(RequestArrived(99, begin_request(2, 2), 1, LISTENER))
    assert machine.found(CompleteShutdown) == [CompleteShutdown(False)]


def test_leader_that_finds_no_successor_stops_all_the_same() -> None:
    machine = elected()
    machine.step(ShutdownRequested(5000))
    machine.wait(5000)
    assert machine.found(CompleteShutdown) == [CompleteShutdown(True)]


def test_endpoints_that_are_learned_later() -> None:
    machine = Machine(election=ElectionState(5, 9))
    assert isinstance(machine.state, Unattached) and machine.state.leader_id == 9
    request = BeginQuorumEpochRequest(
        cluster_id=CLUSTER_ID,
        voter_id=1,
        topics=begin_request(9, 5).topics,
        leader_endpoints=[BeginQuorumEpochRequest.LeaderEndpoint(name="controller", host="h", port=1)],
    )
    machine.ask(request, BeginQuorumEpochResponse)
    assert isinstance(machine.state, Follower)
    assert machine.state.leader_endpoints == Endpoints({LISTENER: Address("h", 1)})
