"""RemoveRaftVoter (API key 81), version 0: a voter becomes an observer (KIP-853).

Counterpart: KafkaApis.forwardToController.
"""

from __future__ import annotations

from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.remove_raft_voter import RemoveRaftVoterRequest


def handle(request: RemoveRaftVoterRequest, context: RequestContext) -> HandlerResult:
    return context.forward(request)
