"""InitProducerId (API key 22).

A producer id and epoch, for idempotent and transactional producers (KIP-98, KIP-360, KIP-939).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Bool, Int16, Int32, Int64, Message, String, request, response


class InitProducerIdRequest(Message):
    SPEC: ClassVar = request(key=22, versions="0-6", flexible="2+", listeners=("broker",), latest_unstable=True)

    transactional_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    transaction_timeout_ms: Annotated[int, Int32("0+")] = 0
    producer_id: Annotated[int, Int64("3+")] = -1
    producer_epoch: Annotated[int, Int16("3+")] = -1
    enable2_pc: Annotated[bool, Bool("6+")] = False
    keep_prepared_txn: Annotated[bool, Bool("6+")] = False


class InitProducerIdResponse(Message):
    SPEC: ClassVar = response(key=22, versions="0-6", flexible="2+")

    throttle_time_ms: Annotated[int, Int32("0+", ignorable=True)] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    producer_id: Annotated[int, Int64("0+")] = -1
    producer_epoch: Annotated[int, Int16("0+")] = 0
    ongoing_txn_producer_id: Annotated[int, Int64("6+")] = -1
    ongoing_txn_producer_epoch: Annotated[int, Int16("6+")] = -1
