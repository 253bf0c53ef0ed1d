"""FindCoordinator (API key 10), versions 0-6: the leader of the partition that a group id hashes to.

Several keys at once from version 4 (KIP-699). The internal topic comes into being when it is first asked for; until
its partition has a leader that the client can reach, the answer is COORDINATOR_NOT_AVAILABLE, and clients ask again.

Transactions and share groups (KIP-932) are not served: nobody coordinates them, and no topic is made for them. Clients
ask again after most errors, for ever; TRANSACTIONAL_ID_AUTHORIZATION_FAILED is the one that every client takes as final
and shows to its user at once. Share partitions get INVALID_REQUEST.

Counterpart: KafkaApis.handleFindCoordinatorRequest.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from broker.coordinator.partitioning import GROUP_METADATA_TOPIC
from broker.handlers.cluster_view import endpoint
from broker.handlers.context import RequestContext
from broker.handlers.unserved_transactions import TRANSACTIONS_REFUSED, tell_refused
from protocol.errors import ApiError, ErrorCode
from protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse

GROUP: Final = 0
TRANSACTION: Final = 1
SHARE: Final = 2

BATCH_VERSION: Final = 4


class Found(NamedTuple):
    error: ErrorCode
    node_id: int = -1
    host: str = ""
    port: int = -1
    message: str | None = None


NOT_AVAILABLE: Final = Found(ErrorCode.COORDINATOR_NOT_AVAILABLE)


def handle(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    if request.key_type not in (GROUP, TRANSACTION, SHARE):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"there are no coordinators of type {request.key_type}")
    if context.api_version < BATCH_VERSION:
        found = _find(request.key_type, request.key, context)
        return FindCoordinatorResponse(
            error_code=found.error,
            error_message=(found.message or found.error.message) if found.error else "NONE",
            node_id=found.node_id,
            host=found.host,
            port=found.port,
        )
    coordinators = []
    for key in request.coordinator_keys:
        found = _find(request.key_type, key, context)
        coordinators.append(
            FindCoordinatorResponse.Coordinator(
                key=key,
                error_code=found.error,
                error_message=found.message or "",
                node_id=found.node_id,
                host=found.host,
                port=found.port,
            )
        )
    return FindCoordinatorResponse(coordinators=coordinators)


def _find(key_type: int, key: str, context: RequestContext) -> Found:
    if key_type == TRANSACTION:
        tell_refused(key, context)
        return Found(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, message=TRANSACTIONS_REFUSED)
    if key_type == SHARE:
        return Found(ErrorCode.INVALID_REQUEST, message="share groups are not served yet")
    node = context.node
    topic = node.metadata.image.topics.by_name.get(GROUP_METADATA_TOPIC)
    if topic is None:
        node.auto_topics.create([GROUP_METADATA_TOPIC])
        return NOT_AVAILABLE
    if not node.groups.is_active:
        return NOT_AVAILABLE
    partition = topic.partitions.get(node.groups.partition_for(key))
    if partition is None or not node.metadata.is_alive(partition.leader):
        return NOT_AVAILABLE
    leader = endpoint(node.metadata.image, partition.leader, context.listener_name)
    if leader is None:
        return NOT_AVAILABLE
    return Found(ErrorCode.NONE, partition.leader, leader.host, leader.port)
