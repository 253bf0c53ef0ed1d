"""ElectLeaders (API key 43), versions 0-2: the controller holds the elections (KIP-460).

Counterpart: KafkaApis.forwardToController, ControllerApis.handleElectLeaders.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.elect_leaders import ElectLeadersRequest


def handle(request: ElectLeadersRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
