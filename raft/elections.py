"""Vote, BeginQuorumEpoch and EndQuorumEpoch: asked, answered, and what the answers do.

Each request is checked in Kafka's order, for clients tell the errors apart: cluster, partition, the numbers in it, the
epoch, and last whether it was meant for this replica; by then a newer epoch has already been taken over.
Counterparts in Kafka: the handlers of the three in KafkaRaftClient; `canGrantVote` of its states.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.ids import OffsetAndEpoch
from protocol.messages.begin_quorum_epoch import BeginQuorumEpochRequest, BeginQuorumEpochResponse
from protocol.messages.end_quorum_epoch import EndQuorumEpochRequest, EndQuorumEpochResponse
from protocol.messages.vote import VoteRequest, VoteResponse
from protocol.schema import Message
from raft import membership, rpc
from raft.candidate import Candidate, Nominee, Prospective
from raft.connections import INFINITY
from raft.events import RequestArrived, ResponseArrived
from raft.follower import Follower, Unattached
from raft.leader import Leader, Resigned
from raft.voters import Endpoints, ReplicaKey

if TYPE_CHECKING:
    from raft.quorum import Quorum

log = logging.getLogger(__name__)


# ---- Vote


def request_votes(quorum: Quorum, nominee: Nominee) -> float:
    """Ask the voters that have not answered, while the election can still be won."""
    if nominee.election.is_rejected:
        return INFINITY
    pre_vote = isinstance(nominee, Prospective)
    retry_at_ms = INFINITY
    for voter in nominee.election.unrecorded:
        retry_at_ms = min(retry_at_ms, _request_vote(quorum, voter, pre_vote))
    return retry_at_ms


def _request_vote(quorum: Quorum, voter: ReplicaKey, pre_vote: bool) -> float:
    config = quorum.config
    node = quorum.membership.voters.node(voter.id, config.listener_name)
    if node is None:
        return INFINITY

    def make() -> Message:
        return rpc.vote_request(
            config.cluster_id, quorum.epoch, config.replica_key, voter, quorum.outline.end, pre_vote
        )

    return quorum.send(node, make)


def on_vote_request(quorum: Quorum, event: RequestArrived, request: VoteRequest) -> None:
    error = _check_address(quorum, request)
    if error != ErrorCode.NONE:
        quorum.respond(event.request_id, VoteResponse(error_code=error))
        return
    partition = request.topics[0].partitions[0]
    error = _check_vote(quorum, partition)
    granted = False
    if error == ErrorCode.NONE:
        if partition.replica_epoch > quorum.epoch:
            quorum.transition_to_unattached(partition.replica_epoch)
        if quorum.is_intended_here(ReplicaKey.of(request.voter_id, partition.voter_directory_id)):
            granted = _vote(quorum, partition)
        else:
            error = ErrorCode.INVALID_VOTER_KEY
    leadership = quorum.leadership(event.listener_name)
    quorum.respond(event.request_id, rpc.vote_response(error, leadership, granted, event.version))


def _check_vote(quorum: Quorum, partition: VoteRequest.PartitionData) -> ErrorCode:
    """A candidate has raised its epoch above its log's; one that only asks (pre-vote) may still be in its log's
    epoch."""
    limit = partition.replica_epoch if partition.pre_vote else partition.replica_epoch - 1
    if partition.last_offset < 0 or not 0 <= partition.last_offset_epoch <= limit:
        return ErrorCode.INVALID_REQUEST
    return quorum.check_voter_request(partition.replica_id, partition.replica_epoch)


def _vote(quorum: Quorum, partition: VoteRequest.PartitionData) -> bool:
    candidate = ReplicaKey.of(partition.replica_id, partition.replica_directory_id)
    if candidate.id == quorum.config.node_id:
        return False  # never for ourselves by this way: another process with our id
    theirs = OffsetAndEpoch(partition.last_offset, partition.last_offset_epoch)
    granted = can_grant_vote(quorum, candidate, is_up_to_date(theirs, quorum.outline.end), partition.pre_vote)
    if granted and not partition.pre_vote and quorum.state.voted_key is None:
        quorum.add_vote(candidate)
    log.info(
        "%s for %s in epoch %d: %s", "pre-vote" if partition.pre_vote else "vote", candidate, quorum.epoch, granted
    )
    return granted


def is_up_to_date(theirs: OffsetAndEpoch, ours: OffsetAndEpoch) -> bool:
    """Whether a log that ends at `theirs` holds at least all that one ending at `ours` may have committed."""
    return (theirs.epoch, theirs.offset) >= (ours.epoch, ours.offset)


def can_grant_vote(quorum: Quorum, candidate: ReplicaKey, up_to_date: bool, pre_vote: bool) -> bool:
    match quorum.state:
        case Leader():
            return False
        case Follower() as follower:
            # A leader that serves us is reason enough against an election; one that we only heard of is not.
            return pre_vote and up_to_date and not follower.has_fetched
        case Candidate() | Resigned():
            return pre_vote and up_to_date
        case Unattached() | Prospective() as state:
            if pre_vote:
                return up_to_date
            if state.voted_key is not None:
                return state.voted_key.matches(candidate)
            return state.leader_id is None and up_to_date


def on_vote_response(quorum: Quorum, event: ResponseArrived, response: VoteResponse) -> bool:
    if response.error_code == ErrorCode.UNSUPPORTED_VERSION and isinstance(quorum.state, Prospective):
        log.info("a voter does not know pre-votes; standing for election at once")
        quorum.transition_to_candidate()
        return True
    handled = _handle_common(quorum, event, response)
    if handled is not None:
        return handled
    granted = response.topics[0].partitions[0].vote_granted
    state = quorum.state
    if isinstance(state, Prospective | Candidate):
        state.election.record(event.node.id, granted)
        if granted:
            quorum.advance_nominee(state)
        elif isinstance(state, Prospective) and state.election.is_rejected:
            lose_pre_vote(quorum, state)
    return True


def lose_pre_vote(quorum: Quorum, prospective: Prospective) -> None:
    """Back to the leader that we knew, if it can be reached, else wait for one."""
    leader_id = prospective.leader_id
    if leader_id is not None and leader_id != quorum.config.node_id and prospective.leader_endpoints:
        quorum.transition_to_follower(prospective.epoch, leader_id, prospective.leader_endpoints)
    else:
        quorum.transition_to_unattached(prospective.epoch, leader_id)


# ---- BeginQuorumEpoch


def remind_voters(quorum: Quorum, leader: Leader) -> float:
    """Tell the voters that do not fetch who leads. When to look at them again."""
    if quorum.membership.voters.ids == [leader.leader_id]:
        return INFINITY
    if quorum.now.ms >= leader.begin_quorum_at_ms:
        for voter in leader.voters_to_remind(quorum.now):
            _send_begin_quorum_epoch(quorum, leader, voter)
        leader.begin_quorum_at_ms = quorum.now.ms + leader.begin_quorum_timeout_ms
    return leader.begin_quorum_at_ms


def _send_begin_quorum_epoch(quorum: Quorum, leader: Leader, voter: ReplicaKey) -> None:
    node = quorum.membership.voters.node(voter.id, quorum.config.listener_name)
    if node is not None:
        request = rpc.begin_quorum_epoch_request(
            quorum.config.cluster_id, leader.epoch, leader.leader_id, leader.leader_endpoints, voter
        )
        quorum.send(node, lambda: request)


def on_begin_quorum_epoch_request(quorum: Quorum, event: RequestArrived, request: BeginQuorumEpochRequest) -> None:
    error = _check_address(quorum, request)
    if error != ErrorCode.NONE:
        quorum.respond(event.request_id, BeginQuorumEpochResponse(error_code=error))
        return
    partition = request.topics[0].partitions[0]
    error = _follow(quorum, partition.leader_id, partition.leader_epoch, rpc.endpoints_of(request.leader_endpoints))
    if error == ErrorCode.NONE and not quorum.is_intended_here(
        ReplicaKey.of(request.voter_id, partition.voter_directory_id)
    ):
        error = ErrorCode.INVALID_VOTER_KEY
    leadership = quorum.leadership(event.listener_name)
    quorum.respond(event.request_id, rpc.begin_quorum_epoch_response(error, leadership, event.version))


def _follow(quorum: Quorum, leader_id: int, epoch: int, endpoints: Endpoints) -> ErrorCode:
    """A leader speaks for itself."""
    error = quorum.check_voter_request(leader_id, epoch)
    if error != ErrorCode.NONE:
        return error
    if not endpoints:
        endpoints = quorum.membership.voters.listeners(leader_id)
    return ErrorCode.NONE if quorum.maybe_transition(leader_id, epoch, endpoints) else ErrorCode.INVALID_REQUEST


def on_begin_quorum_epoch_response(quorum: Quorum, event: ResponseArrived, response: BeginQuorumEpochResponse) -> bool:
    handled = _handle_common(quorum, event, response)
    return True if handled is None else handled


# ---- EndQuorumEpoch


def send_end_quorum_epoch(quorum: Quorum, state: Resigned) -> float:
    config = quorum.config
    request = rpc.end_quorum_epoch_request(config.cluster_id, state.epoch, config.node_id, state.preferred_successors)
    retry_at_ms = INFINITY
    for voter_id in sorted(state.unacknowledged):
        node = quorum.membership.voters.node(voter_id, config.listener_name)
        if node is not None:
            retry_at_ms = min(retry_at_ms, quorum.send(node, lambda: request))
    return retry_at_ms


def on_end_quorum_epoch_request(quorum: Quorum, event: RequestArrived, request: EndQuorumEpochRequest) -> None:
    error = _check_address(quorum, request)
    if error != ErrorCode.NONE:
        quorum.respond(event.request_id, EndQuorumEpochResponse(error_code=error))
        return
    partition = request.topics[0].partitions[0]
    error = _follow(quorum, partition.leader_id, partition.leader_epoch, rpc.endpoints_of(request.leader_endpoints))
    state = quorum.state
    if error == ErrorCode.NONE and isinstance(state, Follower) and state.leader_id == partition.leader_id:
        candidates = rpc.preferred_candidates(partition)
        state.fetch_at_ms = quorum.now.ms + _election_backoff_ms(quorum, candidates)
    leadership = quorum.leadership(event.listener_name)
    quorum.respond(event.request_id, rpc.end_quorum_epoch_response(error, leadership, event.version))


def _election_backoff_ms(quorum: Quorum, candidates: Sequence[ReplicaKey]) -> float:
    """The first in the list stands at once, each further one waits twice as long, so that the best log wins."""
    position = next((i for i, key in enumerate(candidates) if key.matches(quorum.config.replica_key)), len(candidates))
    maximum_ms = quorum.config.election_backoff_max_ms
    if position >= len(candidates):
        return maximum_ms
    if position == 0:
        return 0
    return min(maximum_ms, (maximum_ms >> (len(candidates) - 1)) << (position - 1))


def on_end_quorum_epoch_response(quorum: Quorum, event: ResponseArrived, response: EndQuorumEpochResponse) -> bool:
    handled = _handle_common(quorum, event, response)
    if handled is not None:
        return handled
    if isinstance(quorum.state, Resigned):
        quorum.state.acknowledge(event.node.id)
    return True


# ---- what the three share


def _check_address(quorum: Quorum, request: VoteRequest | BeginQuorumEpochRequest | EndQuorumEpochRequest) -> ErrorCode:
    """Whether a request is for this cluster, and about the one partition there is."""
    if quorum.is_wrong_cluster(request.cluster_id):
        return ErrorCode.INCONSISTENT_CLUSTER_ID
    return ErrorCode.NONE if rpc.names_metadata_partition(request) else ErrorCode.INVALID_REQUEST


def _handle_common(
    quorum: Quorum, event: ResponseArrived, response: VoteResponse | BeginQuorumEpochResponse | EndQuorumEpochResponse
) -> bool | None:
    """What may be said of each answer before its API matters. None if it is about the one partition and no error, else
    whether the sender may be asked again at once."""
    if response.error_code != ErrorCode.NONE:
        return _refused(event, response.error_code)
    if not rpc.names_metadata_partition(response):
        return False
    partition = response.topics[0].partitions[0]
    leader_id = partition.leader_id if partition.leader_id >= 0 else None
    endpoints = rpc.responded_endpoints(quorum.config.listener_name, partition.leader_id, response.node_endpoints)
    error = rpc.error_code(partition.error_code)
    handled = quorum.handle_common(error, leader_id, partition.leader_epoch, endpoints, event.node)
    if handled is None and error != ErrorCode.NONE:
        return _refused(event, partition.error_code)
    return handled


def _refused(event: ResponseArrived, code: int) -> bool:
    log.warning("%s answered %s", event.node, rpc.error_code(code).name)
    return False


def on_request_failed(quorum: Quorum, event: ResponseArrived) -> None:
    """No answer came. A voter too old to decode a pre-vote counts as one."""
    if event.error == ErrorCode.UNSUPPORTED_VERSION and isinstance(quorum.state, Prospective):
        quorum.transition_to_candidate()
    if event.error == ErrorCode.UNSUPPORTED_VERSION and isinstance(quorum.state, Follower):
        quorum.state.has_updated_leader = True  # a leader from before UpdateRaftVoter
    if event.is_refused:
        _on_refused(quorum, event.node.id)
    membership.on_request_failed(quorum, event)


def _on_refused(quorum: Quorum, node_id: int) -> None:
    """A leader whose process is gone comes back as one that leads no more: nobody needs to wait for it, nor to refuse
    others their pre-vote for its sake. Kafka waits for the whole fetch timeout. Where others go on to reach it (a
    firewall refuses as well), they deny the pre-vote, and after a few tries this voter waits as Kafka's do."""
    follower = quorum.state
    if not isinstance(follower, Follower) or follower.leader_id != node_id:
        return
    follower.has_fetched = False
    if quorum.may_stand_early():
        follower.fetch_at_ms = min(follower.fetch_at_ms, quorum.soon_ms())
