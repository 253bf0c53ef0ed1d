"""RenewDelegationToken (API key 39), versions 1-2: not allowed over a connection without authentication.

Counterpart: KafkaApis.handleRenewTokenRequest.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from broker.handlers.delegation_tokens import NO_TIMESTAMP
from protocol.errors import ErrorCode
from protocol.messages.renew_delegation_token import RenewDelegationTokenRequest, RenewDelegationTokenResponse


def handle(request: RenewDelegationTokenRequest, context: RequestContext) -> RenewDelegationTokenResponse:
    return RenewDelegationTokenResponse(
        error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, expiry_timestamp_ms=NO_TIMESTAMP
    )
