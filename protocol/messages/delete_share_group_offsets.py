"""DeleteShareGroupOffsets (API key 92): delete the start offsets of a share group (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Uuid128, request, response


class DeleteShareGroupOffsetsRequest(Message):
    SPEC: ClassVar = request(key=92, versions="0", flexible="0+", listeners=("broker",))

    class DeleteShareGroupOffsetsRequestTopic(Message):
        topic_name: Annotated[str, String("0+")] = ""

    group_id: Annotated[str, String("0+")] = ""
    topics: Annotated[list[DeleteShareGroupOffsetsRequest.DeleteShareGroupOffsetsRequestTopic], Array("0+")] = []


class DeleteShareGroupOffsetsResponse(Message):
    SPEC: ClassVar = response(key=92, versions="0", flexible="0+")

    class DeleteShareGroupOffsetsResponseTopic(Message):
        topic_name: Annotated[str, String("0+")] = ""
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    responses: Annotated[list[DeleteShareGroupOffsetsResponse.DeleteShareGroupOffsetsResponseTopic], Array("0+")] = []
