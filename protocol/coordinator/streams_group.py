"""Records of `__consumer_offsets` about streams groups (KIP-1071)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import (
    Array,
    Int8,
    Int16,
    Int32,
    Int64,
    Message,
    String,
    Struct,
    Uint16,
    coordinator_key,
    coordinator_value,
)


class StreamsGroupMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=17, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class StreamsGroupMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=17, versions="0", flexible="0+")

    class LastAssignmentConfig(Message):
        key: Annotated[str, String("0+")] = ""
        value: Annotated[str, String("0+")] = ""

    epoch: Annotated[int, Int32("0+")] = 0
    metadata_hash: Annotated[int, Int64("0+")] = 0
    validated_topology_epoch: Annotated[int, Int32("0+", tag=0)] = -1
    last_assignment_configs: Annotated[
        list[StreamsGroupMetadataValue.LastAssignmentConfig] | None, Array("0+", nullable="0+", tag=1)
    ] = []


class StreamsGroupMemberMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=19, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class StreamsGroupMemberMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=19, versions="0", flexible="0+")

    class Endpoint(Message):
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0

    class KeyValue(Message):
        key: Annotated[str, String("0+")] = ""
        value: Annotated[str, String("0+")] = ""

    instance_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    rack_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    client_id: Annotated[str, String("0+")] = ""
    client_host: Annotated[str, String("0+")] = ""
    rebalance_timeout_ms: Annotated[int, Int32("0+")] = -1
    topology_epoch: Annotated[int, Int32("0+")] = 0
    process_id: Annotated[str, String("0+")] = ""
    user_endpoint: Annotated[StreamsGroupMemberMetadataValue.Endpoint | None, Struct("0+", nullable="0+")] = None
    client_tags: Annotated[list[StreamsGroupMemberMetadataValue.KeyValue], Array("0+")] = []


class StreamsGroupTargetAssignmentMetadataKey(Message):
    SPEC: ClassVar = coordinator_key(key=20, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class StreamsGroupTargetAssignmentMetadataValue(Message):
    SPEC: ClassVar = coordinator_value(key=20, versions="0", flexible="0+")

    assignment_epoch: Annotated[int, Int32("0+")] = 0
    assignment_timestamp: Annotated[int, Int64("0+", tag=0, ignorable=True)] = 0


class StreamsGroupTargetAssignmentMemberKey(Message):
    SPEC: ClassVar = coordinator_key(key=21, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class StreamsGroupTargetAssignmentMemberValue(Message):
    SPEC: ClassVar = coordinator_value(key=21, versions="0", flexible="0+")

    class TaskIds(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    active_tasks: Annotated[list[StreamsGroupTargetAssignmentMemberValue.TaskIds], Array("0+")] = []
    standby_tasks: Annotated[list[StreamsGroupTargetAssignmentMemberValue.TaskIds], Array("0+")] = []
    warmup_tasks: Annotated[list[StreamsGroupTargetAssignmentMemberValue.TaskIds], Array("0+")] = []


class StreamsGroupCurrentMemberAssignmentKey(Message):
    SPEC: ClassVar = coordinator_key(key=22, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    member_id: Annotated[str, String("0")] = ""


class StreamsGroupCurrentMemberAssignmentValue(Message):
    SPEC: ClassVar = coordinator_value(key=22, versions="0", flexible="0+")

    class TaskIds(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []
        assignment_epochs: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+", tag=0)] = []

    member_epoch: Annotated[int, Int32("0+")] = 0
    previous_member_epoch: Annotated[int, Int32("0+")] = 0
    state: Annotated[int, Int8("0+")] = 0
    active_tasks: Annotated[list[StreamsGroupCurrentMemberAssignmentValue.TaskIds], Array("0+")] = []
    standby_tasks: Annotated[list[StreamsGroupCurrentMemberAssignmentValue.TaskIds], Array("0+")] = []
    warmup_tasks: Annotated[list[StreamsGroupCurrentMemberAssignmentValue.TaskIds], Array("0+")] = []
    active_tasks_pending_revocation: Annotated[list[StreamsGroupCurrentMemberAssignmentValue.TaskIds], Array("0+")] = []
    standby_tasks_pending_revocation: Annotated[
        list[StreamsGroupCurrentMemberAssignmentValue.TaskIds], Array("0+")
    ] = []
    warmup_tasks_pending_revocation: Annotated[list[StreamsGroupCurrentMemberAssignmentValue.TaskIds], Array("0+")] = []


class StreamsGroupTopologyKey(Message):
    SPEC: ClassVar = coordinator_key(key=23, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""


class StreamsGroupTopologyValue(Message):
    SPEC: ClassVar = coordinator_value(key=23, versions="0", flexible="0+")

    class TopicConfig(Message):
        key: Annotated[str, String("0+")] = ""
        value: Annotated[str, String("0+")] = ""

    class TopicInfo(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[int, Int32("0+")] = 0
        replication_factor: Annotated[int, Int16("0+")] = 0
        topic_configs: Annotated[list[StreamsGroupTopologyValue.TopicConfig], Array("0+")] = []

    class CopartitionGroup(Message):
        source_topics: Annotated[list[int], Array("0+", of=Int16)] = []
        source_topic_regex: Annotated[list[int], Array("0+", of=Int16)] = []
        repartition_source_topics: Annotated[list[int], Array("0+", of=Int16)] = []

    class Subtopology(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        source_topics: Annotated[list[str], Array("0+", of=String)] = []
        source_topic_regex: Annotated[list[str], Array("0+", of=String)] = []
        state_changelog_topics: Annotated[list[StreamsGroupTopologyValue.TopicInfo], Array("0+")] = []
        repartition_sink_topics: Annotated[list[str], Array("0+", of=String)] = []
        repartition_source_topics: Annotated[list[StreamsGroupTopologyValue.TopicInfo], Array("0+")] = []
        copartition_groups: Annotated[list[StreamsGroupTopologyValue.CopartitionGroup], Array("0+")] = []

    epoch: Annotated[int, Int32("0+")] = 0
    subtopologies: Annotated[list[StreamsGroupTopologyValue.Subtopology], Array("0+")] = []
