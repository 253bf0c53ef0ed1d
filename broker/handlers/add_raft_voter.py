"""AddRaftVoter (API key 80), versions 0-1: a controller that observes the quorum becomes a voter (KIP-853).

Counterpart: KafkaApis.forwardToController.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.add_raft_voter import AddRaftVoterRequest


def handle(request: AddRaftVoterRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
