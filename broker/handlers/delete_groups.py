"""DeleteGroups (API key 42), versions 0-2: empty groups, and all of their offsets, are removed (KIP-229)."""

from __future__ import annotations

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from broker.handlers.group_requests import answered
from protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse


def handle(request: DeleteGroupsRequest, context: RequestContext) -> Answer[DeleteGroupsResponse]:
    group_ids = list(dict.fromkeys(request.groups_names))
    return answered(context.node.groups.delete_groups(group_ids), lambda results: DeleteGroupsResponse(results=results))
