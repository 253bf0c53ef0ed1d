"""ListGroups (API key 16), versions 0-5: the groups that this broker coordinates (KIP-518, KIP-848)."""

from __future__ import annotations

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse


def handle(request: ListGroupsRequest, context: RequestContext) -> Answer[ListGroupsResponse]:
    return context.node.groups.list_groups(request)
