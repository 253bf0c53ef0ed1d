"""IncrementalAlterConfigs (API key 44), versions 0-1: set, delete, append to and subtract from configurations.

The controller decides and stores, for topics, brokers and groups. What concerns one broker alone must come to that
broker, which is the only one that can tell what it bears: so a broker's id is checked here, and levels of logs are
changed here and not stored. Counterpart: ConfigAdminManager (KIP-339, KIP-412).
"""

from __future__ import annotations

from collections import Counter

from broker.handlers import broker_loggers
from broker.handlers.context import HandlerResult, RequestContext, then
from broker.handlers.describe_configs import check_kind, check_own_id
from broker.metadata.image import ResourceType
from protocol.errors import ApiError, ErrorCode
from protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

Resource = IncrementalAlterConfigsRequest.AlterConfigsResource
Answer = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse


def handle(request: IncrementalAlterConfigsRequest, context: RequestContext) -> HandlerResult:
    counts = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    own: list[Answer] = []
    others: list[Resource] = []
    for resource in request.resources:
        try:
            if counts[resource.resource_type, resource.resource_name] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "each resource must appear at most once")
            if _is_done_here(resource, request.validate_only, context):
                own.append(_answer(resource, ErrorCode.NONE, None))
            else:
                others.append(resource)
        except ApiError as error:
            own.append(_answer(resource, error.code, error.message or error.code.message))
    if not others:
        return IncrementalAlterConfigsResponse(responses=own)
    rest = IncrementalAlterConfigsRequest(resources=others, validate_only=request.validate_only)
    return then(context.forward(rest), lambda response: _joined(response, own))


def _is_done_here(resource: Resource, validate_only: bool, context: RequestContext) -> bool:
    check_kind(resource.resource_type)
    if resource.resource_type == ResourceType.BROKER and resource.resource_name:
        check_own_id(resource.resource_name, context)
    if resource.resource_type != ResourceType.BROKER_LOGGER:
        return False
    check_own_id(resource.resource_name, context)
    changes = [(config.name, config.config_operation, config.value) for config in resource.configs]
    if len({name for name, _, _ in changes}) < len(changes):
        raise ApiError(ErrorCode.INVALID_REQUEST, "a logger is named twice")
    broker_loggers.change(changes, validate_only=validate_only)
    return True


def _joined(response: IncrementalAlterConfigsResponse, own: list[Answer]) -> IncrementalAlterConfigsResponse:
    response.responses.extend(own)
    return response


def _answer(resource: Resource, code: ErrorCode, message: str | None) -> Answer:
    return Answer(
        error_code=code,
        error_message=message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
