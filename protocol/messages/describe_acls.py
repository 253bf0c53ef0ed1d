"""DescribeAcls (API key 29): the access control entries that match a filter."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Message, String, request, response


class DescribeAclsRequest(Message):
    SPEC: ClassVar = request(key=29, versions="1-3", flexible="2+", listeners=("broker", "controller"))

    resource_type_filter: Annotated[int, Int8("0+")] = 0
    resource_name_filter: Annotated[str | None, String("0+", nullable="0+")] = ""
    pattern_type_filter: Annotated[int, Int8("1+")] = 3
    principal_filter: Annotated[str | None, String("0+", nullable="0+")] = ""
    host_filter: Annotated[str | None, String("0+", nullable="0+")] = ""
    operation: Annotated[int, Int8("0+")] = 0
    permission_type: Annotated[int, Int8("0+")] = 0


class DescribeAclsResponse(Message):
    SPEC: ClassVar = response(key=29, versions="1-3", flexible="2+")

    class AclDescription(Message):
        principal: Annotated[str, String("0+")] = ""
        host: Annotated[str, String("0+")] = ""
        operation: Annotated[int, Int8("0+")] = 0
        permission_type: Annotated[int, Int8("0+")] = 0

    class DescribeAclsResource(Message):
        resource_type: Annotated[int, Int8("0+")] = 0
        resource_name: Annotated[str, String("0+")] = ""
        pattern_type: Annotated[int, Int8("1+")] = 3
        acls: Annotated[list[DescribeAclsResponse.AclDescription], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
    resources: Annotated[list[DescribeAclsResponse.DescribeAclsResource], Array("0+")] = []
