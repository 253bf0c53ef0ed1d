"""StreamsGroupHeartbeat (API key 88): the one request of Kafka Streams group members (KIP-1071)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.schema import Array, Bool, Int8, Int16, Int32, Int64, Message, String, Struct, Uint16, request, response


class StreamsGroupHeartbeatRequest(Message):
    SPEC: ClassVar = request(key=88, versions="0", flexible="0+", listeners=("broker",))

    class KeyValue(Message):
        key: Annotated[str, String("0+")] = ""
        value: Annotated[str, String("0+")] = ""

    class TopicInfo(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[int, Int32("0+")] = 0
        replication_factor: Annotated[int, Int16("0+")] = 0
        topic_configs: Annotated[list[StreamsGroupHeartbeatRequest.KeyValue], Array("0+")] = []

    class CopartitionGroup(Message):
        source_topics: Annotated[list[int], Array("0+", of=Int16)] = []
        source_topic_regex: Annotated[list[int], Array("0+", of=Int16)] = []
        repartition_source_topics: Annotated[list[int], Array("0+", of=Int16)] = []

    class Subtopology(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        source_topics: Annotated[list[str], Array("0+", of=String)] = []
        source_topic_regex: Annotated[list[str], Array("0+", of=String)] = []
        state_changelog_topics: Annotated[list[StreamsGroupHeartbeatRequest.TopicInfo], Array("0+")] = []
        repartition_sink_topics: Annotated[list[str], Array("0+", of=String)] = []
        repartition_source_topics: Annotated[list[StreamsGroupHeartbeatRequest.TopicInfo], Array("0+")] = []
        copartition_groups: Annotated[list[StreamsGroupHeartbeatRequest.CopartitionGroup], Array("0+")] = []

    class Topology(Message):
        epoch: Annotated[int, Int32("0+")] = 0
        subtopologies: Annotated[list[StreamsGroupHeartbeatRequest.Subtopology], Array("0+")] = []

    class TaskIds(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class Endpoint(Message):
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0

    class TaskOffset(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        partition: Annotated[int, Int32("0+")] = 0
        offset: Annotated[int, Int64("0+")] = 0

    group_id: Annotated[str, String("0+")] = ""
    member_id: Annotated[str, String("0+")] = ""
    member_epoch: Annotated[int, Int32("0+")] = 0
    endpoint_information_epoch: Annotated[int, Int32("0+")] = 0
    instance_id: Annotated[str | None, String("0+", nullable="0+")] = None
    rack_id: Annotated[str | None, String("0+", nullable="0+")] = None
    rebalance_timeout_ms: Annotated[int, Int32("0+")] = -1
    topology: Annotated[StreamsGroupHeartbeatRequest.Topology | None, Struct("0+", nullable="0+")] = None
    active_tasks: Annotated[list[StreamsGroupHeartbeatRequest.TaskIds] | None, Array("0+", nullable="0+")] = None
    standby_tasks: Annotated[list[StreamsGroupHeartbeatRequest.TaskIds] | None, Array("0+", nullable="0+")] = None
    warmup_tasks: Annotated[list[StreamsGroupHeartbeatRequest.TaskIds] | None, Array("0+", nullable="0+")] = None
    process_id: Annotated[str | None, String("0+", nullable="0+")] = None
    user_endpoint: Annotated[StreamsGroupHeartbeatRequest.Endpoint | None, Struct("0+", nullable="0+")] = None
    client_tags: Annotated[list[StreamsGroupHeartbeatRequest.KeyValue] | None, Array("0+", nullable="0+")] = None
    task_offsets: Annotated[list[StreamsGroupHeartbeatRequest.TaskOffset] | None, Array("0+", nullable="0+")] = None
    task_end_offsets: Annotated[list[StreamsGroupHeartbeatRequest.TaskOffset] | None, Array("0+", nullable="0+")] = None
    shutdown_application: Annotated[bool, Bool("0+")] = False


class StreamsGroupHeartbeatResponse(Message):
    SPEC: ClassVar = response(key=88, versions="0", flexible="0+")

    class Status(Message):
        status_code: Annotated[int, Int8("0+")] = 0
        status_detail: Annotated[str, String("0+")] = ""

    class TaskIds(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class Endpoint(Message):
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0

    class TopicPartition(Message):
        topic: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class EndpointToPartitions(Message):
        user_endpoint: Annotated[StreamsGroupHeartbeatResponse.Endpoint, Struct("0+")] = msgspec.field(
            default_factory=lambda: StreamsGroupHeartbeatResponse.Endpoint()
        )
        active_partitions: Annotated[list[StreamsGroupHeartbeatResponse.TopicPartition], Array("0+")] = []
        standby_partitions: Annotated[list[StreamsGroupHeartbeatResponse.TopicPartition], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    member_id: Annotated[str, String("0+")] = ""
    member_epoch: Annotated[int, Int32("0+")] = 0
    heartbeat_interval_ms: Annotated[int, Int32("0+")] = 0
    acceptable_recovery_lag: Annotated[int, Int32("0+")] = 0
    task_offset_interval_ms: Annotated[int, Int32("0+")] = 0
    status: Annotated[list[StreamsGroupHeartbeatResponse.Status] | None, Array("0+", nullable="0+")] = []
    active_tasks: Annotated[list[StreamsGroupHeartbeatResponse.TaskIds] | None, Array("0+", nullable="0+")] = None
    standby_tasks: Annotated[list[StreamsGroupHeartbeatResponse.TaskIds] | None, Array("0+", nullable="0+")] = None
    warmup_tasks: Annotated[list[StreamsGroupHeartbeatResponse.TaskIds] | None, Array("0+", nullable="0+")] = None
    endpoint_information_epoch: Annotated[int, Int32("0+")] = 0
    partitions_by_user_endpoint: Annotated[
        list[StreamsGroupHeartbeatResponse.EndpointToPartitions] | None, Array("0+", nullable="0+")
    ] = None
