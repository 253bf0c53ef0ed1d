"""AddRaftVoter (API key 80): make a controller a voter (KIP-853)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Message, String, Uint16, Uuid128, request, response


class AddRaftVoterRequest(Message):
    SPEC: ClassVar = request(key=80, versions="0-1", flexible="0+", listeners=("controller", "broker"))

    class Listener(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0

    cluster_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    timeout_ms: Annotated[int, Int32("0+")] = 0
    voter_id: Annotated[int, Int32("0+")] = 0
    voter_directory_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    listeners: Annotated[list[AddRaftVoterRequest.Listener], Array("0+")] = []
    ack_when_committed: Annotated[bool, Bool("1+")] = True


class AddRaftVoterResponse(Message):
    SPEC: ClassVar = response(key=80, versions="0-1", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+", ignorable=True)] = ""
