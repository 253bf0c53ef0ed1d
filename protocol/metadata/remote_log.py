"""Records of `__remote_log_metadata`, the topic of tiered storage (KIP-405).

Their own key space, not that of `__cluster_metadata`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Bytes, Int8, Int32, Int64, Message, String, Struct, Uuid128, metadata


class RemoteLogSegmentMetadataRecord(Message):
    SPEC: ClassVar = metadata(key=0, versions="0", flexible="0+")

    class TopicIdPartitionEntry(Message):
        name: Annotated[str, String("0+")] = ""
        id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partition: Annotated[int, Int32("0+")] = 0

    class RemoteLogSegmentIdEntry(Message):
        topic_id_partition: Annotated[RemoteLogSegmentMetadataRecord.TopicIdPartitionEntry, Struct("0+")] = (
            msgspec.field(default_factory=lambda: RemoteLogSegmentMetadataRecord.TopicIdPartitionEntry())
        )
        id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID

    class SegmentLeaderEpochEntry(Message):
        leader_epoch: Annotated[int, Int32("0+")] = 0
        offset: Annotated[int, Int64("0+")] = 0

    remote_log_segment_id: Annotated[RemoteLogSegmentMetadataRecord.RemoteLogSegmentIdEntry, Struct("0+")] = (
        msgspec.field(default_factory=lambda: RemoteLogSegmentMetadataRecord.RemoteLogSegmentIdEntry())
    )
    start_offset: Annotated[int, Int64("0+")] = 0
    end_offset: Annotated[int, Int64("0+")] = 0
    broker_id: Annotated[int, Int32("0+")] = 0
    max_timestamp_ms: Annotated[int, Int64("0+")] = 0
    event_timestamp_ms: Annotated[int, Int64("0+")] = 0
    segment_leader_epochs: Annotated[list[RemoteLogSegmentMetadataRecord.SegmentLeaderEpochEntry], Array("0+")] = []
    segment_size_in_bytes: Annotated[int, Int32("0+")] = 0
    custom_metadata: Annotated[bytes | None, Bytes("0+", nullable="0+")] = None
    remote_log_segment_state: Annotated[int, Int8("0+")] = 0
    txn_index_empty: Annotated[bool, Bool("0+", tag=0)] = False


class RemoteLogSegmentMetadataUpdateRecord(Message):
    SPEC: ClassVar = metadata(key=1, versions="0", flexible="0+")

    class TopicIdPartitionEntry(Message):
        name: Annotated[str, String("0+")] = ""
        id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partition: Annotated[int, Int32("0+")] = 0

    class RemoteLogSegmentIdEntry(Message):
        topic_id_partition: Annotated[RemoteLogSegmentMetadataUpdateRecord.TopicIdPartitionEntry, Struct("0+")] = (
            msgspec.field(default_factory=lambda: RemoteLogSegmentMetadataUpdateRecord.TopicIdPartitionEntry())
        )
        id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID

    remote_log_segment_id: Annotated[RemoteLogSegmentMetadataUpdateRecord.RemoteLogSegmentIdEntry, Struct("0+")] = (
        msgspec.field(default_factory=lambda: RemoteLogSegmentMetadataUpdateRecord.RemoteLogSegmentIdEntry())
    )
    broker_id: Annotated[int, Int32("0+")] = 0
    event_timestamp_ms: Annotated[int, Int64("0+")] = 0
    custom_metadata: Annotated[bytes | None, Bytes("0+", nullable="0+")] = None
    remote_log_segment_state: Annotated[int, Int8("0+")] = 0


class RemotePartitionDeleteMetadataRecord(Message):
    SPEC: ClassVar = metadata(key=2, versions="0", flexible="0+")

    class TopicIdPartitionEntry(Message):
        name: Annotated[str, String("0+")] = ""
        id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partition: Annotated[int, Int32("0+")] = 0

    topic_id_partition: Annotated[RemotePartitionDeleteMetadataRecord.TopicIdPartitionEntry, Struct("0+")] = (
        msgspec.field(default_factory=lambda: RemotePartitionDeleteMetadataRecord.TopicIdPartitionEntry())
    )
    broker_id: Annotated[int, Int32("0+")] = 0
    event_timestamp_ms: Annotated[int, Int64("0+")] = 0
    remote_partition_delete_state: Annotated[int, Int8("0+")] = 0


class RemoteLogSegmentMetadataSnapshotRecord(Message):
    SPEC: ClassVar = metadata(key=3, versions="0", flexible="0+")

    class SegmentLeaderEpochEntry(Message):
        leader_epoch: Annotated[int, Int32("0+")] = 0
        offset: Annotated[int, Int64("0+")] = 0

    segment_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    start_offset: Annotated[int, Int64("0+")] = 0
    end_offset: Annotated[int, Int64("0+")] = 0
    broker_id: Annotated[int, Int32("0+")] = 0
    max_timestamp_ms: Annotated[int, Int64("0+")] = 0
    event_timestamp_ms: Annotated[int, Int64("0+")] = 0
    segment_leader_epochs: Annotated[
        list[RemoteLogSegmentMetadataSnapshotRecord.SegmentLeaderEpochEntry], Array("0+")
    ] = []
    segment_size_in_bytes: Annotated[int, Int32("0+")] = 0
    custom_metadata: Annotated[bytes | None, Bytes("0+", nullable="0+")] = None
    remote_log_segment_state: Annotated[int, Int8("0+")] = 0
    txn_index_empty: Annotated[bool, Bool("0+", tag=0)] = False
