"""DeleteTopics (API key 20), versions 1-6, by name or (version 6) by id: the controller decides.

Counterpart: KafkaApis.forwardToController.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.delete_topics import DeleteTopicsRequest


def handle(request: DeleteTopicsRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
