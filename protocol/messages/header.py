"""Headers in front of every request and response.

The client id keeps its int16 length in request header version 2, because a server has to read it before it knows
whether it supports the request. Which header version goes with which request is decided in `protocol.apis`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Int16, Int32, Message, String, header


class RequestHeader(Message):
    SPEC: ClassVar = header(versions="1-2", flexible="2+")

    request_api_key: Annotated[int, Int16("0+")] = 0
    request_api_version: Annotated[int, Int16("0+")] = 0
    correlation_id: Annotated[int, Int32("0+")] = 0
    client_id: Annotated[str | None, String("1+", nullable="1+", compact=False)] = ""


class ResponseHeader(Message):
    SPEC: ClassVar = header(versions="0-1", flexible="1+")

    correlation_id: Annotated[int, Int32("0+")] = 0
