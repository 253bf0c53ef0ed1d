"""The principal inside an Envelope request (KIP-590), behind an int16 with its version."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Bool, Message, String, data


class DefaultPrincipalData(Message):
    SPEC: ClassVar = data(versions="0", flexible="0+")

    type: Annotated[str, String("0+")] = ""
    name: Annotated[str, String("0+")] = ""
    token_authenticated: Annotated[bool, Bool("0+")] = False
