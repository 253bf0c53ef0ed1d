"""DescribeDelegationToken (API key 41), versions 1-3: not allowed over a connection without authentication.

On brokers only: Kafka's controllers name it and then fail on it. Counterpart: KafkaApis.handleDescribeTokensRequest.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from protocol.errors import ErrorCode
from protocol.messages.describe_delegation_token import DescribeDelegationTokenRequest, DescribeDelegationTokenResponse


def handle(request: DescribeDelegationTokenRequest, context: RequestContext) -> DescribeDelegationTokenResponse:
    return DescribeDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
