"""EndQuorumEpoch (API key 54): a KRaft leader resigns and names its preferred successors."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Uint16, Uuid128, request, response


class EndQuorumEpochRequest(Message):
    SPEC: ClassVar = request(key=54, versions="0-1", flexible="1+", listeners=("controller",))

    class ReplicaInfo(Message):
        candidate_id: Annotated[int, Int32("1+")] = 0
        candidate_directory_id: Annotated[Uuid, Uuid128("1+")] = ZERO_UUID

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        preferred_successors: Annotated[list[int], Array("0", of=Int32, ignorable=True)] = []
        preferred_candidates: Annotated[list[EndQuorumEpochRequest.ReplicaInfo], Array("1+", ignorable=True)] = []

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[EndQuorumEpochRequest.PartitionData], Array("0+")] = []

    class LeaderEndpoint(Message):
        name: Annotated[str, String("1+", key=True)] = ""
        host: Annotated[str, String("1+")] = ""
        port: Annotated[int, Uint16("1+")] = 0

    cluster_id: Annotated[str | None, String("0+", nullable="0+")] = None
    topics: Annotated[list[EndQuorumEpochRequest.TopicData], Array("0+")] = []
    leader_endpoints: Annotated[list[EndQuorumEpochRequest.LeaderEndpoint], Array("1+", ignorable=True)] = []


class EndQuorumEpochResponse(Message):
    SPEC: ClassVar = response(key=54, versions="0-1", flexible="1+")

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[EndQuorumEpochResponse.PartitionData], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("1+", key=True)] = 0
        host: Annotated[str, String("1+")] = ""
        port: Annotated[int, Uint16("1+")] = 0

    error_code: Annotated[int, Int16("0+")] = 0
    topics: Annotated[list[EndQuorumEpochResponse.TopicData], Array("0+")] = []
    node_endpoints: Annotated[list[EndQuorumEpochResponse.NodeEndpoint], Array("1+", tag=0)] = []
