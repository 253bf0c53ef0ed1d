"""Records of `__consumer_offsets` about share groups (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int8, Int32, Int64, Message, String, Uuid128, coordinator_key, coordinator_value


class ShareGroupMemberMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=10, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class ShareGroupMemberMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=10, versions="0", flexible="0+")

    rack_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    client_id: Annotated[str, String("0+")] = ""
    client_host: Annotated[str, String("0+")] = ""
    subscribed_topic_names: Annotated[list[str], Array("0+", of=String)] = []


class ShareGroupMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=11, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class ShareGroupMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=11, versions="0", flexible="0+")

    epoch: Annotated[int, Int32("0+")] = 0
    metadata_hash: Annotated[int, Int64("0+")] = 0


class ShareGroupTargetAssignmentMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=12, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class ShareGroupTargetAssignmentMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=12, versions="0", flexible="0+")

    assignment_epoch: Annotated[int, Int32("0+")] = 0
    assignment_timestamp: Annotated[int, Int64("0+", tag=0, ignorable=True)] = 0


class ShareGroupTargetAssignmentMemberKey(Message):
    SPEC: ClassVar = coordinator_key(key=13, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class ShareGroupTargetAssignmentMemberValue(Message):
    SPEC: ClassVar = coordinator_value(key=13, versions="0", flexible="0+")

    class TopicPartition(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    topic_partitions: Annotated[list[ShareGroupTargetAssignmentMemberValue.TopicPartition], Array("0+")] = []


class ShareGroupCurrentMemberAssignmentKey(Message):
    SPEC: ClassVar = coordinator_key(key=14, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class ShareGroupCurrentMemberAssignmentValue(Message):
    SPEC: ClassVar = coordinator_value(key=14, versions="0", flexible="0+")

    class TopicPartitions(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    member_epoch: Annotated[int, Int32("0+")] = 0
    previous_member_epoch: Annotated[int, Int32("0+")] = 0
    state: Annotated[int, Int8("0+")] = 0
    assigned_partitions: Annotated[list[ShareGroupCurrentMemberAssignmentValue.TopicPartitions], Array("0+")] = []


class ShareGroupStatePartitionMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=15, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class ShareGroupStatePartitionMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=15, versions="0", flexible="0+")

    class TopicPartitionsInfo(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class TopicInfo(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        topic_name: Annotated[str, String("0+")] = ""

    initializing_topics: Annotated[list[ShareGroupStatePartitionMetadataValue.TopicPartitionsInfo], Array("0+")] = []
    initialized_topics: Annotated[list[ShareGroupStatePartitionMetadataValue.TopicPartitionsInfo], Array("0+")] = []
    deleting_topics: Annotated[list[ShareGroupStatePartitionMetadataValue.TopicInfo], Array("0+")] = []
