"""DescribeQuorum (API key 55), versions 0-2: what Raft's leader knows of voters and observers (KIP-595).

Counterpart: KafkaApis.forwardToController, ControllerApis.handleDescribeQuorum.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.describe_quorum import DescribeQuorumRequest


def handle(request: DescribeQuorumRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
