"""Fetch (API key 1): read record batches; used by consumers, follower replicas and KRaft replicas.

Sessions since version 7 (KIP-227), topic ids since 13 (KIP-516).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import (
    Array,
    Int8,
    Int16,
    Int32,
    Int64,
    Message,
    RecordBytes,
    Records,
    String,
    Struct,
    Uuid128,
    request,
    response,
)


class FetchRequest(Message):
    SPEC: ClassVar = request(key=1, versions="4-18", flexible="12+", listeners=("broker", "controller"))

    class ReplicaState(Message):
        replica_id: Annotated[int, Int32("15+")] = -1
        replica_epoch: Annotated[int, Int64("15+")] = -1

    class FetchPartition(Message):
        partition: Annotated[int, Int32("0+")] = 0
        current_leader_epoch: Annotated[int, Int32("9+", ignorable=True)] = -1
        fetch_offset: Annotated[int, Int64("0+")] = 0
        last_fetched_epoch: Annotated[int, Int32("12+")] = -1
        log_start_offset: Annotated[int, Int64("5+", ignorable=True)] = -1
        partition_max_bytes: Annotated[int, Int32("0+")] = 0
        replica_directory_id: Annotated[Uuid, Uuid128("17+", tag=0, ignorable=True)] = ZERO_UUID
        high_watermark: Annotated[int, Int64("18+", tag=1, ignorable=True)] = 0x7FFF_FFFF_FFFF_FFFF

    class FetchTopic(Message):
        topic: Annotated[str, String("0-12", ignorable=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("13+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[FetchRequest.FetchPartition], Array("0+")] = []

    class ForgottenTopic(Message):
        topic: Annotated[str, String("7-12", ignorable=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("13+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[int], Array("7+", of=Int32)] = []

    cluster_id: Annotated[str | None, String("12+", nullable="12+", tag=0, ignorable=True)] = None
    replica_id: Annotated[int, Int32("0-14")] = -1
    replica_state: Annotated[FetchRequest.ReplicaState, Struct("15+", tag=1)] = msgspec.field(
        default_factory=lambda: FetchRequest.ReplicaState()
    )
    max_wait_ms: Annotated[int, Int32("0+")] = 0
    min_bytes: Annotated[int, Int32("0+")] = 0
    max_bytes: Annotated[int, Int32("3+", ignorable=True)] = 0x7FFF_FFFF
    isolation_level: Annotated[int, Int8("4+", ignorable=True)] = 0
    session_id: Annotated[int, Int32("7+", ignorable=True)] = 0
    session_epoch: Annotated[int, Int32("7+", ignorable=True)] = -1
    topics: Annotated[list[FetchRequest.FetchTopic], Array("0+")] = []
    forgotten_topics_data: Annotated[list[FetchRequest.ForgottenTopic], Array("7+")] = []
    rack_id: Annotated[str, String("11+", ignorable=True)] = ""


class FetchResponse(Message):
    SPEC: ClassVar = response(key=1, versions="4-18", flexible="12+")

    class EpochEndOffset(Message):
        epoch: Annotated[int, Int32("12+")] = -1
        end_offset: Annotated[int, Int64("12+")] = -1

    class LeaderIdAndEpoch(Message):
        leader_id: Annotated[int, Int32("12+")] = -1
        leader_epoch: Annotated[int, Int32("12+")] = -1

    class SnapshotId(Message):
        end_offset: Annotated[int, Int64("0+")] = -1
        epoch: Annotated[int, Int32("0+")] = -1

    class AbortedTransaction(Message):
        producer_id: Annotated[int, Int64("4+")] = 0
        first_offset: Annotated[int, Int64("4+")] = 0

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        high_watermark: Annotated[int, Int64("0+")] = 0
        last_stable_offset: Annotated[int, Int64("4+", ignorable=True)] = -1
        log_start_offset: Annotated[int, Int64("5+", ignorable=True)] = -1
        diverging_epoch: Annotated[FetchResponse.EpochEndOffset, Struct("12+", tag=0)] = msgspec.field(
            default_factory=lambda: FetchResponse.EpochEndOffset()
        )
        current_leader: Annotated[FetchResponse.LeaderIdAndEpoch, Struct("12+", tag=1)] = msgspec.field(
            default_factory=lambda: FetchResponse.LeaderIdAndEpoch()
        )
        snapshot_id: Annotated[FetchResponse.SnapshotId, Struct("12+", tag=2)] = msgspec.field(
            default_factory=lambda: FetchResponse.SnapshotId()
        )
        aborted_transactions: Annotated[
            list[FetchResponse.AbortedTransaction] | None, Array("4+", nullable="4+", ignorable=True)
        ] = []
        preferred_read_replica: Annotated[int, Int32("11+")] = -1
        records: Annotated[RecordBytes, Records("0+", nullable="0+")] = None

    class FetchableTopicResponse(Message):
        topic: Annotated[str, String("0-12", ignorable=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("13+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[FetchResponse.PartitionData], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("16+", key=True)] = 0
        host: Annotated[str, String("16+")] = ""
        port: Annotated[int, Int32("16+")] = 0
        rack: Annotated[str | None, String("16+", nullable="16+")] = None

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("7+", ignorable=True)] = 0
    session_id: Annotated[int, Int32("7+")] = 0
    responses: Annotated[list[FetchResponse.FetchableTopicResponse], Array("0+")] = []
    node_endpoints: Annotated[list[FetchResponse.NodeEndpoint], Array("16+", tag=0)] = []
