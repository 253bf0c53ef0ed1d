"""CreatePartitions (API key 37), versions 0-3: the controller decides.

Counterpart: KafkaApis.forwardToController.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.create_partitions import CreatePartitionsRequest


def handle(request: CreatePartitionsRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
