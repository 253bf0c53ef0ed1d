"""AlterClientQuotas (API key 49): set or remove quotas (KIP-546)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Float64, Int16, Int32, Message, String, request, response


class AlterClientQuotasRequest(Message):
    SPEC: ClassVar = request(key=49, versions="0-1", flexible="1+", listeners=("broker", "controller"))

    class EntityData(Message):
        entity_type: Annotated[str, String("0+")] = ""
        entity_name: Annotated[str | None, String("0+", nullable="0+")] = ""

    class OpData(Message):
        key: Annotated[str, String("0+")] = ""
        value: Annotated[float, Float64("0+")] = 0.0
        remove: Annotated[bool, Bool("0+")] = False

    class EntryData(Message):
        entity: Annotated[list[AlterClientQuotasRequest.EntityData], Array("0+")] = []
        ops: Annotated[list[AlterClientQuotasRequest.OpData], Array("0+")] = []

    entries: Annotated[list[AlterClientQuotasRequest.EntryData], Array("0+")] = []
    validate_only: Annotated[bool, Bool("0+")] = False


class AlterClientQuotasResponse(Message):
    SPEC: ClassVar = response(key=49, versions="0-1", flexible="1+")

    class EntityData(Message):
        entity_type: Annotated[str, String("0+")] = ""
        entity_name: Annotated[str | None, String("0+", nullable="0+")] = ""

    class EntryData(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
        entity: Annotated[list[AlterClientQuotasResponse.EntityData], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    entries: Annotated[list[AlterClientQuotasResponse.EntryData], Array("0+")] = []
