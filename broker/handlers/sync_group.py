"""SyncGroup (API key 14), versions 0-5: hand in a generation's assignment, as its leader, and fetch one's own part.

From version 5 on a member must say what the group's protocol is (KIP-559).
"""

from __future__ import annotations

from typing import Final

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from protocol.errors import ErrorCode
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

PROTOCOL_VERSION: Final = 5


def handle(request: SyncGroupRequest, context: RequestContext) -> Answer[SyncGroupResponse]:
    names_protocol = request.protocol_type is not None and request.protocol_name is not None
    if context.api_version >= PROTOCOL_VERSION and not names_protocol:
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    return context.node.groups.sync_group(request)
