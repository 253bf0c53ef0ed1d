"""ExpireDelegationToken (API key 40): bring forward the expiry of a delegation token."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Bytes, Int16, Int32, Int64, Message, request, response


class ExpireDelegationTokenRequest(Message):
    SPEC: ClassVar = request(key=40, versions="1-2", flexible="2+", listeners=("broker", "controller"))

    hmac: Annotated[bytes, Bytes("0+")] = b""
    expiry_time_period_ms: Annotated[int, Int64("0+")] = 0


class ExpireDelegationTokenResponse(Message):
    SPEC: ClassVar = response(key=40, versions="1-2", flexible="2+")

    error_code: Annotated[int, Int16("0+")] = 0
    expiry_timestamp_ms: Annotated[int, Int64("0+")] = 0
    throttle_time_ms: Annotated[int, Int32("0+")] = 0
