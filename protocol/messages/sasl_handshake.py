"""SaslHandshake (API key 17): choose a SASL mechanism."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Message, String, request, response


class SaslHandshakeRequest(Message):
    SPEC: ClassVar = request(key=17, versions="0-1", flexible="none", listeners=("broker", "controller"))

    mechanism: Annotated[str, String("0+")] = ""


class SaslHandshakeResponse(Message):
    SPEC: ClassVar = response(key=17, versions="0-1", flexible="none")

    error_code: Annotated[int, Int16("0+")] = 0
    mechanisms: Annotated[list[str], Array("0+", of=String)] = []
