"""BrokerHeartbeat (API key 63): a broker's sign of life; asks to be unfenced or shut down."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import Uuid
from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, Uuid128, request, response


class BrokerHeartbeatRequest(Message):
    SPEC: ClassVar = request(key=63, versions="0-2", flexible="0+", listeners=("controller",))

    broker_id: Annotated[int, Int32("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = -1
    current_metadata_offset: Annotated[int, Int64("0+")] = 0
    want_fence: Annotated[bool, Bool("0+")] = False
    want_shut_down: Annotated[bool, Bool("0+")] = False
    offline_log_dirs: Annotated[list[Uuid], Array("1+", of=Uuid128, tag=0)] = []
    cordoned_log_dirs: Annotated[list[Uuid] | None, Array("2+", of=Uuid128, nullable="2+", tag=1)] = None


class BrokerHeartbeatResponse(Message):
    SPEC: ClassVar = response(key=63, versions="0-2", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    is_caught_up: Annotated[bool, Bool("0+")] = False
    is_fenced: Annotated[bool, Bool("0+")] = True
    should_shut_down: Annotated[bool, Bool("0+")] = False
