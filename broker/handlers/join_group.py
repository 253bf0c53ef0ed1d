"""JoinGroup (API key 11), versions 0-9: enter a classic group, or its next generation (KIP-62, 345, 394, 559, 814)."""

from __future__ import annotations

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from broker.handlers.group_requests import client_of
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse


def handle(request: JoinGroupRequest, context: RequestContext) -> Answer[JoinGroupResponse]:
    return context.node.groups.join_group(client_of(context), request)
