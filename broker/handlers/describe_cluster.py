"""DescribeCluster (API key 60), versions 0-2: the cluster's id and brokers, fenced ones on demand (version 2).

Version 1 lets a client say which kind of endpoint it believes to have reached, brokers or controllers (KIP-919).
"""

from __future__ import annotations

from typing import Final

from broker.handlers import cluster_view
from broker.handlers.authorized_operations import CLUSTER_OPERATIONS
from broker.handlers.context import RequestContext
from protocol.errors import ApiError, ErrorCode
from protocol.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse

BROKER_ENDPOINT: Final = 1
CONTROLLER_ENDPOINT: Final = 2


def handle(request: DescribeClusterRequest, context: RequestContext) -> DescribeClusterResponse:
    _check_endpoint_type(request.endpoint_type, context.api_version)
    image = context.node.metadata.image
    reachable = cluster_view.reachable_brokers(image, context.listener_name, fenced=True)
    brokers = [
        DescribeClusterResponse.DescribeClusterBroker(
            broker_id=broker.id, host=where.host, port=where.port, rack=broker.rack, is_fenced=broker.fenced
        )
        for broker, where in reachable
        if not broker.fenced or request.include_fenced_brokers
    ]
    own_id = context.node.config.node_id
    alive = [broker.broker_id for broker in brokers if not broker.is_fenced]
    response = DescribeClusterResponse(
        cluster_id=context.node.cluster_id,
        controller_id=own_id if own_id in alive else next(iter(alive), -1),
        brokers=brokers,
    )
    if context.api_version < 2:
        for broker in response.brokers:
            broker.is_fenced = False
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = CLUSTER_OPERATIONS
    return response


def _check_endpoint_type(endpoint_type: int, version: int) -> None:
    if endpoint_type == BROKER_ENDPOINT:
        return
    if version == 0:
        code = ErrorCode.INVALID_REQUEST
    elif endpoint_type == CONTROLLER_ENDPOINT:
        code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
    else:
        code = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
    raise ApiError(code, f"this is a listener of a broker, the request is for endpoints of type {endpoint_type}")
