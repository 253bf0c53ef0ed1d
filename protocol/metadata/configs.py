"""Metadata records about configuration, quotas and features."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Float64, Int8, Int16, Message, String, metadata


class ConfigRecord(Message):
    SPEC: ClassVar = metadata(key=4, versions="0", flexible="0+")

    resource_type: Annotated[int, Int8("0+")] = 0
    resource_name: Annotated[str, String("0+")] = ""
    name: Annotated[str, String("0+")] = ""
    value: Annotated[str | None, String("0+", nullable="0+")] = ""


class ClientQuotaRecord(Message):
    SPEC: ClassVar = metadata(key=14, versions="0", flexible="0+")

    class EntityData(Message):
        entity_type: Annotated[str, String("0+")] = ""
        entity_name: Annotated[str | None, String("0+", nullable="0+")] = ""

    entity: Annotated[list[ClientQuotaRecord.EntityData], Array("0+")] = []
    key: Annotated[str, String("0+")] = ""
    value: Annotated[float, Float64("0+")] = 0.0
    remove: Annotated[bool, Bool("0+")] = False


class FeatureLevelRecord(Message):
    SPEC: ClassVar = metadata(key=12, versions="0", flexible="0+")

    name: Annotated[str, String("0+")] = ""
    feature_level: Annotated[int, Int16("0+")] = 0
