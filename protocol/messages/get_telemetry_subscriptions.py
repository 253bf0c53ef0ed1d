"""GetTelemetrySubscriptions (API key 71): which metrics a client should push (KIP-714)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, Uuid128, request, response


class GetTelemetrySubscriptionsRequest(Message):
    SPEC: ClassVar = request(key=71, versions="0", flexible="0+", listeners=("broker",))

    client_instance_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID


class GetTelemetrySubscriptionsResponse(Message):
    SPEC: ClassVar = response(key=71, versions="0", flexible="0+")

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    client_instance_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    subscription_id: Annotated[int, Int32("0+")] = 0
    accepted_compression_types: Annotated[list[int], Array("0+", of=Int8)] = []
    push_interval_ms: Annotated[int, Int32("0+")] = 0
    telemetry_max_bytes: Annotated[int, Int32("0+")] = 0
    delta_temporality: Annotated[bool, Bool("0+")] = False
    requested_metrics: Annotated[list[str], Array("0+", of=String)] = []
