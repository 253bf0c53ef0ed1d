"""ListPartitionReassignments (API key 46), version 0: which moves are under way, as the controller knows.

Counterpart: KafkaApis.forwardToController, ControllerApis.handleListPartitionReassignments.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest


def handle(request: ListPartitionReassignmentsRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
