"""LeaveGroup (API key 13), versions 0-5: members leave a classic group, or are removed by an administrator.

Versions before 3 are about one member, whose error is that of the response. KIP-345, KIP-800.
"""

from __future__ import annotations

from typing import Final

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from broker.handlers.group_requests import answered
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse

BATCH_VERSION: Final = 3


def handle(request: LeaveGroupRequest, context: RequestContext) -> Answer[LeaveGroupResponse]:
    groups = context.node.groups
    if context.api_version >= BATCH_VERSION:
        return groups.leave_group(request)
    member = LeaveGroupRequest.MemberIdentity(member_id=request.member_id)
    batch = LeaveGroupRequest(group_id=request.group_id, members=[member])
    return answered(groups.leave_group(batch), _of_one_member)


def _of_one_member(response: LeaveGroupResponse) -> LeaveGroupResponse:
    error_code = response.error_code or response.members[0].error_code
    return LeaveGroupResponse(error_code=error_code)
