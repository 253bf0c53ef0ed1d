"""DeleteAcls (API key 31): remove the access control entries that match filters."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Message, String, request, response


class DeleteAclsRequest(Message):
    SPEC: ClassVar = request(key=31, versions="1-3", flexible="2+", listeners=("broker", "controller"))

    class DeleteAclsFilter(Message):
        resource_type_filter: Annotated[int, Int8("0+")] = 0
        resource_name_filter: Annotated[str | None, String("0+", nullable="0+")] = ""
        pattern_type_filter: Annotated[int, Int8("1+")] = 3
        principal_filter: Annotated[str | None, String("0+", nullable="0+")] = ""
        host_filter: Annotated[str | None, String("0+", nullable="0+")] = ""
        operation: Annotated[int, Int8("0+")] = 0
        permission_type: Annotated[int, Int8("0+")] = 0

    filters: Annotated[list[DeleteAclsRequest.DeleteAclsFilter], Array("0+")] = []


class DeleteAclsResponse(Message):
    SPEC: ClassVar = response(key=31, versions="1-3", flexible="2+")

    class DeleteAclsMatchingAcl(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
        resource_type: Annotated[int, Int8("0+")] = 0
        resource_name: Annotated[str, String("0+")] = ""
        pattern_type: Annotated[int, Int8("1+")] = 3
        principal: Annotated[str, String("0+")] = ""
        host: Annotated[str, String("0+")] = ""
        operation: Annotated[int, Int8("0+")] = 0
        permission_type: Annotated[int, Int8("0+")] = 0

    class DeleteAclsFilterResult(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
        matching_acls: Annotated[list[DeleteAclsResponse.DeleteAclsMatchingAcl], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    filter_results: Annotated[list[DeleteAclsResponse.DeleteAclsFilterResult], Array("0+")] = []
