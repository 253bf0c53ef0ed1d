"""IncrementalAlterConfigs (API key 44): set, delete, append to or subtract from single configuration keys (KIP-339)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, request, response


class IncrementalAlterConfigsRequest(Message):
    SPEC: ClassVar = request(key=44, versions="0-1", flexible="1+", listeners=("broker", "controller"))

    class AlterableConfig(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        config_operation: Annotated[int, Int8("0+", key=True)] = 0
        value: Annotated[str | None, String("0+", nullable="0+")] = ""

    class AlterConfigsResource(Message):
        resource_type: Annotated[int, Int8("0+", key=True)] = 0
        resource_name: Annotated[str, String("0+", key=True)] = ""
        configs: Annotated[list[IncrementalAlterConfigsRequest.AlterableConfig], Array("0+")] = []

    resources: Annotated[list[IncrementalAlterConfigsRequest.AlterConfigsResource], Array("0+")] = []
    validate_only: Annotated[bool, Bool("0+")] = False


class IncrementalAlterConfigsResponse(Message):
    SPEC: ClassVar = response(key=44, versions="0-1", flexible="1+")

    class AlterConfigsResourceResponse(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
        resource_type: Annotated[int, Int8("0+")] = 0
        resource_name: Annotated[str, String("0+")] = ""

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    responses: Annotated[list[IncrementalAlterConfigsResponse.AlterConfigsResourceResponse], Array("0+")] = []
