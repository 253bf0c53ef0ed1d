"""CreateTopics (API key 19), versions 2-7: the controller decides; whoever gets the answer can describe the topic here.

Counterpart: KafkaApis.forwardToController.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.create_topics import CreateTopicsRequest


def handle(request: CreateTopicsRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
