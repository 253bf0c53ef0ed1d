"""Heartbeat (API key 12): a classic group member's sign of life."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Int16, Int32, Message, String, request, response


class HeartbeatRequest(Message):
    SPEC: ClassVar = request(key=12, versions="0-4", flexible="4+", listeners=("broker",))

    group_id: Annotated[str, String("0+")] = ""
    generation_id: Annotated[int, Int32("0+")] = 0
    member_id: Annotated[str, String("0+")] = ""
    group_instance_id: Annotated[str | None, String("3+", nullable="3+")] = None


class HeartbeatResponse(Message):
    SPEC: ClassVar = response(key=12, versions="0-4", flexible="4+")

    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0+")] = 0
