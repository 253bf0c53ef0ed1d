"""ShareGroupDescribe (API key 77): state and members of share groups (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Message, String, Struct, Uuid128, request, response


class ShareGroupDescribeRequest(Message):
    SPEC: ClassVar = request(key=77, versions="1", flexible="0+", listeners=("broker",))

    group_ids: Annotated[list[str], Array("0+", of=String)] = []
    include_authorized_operations: Annotated[bool, Bool("0+")] = False


class ShareGroupDescribeResponse(Message):
    SPEC: ClassVar = response(key=77, versions="1", flexible="0+")

    class TopicPartitions(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class Assignment(Message):
        topic_partitions: Annotated[list[ShareGroupDescribeResponse.TopicPartitions], Array("0+")] = []

    class Member(Message):
        member_id: Annotated[str, String("0+")] = ""
        rack_id: Annotated[str | None, String("0+", nullable="0+")] = None
        member_epoch: Annotated[int, Int32("0+")] = 0
        client_id: Annotated[str, String("0+")] = ""
        client_host: Annotated[str, String("0+")] = ""
        subscribed_topic_names: Annotated[list[str], Array("0+", of=String)] = []
        assignment: Annotated[ShareGroupDescribeResponse.Assignment, Struct("0+")] = msgspec.field(
            default_factory=lambda: ShareGroupDescribeResponse.Assignment()
        )

    class DescribedGroup(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        group_id: Annotated[str, String("0+")] = ""
        group_state: Annotated[str, String("0+")] = ""
        group_epoch: Annotated[int, Int32("0+")] = 0
        assignment_epoch: Annotated[int, Int32("0+")] = 0
        assignor_name: Annotated[str, String("0+")] = ""
        members: Annotated[list[ShareGroupDescribeResponse.Member], Array("0+")] = []
        authorized_operations: Annotated[int, Int32("0+")] = -0x8000_0000

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    groups: Annotated[list[ShareGroupDescribeResponse.DescribedGroup], Array("0+")] = []
