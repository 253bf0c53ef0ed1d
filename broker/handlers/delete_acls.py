"""DeleteAcls (API key 31), versions 1-3: SECURITY_DISABLED for each filter, since there is no authorizer.

Counterpart: AclApis.handleDeleteAcls.
"""

from __future__ import annotations

from broker.handlers.acls import refuse
from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.delete_acls import DeleteAclsRequest


def handle(request: DeleteAclsRequest, context: RequestContext) -> HandlerResult:
    raise refuse(
        kind
        for each in request.filters
        for kind in (each.resource_type_filter, each.pattern_type_filter, each.operation, each.permission_type)
    )
