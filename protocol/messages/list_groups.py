"""ListGroups (API key 16): the groups this broker coordinates, filtered by state (KIP-518) and type (KIP-848)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Message, String, request, response


class ListGroupsRequest(Message):
    SPEC: ClassVar = request(key=16, versions="0-5", flexible="3+", listeners=("broker",))

    states_filter: Annotated[list[str], Array("4+", of=String)] = []
    types_filter: Annotated[list[str], Array("5+", of=String)] = []


class ListGroupsResponse(Message):
    SPEC: ClassVar = response(key=16, versions="0-5", flexible="3+")

    class ListedGroup(Message):
        group_id: Annotated[str, String("0+")] = ""
        protocol_type: Annotated[str, String("0+")] = ""
        group_state: Annotated[str, String("4+", ignorable=True)] = ""
        group_type: Annotated[str, String("5+", ignorable=True)] = ""

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    groups: Annotated[list[ListGroupsResponse.ListedGroup], Array("0+")] = []
