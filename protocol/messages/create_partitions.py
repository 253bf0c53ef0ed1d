"""CreatePartitions (API key 37): give topics more partitions (KIP-195)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int16, Int32, Message, String, request, response


class CreatePartitionsRequest(Message):
    SPEC: ClassVar = request(key=37, versions="0-3", flexible="2+", listeners=("broker", "controller"))

    class CreatePartitionsAssignment(Message):
        broker_ids: Annotated[list[int], Array("0+", of=Int32)] = []

    class CreatePartitionsTopic(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        count: Annotated[int, Int32("0+")] = 0
        assignments: Annotated[
            list[CreatePartitionsRequest.CreatePartitionsAssignment] | None, Array("0+", nullable="0+")
        ] = []

    topics: Annotated[list[CreatePartitionsRequest.CreatePartitionsTopic], Array("0+")] = []
    timeout_ms: Annotated[int, Int32("0+")] = 0
    validate_only: Annotated[bool, Bool("0+")] = False


class CreatePartitionsResponse(Message):
    SPEC: ClassVar = response(key=37, versions="0-3", flexible="2+")

    class CreatePartitionsTopicResult(Message):
        name: Annotated[str, String("0+")] = ""
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    results: Annotated[list[CreatePartitionsResponse.CreatePartitionsTopicResult], Array("0+")] = []
