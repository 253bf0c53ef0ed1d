"""CreateDelegationToken (API key 38), versions 1-3: not allowed over a connection without authentication.

The answer names the owner and who asks all the same. Counterpart: KafkaApis.handleCreateTokenRequest.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from broker.handlers.delegation_tokens import NO_TIMESTAMP, split_principal
from protocol.errors import ErrorCode
from protocol.messages.create_delegation_token import CreateDelegationTokenRequest, CreateDelegationTokenResponse


def handle(request: CreateDelegationTokenRequest, context: RequestContext) -> CreateDelegationTokenResponse:
    requester_type, requester_name = split_principal(context.principal)
    owner_type, owner_name = requester_type, requester_name
    if request.owner_principal_name:
        owner_type, owner_name = request.owner_principal_type or "", request.owner_principal_name
    response = CreateDelegationTokenResponse(
        error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        principal_type=owner_type,
        principal_name=owner_name,
        issue_timestamp_ms=NO_TIMESTAMP,
        expiry_timestamp_ms=NO_TIMESTAMP,
        max_timestamp_ms=NO_TIMESTAMP,
    )
    if context.api_version >= 3:
        response.token_requester_principal_type = requester_type
        response.token_requester_principal_name = requester_name
    return response
