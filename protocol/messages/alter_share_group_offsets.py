"""AlterShareGroupOffsets (API key 91): set the start offsets of a share group (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, String, Uuid128, request, response


class AlterShareGroupOffsetsRequest(Message):
    SPEC: ClassVar = request(key=91, versions="0", flexible="0+", listeners=("broker",))

    class AlterShareGroupOffsetsRequestPartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        start_offset: Annotated[int, Int64("0+")] = 0

    class AlterShareGroupOffsetsRequestTopic(Message):
        topic_name: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[
            list[AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestPartition], Array("0+")
        ] = []

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestTopic], Array("0+")] = []


class AlterShareGroupOffsetsResponse(Message):
    SPEC: ClassVar = response(key=91, versions="0", flexible="0+")

    class AlterShareGroupOffsetsResponsePartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    class AlterShareGroupOffsetsResponseTopic(Message):
        topic_name: Annotated[str, String("0+", key=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[
            list[AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponsePartition], Array("0+")
        ] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    responses: Annotated[list[AlterShareGroupOffsetsResponse.AlterShareGroupOffsetsResponseTopic], Array("0+")] = []
