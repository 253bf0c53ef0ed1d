"""ConsumerGroupHeartbeat (API key 68).

The one request of consumer group members: join, stay, reconcile, leave (KIP-848).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Struct, Uuid128, request, response


class ConsumerGroupHeartbeatRequest(Message):
    SPEC: ClassVar = request(key=68, versions="0-1", flexible="0+", listeners=("broker",))

    class TopicPartitions(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    group_id: Annotated[str, String("0+")] = ""
    member_id: Annotated[str, String("0+")] = ""
    member_epoch: Annotated[int, Int32("0+")] = 0
    instance_id: Annotated[str | None, String("0+", nullable="0+")] = None
    rack_id: Annotated[str | None, String("0+", nullable="0+")] = None
    rebalance_timeout_ms: Annotated[int, Int32("0+")] = -1
    subscribed_topic_names: Annotated[list[str] | None, Array("0+", of=String, nullable="0+")] = None
    subscribed_topic_regex: Annotated[str | None, String("1+", nullable="1+")] = None
    server_assignor: Annotated[str | None, String("0+", nullable="0+")] = None
    topic_partitions: Annotated[
        list[ConsumerGroupHeartbeatRequest.TopicPartitions] | None, Array("0+", nullable="0+")
    ] = None


class ConsumerGroupHeartbeatResponse(Message):
    SPEC: ClassVar = response(key=68, versions="0-1", flexible="0+")

    class TopicPartitions(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class Assignment(Message):
        topic_partitions: Annotated[list[ConsumerGroupHeartbeatResponse.TopicPartitions], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    member_id: Annotated[str | None, String("0+", nullable="0+")] = None
    member_epoch: Annotated[int, Int32("0+")] = 0
    heartbeat_interval_ms: Annotated[int, Int32("0+")] = 0
    assignment: Annotated[ConsumerGroupHeartbeatResponse.Assignment | None, Struct("0+", nullable="0+")] = None
