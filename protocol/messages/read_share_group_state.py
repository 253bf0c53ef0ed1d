"""ReadShareGroupState (API key 84): a share partition leader reads its stored state (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, Uuid128, request, response


class ReadShareGroupStateRequest(Message):
    SPEC: ClassVar = request(key=84, versions="0", flexible="0+", listeners=("broker",))

    class PartitionData(Message):
        partition: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class ReadStateData(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[ReadShareGroupStateRequest.PartitionData], Array("0+")] = []

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[ReadShareGroupStateRequest.ReadStateData], Array("0+")] = []


class ReadShareGroupStateResponse(Message):
    SPEC: ClassVar = response(key=84, versions="0", flexible="0+")

    class StateBatch(Message):
        first_offset: Annotated[int, Int64("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        delivery_state: Annotated[int, Int8("0+")] = 0
        delivery_count: Annotated[int, Int16("0+")] = 0

    class PartitionResult(Message):
        partition: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        state_epoch: Annotated[int, Int32("0+")] = 0
        start_offset: Annotated[int, Int64("0+")] = 0
        state_batches: Annotated[list[ReadShareGroupStateResponse.StateBatch], Array("0+")] = []

    class ReadStateResult(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[ReadShareGroupStateResponse.PartitionResult], Array("0+")] = []

    results: Annotated[list[ReadShareGroupStateResponse.ReadStateResult], Array("0+")] = []
