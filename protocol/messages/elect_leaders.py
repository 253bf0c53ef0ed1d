"""ElectLeaders (API key 43): hold a preferred or unclean leader election (KIP-460)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Message, String, request, response


class ElectLeadersRequest(Message):
    SPEC: ClassVar = request(key=43, versions="0-2", flexible="2+", listeners=("broker", "controller"))

    class TopicPartitions(Message):
        topic: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    election_type: Annotated[int, Int8("1+")] = 0
    topic_partitions: Annotated[list[ElectLeadersRequest.TopicPartitions] | None, Array("0+", nullable="0+")] = []
    timeout_ms: Annotated[int, Int32("0+")] = 60000


class ElectLeadersResponse(Message):
    SPEC: ClassVar = response(key=43, versions="0-2", flexible="2+")

    class PartitionResult(Message):
        partition_id: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""

    class ReplicaElectionResult(Message):
        topic: Annotated[str, String("0+")] = ""
        partition_result: Annotated[list[ElectLeadersResponse.PartitionResult], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("1+")] = 0
    replica_election_results: Annotated[list[ElectLeadersResponse.ReplicaElectionResult], Array("0+")] = []
