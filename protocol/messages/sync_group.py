"""SyncGroup (API key 14): the leader hands in the assignment of a classic group, every member receives its own part."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bytes, Int16, Int32, Message, String, request, response


class SyncGroupRequest(Message):
    SPEC: ClassVar = request(key=14, versions="0-5", flexible="4+", listeners=("broker",))

    class SyncGroupRequestAssignment(Message):
        member_id: Annotated[str, String("0+")] = ""
        assignment: Annotated[bytes, Bytes("0+")] = b""

    group_id: Annotated[str, String("0+")] = ""
    generation_id: Annotated[int, Int32("0+")] = 0
    member_id: Annotated[str, String("0+")] = ""
    group_instance_id: Annotated[str | None, String("3+", nullable="3+")] = None
    protocol_type: Annotated[str | None, String("5+", nullable="5+", ignorable=True)] = None
    protocol_name: Annotated[str | None, String("5+", nullable="5+", ignorable=True)] = None
    assignments: Annotated[list[SyncGroupRequest.SyncGroupRequestAssignment], Array("0+")] = []


class SyncGroupResponse(Message):
    SPEC: ClassVar = response(key=14, versions="0-5", flexible="4+")

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    protocol_type: Annotated[str | None, String("5+", nullable="5+", ignorable=True)] = None
    protocol_name: Annotated[str | None, String("5+", nullable="5+", ignorable=True)] = None
    assignment: Annotated[bytes, Bytes("0+")] = b""
