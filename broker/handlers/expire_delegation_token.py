"""ExpireDelegationToken (API key 40), versions 1-2: not allowed over a connection without authentication.

Counterpart: KafkaApis.handleExpireTokenRequest.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from broker.handlers.delegation_tokens import NO_TIMESTAMP
from protocol.errors import ErrorCode
from protocol.messages.expire_delegation_token import ExpireDelegationTokenRequest, ExpireDelegationTokenResponse


def handle(request: ExpireDelegationTokenRequest, context: RequestContext) -> ExpireDelegationTokenResponse:
    return ExpireDelegationTokenResponse(
        error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, expiry_timestamp_ms=NO_TIMESTAMP
    )
