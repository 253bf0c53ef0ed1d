"""ShareGroupHeartbeat (API key 76): join, stay in or leave a share group (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Struct, Uuid128, request, response


class ShareGroupHeartbeatRequest(Message):
    SPEC: ClassVar = request(key=76, versions="1", flexible="0+", listeners=("broker",))

    group_id: Annotated[str, String("0+")] = ""
    member_id: Annotated[str, String("0+")] = ""
    member_epoch: Annotated[int, Int32("0+")] = 0
    rack_id: Annotated[str | None, String("0+", nullable="0+")] = None
    subscribed_topic_names: Annotated[list[str] | None, Array("0+", of=String, nullable="0+")] = None


class ShareGroupHeartbeatResponse(Message):
    SPEC: ClassVar = response(key=76, versions="1", flexible="0+")

    class TopicPartitions(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class Assignment(Message):
        topic_partitions: Annotated[list[ShareGroupHeartbeatResponse.TopicPartitions], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    member_id: Annotated[str | None, String("0+", nullable="0+")] = None
    member_epoch: Annotated[int, Int32("0+")] = 0
    heartbeat_interval_ms: Annotated[int, Int32("0+")] = 0
    assignment: Annotated[ShareGroupHeartbeatResponse.Assignment | None, Struct("0+", nullable="0+")] = None
