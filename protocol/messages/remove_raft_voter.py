"""RemoveRaftVoter (API key 81): remove a voter (KIP-853)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Int16, Int32, Message, String, Uuid128, request, response


class RemoveRaftVoterRequest(Message):
    SPEC: ClassVar = request(key=81, versions="0", flexible="0+", listeners=("controller", "broker"))

    cluster_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    voter_id: Annotated[int, Int32("0+")] = 0
    voter_directory_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID


class RemoveRaftVoterResponse(Message):
    SPEC: ClassVar = response(key=81, versions="0", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+", ignorable=True)] = ""
