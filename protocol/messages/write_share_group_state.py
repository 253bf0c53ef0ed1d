"""WriteShareGroupState (API key 85): a share partition leader stores its state (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, Uuid128, request, response


class WriteShareGroupStateRequest(Message):
    SPEC: ClassVar = request(key=85, versions="0-1", flexible="0+", listeners=("broker",))

    class StateBatch(Message):
        first_offset: Annotated[int, Int64("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        delivery_state: Annotated[int, Int8("0+")] = 0
        delivery_count: Annotated[int, Int16("0+")] = 0

    class PartitionData(Message):
        partition: Annotated[int, Int32("0+")] = 0
        state_epoch: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        start_offset: Annotated[int, Int64("0+")] = 0
        delivery_complete_count: Annotated[int, Int32("1+", ignorable=True)] = -1
        state_batches: Annotated[list[WriteShareGroupStateRequest.StateBatch], Array("0+")] = []

    class WriteStateData(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[WriteShareGroupStateRequest.PartitionData], Array("0+")] = []

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[WriteShareGroupStateRequest.WriteStateData], Array("0+")] = []


class WriteShareGroupStateResponse(Message):
    SPEC: ClassVar = response(key=85, versions="0-1", flexible="0+")

    class PartitionResult(Message):
        partition: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    class WriteStateResult(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[WriteShareGroupStateResponse.PartitionResult], Array("0+")] = []

    results: Annotated[list[WriteShareGroupStateResponse.WriteStateResult], Array("0+")] = []
