"""AlterConfigs (API key 33), versions 0-2, the legacy call: all of a resource's configuration is replaced.

As IncrementalAlterConfigs, but levels of logs cannot be changed this way. Counterpart: ConfigAdminManager (KIP-133).
"""

from __future__ import annotations

from broker.controller.configs import check_keys, check_values
from broker.handlers.config_changes import check_broker, check_kind, check_own_id, divided, stored_settings
from broker.handlers.context import HandlerResult, RequestContext, then
from broker.metadata.image import ResourceType
from protocol.errors import ApiError, ErrorCode
from protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResponse

Resource = AlterConfigsRequest.AlterConfigsResource
Answer = AlterConfigsResponse.AlterConfigsResourceResponse


def handle(request: AlterConfigsRequest, context: RequestContext) -> HandlerResult:
    done, others = divided(request.resources, lambda resource: _check(resource, context))
    answers = {place: _answer(request.resources[place], error) for place, error in done.items() if error is not None}

    def complete(response: AlterConfigsResponse) -> AlterConfigsResponse:
        stored = {(each.resource_type, each.resource_name): each for each in response.responses}
        response.responses = [
            answers.get(place) or stored[resource.resource_type, resource.resource_name]
            for place, resource in enumerate(request.resources)
        ]
        return response

    if not others:
        return complete(AlterConfigsResponse())
    rest = AlterConfigsRequest(resources=others, validate_only=request.validate_only)
    return then(context.forward(rest), complete)


def _check(resource: Resource, context: RequestContext) -> bool:
    """False: the controller has to store it."""
    check_keys([each.name for each in resource.configs])
    check_values([each.name for each in resource.configs if each.value is None])
    check_kind(resource.resource_type)
    if resource.resource_type == ResourceType.BROKER_LOGGER:
        raise ApiError(ErrorCode.INVALID_REQUEST, "levels of logs cannot be replaced as a whole")
    if resource.resource_type == ResourceType.BROKER:
        name = resource.resource_name
        if name:
            check_own_id(name, context)
        settings = {each.name: each.value for each in resource.configs if each.value is not None}
        check_broker(name, settings, stored_settings(name, context), context)
    return False


def _answer(resource: Resource, error: ApiError) -> Answer:
    return Answer(
        error_code=error.code,
        error_message=error.message or error.code.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
