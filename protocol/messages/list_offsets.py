"""ListOffsets (API key 2): find offsets by timestamp, or a special position such as the log's start or end."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, request, response


class ListOffsetsRequest(Message):
    SPEC: ClassVar = request(key=2, versions="1-11", flexible="6+", listeners=("broker",))

    class ListOffsetsPartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        current_leader_epoch: Annotated[int, Int32("4+", ignorable=True)] = -1
        timestamp: Annotated[int, Int64("0+")] = 0

    class ListOffsetsTopic(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[ListOffsetsRequest.ListOffsetsPartition], Array("0+")] = []

    replica_id: Annotated[int, Int32("0+")] = 0
    isolation_level: Annotated[int, Int8("2+")] = 0
    topics: Annotated[list[ListOffsetsRequest.ListOffsetsTopic], Array("0+")] = []
    timeout_ms: Annotated[int, Int32("10+", ignorable=True)] = 0


class ListOffsetsResponse(Message):
    SPEC: ClassVar = response(key=2, versions="1-11", flexible="6+")

    class ListOffsetsPartitionResponse(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        timestamp: Annotated[int, Int64("1+")] = -1
        offset: Annotated[int, Int64("1+")] = -1
        leader_epoch: Annotated[int, Int32("4+")] = -1

    class ListOffsetsTopicResponse(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[ListOffsetsResponse.ListOffsetsPartitionResponse], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("2+", ignorable=True)] = 0
    topics: Annotated[list[ListOffsetsResponse.ListOffsetsTopicResponse], Array("0+")] = []
