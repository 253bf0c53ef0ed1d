"""UpdateFeatures (API key 57), versions 0-2: the controller changes feature levels (KIP-584).

Counterpart: KafkaApis.forwardToController, ControllerApis.handleUpdateFeatures.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.update_features import UpdateFeaturesRequest


def handle(request: UpdateFeaturesRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
