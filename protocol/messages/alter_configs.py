"""AlterConfigs (API key 33): replace the whole dynamic configuration of resources.

Superseded by IncrementalAlterConfigs.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, request, response


class AlterConfigsRequest(Message):
    SPEC: ClassVar = request(key=33, versions="0-2", flexible="2+", listeners=("broker", "controller"))

    class AlterableConfig(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        value: Annotated[str | None, String("0+", nullable="0+")] = ""

    class AlterConfigsResource(Message):
        resource_type: Annotated[int, Int8("0+", key=True)] = 0
        resource_name: Annotated[str, String("0+", key=True)] = ""
        configs: Annotated[list[AlterConfigsRequest.AlterableConfig], Array("0+")] = []

    resources: Annotated[list[AlterConfigsRequest.AlterConfigsResource], Array("0+")] = []
    validate_only: Annotated[bool, Bool("0+")] = False


class AlterConfigsResponse(Message):
    SPEC: ClassVar = response(key=33, versions="0-2", flexible="2+")

    class AlterConfigsResourceResponse(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
        resource_type: Annotated[int, Int8("0+")] = 0
        resource_name: Annotated[str, String("0+")] = ""

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    responses: Annotated[list[AlterConfigsResponse.AlterConfigsResourceResponse], Array("0+")] = []
