"""DeleteTopics (API key 20): delete topics, by name or (since version 6) by id."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Uuid128, request, response


class DeleteTopicsRequest(Message):
    SPEC: ClassVar = request(key=20, versions="1-6", flexible="4+", listeners=("broker", "controller"))

    class DeleteTopicState(Message):
        name: Annotated[str | None, String("6+", nullable="6+")] = None
        topic_id: Annotated[Uuid, Uuid128("6+")] = ZERO_UUID

    topics: Annotated[list[DeleteTopicsRequest.DeleteTopicState], Array("6+")] = []
    topic_names: Annotated[list[str], Array("0-5", of=String, ignorable=True)] = []
    timeout_ms: Annotated[int, Int32("0+")] = 0


class DeleteTopicsResponse(Message):
    SPEC: ClassVar = response(key=20, versions="1-6", flexible="4+")

    class DeletableTopicResult(Message):
        name: Annotated[str | None, String("0+", nullable="6+", key=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("6+", ignorable=True)] = ZERO_UUID
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("5+", nullable="5+", ignorable=True)] = None

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    responses: Annotated[list[DeleteTopicsResponse.DeletableTopicResult], Array("0+")] = []
