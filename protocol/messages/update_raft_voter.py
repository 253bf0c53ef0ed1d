"""UpdateRaftVoter (API key 82): a voter's new endpoints and supported KRaft versions (KIP-853)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Message, String, Struct, Uint16, Uuid128, request, response


class UpdateRaftVoterRequest(Message):
    SPEC: ClassVar = request(key=82, versions="0", flexible="0+", listeners=("controller",))

    class Listener(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0

    class KRaftVersionFeature(Message):
        min_supported_version: Annotated[int, Int16("0+")] = 0
        max_supported_version: Annotated[int, Int16("0+")] = 0

    cluster_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    current_leader_epoch: Annotated[int, Int32("0+")] = 0
    voter_id: Annotated[int, Int32("0+")] = 0
    voter_directory_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    listeners: Annotated[list[UpdateRaftVoterRequest.Listener], Array("0+")] = []
    kraft_version_feature: Annotated[UpdateRaftVoterRequest.KRaftVersionFeature, Struct("0+")] = msgspec.field(
        default_factory=lambda: UpdateRaftVoterRequest.KRaftVersionFeature()
    )


class UpdateRaftVoterResponse(Message):
    SPEC: ClassVar = response(key=82, versions="0", flexible="0+")

    class CurrentLeader(Message):
        leader_id: Annotated[int, Int32("0+")] = -1
        leader_epoch: Annotated[int, Int32("0+")] = -1
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Int32("0+")] = 0

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    current_leader: Annotated[UpdateRaftVoterResponse.CurrentLeader, Struct("0+", tag=0)] = msgspec.field(
        default_factory=lambda: UpdateRaftVoterResponse.CurrentLeader()
    )
