"""AlterConfigs (API key 33), versions 0-2, the legacy call: all of a resource's configuration is replaced.

As IncrementalAlterConfigs, but levels of logs cannot be changed this way. Counterpart: ConfigAdminManager (KIP-133).
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext, then
from broker.handlers.describe_configs import check_kind, check_own_id
from broker.metadata.image import ResourceType
from protocol.errors import ApiError
from protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResponse


def handle(request: AlterConfigsRequest, context: RequestContext) -> HandlerResult:
    refused: list[AlterConfigsResponse.AlterConfigsResourceResponse] = []
    accepted: list[AlterConfigsRequest.AlterConfigsResource] = []
    for resource in request.resources:
        try:
            check_kind(resource.resource_type)
            if resource.resource_type == ResourceType.BROKER and resource.resource_name:
                check_own_id(resource.resource_name, context)
            accepted.append(resource)
        except ApiError as error:
            refused.append(
                AlterConfigsResponse.AlterConfigsResourceResponse(
                    error_code=error.code,
                    error_message=error.message,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                )
            )
    if not accepted:
        return AlterConfigsResponse(responses=refused)

    def joined(response: AlterConfigsResponse) -> AlterConfigsResponse:
        response.responses.extend(refused)
        return response

    return then(context.forward(AlterConfigsRequest(resources=accepted, validate_only=request.validate_only)), joined)
