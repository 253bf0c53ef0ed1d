"""DescribeGroups (API key 15): state and members of classic groups."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Bytes, Int16, Int32, Message, String, request, response


class DescribeGroupsRequest(Message):
    SPEC: ClassVar = request(key=15, versions="0-6", flexible="5+", listeners=("broker",))

    groups: Annotated[list[str], Array("0+", of=String)] = []
    include_authorized_operations: Annotated[bool, Bool("3+")] = False


class DescribeGroupsResponse(Message):
    SPEC: ClassVar = response(key=15, versions="0-6", flexible="5+")

    class DescribedGroupMember(Message):
        member_id: Annotated[str, String("0+")] = ""
        group_instance_id: Annotated[str | None, String("4+", nullable="4+", ignorable=True)] = None
        client_id: Annotated[str, String("0+")] = ""
        client_host: Annotated[str, String("0+")] = ""
        member_metadata: Annotated[bytes, Bytes("0+")] = b""
        member_assignment: Annotated[bytes, Bytes("0+")] = b""

    class DescribedGroup(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("6+", nullable="6+")] = None
        group_id: Annotated[str, String("0+")] = ""
        group_state: Annotated[str, String("0+")] = ""
        protocol_type: Annotated[str, String("0+")] = ""
        protocol_data: Annotated[str, String("0+")] = ""
        members: Annotated[list[DescribeGroupsResponse.DescribedGroupMember], Array("0+")] = []
        authorized_operations: Annotated[int, Int32("3+")] = -0x8000_0000

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    groups: Annotated[list[DescribeGroupsResponse.DescribedGroup], Array("0+")] = []
