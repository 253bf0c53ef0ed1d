"""Who belongs to the quorum: describing it, and changing it one voter at a time (KIP-853).

A change is one VotersRecord, in force from its append on; a second one may start only when the first is committed and
the leader has committed in its own epoch, so any two successive majorities overlap. Under kraft.version 0 voters come
from the config and cannot change; the leader then merely gathers what the voters tell of themselves, for the upgrade to
1.
Counterparts in Kafka: AddVoterHandler, RemoveVoterHandler, UpdateVoterHandler, KRaftVersionUpgrade, DescribeQuorum.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from protocol.errors import ErrorCode
from protocol.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.describe_quorum import DescribeQuorumRequest, DescribeQuorumResponse
from protocol.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse
from protocol.messages.update_raft_voter import UpdateRaftVoterRequest, UpdateRaftVoterResponse
from protocol.schema import Message
from raft import rpc
from raft.connections import INFINITY
from raft.events import KRaftVersionRequested, RequestArrived, ResponseArrived
from raft.follower import Follower
from raft.leader import Leader, PendingAddVoter, PendingRemoveVoter, ReplicaProgress
from raft.records import kraft_version_record, voters_record
from raft.rpc import add_voter_response, remove_voter_response, update_voter_response
from raft.voters import Address, Endpoints, Node, ReplicaKey, VoterNode, VoterSet

if TYPE_CHECKING:
    from raft.quorum import Quorum

log = logging.getLogger(__name__)


# ---- DescribeQuorum


def on_describe_quorum_request(quorum: Quorum, event: RequestArrived, request: DescribeQuorumRequest) -> None:
    leader = quorum.state
    if not rpc.names_metadata_partition(request):
        response = rpc.describe_quorum_error(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, request)
    elif not isinstance(leader, Leader):
        response = rpc.describe_quorum_error(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    else:
        response = _describe(quorum, leader, event.version)
    quorum.respond(event.request_id, response)


def _describe(quorum: Quorum, leader: Leader, version: int) -> DescribeQuorumResponse:
    voters = [leader.voters[voter_id] for voter_id in sorted(leader.voters)]
    partition = DescribeQuorumResponse.PartitionData(
        partition_index=rpc.PARTITION,
        leader_id=leader.leader_id,
        leader_epoch=leader.epoch,
        high_watermark=-1 if leader.high_watermark is None else leader.high_watermark,
        current_voters=[_replica_state(quorum, leader, progress, version) for progress in voters],
        observers=[
            _replica_state(quorum, leader, progress, version) for progress in leader.active_observers(quorum.now)
        ],
    )
    response = DescribeQuorumResponse(
        topics=[DescribeQuorumResponse.TopicData(topic_name=rpc.TOPIC, partitions=[partition])]
    )
    if version >= 2:
        response.nodes = [
            DescribeQuorumResponse.Node(
                node_id=progress.key.id,
                listeners=rpc.listeners_of(DescribeQuorumResponse.Listener, progress.listeners),
            )
            for progress in voters
        ]
    return response


def _replica_state(
    quorum: Quorum, leader: Leader, progress: ReplicaProgress, version: int
) -> DescribeQuorumResponse.ReplicaState:
    is_leader = progress.key.id == leader.leader_id
    end_offset = quorum.outline.end_offset if is_leader else progress.end_offset
    state = DescribeQuorumResponse.ReplicaState(
        replica_id=progress.key.id,
        log_end_offset=-1 if end_offset is None else end_offset,
        last_fetch_timestamp=quorum.now.wall_ms if is_leader else progress.last_fetch_timestamp,
        last_caught_up_timestamp=quorum.now.wall_ms if is_leader else progress.last_caught_up_timestamp,
    )
    if version >= 2:
        state.replica_directory_id = progress.key.wire_directory_id
    return state


# ---- what every change of voters is asked, and has to wait for


class Refusal(NamedTuple):
    error: ErrorCode
    message: str | None = None


def _check_change(quorum: Quorum, request: AddRaftVoterRequest | RemoveRaftVoterRequest) -> Refusal | None:
    """Whether a request to add or to remove is for this cluster, its leader, and a voter that it names in full."""
    if quorum.is_wrong_cluster(request.cluster_id):
        reason = f"the request is for cluster {request.cluster_id}, this is {quorum.config.cluster_id}"
        return Refusal(ErrorCode.INCONSISTENT_CLUSTER_ID, reason)
    error = quorum.check_leader_request(quorum.epoch)
    if error != ErrorCode.NONE:
        return Refusal(error)
    key = ReplicaKey.of(request.voter_id, request.voter_directory_id)
    if key.id < 0 or key.directory_id is None:
        return Refusal(ErrorCode.INVALID_REQUEST, "a voter is named by its id and directory id")
    return None


def _blocker(quorum: Quorum, leader: Leader) -> str | None:
    """Why no change of voters can start now, if it can not."""
    if leader.pending_add is not None or leader.pending_remove is not None:
        return "the leader is still busy with an earlier change of the voters"
    if leader.high_watermark is None:
        return "the leader has not committed in its epoch yet"
    return None


def _committed_voters(quorum: Quorum, leader: Leader) -> VoterSet | None:
    offset = quorum.membership.voters_offset
    if offset is None or leader.high_watermark is None or offset >= leader.high_watermark:
        return None
    return quorum.membership.voters


# ---- AddRaftVoter


def on_add_voter_request(quorum: Quorum, event: RequestArrived, request: AddRaftVoterRequest) -> None:
    response = _check_add_voter(quorum, request) or _start_add_voter(quorum, event, request)
    if response is not None:
        quorum.respond(event.request_id, response)


def _check_add_voter(quorum: Quorum, request: AddRaftVoterRequest) -> AddRaftVoterResponse | None:
    refusal = _check_change(quorum, request)
    if refusal is not None:
        return add_voter_response(*refusal)
    listener = quorum.config.listener_name
    if rpc.endpoints_of(request.listeners).address(listener) is None:
        return add_voter_response(ErrorCode.INVALID_REQUEST, f"a new voter needs an endpoint for listener {listener}")
    return None


def _start_add_voter(
    quorum: Quorum, event: RequestArrived, request: AddRaftVoterRequest
) -> AddRaftVoterResponse | None:
    leader = quorum.state
    assert isinstance(leader, Leader)
    blocker = _blocker(quorum, leader)
    if blocker is not None:
        return add_voter_response(ErrorCode.REQUEST_TIMED_OUT, blocker)
    if not quorum.membership.is_reconfiguration_supported:
        return add_voter_response(ErrorCode.UNSUPPORTED_VERSION, "kraft.version 0 has a fixed set of voters")
    voters = _committed_voters(quorum, leader)
    if voters is None:
        return add_voter_response(ErrorCode.REQUEST_TIMED_OUT, "the last change of the voters is not committed yet")
    key = ReplicaKey.of(request.voter_id, request.voter_directory_id)
    if key.id in voters:
        return add_voter_response(ErrorCode.DUPLICATE_VOTER, f"there is a voter {key.id} already")
    endpoints = rpc.endpoints_of(request.listeners)
    address = endpoints.address(quorum.config.listener_name)
    assert address is not None
    node = Node(key.id, *address)
    if not quorum.connections.is_ready(node, quorum.now.ms):
        return add_voter_response(ErrorCode.REQUEST_TIMED_OUT, f"voter {key.id} cannot be asked for its versions now")
    expires_at_ms = quorum.send(
        node, lambda: ApiVersionsRequest(client_software_name="barnabas", client_software_version="raft")
    )
    leader.pending_add = PendingAddVoter(event.request_id, key, endpoints, request.ack_when_committed, expires_at_ms)
    return None


def on_api_versions_response(quorum: Quorum, event: ResponseArrived, response: ApiVersionsResponse) -> bool:
    leader = quorum.state
    if not isinstance(leader, Leader) or leader.pending_add is None:
        return True
    pending = leader.pending_add
    if pending.voter.id != event.node.id or pending.last_offset is not None:
        return True
    if response.error_code != ErrorCode.NONE:
        name = rpc.error_code(response.error_code).name
        _finish_add(quorum, leader, ErrorCode.REQUEST_TIMED_OUT, f"voter {event.node.id} answered {name}")
        return False
    versions = rpc.supported_kraft_versions(response)
    level = quorum.membership.kraft_version
    if versions is None or not versions[0] <= level <= versions[1]:
        reason = f"voter {event.node.id} does not support kraft.version {level}"
        _finish_add(quorum, leader, ErrorCode.INVALID_REQUEST, reason)
    elif not leader.is_caught_up(pending.voter, quorum.now):
        _finish_add(quorum, leader, ErrorCode.REQUEST_TIMED_OUT, f"voter {event.node.id} has not caught up yet")
    else:
        _append_added_voter(quorum, pending, versions)
    return True


def _append_added_voter(quorum: Quorum, pending: PendingAddVoter, versions: tuple[int, int]) -> None:
    voters = quorum.membership.voters.add(VoterNode(pending.voter, pending.endpoints, *versions))
    assert voters is not None, pending
    pending.last_offset = quorum.append_control([voters_record(voters)])
    if not pending.ack_when_committed and not pending.is_answered:
        pending.is_answered = True
        quorum.respond(pending.request_id, add_voter_response(ErrorCode.NONE))


def _finish_add(quorum: Quorum, leader: Leader, error: ErrorCode, message: str | None = None) -> None:
    pending, leader.pending_add = leader.pending_add, None
    if pending is not None and not pending.is_answered:
        quorum.respond(pending.request_id, add_voter_response(error, message))


def on_request_failed(quorum: Quorum, event: ResponseArrived) -> None:
    """The voter to be added did not answer."""
    leader = quorum.state
    if isinstance(leader, Leader) and leader.pending_add is not None:
        pending = leader.pending_add
        if pending.voter.id == event.node.id and pending.last_offset is None:
            _finish_add(quorum, leader, ErrorCode.REQUEST_TIMED_OUT, f"voter {event.node.id} cannot be reached")


# ---- RemoveRaftVoter


def on_remove_voter_request(quorum: Quorum, event: RequestArrived, request: RemoveRaftVoterRequest) -> None:
    response = _check_remove_voter(quorum, request) or _start_remove_voter(quorum, event, request)
    if response is not None:
        quorum.respond(event.request_id, response)


def _check_remove_voter(quorum: Quorum, request: RemoveRaftVoterRequest) -> RemoveRaftVoterResponse | None:
    refusal = _check_change(quorum, request)
    return None if refusal is None else remove_voter_response(*refusal)


def _start_remove_voter(
    quorum: Quorum, event: RequestArrived, request: RemoveRaftVoterRequest
) -> RemoveRaftVoterResponse | None:
    leader = quorum.state
    assert isinstance(leader, Leader)
    blocker = _blocker(quorum, leader)
    if blocker is not None:
        return remove_voter_response(ErrorCode.REQUEST_TIMED_OUT, blocker)
    if not quorum.membership.is_reconfiguration_supported:
        return remove_voter_response(ErrorCode.UNSUPPORTED_VERSION, "kraft.version 0 has a fixed set of voters")
    voters = _committed_voters(quorum, leader)
    if voters is None:
        return remove_voter_response(ErrorCode.REQUEST_TIMED_OUT, "the last change of the voters is not committed yet")
    key = ReplicaKey.of(request.voter_id, request.voter_directory_id)
    remaining = voters.remove(key)
    if remaining is None:
        return remove_voter_response(ErrorCode.VOTER_NOT_FOUND, f"{key.id} is not a voter, or it is the only one")
    last_offset = quorum.append_control([voters_record(remaining)])
    expires_at_ms = quorum.now.ms + quorum.config.request_timeout_ms
    leader.pending_remove = PendingRemoveVoter(event.request_id, last_offset, expires_at_ms)
    return None


def _finish_remove(quorum: Quorum, leader: Leader, error: ErrorCode) -> None:
    pending, leader.pending_remove = leader.pending_remove, None
    if pending is not None:
        quorum.respond(pending.request_id, remove_voter_response(error))


# ---- pending changes: committed, expired, or left behind


def on_high_watermark(quorum: Quorum, leader: Leader) -> None:
    assert leader.high_watermark is not None
    add = leader.pending_add
    if add is not None and add.last_offset is not None and leader.high_watermark > add.last_offset:
        _finish_add(quorum, leader, ErrorCode.NONE)
    remove = leader.pending_remove
    if remove is not None and leader.high_watermark > remove.last_offset:
        _finish_remove(quorum, leader, ErrorCode.NONE)
    voters_offset = quorum.membership.voters_offset
    if not quorum.is_voter and voters_offset is not None and leader.high_watermark > voters_offset:
        log.info("no longer a voter; resigning from epoch %d", leader.epoch)
        leader.is_resign_requested = True


def expire_pending(quorum: Quorum, leader: Leader) -> float:
    """Give up on what took too long (its record may still commit). When to look again."""
    now_ms = quorum.now.ms
    if leader.pending_add is not None and now_ms >= leader.pending_add.expires_at_ms:
        _finish_add(quorum, leader, ErrorCode.REQUEST_TIMED_OUT)
    if leader.pending_remove is not None and now_ms >= leader.pending_remove.expires_at_ms:
        _finish_remove(quorum, leader, ErrorCode.REQUEST_TIMED_OUT)
    pending = (leader.pending_add, leader.pending_remove)
    return min((change.expires_at_ms for change in pending if change is not None), default=INFINITY)


def fail_pending(quorum: Quorum, leader: Leader) -> None:
    _finish_add(quorum, leader, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    _finish_remove(quorum, leader, ErrorCode.NOT_LEADER_OR_FOLLOWER)


# ---- UpdateRaftVoter


def on_update_voter_request(quorum: Quorum, event: RequestArrived, request: UpdateRaftVoterRequest) -> None:
    error = _update_voter(quorum, request)
    response = update_voter_response(error, quorum.leadership(event.listener_name))
    quorum.respond(event.request_id, response)


def _update_voter(quorum: Quorum, request: UpdateRaftVoterRequest) -> ErrorCode:
    if quorum.is_wrong_cluster(request.cluster_id):
        return ErrorCode.INCONSISTENT_CLUSTER_ID
    error = quorum.check_leader_request(request.current_leader_epoch)
    if error != ErrorCode.NONE:
        return error
    voter = _voter_of(request)
    level = quorum.membership.kraft_version
    if (
        voter.key.id < 0
        or voter.key.directory_id is None
        or voter.listeners.address(quorum.config.listener_name) is None
        or not 0 <= voter.min_supported_version <= voter.max_supported_version
    ):
        return ErrorCode.INVALID_REQUEST
    leader = quorum.state
    assert isinstance(leader, Leader)
    if _blocker(quorum, leader) is not None:
        return ErrorCode.REQUEST_TIMED_OUT
    is_recorded = quorum.membership.is_reconfiguration_supported
    voters = _committed_voters(quorum, leader) if is_recorded else leader.volatile_voters
    if voters is None:
        return ErrorCode.REQUEST_TIMED_OUT
    if not voter.supports(level):
        return ErrorCode.INVALID_REQUEST
    updated = voters.update(voter, ignore_directory=not is_recorded)
    if updated is None:
        return ErrorCode.VOTER_NOT_FOUND
    if is_recorded:
        quorum.append_control([voters_record(updated)])
    else:
        leader.volatile_voters = updated
    leader.on_voter_heard(voter.key, quorum.now)
    return ErrorCode.NONE


def _voter_of(request: UpdateRaftVoterRequest) -> VoterNode:
    return VoterNode(
        ReplicaKey.of(request.voter_id, request.voter_directory_id),
        rpc.endpoints_of(request.listeners),
        request.kraft_version_feature.min_supported_version,
        request.kraft_version_feature.max_supported_version,
    )


# ---- the other side: a voter keeps its entry up to date, an observer may join


def maybe_update_voter(quorum: Quorum, follower: Follower) -> float | None:
    """Tell the leader of changed endpoints or versions. None if there was nothing to send, so a fetch may go
    instead."""
    if quorum.now.ms < follower.update_voter_at_ms:
        return None
    if quorum.membership.is_reconfiguration_supported:
        is_due = quorum.membership.voters.needs_update(quorum.config.voter_node)
    else:
        is_due = not follower.has_updated_leader
    config = quorum.config
    if not is_due or config.replica_key.directory_id is None:
        follower.update_voter_at_ms = quorum.now.ms + config.fetch_timeout_ms
        return None
    return _send_to_leader(
        quorum, follower, lambda: rpc.update_voter_request(config.cluster_id, quorum.epoch, config.voter_node)
    )


def maybe_join(quorum: Quorum, follower: Follower) -> float | None:
    """With `controller.quorum.auto.join.enable`, a controller asks to be a voter, first removing one of its id on
    another disk."""
    config = quorum.config
    is_due = (
        config.auto_join
        and config.can_become_voter
        and quorum.membership.is_reconfiguration_supported
        and quorum.now.ms >= follower.update_voter_at_ms
    )
    if not is_due:
        return None
    namesake = quorum.membership.voters.get(config.node_id)
    if namesake is not None:
        old_key = namesake.key
        return _send_to_leader(quorum, follower, lambda: rpc.remove_voter_request(config.cluster_id, old_key))
    return _send_to_leader(
        quorum,
        follower,
        lambda: rpc.add_voter_request(config.cluster_id, config.voter_node, config.request_timeout_ms),
    )


def _send_to_leader(quorum: Quorum, follower: Follower, make: Callable[[], Message]) -> float | None:
    address = follower.leader_endpoints.address(quorum.config.listener_name)
    if address is None:
        return None
    leader = Node(follower.leader_id, *address)
    if not quorum.connections.is_ready(leader, quorum.now.ms) or quorum.connections.has_request_in_flight(
        quorum.now.ms
    ):
        return None
    follower.update_voter_at_ms = quorum.now.ms + quorum.config.fetch_timeout_ms
    return quorum.send(leader, make)


def on_update_voter_response(quorum: Quorum, event: ResponseArrived, response: UpdateRaftVoterResponse) -> bool:
    error = rpc.error_code(response.error_code)
    current = response.current_leader
    leader_id = current.leader_id if current.leader_id >= 0 else None
    endpoints = Endpoints()
    if leader_id is not None and current.host:
        endpoints = Endpoints({quorum.config.listener_name: Address(current.host, current.port)})
    handled = quorum.handle_common(error, leader_id, current.leader_epoch, endpoints, event.node)
    if handled is not None:
        return handled
    follower = quorum.state
    if error in (ErrorCode.NONE, ErrorCode.UNSUPPORTED_VERSION) and isinstance(follower, Follower):
        follower.has_updated_leader = True
        follower.fetch_at_ms = quorum.now.ms + quorum.config.fetch_timeout_ms
        follower.has_fetched = True
        return True
    log.warning("%s refused to update this voter: %s", event.node, error.name)
    return False


def on_add_voter_response(quorum: Quorum, response: AddRaftVoterResponse) -> bool:
    return _on_join_response(response.error_code, (ErrorCode.REQUEST_TIMED_OUT, ErrorCode.DUPLICATE_VOTER))


def on_remove_voter_response(quorum: Quorum, response: RemoveRaftVoterResponse) -> bool:
    return _on_join_response(response.error_code, (ErrorCode.REQUEST_TIMED_OUT, ErrorCode.VOTER_NOT_FOUND))


def _on_join_response(code: int, expected: tuple[ErrorCode, ...]) -> bool:
    """Done, or the leader cannot do it now: ask again in the next period."""
    error = rpc.error_code(code)
    if error == ErrorCode.NONE or error in expected:
        return True
    log.warning("the leader refused a change of the voters: %s", error.name)
    return False


# ---- kraft.version


def on_kraft_version_requested(quorum: Quorum, event: KRaftVersionRequested) -> ErrorCode | None:
    """Finalise kraft.version 1. None if it is accepted, or was so before."""
    leader = quorum.state
    level = quorum.membership.kraft_version
    if not isinstance(leader, Leader) or leader.epoch != event.epoch:
        return ErrorCode.NOT_LEADER_OR_FOLLOWER
    if event.kraft_version == level:
        return None
    voters = leader.volatile_voters
    if event.kraft_version < level or voters is None or not voters.support(event.kraft_version):
        return ErrorCode.INVALID_UPDATE_VERSION
    if any(key.directory_id is None for key in voters.keys):
        return ErrorCode.INVALID_UPDATE_VERSION
    if not event.validate_only:
        quorum.append_control([kraft_version_record(event.kraft_version), voters_record(voters)])
        leader.volatile_voters = None
    return None
