"""AllocateProducerIds (API key 67): a broker takes a block of producer ids from the controller (KIP-730)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Int16, Int32, Int64, Message, request, response


class AllocateProducerIdsRequest(Message):
    SPEC: ClassVar = request(key=67, versions="0", flexible="0+", listeners=("controller",))

    broker_id: Annotated[int, Int32("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = -1


class AllocateProducerIdsResponse(Message):
    SPEC: ClassVar = response(key=67, versions="0", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    producer_id_start: Annotated[int, Int64("0+")] = 0
    producer_id_len: Annotated[int, Int32("0+")] = 0
