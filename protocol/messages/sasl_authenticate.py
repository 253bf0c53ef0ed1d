"""SaslAuthenticate (API key 36): one step of a SASL exchange (KIP-152)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Bytes, Int16, Int64, Message, String, request, response


class SaslAuthenticateRequest(Message):
    SPEC: ClassVar = request(key=36, versions="0-2", flexible="2+", listeners=("broker", "controller"))

    auth_bytes: Annotated[bytes, Bytes("0+")] = b""


class SaslAuthenticateResponse(Message):
    SPEC: ClassVar = response(key=36, versions="0-2", flexible="2+")

    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
    auth_bytes: Annotated[bytes, Bytes("0+")] = b""
    session_lifetime_ms: Annotated[int, Int64("1+", ignorable=True)] = 0
