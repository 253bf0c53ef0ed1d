"""CreateAcls (API key 30), versions 1-3: SECURITY_DISABLED for each, since there is no authorizer.

Counterpart: AclApis.handleCreateAcls.
"""

from __future__ import annotations

from broker.handlers.acls import refuse
from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.create_acls import CreateAclsRequest


def handle(request: CreateAclsRequest, context: RequestContext) -> HandlerResult:
    raise refuse(
        kind
        for acl in request.creations
        for kind in (acl.resource_type, acl.resource_pattern_type, acl.operation, acl.permission_type)
    )
