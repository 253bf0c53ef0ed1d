"""JoinGroup (API key 11): enter a classic group, or its next generation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Bytes, Int16, Int32, Message, String, request, response


class JoinGroupRequest(Message):
    SPEC: ClassVar = request(key=11, versions="0-9", flexible="6+", listeners=("broker",))

    class JoinGroupRequestProtocol(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        metadata: Annotated[bytes, Bytes("0+")] = b""

    group_id: Annotated[str, String("0+")] = ""
    session_timeout_ms: Annotated[int, Int32("0+")] = 0
    rebalance_timeout_ms: Annotated[int, Int32("1+", ignorable=True)] = -1
    member_id: Annotated[str, String("0+")] = ""
    group_instance_id: Annotated[str | None, String("5+", nullable="5+")] = None
    protocol_type: Annotated[str, String("0+")] = ""
    protocols: Annotated[list[JoinGroupRequest.JoinGroupRequestProtocol], Array("0+")] = []
    reason: Annotated[str | None, String("8+", nullable="8+", ignorable=True)] = None


class JoinGroupResponse(Message):
    SPEC: ClassVar = response(key=11, versions="0-9", flexible="6+")

    class JoinGroupResponseMember(Message):
        member_id: Annotated[str, String("0+")] = ""
        group_instance_id: Annotated[str | None, String("5+", nullable="5+", ignorable=True)] = None
        metadata: Annotated[bytes, Bytes("0+")] = b""

    throttle_time_ms: Annotated[int, Int32("2+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    generation_id: Annotated[int, Int32("0+")] = -1
    protocol_type: Annotated[str | None, String("7+", nullable="7+", ignorable=True)] = None
    protocol_name: Annotated[str | None, String("0+", nullable="7+")] = ""
    leader: Annotated[str, String("0+")] = ""
    skip_assignment: Annotated[bool, Bool("9+")] = False
    member_id: Annotated[str, String("0+")] = ""
    members: Annotated[list[JoinGroupResponse.JoinGroupResponseMember], Array("0+")] = []
