"""UnregisterBroker (API key 64), version 0: the controller forgets a broker (KIP-631).

Counterpart: KafkaApis.forwardToController, ControllerApis.handleUnregisterBroker.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.unregister_broker import UnregisterBrokerRequest


def handle(request: UnregisterBrokerRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
