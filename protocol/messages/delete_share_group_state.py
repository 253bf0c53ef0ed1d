"""DeleteShareGroupState (API key 86): delete the state of share partitions (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Uuid128, request, response


class DeleteShareGroupStateRequest(Message):
    SPEC: ClassVar = request(key=86, versions="0", flexible="0+", listeners=("broker",))

    class PartitionData(Message):
        partition: Annotated[int, Int32("0+")] = 0

    class DeleteStateData(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[DeleteShareGroupStateRequest.PartitionData], Array("0+")] = []

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[DeleteShareGroupStateRequest.DeleteStateData], Array("0+")] = []


class DeleteShareGroupStateResponse(Message):
    SPEC: ClassVar = response(key=86, versions="0", flexible="0+")

    class PartitionResult(Message):
        partition: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    class DeleteStateResult(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[DeleteShareGroupStateResponse.PartitionResult], Array("0+")] = []

    results: Annotated[list[DeleteShareGroupStateResponse.DeleteStateResult], Array("0+")] = []
