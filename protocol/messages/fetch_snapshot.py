"""FetchSnapshot (API key 59): read a part of a KRaft snapshot (KIP-630)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import (
    Array,
    Int16,
    Int32,
    Int64,
    Message,
    RecordBytes,
    Records,
    String,
    Struct,
    Uint16,
    Uuid128,
    request,
    response,
)


class FetchSnapshotRequest(Message):
    SPEC: ClassVar = request(key=59, versions="0-1", flexible="0+", listeners=("controller",))

    class SnapshotId(Message):
        end_offset: Annotated[int, Int64("0+")] = 0
        epoch: Annotated[int, Int32("0+")] = 0

    class PartitionSnapshot(Message):
        partition: Annotated[int, Int32("0+")] = 0
        current_leader_epoch: Annotated[int, Int32("0+")] = 0
        snapshot_id: Annotated[FetchSnapshotRequest.SnapshotId, Struct("0+")] = msgspec.field(
            default_factory=lambda: FetchSnapshotRequest.SnapshotId()
        )
        position: Annotated[int, Int64("0+")] = 0
        replica_directory_id: Annotated[Uuid, Uuid128("1+", tag=0, ignorable=True)] = ZERO_UUID

    class TopicSnapshot(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[FetchSnapshotRequest.PartitionSnapshot], Array("0+")] = []

    cluster_id: Annotated[str | None, String("0+", nullable="0+", tag=0)] = None
    replica_id: Annotated[int, Int32("0+")] = -1
    max_bytes: Annotated[int, Int32("0+")] = 0x7FFF_FFFF
    topics: Annotated[list[FetchSnapshotRequest.TopicSnapshot], Array("0+")] = []


class FetchSnapshotResponse(Message):
    SPEC: ClassVar = response(key=59, versions="0-1", flexible="0+")

    class SnapshotId(Message):
        end_offset: Annotated[int, Int64("0+")] = 0
        epoch: Annotated[int, Int32("0+")] = 0

    class LeaderIdAndEpoch(Message):
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class PartitionSnapshot(Message):
        index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        snapshot_id: Annotated[FetchSnapshotResponse.SnapshotId, Struct("0+")] = msgspec.field(
            default_factory=lambda: FetchSnapshotResponse.SnapshotId()
        )
        current_leader: Annotated[FetchSnapshotResponse.LeaderIdAndEpoch, Struct("0+", tag=0)] = msgspec.field(
            default_factory=lambda: FetchSnapshotResponse.LeaderIdAndEpoch()
        )
        size: Annotated[int, Int64("0+")] = 0
        position: Annotated[int, Int64("0+")] = 0
        unaligned_records: Annotated[RecordBytes, Records("0+")] = b""

    class TopicSnapshot(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[FetchSnapshotResponse.PartitionSnapshot], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("1+", key=True)] = 0
        host: Annotated[str, String("1+")] = ""
        port: Annotated[int, Uint16("1+")] = 0

    throttle_time_ms: Annotated[int, Int32("0+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    topics: Annotated[list[FetchSnapshotResponse.TopicSnapshot], Array("0+")] = []
    node_endpoints: Annotated[list[FetchSnapshotResponse.NodeEndpoint], Array("1+", tag=0)] = []
