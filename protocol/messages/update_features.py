"""UpdateFeatures (API key 57): raise or lower finalized feature levels (KIP-584)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, request, response


class UpdateFeaturesRequest(Message):
    SPEC: ClassVar = request(key=57, versions="0-2", flexible="0+", listeners=("broker", "controller"))

    class FeatureUpdateKey(Message):
        feature: Annotated[str, String("0+", key=True)] = ""
        max_version_level: Annotated[int, Int16("0+")] = 0
        allow_downgrade: Annotated[bool, Bool("0")] = False
        upgrade_type: Annotated[int, Int8("1+")] = 1

    timeout_ms: Annotated[int, Int32("0+")] = 60000
    feature_updates: Annotated[list[UpdateFeaturesRequest.FeatureUpdateKey], Array("0+")] = []
    validate_only: Annotated[bool, Bool("1+")] = False


class UpdateFeaturesResponse(Message):
    SPEC: ClassVar = response(key=57, versions="0-2", flexible="0+")

    class UpdatableFeatureResult(Message):
        feature: Annotated[str, String("0+", key=True)] = ""
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
    results: Annotated[list[UpdateFeaturesResponse.UpdatableFeatureResult], Array("0-1", ignorable=True)] = []
