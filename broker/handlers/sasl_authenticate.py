"""SaslAuthenticate (API key 36), versions 0-2: out of place, since no listener authenticates by SASL.

Counterpart: KafkaApis.handleSaslAuthenticateRequest, which sees what comes after the authentication or without one.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from protocol.errors import ErrorCode
from protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse


def handle(request: SaslAuthenticateRequest, context: RequestContext) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(
        error_code=ErrorCode.ILLEGAL_SASL_STATE,
        error_message=f"listener {context.listener_name} does not authenticate by SASL",
    )
