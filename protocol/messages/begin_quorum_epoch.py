"""BeginQuorumEpoch (API key 53): a new KRaft leader announces itself to the voters."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Uint16, Uuid128, request, response


class BeginQuorumEpochRequest(Message):
    SPEC: ClassVar = request(key=53, versions="0-1", flexible="1+", listeners=("controller",))

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        voter_directory_id: Annotated[Uuid, Uuid128("1+", ignorable=True)] = ZERO_UUID
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[BeginQuorumEpochRequest.PartitionData], Array("0+")] = []

    class LeaderEndpoint(Message):
        name: Annotated[str, String("1+", key=True)] = ""
        host: Annotated[str, String("1+")] = ""
        port: Annotated[int, Uint16("1+")] = 0

    cluster_id: Annotated[str | None, String("0+", nullable="0+")] = None
    voter_id: Annotated[int, Int32("1+", ignorable=True)] = -1
    topics: Annotated[list[BeginQuorumEpochRequest.TopicData], Array("0+")] = []
    leader_endpoints: Annotated[list[BeginQuorumEpochRequest.LeaderEndpoint], Array("1+", ignorable=True)] = []


class BeginQuorumEpochResponse(Message):
    SPEC: ClassVar = response(key=53, versions="0-1", flexible="1+")

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[BeginQuorumEpochResponse.PartitionData], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("1+", key=True)] = 0
        host: Annotated[str, String("1+")] = ""
        port: Annotated[int, Uint16("1+")] = 0

    error_code: Annotated[int, Int16("0+")] = 0
    topics: Annotated[list[BeginQuorumEpochResponse.TopicData], Array("0+")] = []
    node_endpoints: Annotated[list[BeginQuorumEpochResponse.NodeEndpoint], Array("1+", tag=0)] = []
