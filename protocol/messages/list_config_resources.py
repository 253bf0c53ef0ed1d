"""ListConfigResources (API key 74): resources that have configuration, by type.

Version 0 lists client metrics only (KIP-714, KIP-1142).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Message, String, request, response


class ListConfigResourcesRequest(Message):
    SPEC: ClassVar = request(key=74, versions="0-1", flexible="0+", listeners=("broker",))

    resource_types: Annotated[list[int], Array("1+", of=Int8)] = []


class ListConfigResourcesResponse(Message):
    SPEC: ClassVar = response(key=74, versions="0-1", flexible="0+")

    class ConfigResource(Message):
        resource_name: Annotated[str, String("0+")] = ""
        resource_type: Annotated[int, Int8("1+", ignorable=True)] = 16

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    config_resources: Annotated[list[ListConfigResourcesResponse.ConfigResource], Array("0+")] = []
