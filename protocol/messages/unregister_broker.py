"""UnregisterBroker (API key 64): remove a broker's registration."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Int16, Int32, Message, String, request, response


class UnregisterBrokerRequest(Message):
    SPEC: ClassVar = request(key=64, versions="0", flexible="0+", listeners=("broker", "controller"))

    broker_id: Annotated[int, Int32("0+")] = 0


class UnregisterBrokerResponse(Message):
    SPEC: ClassVar = response(key=64, versions="0", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
