"""ControllerRegistration (API key 70): a controller registers with the active one (KIP-919)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Message, String, Uint16, Uuid128, request, response


class ControllerRegistrationRequest(Message):
    SPEC: ClassVar = request(key=70, versions="0", flexible="0+", listeners=("controller",))

    class Listener(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Uint16("0+")] = 0
        security_protocol: Annotated[int, Int16("0+")] = 0

    class Feature(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        min_supported_version: Annotated[int, Int16("0+")] = 0
        max_supported_version: Annotated[int, Int16("0+")] = 0

    controller_id: Annotated[int, Int32("0+")] = 0
    incarnation_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    zk_migration_ready: Annotated[bool, Bool("0+")] = False
    listeners: Annotated[list[ControllerRegistrationRequest.Listener], Array("0+")] = []
    features: Annotated[list[ControllerRegistrationRequest.Feature], Array("0+")] = []


class ControllerRegistrationResponse(Message):
    SPEC: ClassVar = response(key=70, versions="0", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
