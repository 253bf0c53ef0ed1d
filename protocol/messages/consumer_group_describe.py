"""ConsumerGroupDescribe (API key 69): state and members of consumer groups (KIP-848)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, Struct, Uuid128, request, response


class ConsumerGroupDescribeRequest(Message):
    SPEC: ClassVar = request(key=69, versions="0-1", flexible="0+", listeners=("broker",))

    group_ids: Annotated[list[str], Array("0+", of=String)] = []
    include_authorized_operations: Annotated[bool, Bool("0+")] = False


class ConsumerGroupDescribeResponse(Message):
    SPEC: ClassVar = response(key=69, versions="0-1", flexible="0+")

    class TopicPartitions(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class Assignment(Message):
        topic_partitions: Annotated[list[ConsumerGroupDescribeResponse.TopicPartitions], Array("0+")] = []

    class Member(Message):
        member_id: Annotated[str, String("0+")] = ""
        instance_id: Annotated[str | None, String("0+", nullable="0+")] = None
        rack_id: Annotated[str | None, String("0+", nullable="0+")] = None
        member_epoch: Annotated[int, Int32("0+")] = 0
        client_id: Annotated[str, String("0+")] = ""
        client_host: Annotated[str, String("0+")] = ""
        subscribed_topic_names: Annotated[list[str], Array("0+", of=String)] = []
        subscribed_topic_regex: Annotated[str | None, String("0+", nullable="0+")] = None
        assignment: Annotated[ConsumerGroupDescribeResponse.Assignment, Struct("0+")] = msgspec.field(
            default_factory=lambda: ConsumerGroupDescribeResponse.Assignment()
        )
        target_assignment: Annotated[ConsumerGroupDescribeResponse.Assignment, Struct("0+")] = msgspec.field(
            default_factory=lambda: ConsumerGroupDescribeResponse.Assignment()
        )
        member_type: Annotated[int, Int8("1+", ignorable=True)] = -1

    class DescribedGroup(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        group_id: Annotated[str, String("0+")] = ""
        group_state: Annotated[str, String("0+")] = ""
        group_epoch: Annotated[int, Int32("0+")] = 0
        assignment_epoch: Annotated[int, Int32("0+")] = 0
        assignor_name: Annotated[str, String("0+")] = ""
        members: Annotated[list[ConsumerGroupDescribeResponse.Member], Array("0+")] = []
        authorized_operations: Annotated[int, Int32("0+")] = -0x8000_0000

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    groups: Annotated[list[ConsumerGroupDescribeResponse.DescribedGroup], Array("0+")] = []
