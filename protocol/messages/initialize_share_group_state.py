"""InitializeShareGroupState (API key 83).

The group coordinator has the share coordinator create state for share partitions (KIP-932).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, String, Uuid128, request, response


class InitializeShareGroupStateRequest(Message):
    SPEC: ClassVar = request(key=83, versions="0", flexible="0+", listeners=("broker",))

    class PartitionData(Message):
        partition: Annotated[int, Int32("0+")] = 0
        state_epoch: Annotated[int, Int32("0+")] = 0
        start_offset: Annotated[int, Int64("0+")] = 0

    class InitializeStateData(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[InitializeShareGroupStateRequest.PartitionData], Array("0+")] = []

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[InitializeShareGroupStateRequest.InitializeStateData], Array("0+")] = []


class InitializeShareGroupStateResponse(Message):
    SPEC: ClassVar = response(key=83, versions="0", flexible="0+")

    class PartitionResult(Message):
        partition: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    class InitializeStateResult(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[InitializeShareGroupStateResponse.PartitionResult], Array("0+")] = []

    results: Annotated[list[InitializeShareGroupStateResponse.InitializeStateResult], Array("0+")] = []
