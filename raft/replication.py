"""Fetch and FetchSnapshot on the metadata log: what the leader answers, and how a follower or observer uses it to catch
up.

A Fetch carries where the follower's log ends, durably, and in which epoch. The leader answers with records, with the
point where the histories part (the follower cuts there and fetches again), or with the snapshot to take instead. A
fetch that finds nothing new is parked until records or a higher high watermark come, or its wait is over.
Counterparts in Kafka: the Fetch and FetchSnapshot handlers of KafkaRaftClient, its fetchPurgatory, pollFollower.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from protocol.errors import DecodeError, ErrorCode
from protocol.ids import METADATA_TOPIC_ID, OffsetAndEpoch
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.fetch_snapshot import FetchSnapshotRequest, FetchSnapshotResponse
from protocol.schema import Message
from raft import membership, rpc
from raft.connections import INFINITY
from raft.events import (
    AbandonSnapshot,
    AppendAsFollower,
    AppendSnapshot,
    BeginSnapshot,
    InstallSnapshot,
    RequestArrived,
    ResponseArrived,
    SendRecords,
    SendSnapshot,
    SnapshotInstalled,
)
from raft.follower import FetchingSnapshot, Follower
from raft.leader import Leader
from raft.log import BOOTSTRAP_SNAPSHOT_ID, Validation, ValidationKind
from raft.records import as_buffer, control_records, valid_prefix
from raft.voters import BOOTSTRAP_OFFSET, Endpoints, Node, ReplicaKey

if TYPE_CHECKING:
    from raft.quorum import Quorum

log = logging.getLogger(__name__)


class ParkedFetch(msgspec.Struct, frozen=True):
    event: RequestArrived
    request: FetchRequest
    expires_at_ms: float


# ---- Fetch, at the leader


def on_fetch_request(quorum: Quorum, event: RequestArrived, request: FetchRequest) -> None:
    if quorum.is_wrong_cluster(request.cluster_id):
        quorum.respond(event.request_id, FetchResponse(error_code=ErrorCode.INCONSISTENT_CLUSTER_ID))
        return
    if not _names_metadata_partition(request):
        quorum.respond(event.request_id, FetchResponse(error_code=ErrorCode.INVALID_REQUEST))
        return
    partition = request.topics[0].partitions[0]
    error = _check_fetch(quorum, request, partition)
    if error != ErrorCode.NONE:
        _respond_fetch_error(quorum, event, error)
        return
    validation = _validate_position(quorum, partition)
    if validation.kind is ValidationKind.VALID:
        _on_progress(quorum, request, partition)
    wait_ms = request.max_wait_ms
    if not _answer_fetch(quorum, event, request, is_final=wait_ms == 0):
        expires_at_ms = quorum.now.ms + wait_ms
        quorum.parked_fetches[event.request_id] = ParkedFetch(event, request, expires_at_ms)


def _names_metadata_partition(request: FetchRequest | FetchResponse) -> bool:
    """By id, and by name in the versions before ids."""
    topics = request.topics if isinstance(request, FetchRequest) else request.responses
    if len(topics) != 1 or len(topics[0].partitions) != 1:
        return False
    topic = topics[0]
    if topic.topic_id != METADATA_TOPIC_ID and topic.topic != rpc.TOPIC:
        return False
    partition = topic.partitions[0]
    index = partition.partition if isinstance(partition, FetchRequest.FetchPartition) else partition.partition_index
    return index == rpc.PARTITION


def _check_fetch(quorum: Quorum, request: FetchRequest, partition: FetchRequest.FetchPartition) -> ErrorCode:
    invalid = (
        request.max_wait_ms < 0
        or partition.fetch_offset < 0
        or not 0 <= partition.last_fetched_epoch <= partition.current_leader_epoch
    )
    if invalid:
        return ErrorCode.INVALID_REQUEST
    error = quorum.check_leader_request(partition.current_leader_epoch)
    if error == ErrorCode.NONE and rpc.fetch_replica_id(request) == quorum.config.node_id:
        log.error("a replica with this node's id %d fetches from it", quorum.config.node_id)
        return ErrorCode.UNKNOWN_SERVER_ERROR
    return error


def _respond_fetch_error(quorum: Quorum, event: RequestArrived, error: ErrorCode) -> None:
    leadership = quorum.leadership(event.listener_name)
    response = rpc.fetch_response(error, leadership, event.version, log_start_offset=quorum.outline.start_offset)
    quorum.respond(event.request_id, response)


def _validate_position(quorum: Quorum, partition: FetchRequest.FetchPartition) -> Validation:
    latest = quorum.outline.latest_snapshot
    if partition.fetch_offset == 0 and latest is not None and latest != BOOTSTRAP_SNAPSHOT_ID:
        # With nothing at all yet, a snapshot is the shorter way. The bootstrap snapshot is for its own node only.
        return Validation(ValidationKind.SNAPSHOT, latest)
    return quorum.outline.validate(partition.fetch_offset, partition.last_fetched_epoch)


def _on_progress(quorum: Quorum, request: FetchRequest, partition: FetchRequest.FetchPartition) -> None:
    replica_id = rpc.fetch_replica_id(request)
    leader = quorum.state
    if replica_id < 0 or not isinstance(leader, Leader):
        return  # a debugging tool, not a replica
    key = ReplicaKey.of(replica_id, partition.replica_directory_id)
    if leader.on_fetch(key, partition.fetch_offset, quorum.outline.end_offset, quorum.now):
        quorum.on_high_watermark(leader)


def _answer_fetch(quorum: Quorum, event: RequestArrived, request: FetchRequest, is_final: bool) -> bool:
    """Answer if there is anything to say, or if it is the last chance. False if not."""
    partition = request.topics[0].partitions[0]
    leader = quorum.state
    assert isinstance(leader, Leader)
    response = rpc.fetch_response(
        ErrorCode.NONE,
        quorum.leadership(event.listener_name),
        event.version,
        high_watermark=leader.high_watermark,
        log_start_offset=quorum.outline.start_offset,
    )
    answer = response.responses[0].partitions[0]
    validation = _validate_position(quorum, partition)
    match validation.kind:
        case ValidationKind.DIVERGING:
            at = validation.at
            answer.diverging_epoch = FetchResponse.EpochEndOffset(epoch=at.epoch, end_offset=at.offset)
        case ValidationKind.SNAPSHOT:
            at = validation.at
            answer.snapshot_id = FetchResponse.SnapshotId(end_offset=at.offset, epoch=at.epoch)
        case ValidationKind.VALID:
            start_offset, end_offset = partition.fetch_offset, quorum.outline.end_offset
            if start_offset < end_offset:
                quorum.emit(
                    SendRecords(
                        event.request_id, response, leader.epoch, start_offset, end_offset, max(0, request.max_bytes)
                    )
                )
                return True
            if not is_final and partition.high_watermark >= answer.high_watermark:
                return False
    quorum.respond(event.request_id, response)
    return True


def complete_parked(quorum: Quorum, high_watermark_rose: bool = False) -> None:
    """There are new records, or a new high watermark, which goes to all that wait."""
    for request_id, parked in list(quorum.parked_fetches.items()):
        if _answer_fetch(quorum, parked.event, parked.request, is_final=high_watermark_rose):
            del quorum.parked_fetches[request_id]


def expire_parked(quorum: Quorum) -> None:
    for request_id, parked in list(quorum.parked_fetches.items()):
        if quorum.now.ms >= parked.expires_at_ms:
            del quorum.parked_fetches[request_id]
            _answer_fetch(quorum, parked.event, parked.request, is_final=True)


def fail_parked(quorum: Quorum) -> None:
    """Leading no longer: let them look for the next leader at once."""
    parked_fetches = list(quorum.parked_fetches.values())
    quorum.parked_fetches.clear()
    for parked in parked_fetches:
        _respond_fetch_error(quorum, parked.event, ErrorCode.NOT_LEADER_OR_FOLLOWER)


# ---- Fetch, at a follower or observer


def poll_follower(quorum: Quorum, follower: Follower) -> float:
    if not quorum.is_voter:
        return membership.maybe_join(quorum, follower) or _fetch(quorum, follower)
    if quorum.now.ms >= follower.fetch_at_ms:
        log.info("no successful fetch from leader %d in time", follower.leader_id)
        quorum.transition_to_prospective()
        return quorum.now.ms
    retry_at_ms = membership.maybe_update_voter(quorum, follower) or _fetch(quorum, follower)
    return min(retry_at_ms, follower.fetch_at_ms)


def _fetch(quorum: Quorum, follower: Follower) -> float:
    """From the leader; while it fails or is silent, from a bootstrap server, to learn of a new leader."""
    address = follower.leader_endpoints.address(quorum.config.listener_name)
    if address is None:
        return fetch_from_bootstrap(quorum)
    leader = Node(follower.leader_id, *address)
    connections = quorum.connections
    if connections.has_timed_out(leader, quorum.now.ms):
        connections.reset(leader)
        return fetch_from_bootstrap(quorum)
    if connections.is_backing_off(leader, quorum.now.ms):
        return min(fetch_from_bootstrap(quorum), connections.ready_at(leader, quorum.now.ms))
    if connections.has_request_in_flight(quorum.now.ms):
        return connections.bootstrap_server_at(quorum.now.ms)
    fetching = follower.fetching_snapshot
    if fetching is not None:
        return quorum.send(leader, lambda: _fetch_snapshot_request(quorum, fetching))
    return _send_fetch(quorum, leader)


def fetch_from_bootstrap(quorum: Quorum) -> float:
    node = quorum.connections.ready_bootstrap_server(quorum.now.ms)
    if node is None:
        return quorum.connections.bootstrap_server_at(quorum.now.ms)
    return _send_fetch(quorum, node)


def _send_fetch(quorum: Quorum, node: Node) -> float:
    """The offset in it tells the leader what is durable here, so it waits for the sync of what was appended."""
    if quorum.must_sync_before_fetch and quorum.synced_offset < quorum.outline.end_offset:
        return INFINITY
    config = quorum.config

    def make() -> Message:
        return rpc.fetch_request(
            config.cluster_id,
            config.replica_key,
            quorum.epoch,
            quorum.outline.end,
            quorum.state.high_watermark,
            max_bytes=config.fetch_max_bytes,
            max_wait_ms=config.fetch_max_wait_ms,
        )

    return quorum.send(node, make)


def on_fetch_response(quorum: Quorum, event: ResponseArrived, response: FetchResponse) -> bool:
    if response.error_code != ErrorCode.NONE:
        return _refused(event, response.error_code)
    if not _names_metadata_partition(response):
        return False
    partition = response.responses[0].partitions[0]
    current = partition.current_leader
    leader_id = current.leader_id if current.leader_id >= 0 else None
    endpoints = rpc.responded_endpoints(quorum.config.listener_name, current.leader_id, response.node_endpoints)
    error = rpc.error_code(partition.error_code)
    handled = quorum.handle_common(error, leader_id, current.leader_epoch, endpoints, event.node)
    if handled is not None:
        return handled
    follower = quorum.state
    if error != ErrorCode.NONE or not isinstance(follower, Follower):
        return _refused(event, partition.error_code)
    return _on_fetched(quorum, follower, partition)


def _on_fetched(quorum: Quorum, follower: Follower, partition: FetchResponse.PartitionData) -> bool:
    diverging, snapshot = partition.diverging_epoch, partition.snapshot_id
    if diverging.epoch >= 0:
        divergence = OffsetAndEpoch(diverging.end_offset, diverging.epoch)
        quorum.truncate_to(quorum.outline.truncation_offset(divergence))
    elif snapshot.epoch >= 0 or snapshot.end_offset >= 0:
        if snapshot.epoch < 0 or snapshot.end_offset < 0:
            log.error("the leader names an impossible snapshot (%d, %d)", snapshot.end_offset, snapshot.epoch)
            return False
        _begin_snapshot(quorum, follower, OffsetAndEpoch(snapshot.end_offset, snapshot.epoch))
    else:
        _append(quorum, partition)
        _follow_high_watermark(quorum, follower, partition.high_watermark)
    _on_successful_fetch(quorum, follower)
    return True


def _on_successful_fetch(quorum: Quorum, follower: Follower) -> None:
    follower.fetch_at_ms = quorum.now.ms + quorum.config.fetch_timeout_ms
    follower.has_fetched = True


def _append(quorum: Quorum, partition: FetchResponse.PartitionData) -> None:
    outline = quorum.outline
    batches = valid_prefix(partition.records, outline.end_offset, quorum.epoch, outline.last_epoch)
    if not batches:
        if len(as_buffer(partition.records)) > 0:
            log.error("the records that leader %s sent do not continue the log at %s", quorum.leader_id, outline.end)
        return
    base_offset, last_offset = batches[0].base_offset, batches[-1].last_offset
    for batch in batches:
        outline.append(batch.partition_leader_epoch, batch.base_offset, batch.last_offset)
    quorum.emit(AppendAsFollower([batch.buffer for batch in batches], quorum.epoch, base_offset, last_offset))
    for batch in batches:
        if batch.is_control:
            try:
                quorum.apply_control_records(control_records(batch), batch.base_offset)
            except DecodeError as error:
                raise AssertionError(f"control batch {batch}, its CRC intact, cannot be read: {error}") from None
    if quorum.must_sync_before_fetch:
        quorum.request_sync()


def _follow_high_watermark(quorum: Quorum, follower: Follower, high_watermark: int) -> None:
    reached = min(high_watermark, quorum.outline.end_offset)
    if reached >= 0 and (follower.high_watermark is None or reached > follower.high_watermark):
        follower.high_watermark = reached
        quorum.commit_to(reached)


# ---- FetchSnapshot, at the leader


def on_fetch_snapshot_request(quorum: Quorum, event: RequestArrived, request: FetchSnapshotRequest) -> None:
    if quorum.is_wrong_cluster(request.cluster_id):
        quorum.respond(event.request_id, FetchSnapshotResponse(error_code=ErrorCode.INCONSISTENT_CLUSTER_ID))
        return
    if len(request.topics) != 1 or len(request.topics[0].partitions) != 1:
        quorum.respond(event.request_id, FetchSnapshotResponse(error_code=ErrorCode.INVALID_REQUEST))
        return
    leadership = quorum.leadership(event.listener_name)
    topic, partition = request.topics[0], request.topics[0].partitions[0]
    if topic.name != rpc.TOPIC or partition.partition != rpc.PARTITION:
        response = rpc.unknown_snapshot_partition(topic.name, partition.partition, leadership, event.version)
        quorum.respond(event.request_id, response)
        return
    snapshot_id = OffsetAndEpoch(partition.snapshot_id.end_offset, partition.snapshot_id.epoch)
    error = quorum.check_leader_request(partition.current_leader_epoch)
    if error == ErrorCode.NONE and (
        snapshot_id not in quorum.outline.snapshots or snapshot_id == BOOTSTRAP_SNAPSHOT_ID
    ):
        error = ErrorCode.SNAPSHOT_NOT_FOUND
    if error == ErrorCode.NONE and partition.position < 0:
        error = ErrorCode.POSITION_OUT_OF_RANGE
    if error != ErrorCode.NONE:
        quorum.respond(event.request_id, rpc.fetch_snapshot_response(error, leadership, event.version))
        return
    _serve_snapshot(quorum, event, request, partition, snapshot_id)


def _serve_snapshot(
    quorum: Quorum,
    event: RequestArrived,
    request: FetchSnapshotRequest,
    partition: FetchSnapshotRequest.PartitionSnapshot,
    snapshot_id: OffsetAndEpoch,
) -> None:
    leader = quorum.state
    assert isinstance(leader, Leader)
    if request.replica_id != quorum.config.node_id:
        leader.on_voter_heard(ReplicaKey.of(request.replica_id, partition.replica_directory_id), quorum.now)
    leadership = quorum.leadership(event.listener_name)
    response = rpc.fetch_snapshot_response(ErrorCode.NONE, leadership, event.version, snapshot_id, partition.position)
    quorum.emit(SendSnapshot(event.request_id, response, snapshot_id, partition.position, max(0, request.max_bytes)))


# ---- FetchSnapshot, at a follower or observer


def _begin_snapshot(quorum: Quorum, follower: Follower, snapshot_id: OffsetAndEpoch) -> None:
    if snapshot_id in quorum.outline.snapshots:
        log.info("the leader names snapshot %s, which is here already", snapshot_id)
        return
    follower.fetching_snapshot = FetchingSnapshot(snapshot_id)
    quorum.emit(BeginSnapshot(snapshot_id))


def _fetch_snapshot_request(quorum: Quorum, fetching: FetchingSnapshot) -> Message:
    config = quorum.config
    return rpc.fetch_snapshot_request(
        config.cluster_id,
        config.replica_key,
        quorum.epoch,
        fetching.snapshot_id,
        fetching.position,
        config.fetch_snapshot_max_bytes,
    )


def on_fetch_snapshot_response(quorum: Quorum, event: ResponseArrived, response: FetchSnapshotResponse) -> bool:
    if response.error_code != ErrorCode.NONE:
        return _refused(event, response.error_code)
    if len(response.topics) != 1 or len(response.topics[0].partitions) != 1 or response.topics[0].name != rpc.TOPIC:
        return False
    partition = response.topics[0].partitions[0]
    current = partition.current_leader
    leader_id = current.leader_id if current.leader_id >= 0 else None
    endpoints: Endpoints = rpc.responded_endpoints(
        quorum.config.listener_name, current.leader_id, response.node_endpoints
    )
    error = rpc.error_code(partition.error_code)
    handled = quorum.handle_common(error, leader_id, current.leader_epoch, endpoints, event.node)
    if handled is not None:
        return handled
    follower = quorum.state
    if not isinstance(follower, Follower) or follower.fetching_snapshot is None:
        return _refused(event, partition.error_code)
    return _on_snapshot_slice(quorum, event, follower, follower.fetching_snapshot, partition)


def _on_snapshot_slice(
    quorum: Quorum,
    event: ResponseArrived,
    follower: Follower,
    fetching: FetchingSnapshot,
    partition: FetchSnapshotResponse.PartitionSnapshot,
) -> bool:
    snapshot_id = OffsetAndEpoch(partition.snapshot_id.end_offset, partition.snapshot_id.epoch)
    error = rpc.error_code(partition.error_code)
    if error == ErrorCode.SNAPSHOT_NOT_FOUND or (error == ErrorCode.NONE and min(snapshot_id) < 0):
        log.info("the leader no longer has snapshot %s; asking it anew", fetching.snapshot_id)
        _abandon(quorum, follower)
        _on_successful_fetch(quorum, follower)
        return True
    if error != ErrorCode.NONE:
        return _refused(event, error)
    if snapshot_id != fetching.snapshot_id or partition.position != fetching.position:
        log.error("asked for %s, got %s at %d", fetching, snapshot_id, partition.position)
        _abandon(quorum, follower)
        return False
    data = as_buffer(partition.unaligned_records)
    quorum.emit(AppendSnapshot(data))
    follower.fetching_snapshot = replace(fetching, position=fetching.position + len(data))
    if fetching.position + len(data) >= partition.size:
        _install(quorum, follower, snapshot_id)
    _on_successful_fetch(quorum, follower)
    return True


def _abandon(quorum: Quorum, follower: Follower) -> None:
    follower.fetching_snapshot = None
    quorum.emit(AbandonSnapshot())


def _install(quorum: Quorum, follower: Follower, snapshot_id: OffsetAndEpoch) -> None:
    """All of it is here. From the next effect on the log is empty and begins where the snapshot ends; who votes is
    known again when its control records were read, so until then this node neither fetches nor stands."""
    follower.fetching_snapshot = None
    outline = quorum.outline
    assert (snapshot_id.epoch, snapshot_id.offset) > (outline.last_epoch, outline.end_offset), (snapshot_id, outline)
    quorum.installing = True
    outline.add_snapshot(snapshot_id)
    outline.truncate_to_snapshot(snapshot_id)
    quorum.truncations += 1
    quorum.synced_offset = snapshot_id.offset
    quorum.emit(InstallSnapshot(snapshot_id))


def on_snapshot_installed(quorum: Quorum, event: SnapshotInstalled) -> None:
    quorum.installing = False
    quorum.membership.clear()
    offset = event.snapshot_id.offset - 1
    if event.kraft_version > 0:
        quorum.membership.add_kraft_version(max(offset, BOOTSTRAP_OFFSET), event.kraft_version)
    if event.voters is not None:
        quorum.membership.add_voters(max(offset, BOOTSTRAP_OFFSET), event.voters)
    if isinstance(quorum.state, Follower):
        # All of a snapshot is committed.
        quorum.state.high_watermark = max(event.snapshot_id.offset, quorum.state.high_watermark or 0)
    quorum.commit_to(event.snapshot_id.offset)


def _refused(event: ResponseArrived, code: int) -> bool:
    log.warning("%s answered %s", event.node, rpc.error_code(code).name)
    return False
