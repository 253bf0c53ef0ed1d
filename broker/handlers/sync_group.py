"""SyncGroup (API key 14), versions 0-5: hand in a generation's assignment, as its leader, and fetch one's own part."""

from __future__ import annotations

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse


def handle(request: SyncGroupRequest, context: RequestContext) -> Answer[SyncGroupResponse]:
    return context.node.groups.sync_group(request)
