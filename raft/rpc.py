"""Builds and checks the messages of KRaft: every one names exactly one partition, `__cluster_metadata`-0.

Requests are built at their newest version; who sends them at an older one drops what that version cannot carry.
Responses carry the leader's endpoint (KIP-853) only where the version of the request has it.
Counterpart in Kafka: RaftUtil.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from protocol.errors import ErrorCode
from protocol.ids import METADATA_TOPIC_ID, OffsetAndEpoch
from protocol.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse
from protocol.messages.api_versions import ApiVersionsResponse
from protocol.messages.begin_quorum_epoch import BeginQuorumEpochRequest, BeginQuorumEpochResponse
from protocol.messages.describe_quorum import DescribeQuorumRequest, DescribeQuorumResponse
from protocol.messages.end_quorum_epoch import EndQuorumEpochRequest, EndQuorumEpochResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.fetch_snapshot import FetchSnapshotRequest, FetchSnapshotResponse
from protocol.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse
from protocol.messages.update_raft_voter import UpdateRaftVoterRequest, UpdateRaftVoterResponse
from protocol.messages.vote import VoteRequest, VoteResponse
from protocol.schema import Message
from raft.events import METADATA_TOPIC_PARTITION
from raft.voters import Address, Endpoints, ReplicaKey, VoterNode

TOPIC = METADATA_TOPIC_PARTITION.topic
PARTITION = METADATA_TOPIC_PARTITION.partition

E = TypeVar("E")


class Leadership(NamedTuple):
    """What a response says of the leader: its id or -1, the epoch, and its address on the listener that was asked."""

    leader_id: int
    epoch: int
    address: Address | None

    def node_endpoints(self, make: Callable[..., E], version: int, since: int) -> list[E]:
        if version < since or self.address is None or self.leader_id < 0:
            return []
        return [make(node_id=self.leader_id, host=self.address.host, port=self.address.port)]


def endpoints_of(listeners: Iterable[object]) -> Endpoints:
    """From the (name, host, port) structs of whichever message."""
    return Endpoints({item.name: Address(item.host, item.port) for item in listeners})  # type: ignore[attr-defined]


def listeners_of(make: Callable[..., E], endpoints: Endpoints) -> list[E]:
    return [make(name=name, host=address.host, port=address.port) for name, address in endpoints.items()]


def responded_endpoints(listener: str, leader_id: int, node_endpoints: Iterable[object]) -> Endpoints:
    """The leader's, from the node endpoints of a response that came over `listener`."""
    for node in node_endpoints:
        if node.node_id == leader_id:  # type: ignore[attr-defined]
            return Endpoints({listener: Address(node.host, node.port)})  # type: ignore[attr-defined]
    return Endpoints()


# ---- Vote


def vote_request(
    cluster_id: str, epoch: int, candidate: ReplicaKey, voter: ReplicaKey, end: OffsetAndEpoch, pre_vote: bool
) -> VoteRequest:
    partition = VoteRequest.PartitionData(
        partition_index=PARTITION,
        replica_epoch=epoch,
        replica_id=candidate.id,
        replica_directory_id=candidate.wire_directory_id,
        voter_directory_id=voter.wire_directory_id,
        last_offset_epoch=end.epoch,
        last_offset=end.offset,
        pre_vote=pre_vote,
    )
    topic = VoteRequest.TopicData(topic_name=TOPIC, partitions=[partition])
    return VoteRequest(cluster_id=cluster_id, voter_id=voter.id, topics=[topic])


def vote_response(error: ErrorCode, leadership: Leadership, granted: bool, version: int) -> VoteResponse:
    partition = VoteResponse.PartitionData(
        partition_index=PARTITION,
        error_code=error,
        leader_id=leadership.leader_id,
        leader_epoch=leadership.epoch,
        vote_granted=granted,
    )
    return VoteResponse(
        topics=[VoteResponse.TopicData(topic_name=TOPIC, partitions=[partition])],
        node_endpoints=leadership.node_endpoints(VoteResponse.NodeEndpoint, version, 1),
    )


# ---- BeginQuorumEpoch, EndQuorumEpoch


def begin_quorum_epoch_request(
    cluster_id: str, epoch: int, leader_id: int, endpoints: Endpoints, voter: ReplicaKey
) -> BeginQuorumEpochRequest:
    partition = BeginQuorumEpochRequest.PartitionData(
        partition_index=PARTITION,
        voter_directory_id=voter.wire_directory_id,
        leader_id=leader_id,
        leader_epoch=epoch,
    )
    return BeginQuorumEpochRequest(
        cluster_id=cluster_id,
        voter_id=voter.id,
        topics=[BeginQuorumEpochRequest.TopicData(topic_name=TOPIC, partitions=[partition])],
        leader_endpoints=listeners_of(BeginQuorumEpochRequest.LeaderEndpoint, endpoints),
    )


def begin_quorum_epoch_response(error: ErrorCode, leadership: Leadership, version: int) -> BeginQuorumEpochResponse:
    partition = BeginQuorumEpochResponse.PartitionData(
        partition_index=PARTITION,
        error_code=error,
        leader_id=leadership.leader_id,
        leader_epoch=leadership.epoch,
    )
    return BeginQuorumEpochResponse(
        topics=[BeginQuorumEpochResponse.TopicData(topic_name=TOPIC, partitions=[partition])],
        node_endpoints=leadership.node_endpoints(BeginQuorumEpochResponse.NodeEndpoint, version, 1),
    )


def end_quorum_epoch_request(
    cluster_id: str, epoch: int, leader_id: int, successors: Sequence[ReplicaKey]
) -> EndQuorumEpochRequest:
    candidates = [
        EndQuorumEpochRequest.ReplicaInfo(candidate_id=key.id, candidate_directory_id=key.wire_directory_id)
        for key in successors
    ]
    partition = EndQuorumEpochRequest.PartitionData(
        partition_index=PARTITION,
        leader_id=leader_id,
        leader_epoch=epoch,
        preferred_successors=[key.id for key in successors],
        preferred_candidates=candidates,
    )
    return EndQuorumEpochRequest(
        cluster_id=cluster_id,
        topics=[EndQuorumEpochRequest.TopicData(topic_name=TOPIC, partitions=[partition])],
    )


def end_quorum_epoch_response(error: ErrorCode, leadership: Leadership, version: int) -> EndQuorumEpochResponse:
    partition = EndQuorumEpochResponse.PartitionData(
        partition_index=PARTITION,
        error_code=error,
        leader_id=leadership.leader_id,
        leader_epoch=leadership.epoch,
    )
    return EndQuorumEpochResponse(
        topics=[EndQuorumEpochResponse.TopicData(topic_name=TOPIC, partitions=[partition])],
        node_endpoints=leadership.node_endpoints(EndQuorumEpochResponse.NodeEndpoint, version, 1),
    )


def preferred_candidates(partition: EndQuorumEpochRequest.PartitionData) -> list[ReplicaKey]:
    """In order of preference; version 0 knows ids only."""
    if partition.preferred_candidates:
        return [
            ReplicaKey.of(info.candidate_id, info.candidate_directory_id) for info in partition.preferred_candidates
        ]
    return [ReplicaKey(replica_id) for replica_id in partition.preferred_successors]


# ---- Fetch


def fetch_request(
    cluster_id: str,
    replica: ReplicaKey,
    epoch: int,
    end: OffsetAndEpoch,
    high_watermark: int | None,
    *,
    max_bytes: int,
    max_wait_ms: int,
) -> FetchRequest:
    partition = FetchRequest.FetchPartition(
        partition=PARTITION,
        current_leader_epoch=epoch,
        fetch_offset=end.offset,
        last_fetched_epoch=end.epoch,
        replica_directory_id=replica.wire_directory_id,
        high_watermark=-1 if high_watermark is None else high_watermark,
    )
    topic = FetchRequest.FetchTopic(topic=TOPIC, topic_id=METADATA_TOPIC_ID, partitions=[partition])
    return FetchRequest(
        cluster_id=cluster_id,
        replica_state=FetchRequest.ReplicaState(replica_id=replica.id),
        max_wait_ms=max_wait_ms,
        min_bytes=0,
        max_bytes=max_bytes,
        topics=[topic],
    )


def fetch_replica_id(request: FetchRequest) -> int:
    return request.replica_id if request.replica_id != -1 else request.replica_state.replica_id


def fetch_response(
    error: ErrorCode,
    leadership: Leadership,
    version: int,
    *,
    high_watermark: int | None = None,
    log_start_offset: int,
) -> FetchResponse:
    partition = FetchResponse.PartitionData(
        partition_index=PARTITION,
        error_code=error,
        high_watermark=-1 if high_watermark is None else high_watermark,
        log_start_offset=log_start_offset,
        current_leader=FetchResponse.LeaderIdAndEpoch(leader_id=leadership.leader_id, leader_epoch=leadership.epoch),
        records=b"",
    )
    topic = FetchResponse.FetchableTopicResponse(topic=TOPIC, topic_id=METADATA_TOPIC_ID, partitions=[partition])
    return FetchResponse(
        responses=[topic],
        node_endpoints=leadership.node_endpoints(FetchResponse.NodeEndpoint, version, 17),
    )


# ---- FetchSnapshot


def fetch_snapshot_request(
    cluster_id: str, replica: ReplicaKey, epoch: int, snapshot_id: OffsetAndEpoch, position: int, max_bytes: int
) -> FetchSnapshotRequest:
    partition = FetchSnapshotRequest.PartitionSnapshot(
        partition=PARTITION,
        current_leader_epoch=epoch,
        snapshot_id=FetchSnapshotRequest.SnapshotId(end_offset=snapshot_id.offset, epoch=snapshot_id.epoch),
        position=position,
        replica_directory_id=replica.wire_directory_id,
    )
    topic = FetchSnapshotRequest.TopicSnapshot(name=TOPIC, partitions=[partition])
    return FetchSnapshotRequest(cluster_id=cluster_id, replica_id=replica.id, max_bytes=max_bytes, topics=[topic])


def fetch_snapshot_response(
    error: ErrorCode, leadership: Leadership, version: int, snapshot_id: OffsetAndEpoch | None = None, position: int = 0
) -> FetchSnapshotResponse:
    partition = FetchSnapshotResponse.PartitionSnapshot(
        index=PARTITION,
        error_code=error,
        current_leader=FetchSnapshotResponse.LeaderIdAndEpoch(
            leader_id=leadership.leader_id, leader_epoch=leadership.epoch
        ),
        position=position,
        unaligned_records=b"",
    )
    if snapshot_id is not None:
        partition.snapshot_id = FetchSnapshotResponse.SnapshotId(end_offset=snapshot_id.offset, epoch=snapshot_id.epoch)
    return _fetch_snapshot_response(TOPIC, partition, leadership, version)


def unknown_snapshot_partition(topic: str, index: int, leadership: Leadership, version: int) -> FetchSnapshotResponse:
    partition = FetchSnapshotResponse.PartitionSnapshot(
        index=index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, unaligned_records=b""
    )
    return _fetch_snapshot_response(topic, partition, leadership, version)


def _fetch_snapshot_response(
    topic: str, partition: FetchSnapshotResponse.PartitionSnapshot, leadership: Leadership, version: int
) -> FetchSnapshotResponse:
    return FetchSnapshotResponse(
        topics=[FetchSnapshotResponse.TopicSnapshot(name=topic, partitions=[partition])],
        node_endpoints=leadership.node_endpoints(FetchSnapshotResponse.NodeEndpoint, version, 1),
    )


# ---- AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter


def add_voter_request(cluster_id: str, voter: VoterNode, timeout_ms: int) -> AddRaftVoterRequest:
    return AddRaftVoterRequest(
        cluster_id=cluster_id,
        timeout_ms=timeout_ms,
        voter_id=voter.key.id,
        voter_directory_id=voter.key.wire_directory_id,
        listeners=listeners_of(AddRaftVoterRequest.Listener, voter.listeners),
        ack_when_committed=False,
    )


def add_voter_response(error: ErrorCode, message: str | None = None) -> AddRaftVoterResponse:
    return AddRaftVoterResponse(error_code=error, error_message=_message(error, message))


def remove_voter_request(cluster_id: str, voter: ReplicaKey) -> RemoveRaftVoterRequest:
    return RemoveRaftVoterRequest(cluster_id=cluster_id, voter_id=voter.id, voter_directory_id=voter.wire_directory_id)


def remove_voter_response(error: ErrorCode, message: str | None = None) -> RemoveRaftVoterResponse:
    return RemoveRaftVoterResponse(error_code=error, error_message=_message(error, message))


def update_voter_request(cluster_id: str, epoch: int, voter: VoterNode) -> UpdateRaftVoterRequest:
    return UpdateRaftVoterRequest(
        cluster_id=cluster_id,
        current_leader_epoch=epoch,
        voter_id=voter.key.id,
        voter_directory_id=voter.key.wire_directory_id,
        listeners=listeners_of(UpdateRaftVoterRequest.Listener, voter.listeners),
        kraft_version_feature=UpdateRaftVoterRequest.KRaftVersionFeature(
            min_supported_version=voter.min_supported_version, max_supported_version=voter.max_supported_version
        ),
    )


def update_voter_response(error: ErrorCode, leadership: Leadership) -> UpdateRaftVoterResponse:
    leader = UpdateRaftVoterResponse.CurrentLeader(leader_id=leadership.leader_id, leader_epoch=leadership.epoch)
    if leadership.address is not None:
        leader.host, leader.port = leadership.address
    return UpdateRaftVoterResponse(error_code=error, current_leader=leader)


def _message(error: ErrorCode, message: str | None) -> str | None:
    return message if message is not None or error == ErrorCode.NONE else error.message


# ---- DescribeQuorum


def describe_quorum_error(error: ErrorCode, request: DescribeQuorumRequest | None = None) -> DescribeQuorumResponse:
    """The error for each partition asked for, or for the one there is."""
    asked = [(TOPIC, [PARTITION])]
    if request is not None:
        asked = [(t.topic_name, [p.partition_index for p in t.partitions]) for t in request.topics]
    topics = [
        DescribeQuorumResponse.TopicData(
            topic_name=topic,
            partitions=[
                DescribeQuorumResponse.PartitionData(
                    partition_index=index, error_code=error, error_message=error.message
                )
                for index in partitions
            ],
        )
        for topic, partitions in asked
    ]
    return DescribeQuorumResponse(topics=topics)


def supported_kraft_versions(response: ApiVersionsResponse) -> tuple[int, int] | None:
    for feature in response.supported_features:
        if feature.name == "kraft.version":
            return feature.min_version, feature.max_version
    return None


def names_metadata_partition(message: Message) -> bool:
    """Whether a Vote, BeginQuorumEpoch, EndQuorumEpoch or DescribeQuorum message is about the one partition there
    is."""
    topics = getattr(message, "topics", [])
    if len(topics) != 1 or topics[0].topic_name != TOPIC:
        return False
    partitions = topics[0].partitions
    return len(partitions) == 1 and partitions[0].partition_index == PARTITION


def error_code(code: int) -> ErrorCode:
    """A peer may be newer and know more of them."""
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR
