"""ApiVersions (API key 18): which APIs, versions and features a node supports.

The response header is always version 0 (KIP-511), so that a client can read the answer to a version the node does not
know.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, String, request, response


class ApiVersionsRequest(Message):
    SPEC: ClassVar = request(key=18, versions="0-4", flexible="3+", listeners=("broker", "controller"))

    client_software_name: Annotated[str, String("3+", ignorable=True)] = ""
    client_software_version: Annotated[str, String("3+", ignorable=True)] = ""


class ApiVersionsResponse(Message):
    SPEC: ClassVar = response(key=18, versions="0-4", flexible="3+")

    class ApiVersion(Message):
        api_key: Annotated[int, Int16("0+", key=True)] = 0
        min_version: Annotated[int, Int16("0+")] = 0
        max_version: Annotated[int, Int16("0+")] = 0

    class SupportedFeatureKey(Message):
        name: Annotated[str, String("3+", key=True)] = ""
        min_version: Annotated[int, Int16("3+")] = 0
        max_version: Annotated[int, Int16("3+")] = 0

    class FinalizedFeatureKey(Message):
        name: Annotated[str, String("3+", key=True)] = ""
        max_version_level: Annotated[int, Int16("3+")] = 0
        min_version_level: Annotated[int, Int16("3+")] = 0

    error_code: Annotated[int, Int16("0+")] = 0
    api_keys: Annotated[list[ApiVersionsResponse.ApiVersion], Array("0+")] = []
    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    supported_features: Annotated[
        list[ApiVersionsResponse.SupportedFeatureKey], Array("3+", tag=0, ignorable=True)
    ] = []
    finalized_features_epoch: Annotated[int, Int64("3+", tag=1, ignorable=True)] = -1
    finalized_features: Annotated[
        list[ApiVersionsResponse.FinalizedFeatureKey], Array("3+", tag=2, ignorable=True)
    ] = []
    zk_migration_ready: Annotated[bool, Bool("3+", tag=3, ignorable=True)] = False
