"""OffsetDelete (API key 47): delete stored positions of a group (KIP-496)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Message, String, request, response


class OffsetDeleteRequest(Message):
    SPEC: ClassVar = request(key=47, versions="0", flexible="none", listeners=("broker",))

    class OffsetDeleteRequestPartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0

    class OffsetDeleteRequestTopic(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[OffsetDeleteRequest.OffsetDeleteRequestPartition], Array("0+")] = []

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[OffsetDeleteRequest.OffsetDeleteRequestTopic], Array("0+")] = []


class OffsetDeleteResponse(Message):
    SPEC: ClassVar = response(key=47, versions="0", flexible="none")

    class OffsetDeleteResponsePartition(Message):
        partition_index: Annotated[int, Int32("0+", key=True)] = 0
        error_code: Annotated[int, Int16("0+")] = 0

    class OffsetDeleteResponseTopic(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[OffsetDeleteResponse.OffsetDeleteResponsePartition], Array("0+")] = []

    error_code: Annotated[int, Int16("0+")] = 0
    throttle_time_ms: Annotated[int, Int32("0+", ignorable=True)] = 0
    topics: Annotated[list[OffsetDeleteResponse.OffsetDeleteResponseTopic], Array("0+")] = []
