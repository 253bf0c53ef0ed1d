"""DescribeTopicPartitions (API key 75): topics page by page, with eligible leader replicas (KIP-966)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Message, String, Struct, Uuid128, request, response


class DescribeTopicPartitionsRequest(Message):
    SPEC: ClassVar = request(key=75, versions="0", flexible="0+", listeners=("broker",))

    class TopicRequest(Message):
        name: Annotated[str, String("0+")] = ""

    class Cursor(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partition_index: Annotated[int, Int32("0+")] = 0

    topics: Annotated[list[DescribeTopicPartitionsRequest.TopicRequest], Array("0+")] = []
    response_partition_limit: Annotated[int, Int32("0+")] = 2000
    cursor: Annotated[DescribeTopicPartitionsRequest.Cursor | None, Struct("0+", nullable="0+")] = None


class DescribeTopicPartitionsResponse(Message):
    SPEC: ClassVar = response(key=75, versions="0", flexible="0+")

    class DescribeTopicPartitionsResponsePartition(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        partition_index: Annotated[int, Int32("0+")] = 0
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+", ignorable=True)] = -1
        replica_nodes: Annotated[list[int], Array("0+", of=Int32)] = []
        isr_nodes: Annotated[list[int], Array("0+", of=Int32)] = []
        eligible_leader_replicas: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+")] = None
        last_known_elr: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+")] = None
        offline_replicas: Annotated[list[int], Array("0+", of=Int32, ignorable=True)] = []

    class DescribeTopicPartitionsResponseTopic(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        name: Annotated[str | None, String("0+", nullable="0+", key=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("0+", ignorable=True)] = ZERO_UUID
        is_internal: Annotated[bool, Bool("0+", ignorable=True)] = False
        partitions: Annotated[
            list[DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition], Array("0+")
        ] = []
        topic_authorized_operations: Annotated[int, Int32("0+")] = -0x8000_0000

    class Cursor(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partition_index: Annotated[int, Int32("0+")] = 0

    throttle_time_ms: Annotated[int, Int32("0+", ignorable=True)] = 0
    topics: Annotated[list[DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic], Array("0+")] = []
    next_cursor: Annotated[DescribeTopicPartitionsResponse.Cursor | None, Struct("0+", nullable="0+")] = None
