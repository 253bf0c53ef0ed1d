"""AddOffsetsToTxn (API key 25): make a group's offsets part of a transaction."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Int16, Int32, Int64, Message, String, request, response


class AddOffsetsToTxnRequest(Message):
    SPEC: ClassVar = request(key=25, versions="0-4", flexible="3+", listeners=("broker",))

    transactional_id: Annotated[str, String("0+")] = ""
    producer_id: Annotated[int, Int64("0+")] = 0
    producer_epoch: Annotated[int, Int16("0+")] = 0
    group_id: Annotated[str, String("0+")] = ""


class AddOffsetsToTxnResponse(Message):
    SPEC: ClassVar = response(key=25, versions="0-4", flexible="3+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
