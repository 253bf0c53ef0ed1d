"""DescribeCluster (API key 60), versions 0-2: the cluster's id and brokers, fenced ones on demand (version 2).

On a controller's listener it tells of the controllers, and which of them leads; a client learns nothing of one kind
from the other, and says from version 1 on which it believes to have reached (KIP-919).
"""

from __future__ import annotations

from typing import Final

from broker.handlers import cluster_view
from broker.handlers.authorized_operations import CLUSTER_OPERATIONS
from broker.handlers.context import AnyContext
from protocol.errors import ApiError, ErrorCode
from protocol.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse

Node = DescribeClusterResponse.DescribeClusterBroker

BROKER_ENDPOINT: Final = 1
CONTROLLER_ENDPOINT: Final = 2


def handle(request: DescribeClusterRequest, context: AnyContext) -> DescribeClusterResponse:
    is_controller = context.node.config.is_controller_listener(context.listener_name)
    if is_controller and not context.node.metadata.image.features.metadata_version.is_controller_registration_supported:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, "this metadata.version does not know controller registrations")
    own_type = CONTROLLER_ENDPOINT if is_controller else BROKER_ENDPOINT
    _check_endpoint_type(request.endpoint_type, own_type, context.api_version)
    response = _controllers(context) if is_controller else _brokers(request, context)
    if context.api_version >= 1:
        response.endpoint_type = own_type
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = CLUSTER_OPERATIONS
    return response


def _brokers(request: DescribeClusterRequest, context: AnyContext) -> DescribeClusterResponse:
    image = context.node.metadata.image
    brokers = [
        Node(
            broker_id=broker.id,
            host=where.host,
            port=where.port,
            rack=broker.rack,
            is_fenced=broker.fenced and context.api_version >= 2,
        )
        for broker, where in cluster_view.reachable_brokers(
            image, context.listener_name, fenced=request.include_fenced_brokers
        )
    ]
    own_id = context.node.config.node_id
    alive = [broker.id for broker, _ in cluster_view.reachable_brokers(image, context.listener_name)]
    return DescribeClusterResponse(
        cluster_id=context.node.cluster_id,
        controller_id=own_id if own_id in alive else next(iter(alive), -1),
        brokers=brokers,
    )


def _controllers(context: AnyContext) -> DescribeClusterResponse:
    controllers = context.node.metadata.image.cluster.controllers
    leader_id = context.node.quorum_leader()
    return DescribeClusterResponse(
        cluster_id=context.node.cluster_id,
        controller_id=-1 if leader_id is None else leader_id,
        brokers=[
            Node(broker_id=controller_id, host=where.host, port=where.port)
            for controller_id in sorted(controllers)
            if (where := controllers[controller_id].listeners.get(context.listener_name)) is not None
        ],
    )


def _check_endpoint_type(endpoint_type: int, own_type: int, version: int) -> None:
    if endpoint_type == own_type:
        return
    if version == 0:
        code = ErrorCode.INVALID_REQUEST
    elif endpoint_type in (BROKER_ENDPOINT, CONTROLLER_ENDPOINT):
        code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
    else:
        code = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
    kind = "controller" if own_type == CONTROLLER_ENDPOINT else "broker"
    raise ApiError(code, f"this is a listener of a {kind}, the request is for endpoints of type {endpoint_type}")
