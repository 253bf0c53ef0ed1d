"""ShareAcknowledge (API key 79): acknowledge acquired records (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int8, Int16, Int32, Int64, Message, String, Struct, Uuid128, request, response


class ShareAcknowledgeRequest(Message):
    SPEC: ClassVar = request(key=79, versions="1-2", flexible="0+", listeners=("broker",))

    class AcknowledgementBatch(Message):
        first_offset: Annotated[int, Int64("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        acknowledge_types: Annotated[list[int], Array("0+", of=Int8)] = []

    class AcknowledgePartition(Message):
        partition_index: Annotated[int, Int32("0+", key=True)] = 0
        acknowledgement_batches: Annotated[list[ShareAcknowledgeRequest.AcknowledgementBatch], Array("0+")] = []

    class AcknowledgeTopic(Message):
        topic_id: Annotated[Uuid, Uuid128("0+", key=True)] = ZERO_UUID
        partitions: Annotated[list[ShareAcknowledgeRequest.AcknowledgePartition], Array("0+")] = []

    group_id: Annotated[str | None, String("0+", nullable="0+")] = None
    member_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    share_session_epoch: Annotated[int, Int32("0+")] = 0
    is_renew_ack: Annotated[bool, Bool("2+")] = False
    topics: Annotated[list[ShareAcknowledgeRequest.AcknowledgeTopic], Array("0+")] = []


class ShareAcknowledgeResponse(Message):
    SPEC: ClassVar = response(key=79, versions="1-2", flexible="0+")

    class LeaderIdAndEpoch(Message):
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        current_leader: Annotated[ShareAcknowledgeResponse.LeaderIdAndEpoch, Struct("0+")] = msgspec.field(
            default_factory=lambda: ShareAcknowledgeResponse.LeaderIdAndEpoch()
        )

    class ShareAcknowledgeTopicResponse(Message):
        topic_id: Annotated[Uuid, Uuid128("0+", key=True)] = ZERO_UUID
        partitions: Annotated[list[ShareAcknowledgeResponse.PartitionData], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("0+", key=True)] = 0
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Int32("0+")] = 0
        rack: Annotated[str | None, String("0+", nullable="0+")] = None

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    acquisition_lock_timeout_ms: Annotated[int, Int32("2+", ignorable=True)] = 0
    responses: Annotated[list[ShareAcknowledgeResponse.ShareAcknowledgeTopicResponse], Array("0+")] = []
    node_endpoints: Annotated[list[ShareAcknowledgeResponse.NodeEndpoint], Array("0+")] = []
