"""AlterPartitionReassignments (API key 45), versions 0-1: the controller moves partitions (KIP-455).

Counterpart: KafkaApis.forwardToController, ControllerApis.handleAlterPartitionReassignments.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest


def handle(request: AlterPartitionReassignmentsRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
