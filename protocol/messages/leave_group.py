"""LeaveGroup (API key 13): take members out of a group; several at once since version 3 (KIP-345)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Message, String, request, response


class LeaveGroupRequest(Message):
    SPEC: ClassVar = request(key=13, versions="0-5", flexible="4+", listeners=("broker",))

    class MemberIdentity(Message):
        member_id: Annotated[str, String("3+")] = ""
        group_instance_id: Annotated[str | None, String("3+", nullable="3+")] = None
        reason: Annotated[str | None, String("5+", nullable="5+", ignorable=True)] = None

    group_id: Annotated[str, String("0+")] = ""
    member_id: Annotated[str, String("0-2")] = ""
    members: Annotated[list[LeaveGroupRequest.MemberIdentity], Array("3+")] = []


class LeaveGroupResponse(Message):
    SPEC: ClassVar = response(key=13, versions="0-5", flexible="4+")

    class MemberResponse(Message):
        member_id: Annotated[str, String("3+")] = ""
        group_instance_id: Annotated[str | None, String("3+", nullable="3+")] = ""
        error_code: Annotated[int, Int16("3+")] = 0

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    members: Annotated[list[LeaveGroupResponse.MemberResponse], Array("3+")] = []
