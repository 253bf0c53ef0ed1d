"""DescribeShareGroupOffsets (API key 90): start offsets of share groups (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, String, Uuid128, request, response


class DescribeShareGroupOffsetsRequest(Message):
    SPEC: ClassVar = request(key=90, versions="0-1", flexible="0+", listeners=("broker",))

    class DescribeShareGroupOffsetsRequestTopic(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class DescribeShareGroupOffsetsRequestGroup(Message):
        group_id: Annotated[str, String("0+")] = ""
        topics: Annotated[
            list[DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestTopic] | None,
            Array("0+", nullable="0+"),
        ] = []

    groups: Annotated[list[DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestGroup], Array("0+")] = []


class DescribeShareGroupOffsetsResponse(Message):
    SPEC: ClassVar = response(key=90, versions="0-1", flexible="0+")

    class DescribeShareGroupOffsetsResponsePartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        start_offset: Annotated[int, Int64("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        lag: Annotated[int, Int64("1+", ignorable=True)] = -1
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    class DescribeShareGroupOffsetsResponseTopic(Message):
        topic_name: Annotated[str, String("0+")] = ""
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[
            list[DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponsePartition], Array("0+")
        ] = []

    class DescribeShareGroupOffsetsResponseGroup(Message):
        group_id: Annotated[str, String("0+")] = ""
        topics: Annotated[
            list[DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseTopic], Array("0+")
        ] = []
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    groups: Annotated[list[DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseGroup], Array("0+")] = []
