"""CreateAcls (API key 30): add access control entries."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Message, String, request, response


class CreateAclsRequest(Message):
    SPEC: ClassVar = request(key=30, versions="1-3", flexible="2+", listeners=("broker", "controller"))

    class AclCreation(Message):
        resource_type: Annotated[int, Int8("0+")] = 0
        resource_name: Annotated[str, String("0+")] = ""
        resource_pattern_type: Annotated[int, Int8("1+")] = 3
        principal: Annotated[str, String("0+")] = ""
        host: Annotated[str, String("0+")] = ""
        operation: Annotated[int, Int8("0+")] = 0
        permission_type: Annotated[int, Int8("0+")] = 0

    creations: Annotated[list[CreateAclsRequest.AclCreation], Array("0+")] = []


class CreateAclsResponse(Message):
    SPEC: ClassVar = response(key=30, versions="1-3", flexible="2+")

    class AclCreationResult(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    results: Annotated[list[CreateAclsResponse.AclCreationResult], Array("0+")] = []
