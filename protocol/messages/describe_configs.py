"""DescribeConfigs (API key 32).

The configuration of topics, brokers, groups and so on, with where each value comes from.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, request, response


class DescribeConfigsRequest(Message):
    SPEC: ClassVar = request(key=32, versions="1-4", flexible="4+", listeners=("broker", "controller"))

    class DescribeConfigsResource(Message):
        resource_type: Annotated[int, Int8("0+")] = 0
        resource_name: Annotated[str, String("0+")] = ""
        configuration_keys: Annotated[list[str] | None, Array("0+", of=String, nullable="0+")] = []

    resources: Annotated[list[DescribeConfigsRequest.DescribeConfigsResource], Array("0+")] = []
    include_synonyms: Annotated[bool, Bool("1+")] = False
    include_documentation: Annotated[bool, Bool("3+")] = False


class DescribeConfigsResponse(Message):
    SPEC: ClassVar = response(key=32, versions="1-4", flexible="4+")

    class DescribeConfigsSynonym(Message):
        name: Annotated[str, String("1+")] = ""
        value: Annotated[str | None, String("1+", nullable="1+")] = ""
        source: Annotated[int, Int8("1+")] = 0

    class DescribeConfigsResourceResult(Message):
        name: Annotated[str, String("0+")] = ""
        value: Annotated[str | None, String("0+", nullable="0+")] = ""
        read_only: Annotated[bool, Bool("0+")] = False
        config_source: Annotated[int, Int8("1+", ignorable=True)] = -1
        is_sensitive: Annotated[bool, Bool("0+")] = False
        synonyms: Annotated[list[DescribeConfigsResponse.DescribeConfigsSynonym], Array("1+", ignorable=True)] = []
        config_type: Annotated[int, Int8("3+", ignorable=True)] = 0
        documentation: Annotated[str | None, String("3+", nullable="3+", ignorable=True)] = ""

    class DescribeConfigsResult(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = ""
        resource_type: Annotated[int, Int8("0+")] = 0
        resource_name: Annotated[str, String("0+")] = ""
        configs: Annotated[list[DescribeConfigsResponse.DescribeConfigsResourceResult], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    results: Annotated[list[DescribeConfigsResponse.DescribeConfigsResult], Array("0+")] = []
