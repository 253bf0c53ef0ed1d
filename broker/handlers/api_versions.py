"""ApiVersions (API key 18), versions 0-4: what this node serves on the listener, and the cluster's features.

A version we do not know is answered in version 0 before it comes here (`broker.dispatch`). Versions 3 and later name
the client's software (KIP-511), which must look like a name; before 4, features whose lowest level is 0 are left out,
since clients of that time cannot read them (KAFKA-17492).
"""

from __future__ import annotations

import re
from typing import Final

from broker.handlers.context import AnyContext
from broker.metadata.features import supported_features
from protocol.errors import ApiError, ErrorCode
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

_SOFTWARE: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(request: ApiVersionsRequest, context: AnyContext) -> ApiVersionsResponse:
    version = context.api_version
    if version >= 3:
        _note_software(request, context)
    node = context.node
    finalized = node.metadata.finalized_features()
    return ApiVersionsResponse(
        api_keys=[
            ApiVersionsResponse.ApiVersion(api_key=key, min_version=lowest, max_version=highest)
            for key, lowest, highest in node.apis
        ],
        supported_features=[
            ApiVersionsResponse.SupportedFeatureKey(name=name, min_version=levels.min, max_version=levels.max)
            for name, levels in supported_features().items()
            if version >= 4 or levels.min > 0
        ],
        finalized_features=[
            ApiVersionsResponse.FinalizedFeatureKey(name=name, min_version_level=level, max_version_level=level)
            for name, level in finalized.levels.items()
        ],
        finalized_features_epoch=finalized.epoch,
    )


def _note_software(request: ApiVersionsRequest, context: AnyContext) -> None:
    name, version = request.client_software_name, request.client_software_version
    if not _SOFTWARE.fullmatch(name) or not _SOFTWARE.fullmatch(version):
        raise ApiError(ErrorCode.INVALID_REQUEST, "the client's software name or version is not valid")
    context.connection.client_software_name = name
    context.connection.client_software_version = version
