"""DescribeAcls (API key 29), versions 1-3: SECURITY_DISABLED, since there is no authorizer.

Counterpart: AclApis.handleDescribeAcls.
"""

from __future__ import annotations

from broker.handlers.acls import refuse
from broker.handlers.context import HandlerResult, RequestContext
from protocol.messages.describe_acls import DescribeAclsRequest


def handle(request: DescribeAclsRequest, context: RequestContext) -> HandlerResult:
    raise refuse(
        (request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type)
    )
