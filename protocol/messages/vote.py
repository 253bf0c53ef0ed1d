"""Vote (API key 52).

A KRaft candidate asks for a vote (KIP-595), a prospective one for a pre-vote (version 2, KIP-996).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, String, Uint16, Uuid128, request, response


class VoteRequest(Message):
    SPEC: ClassVar = request(key=52, versions="0-2", flexible="0+", listeners=("controller",))

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        replica_epoch: Annotated[int, Int32("0+")] = 0
        replica_id: Annotated[int, Int32("0+")] = 0
        replica_directory_id: Annotated[Uuid, Uuid128("1+", ignorable=True)] = ZERO_UUID
        voter_directory_id: Annotated[Uuid, Uuid128("1+", ignorable=True)] = ZERO_UUID
        last_offset_epoch: Annotated[int, Int32("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        pre_vote: Annotated[bool, Bool("2+")] = False

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[VoteRequest.PartitionData], Array("0+")] = []

    cluster_id: Annotated[str | None, String("0+", nullable="0+")] = None
    voter_id: Annotated[int, Int32("1+", ignorable=True)] = -1
    topics: Annotated[list[VoteRequest.TopicData], Array("0+")] = []


class VoteResponse(Message):
    SPEC: ClassVar = response(key=52, versions="0-2", flexible="0+")

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        vote_granted: Annotated[bool, Bool("0+")] = False

    class TopicData(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[VoteResponse.PartitionData], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("1+", key=True)] = 0
        host: Annotated[str, String("1+")] = ""
        port: Annotated[int, Uint16("1+")] = 0

    error_code: Annotated[int, Int16("0+")] = 0
    topics: Annotated[list[VoteResponse.TopicData], Array("0+")] = []
    node_endpoints: Annotated[list[VoteResponse.NodeEndpoint], Array("1+", tag=0)] = []
