"""AlterPartitionReassignments (API key 45): begin or cancel moving partitions to other replicas (KIP-455)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int16, Int32, Message, String, request, response


class AlterPartitionReassignmentsRequest(Message):
    SPEC: ClassVar = request(key=45, versions="0-1", flexible="0+", listeners=("broker", "controller"))

    class ReassignablePartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        replicas: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+")] = None

    class ReassignableTopic(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[AlterPartitionReassignmentsRequest.ReassignablePartition], Array("0+")] = []

    timeout_ms: Annotated[int, Int32("0+")] = 60000
    allow_replication_factor_change: Annotated[bool, Bool("1+")] = True
    topics: Annotated[list[AlterPartitionReassignmentsRequest.ReassignableTopic], Array("0+")] = []


class AlterPartitionReassignmentsResponse(Message):
    SPEC: ClassVar = response(key=45, versions="0-1", flexible="0+")

    class ReassignablePartitionResponse(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""

    class ReassignableTopicResponse(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[AlterPartitionReassignmentsResponse.ReassignablePartitionResponse], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    allow_replication_factor_change: Annotated[bool, Bool("1+", ignorable=True)] = True
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
    responses: Annotated[list[AlterPartitionReassignmentsResponse.ReassignableTopicResponse], Array("0+")] = []
