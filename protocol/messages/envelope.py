"""Envelope (API key 58).

A broker forwards a client's request to the controller, with the client's principal (KIP-590).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Bytes, Int16, Message, request, response


class EnvelopeRequest(Message):
    SPEC: ClassVar = request(key=58, versions="0", flexible="0+", listeners=("controller",))

    request_data: Annotated[bytes, Bytes("0+")] = b""
    request_principal: Annotated[bytes | None, Bytes("0+", nullable="0+")] = b""
    client_host_address: Annotated[bytes, Bytes("0+")] = b""


class EnvelopeResponse(Message):
    SPEC: ClassVar = response(key=58, versions="0", flexible="0+")

    response_data: Annotated[bytes | None, Bytes("0+", nullable="0+")] = None
    error_code: Annotated[int, Int16("0+")] = 0
