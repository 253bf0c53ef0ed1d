"""ReadShareGroupStateSummary (API key 87): start offsets of share partitions, without delivery states (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, String, Uuid128, request, response


class ReadShareGroupStateSummaryRequest(Message):
    SPEC: ClassVar = request(key=87, versions="0-1", flexible="0+", listeners=("broker",))

    class PartitionData(Message):
        partition: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class ReadStateSummaryData(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[ReadShareGroupStateSummaryRequest.PartitionData], Array("0+")] = []

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[ReadShareGroupStateSummaryRequest.ReadStateSummaryData], Array("0+")] = []


class ReadShareGroupStateSummaryResponse(Message):
    SPEC: ClassVar = response(key=87, versions="0-1", flexible="0+")

    class PartitionResult(Message):
        partition: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        state_epoch: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        start_offset: Annotated[int, Int64("0+")] = 0
        delivery_complete_count: Annotated[int, Int32("1+", ignorable=True)] = -1

    class ReadStateSummaryResult(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[ReadShareGroupStateSummaryResponse.PartitionResult], Array("0+")] = []

    results: Annotated[list[ReadShareGroupStateSummaryResponse.ReadStateSummaryResult], Array("0+")] = []
