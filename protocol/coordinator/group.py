"""Records of `__consumer_offsets`: positions, classic groups, and consumer groups (KIP-848).

Both kinds of LegacyOffsetCommit and OffsetCommit keys name the same thing; the values written today are
OffsetCommitValue.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import (
    Array,
    Bytes,
    Int8,
    Int32,
    Int64,
    Message,
    String,
    Struct,
    Uuid128,
    coordinator_key,
    coordinator_value,
)


class LegacyOffsetCommitKey(Message):
    SPEC: ClassVar = coordinator_key(key=0, versions="0", flexible="none")

    group: Annotated[str, String("0")] = ""
    topic: Annotated[str, String("0")] = ""
    partition: Annotated[int, Int32("0")] = 0


class LegacyOffsetCommitValue(Message):
    SPEC: ClassVar = coordinator_value(key=0, versions="0", flexible="none")

    offset: Annotated[int, Int64("0")] = 0
    metadata: Annotated[str, String("0")] = ""
    commit_timestamp: Annotated[int, Int64("0")] = 0


class OffsetCommitKey(Message):
    SPEC: ClassVar = coordinator_key(key=1, versions="0", flexible="none")

    group: Annotated[str, String("0")] = ""
    topic: Annotated[str, String("0")] = ""
    partition: Annotated[int, Int32("0")] = 0


class OffsetCommitValue(Message):
    SPEC: ClassVar = coordinator_value(key=1, versions="0-4", flexible="4+")

    offset: Annotated[int, Int64("0+")] = 0
    leader_epoch: Annotated[int, Int32("3+", ignorable=True)] = -1
    metadata: Annotated[str, String("0+")] = ""
    commit_timestamp: Annotated[int, Int64("0+")] = 0
    expire_timestamp: Annotated[int, Int64("1", ignorable=True)] = -1
    topic_id: Annotated[Uuid, Uuid128("4+", tag=0, ignorable=True)] = ZERO_UUID


class GroupMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=2, versions="0", flexible="none")

    group: Annotated[str, String("0")] = ""


class GroupMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=2, versions="0-4", flexible="4+")

    class MemberMetadata(Message):
        member_id: Annotated[str, String("0+")] = ""
        group_instance_id: Annotated[str | None, String("3+", nullable="3+", ignorable=True)] = None
        client_id: Annotated[str, String("0+")] = ""
        client_host: Annotated[str, String("0+")] = ""
        rebalance_timeout: Annotated[int, Int32("1+", ignorable=True)] = -1
        session_timeout: Annotated[int, Int32("0+")] = 0
        subscription: Annotated[bytes, Bytes("0+")] = b""
        assignment: Annotated[bytes, Bytes("0+")] = b""

    protocol_type: Annotated[str, String("0+")] = ""
    generation: Annotated[int, Int32("0+")] = 0
    protocol: Annotated[str | None, String("0+", nullable="0+")] = ""
    leader: Annotated[str | None, String("0+", nullable="0+")] = ""
    current_state_timestamp: Annotated[int, Int64("2+", ignorable=True)] = -1
    members: Annotated[list[GroupMetadataValue.MemberMetadata], Array("0+")] = []


class ConsumerGroupMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=3, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class ConsumerGroupMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=3, versions="0", flexible="0+")

    epoch: Annotated[int, Int32("0+")] = 0
    metadata_hash: Annotated[int, Int64("0+", tag=0)] = 0


class ConsumerGroupPartitionMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=4, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class ConsumerGroupPartitionMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=4, versions="0", flexible="0+")

    class PartitionMetadata(Message):
        partition: Annotated[int, Int32("0+")] = 0
        racks: Annotated[list[str], Array("0+", of=String)] = []

    class TopicMetadata(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        topic_name: Annotated[str, String("0+")] = ""
        num_partitions: Annotated[int, Int32("0+")] = 0
        partition_metadata: Annotated[list[ConsumerGroupPartitionMetadataValue.PartitionMetadata], Array("0+")] = []

    topics: Annotated[list[ConsumerGroupPartitionMetadataValue.TopicMetadata], Array("0+")] = []


class ConsumerGroupMemberMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=5, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class ConsumerGroupMemberMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=5, versions="0", flexible="0+")

    class ClassicProtocol(Message):
        name: Annotated[str, String("0+")] = ""
        metadata: Annotated[bytes, Bytes("0+")] = b""

    class ClassicMemberMetadata(Message):
        session_timeout_ms: Annotated[int, Int32("0+")] = 0
        supported_protocols: Annotated[list[ConsumerGroupMemberMetadataValue.ClassicProtocol], Array("0+")] = []

    instance_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    rack_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    client_id: Annotated[str, String("0+")] = ""
    client_host: Annotated[str, String("0+")] = ""
    subscribed_topic_names: Annotated[list[str], Array("0+", of=String)] = []
    subscribed_topic_regex: Annotated[str | None, String("0+", nullable="0+")] = ""
    rebalance_timeout_ms: Annotated[int, Int32("0+")] = -1
    server_assignor: Annotated[str | None, String("0+", nullable="0+")] = ""
    classic_member_metadata: Annotated[
        ConsumerGroupMemberMetadataValue.ClassicMemberMetadata | None, Struct("0+", nullable="0+", tag=0)
    ] = msgspec.field(default_factory=lambda: ConsumerGroupMemberMetadataValue.ClassicMemberMetadata())


class ConsumerGroupTargetAssignmentMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=6, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class ConsumerGroupTargetAssignmentMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=6, versions="0", flexible="0+")

    assignment_epoch: Annotated[int, Int32("0+")] = 0
    assignment_timestamp: Annotated[int, Int64("0+", tag=0, ignorable=True)] = 0


class ConsumerGroupTargetAssignmentMemberKey(Message):
    SPEC: ClassVar = coordinator_key(key=7, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class ConsumerGroupTargetAssignmentMemberValue(Message):
    SPEC: ClassVar = coordinator_value(key=7, versions="0", flexible="0+")

    class TopicPartition(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    topic_partitions: Annotated[list[ConsumerGroupTargetAssignmentMemberValue.TopicPartition], Array("0+")] = []


class ConsumerGroupCurrentMemberAssignmentKey(Message):
    SPEC: ClassVar = coordinator_key(key=8, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class ConsumerGroupCurrentMemberAssignmentValue(Message):
    SPEC: ClassVar = coordinator_value(key=8, versions="0", flexible="0+")

    class TopicPartitions(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []
        assignment_epochs: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+", tag=0)] = []

    member_epoch: Annotated[int, Int32("0+")] = 0
    previous_member_epoch: Annotated[int, Int32("0+")] = 0
    state: Annotated[int, Int8("0+")] = 0
    assigned_partitions: Annotated[list[ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions], Array("0+")] = []
    partitions_pending_revocation: Annotated[
        list[ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions], Array("0+")
    ] = []


class ConsumerGroupRegularExpressionKey(Message):
    SPEC: ClassVar = coordinator_key(key=16, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    regular_expression: Annotated[str, String("0")] = ""


class ConsumerGroupRegularExpressionValue(Message):
    SPEC: ClassVar = coordinator_value(key=16, versions="0", flexible="0+")

    topics: Annotated[list[str], Array("0+", of=String)] = []
    version: Annotated[int, Int64("0+")] = 0
    timestamp: Annotated[int, Int64("0+")] = 0
