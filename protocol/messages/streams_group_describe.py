"""StreamsGroupDescribe (API key 89): state, topology and members of streams groups (KIP-1071)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, String, Struct, Uint16, request, response


class StreamsGroupDescribeRequest(Message):
    SPEC: ClassVar = request(key=89, versions="0", flexible="0+", listeners=("broker",))

    group_ids: Annotated[list[str], Array("0+", of=String)] = []
    include_authorized_operations: Annotated[bool, Bool("0+")] = False


class StreamsGroupDescribeResponse(Message):
    SPEC: ClassVar = response(key=89, versions="0", flexible="0+")

    class KeyValue(Message):
        key: Annotated[str, String("0+")] = ""
        value: Annotated[str, String("0+")] = ""

    class TopicInfo(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[int, Int32("0+")] = 0
        replication_factor: Annotated[int, Int16("0+")] = 0
        topic_configs: Annotated[list[StreamsGroupDescribeResponse.KeyValue], Array("0+")] = []

    class Subtopology(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        source_topics: Annotated[list[str], Array("0+", of=String)] = []
        repartition_sink_topics: Annotated[list[str], Array("0+", of=String)] = []
        state_changelog_topics: Annotated[list[StreamsGroupDescribeResponse.TopicInfo], Array("0+")] = []
        repartition_source_topics: Annotated[list[StreamsGroupDescribeResponse.TopicInfo], Array("0+")] = []

    class Topology(Message):
        epoch: Annotated[int, Int32("0+")] = 0
        subtopologies: Annotated[list[StreamsGroupDescribeResponse.Subtopology] | None, Array("0+", nullable="0+")] = (
            None
        )

    class Endpoint(Message):
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0

    class TaskOffset(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        partition: Annotated[int, Int32("0+")] = 0
        offset: Annotated[int, Int64("0+")] = 0

    class TaskIds(Message):
        subtopology_id: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class Assignment(Message):
        active_tasks: Annotated[list[StreamsGroupDescribeResponse.TaskIds], Array("0+")] = []
        standby_tasks: Annotated[list[StreamsGroupDescribeResponse.TaskIds], Array("0+")] = []
        warmup_tasks: Annotated[list[StreamsGroupDescribeResponse.TaskIds], Array("0+")] = []

    class Member(Message):
        member_id: Annotated[str, String("0+")] = ""
        member_epoch: Annotated[int, Int32("0+")] = 0
        instance_id: Annotated[str | None, String("0+", nullable="0+")] = None
        rack_id: Annotated[str | None, String("0+", nullable="0+")] = None
        client_id: Annotated[str, String("0+")] = ""
        client_host: Annotated[str, String("0+")] = ""
        topology_epoch: Annotated[int, Int32("0+")] = 0
        process_id: Annotated[str, String("0+")] = ""
        user_endpoint: Annotated[StreamsGroupDescribeResponse.Endpoint | None, Struct("0+", nullable="0+")] = None
        client_tags: Annotated[list[StreamsGroupDescribeResponse.KeyValue], Array("0+")] = []
        task_offsets: Annotated[list[StreamsGroupDescribeResponse.TaskOffset], Array("0+")] = []
        task_end_offsets: Annotated[list[StreamsGroupDescribeResponse.TaskOffset], Array("0+")] = []
        assignment: Annotated[StreamsGroupDescribeResponse.Assignment, Struct("0+")] = msgspec.field(
            default_factory=lambda: StreamsGroupDescribeResponse.Assignment()
        )
        target_assignment: Annotated[StreamsGroupDescribeResponse.Assignment, Struct("0+")] = msgspec.field(
            default_factory=lambda: StreamsGroupDescribeResponse.Assignment()
        )
        is_classic: Annotated[bool, Bool("0+")] = False

    class DescribedGroup(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        group_id: Annotated[str, String("0+")] = ""
        group_state: Annotated[str, String("0+")] = ""
        group_epoch: Annotated[int, Int32("0+")] = 0
        assignment_epoch: Annotated[int, Int32("0+")] = 0
        topology: Annotated[StreamsGroupDescribeResponse.Topology | None, Struct("0+", nullable="0+")] = None
        members: Annotated[list[StreamsGroupDescribeResponse.Member], Array("0+")] = []
        authorized_operations: Annotated[int, Int32("0+")] = -0x8000_0000

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    groups: Annotated[list[StreamsGroupDescribeResponse.DescribedGroup], Array("0+")] = []
