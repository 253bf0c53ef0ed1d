"""SaslHandshake (API key 17), versions 0-1: out of place, since no listener authenticates by SASL.

Counterpart: KafkaApis.handleSaslHandshakeRequest, which sees what comes after the authentication or without one.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from protocol.errors import ErrorCode
from protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse


def handle(request: SaslHandshakeRequest, context: RequestContext) -> SaslHandshakeResponse:
    return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE)
