"""DescribeQuorum (API key 55): leader, voters and observers of the metadata quorum, with their progress."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, String, Uint16, Uuid128, request, response


class DescribeQuorumRequest(Message):
    SPEC: ClassVar = request(key=55, versions="0-2", flexible="0+", listeners=("broker", "controller"))

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[DescribeQuorumRequest.PartitionData], Array("0+")] = []

    topics: Annotated[list[DescribeQuorumRequest.TopicData], Array("0+")] = []


class DescribeQuorumResponse(Message):
    SPEC: ClassVar = response(key=55, versions="0-2", flexible="0+")

    class ReplicaState(Message):
        replica_id: Annotated[int, Int32("0+")] = 0
        replica_directory_id: Annotated[Uuid, Uuid128("2+")] = ZERO_UUID
        log_end_offset: Annotated[int, Int64("0+")] = 0
        last_fetch_timestamp: Annotated[int, Int64("1+", ignorable=True)] = -1
        last_caught_up_timestamp: Annotated[int, Int64("1+", ignorable=True)] = -1

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("2+", nullable="2+", ignorable=True)] = ""
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        high_watermark: Annotated[int, Int64("0+")] = 0
        current_voters: Annotated[list[DescribeQuorumResponse.ReplicaState], Array("0+")] = []
        observers: Annotated[list[DescribeQuorumResponse.ReplicaState], Array("0+")] = []

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[DescribeQuorumResponse.PartitionData], Array("0+")] = []

    class Listener(Message):
        name: Annotated[str, String("2+", key=True)] = ""
        host: Annotated[str, String("2+")] = ""
        port: Annotated[int, Uint16("2+")] = 0

    class Node(Message):
        node_id: Annotated[int, Int32("2+", key=True)] = 0
        listeners: Annotated[list[DescribeQuorumResponse.Listener], Array("2+")] = []

    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("2+", nullable="2+", ignorable=True)] = ""
    topics: Annotated[list[DescribeQuorumResponse.TopicData], Array("0+")] = []
    nodes: Annotated[list[DescribeQuorumResponse.Node], Array("2+")] = []
