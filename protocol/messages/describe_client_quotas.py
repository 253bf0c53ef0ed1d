"""DescribeClientQuotas (API key 48): the quotas that match a filter (KIP-546)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Float64, Int8, Int16, Int32, Message, String, request, response


class DescribeClientQuotasRequest(Message):
    SPEC: ClassVar = request(key=48, versions="0-1", flexible="1+", listeners=("broker",))

    class ComponentData(Message):
        entity_type: Annotated[str, String("0+")] = ""
        match_type: Annotated[int, Int8("0+")] = 0
        match: Annotated[str | None, String("0+", nullable="0+")] = ""

    components: Annotated[list[DescribeClientQuotasRequest.ComponentData], Array("0+")] = []
    strict: Annotated[bool, Bool("0+")] = False


class DescribeClientQuotasResponse(Message):
    SPEC: ClassVar = response(key=48, versions="0-1", flexible="1+")

    class EntityData(Message):
        entity_type: Annotated[str, String("0+")] = ""
        entity_name: Annotated[str | None, String("0+", nullable="0+")] = ""

    class ValueData(Message):
        key: Annotated[str, String("0+")] = ""
        value: Annotated[float, Float64("0+")] = 0.0

    class EntryData(Message):
        entity: Annotated[list[DescribeClientQuotasResponse.EntityData], Array("0+")] = []
        values: Annotated[list[DescribeClientQuotasResponse.ValueData], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
    entries: Annotated[list[DescribeClientQuotasResponse.EntryData] | None, Array("0+", nullable="0+")] = []
