"""What a KRaft replica must not forget: the file `quorum-state`, see `protocol.quorum_state` for its JSON."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int32, Int64, Message, String, Uuid128, data


class QuorumStateData(Message):
    SPEC: ClassVar = data(versions="0-1", flexible="0+")

    class Voter(Message):
        voter_id: Annotated[int, Int32("0")] = 0

    cluster_id: Annotated[str, String("0")] = ""
    leader_id: Annotated[int, Int32("0+")] = -1
    leader_epoch: Annotated[int, Int32("0+")] = -1
    voted_id: Annotated[int, Int32("0+")] = -1
    voted_directory_id: Annotated[Uuid, Uuid128("1+")] = ZERO_UUID
    applied_offset: Annotated[int, Int64("0")] = 0
    current_voters: Annotated[list[QuorumStateData.Voter] | None, Array("0", nullable="0")] = []
