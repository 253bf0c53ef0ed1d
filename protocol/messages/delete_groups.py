"""DeleteGroups (API key 42): delete groups that have no members (KIP-229)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Message, String, request, response


class DeleteGroupsRequest(Message):
    SPEC: ClassVar = request(key=42, versions="0-2", flexible="2+", listeners=("broker",))

    groups_names: Annotated[list[str], Array("0+", of=String)] = []


class DeleteGroupsResponse(Message):
    SPEC: ClassVar = response(key=42, versions="0-2", flexible="2+")

    class DeletableGroupResult(Message):
        group_id: Annotated[str, String("0+", key=True)] = ""
        error_code: Annotated[int, Int16("0+")] = 0

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    results: Annotated[list[DeleteGroupsResponse.DeletableGroupResult], Array("0+")] = []
