"""IncrementalAlterConfigs (API key 44), versions 0-1: set, delete, append to and subtract from configurations.

The controller decides and stores, for topics, brokers, groups and client metrics, once this broker has checked what it
can tell alone (`config_changes`). Levels of logs are changed here and not stored. Counterpart: ConfigAdminManager
(KIP-339, KIP-412).
"""

from __future__ import annotations

from broker.controller.configs import check_keys, check_values, lacks_value
from broker.handlers import broker_loggers
from broker.handlers.config_changes import (
    altered_settings,
    check_broker,
    check_kind,
    check_own_id,
    divided,
    stored_settings,
)
from broker.handlers.context import HandlerResult, RequestContext, then
from broker.metadata.image import ResourceType
from protocol.errors import ApiError, ErrorCode
from protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

Resource = IncrementalAlterConfigsRequest.AlterConfigsResource
Answer = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse


def handle(request: IncrementalAlterConfigsRequest, context: RequestContext) -> HandlerResult:
    done, others = divided(request.resources, lambda resource: _is_done_here(resource, request.validate_only, context))
    answers = {place: _answer(request.resources[place], error) for place, error in done.items()}

    def complete(response: IncrementalAlterConfigsResponse) -> IncrementalAlterConfigsResponse:
        stored = {(each.resource_type, each.resource_name): each for each in response.responses}
        response.responses = [
            answers.get(place) or stored[resource.resource_type, resource.resource_name]
            for place, resource in enumerate(request.resources)
        ]
        return response

    if not others:
        return complete(IncrementalAlterConfigsResponse())
    rest = IncrementalAlterConfigsRequest(resources=others, validate_only=request.validate_only)
    return then(context.forward(rest), complete)


def _is_done_here(resource: Resource, validate_only: bool, context: RequestContext) -> bool:
    name, changes = (
        resource.resource_name,
        [(each.name, each.config_operation, each.value) for each in resource.configs],
    )
    check_keys([each.name for each in resource.configs])
    check_values([key for key, operation, value in changes if lacks_value(operation, value)])
    check_kind(resource.resource_type)
    if resource.resource_type == ResourceType.BROKER_LOGGER:
        check_own_id(name, context)
        broker_loggers.change(changes, validate_only=validate_only)
        return True
    if resource.resource_type == ResourceType.BROKER:
        if name:
            check_own_id(name, context)
        stored = stored_settings(name, context)
        check_broker(name, altered_settings(stored, changes), stored, context)
    return False


def _answer(resource: Resource, error: ApiError | None) -> Answer:
    return Answer(
        error_code=ErrorCode.NONE if error is None else error.code,
        error_message=None if error is None else error.message or error.code.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
