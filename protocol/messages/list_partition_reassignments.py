"""ListPartitionReassignments (API key 46): the reassignments under way."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Message, String, request, response


class ListPartitionReassignmentsRequest(Message):
    SPEC: ClassVar = request(key=46, versions="0", flexible="0+", listeners=("broker", "controller"))

    class ListPartitionReassignmentsTopics(Message):
        name: Annotated[str, String("0+")] = ""
        partition_indexes: Annotated[list[int], Array("0+", of=Int32)] = []

    timeout_ms: Annotated[int, Int32("0+")] = 60000
    topics: Annotated[
        list[ListPartitionReassignmentsRequest.ListPartitionReassignmentsTopics] | None, Array("0+", nullable="0+")
    ] = None


class ListPartitionReassignmentsResponse(Message):
    SPEC: ClassVar = response(key=46, versions="0", flexible="0+")

    class OngoingPartitionReassignment(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        replicas: Annotated[list[int], Array("0+", of=Int32)] = []
        adding_replicas: Annotated[list[int], Array("0+", of=Int32)] = []
        removing_replicas: Annotated[list[int], Array("0+", of=Int32)] = []

    class OngoingTopicReassignment(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[ListPartitionReassignmentsResponse.OngoingPartitionReassignment], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
    topics: Annotated[list[ListPartitionReassignmentsResponse.OngoingTopicReassignment], Array("0+")] = []
