"""PushTelemetry (API key 72): a client's metrics (KIP-714)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Bool, Bytes, Int8, Int16, Int32, Message, Uuid128, request, response


class PushTelemetryRequest(Message):
    SPEC: ClassVar = request(key=72, versions="0", flexible="0+", listeners=("broker",))

    client_instance_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    subscription_id: Annotated[int, Int32("0+")] = 0
    terminating: Annotated[bool, Bool("0+")] = False
    compression_type: Annotated[int, Int8("0+")] = 0
    metrics: Annotated[bytes, Bytes("0+")] = b""


class PushTelemetryResponse(Message):
    SPEC: ClassVar = response(key=72, versions="0", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
