"""Heartbeat (API key 12), versions 0-4: a member of a classic group is alive, and learns of rebalances."""

from __future__ import annotations

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


def handle(request: HeartbeatRequest, context: RequestContext) -> Answer[HeartbeatResponse]:
    return context.node.groups.heartbeat(request)
