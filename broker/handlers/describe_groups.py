"""DescribeGroups (API key 15), versions 0-6: classic groups of any protocol type, with their members.

A group that does not exist is a Dead one before version 6, and GROUP_ID_NOT_FOUND from then on (KIP-1043).
"""

from __future__ import annotations

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.authorized_operations import GROUP_OPERATIONS
from broker.handlers.context import RequestContext
from broker.handlers.group_requests import answered, client_of
from protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse


def handle(request: DescribeGroupsRequest, context: RequestContext) -> Answer[DescribeGroupsResponse]:
    def respond(groups: list[DescribeGroupsResponse.DescribedGroup]) -> DescribeGroupsResponse:
        if request.include_authorized_operations:
            for group in groups:
                if not group.error_code:
                    group.authorized_operations = GROUP_OPERATIONS
        return DescribeGroupsResponse(groups=groups)

    return answered(context.node.groups.describe_groups(client_of(context), request.groups), respond)
