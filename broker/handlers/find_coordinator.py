"""FindCoordinator (API key 10), versions 0-6: the leader of the partition that a key hashes to.

Keys are group ids, transactional ids or, from version 6, share partitions (KIP-932); several at once from version 4
(KIP-699). The internal topic comes into being when it is first asked for; until its partition has a leader that the
client can reach, the answer is COORDINATOR_NOT_AVAILABLE, and clients ask again. Counterpart:
KafkaApis.handleFindCoordinatorRequest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from broker.coordinator.partitioning import (
    GROUP_METADATA_TOPIC,
    SHARE_GROUP_STATE_TOPIC,
    TRANSACTION_STATE_TOPIC,
    partition_for,
)
from broker.handlers.cluster_view import endpoint
from broker.handlers.context import RequestContext
from config.node_config import NodeConfig
from protocol.errors import ApiError, ErrorCode
from protocol.ids import uuid_from_string
from protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse

GROUP: Final = 0
TRANSACTION: Final = 1
SHARE: Final = 2

BATCH_VERSION: Final = 4
SHARE_VERSION: Final = 6
PARTITION_MAX: Final = 2**31 - 1


class Topic(NamedTuple):
    name: str
    partitions_configured: Callable[[NodeConfig], int]


TOPICS: Final = {
    GROUP: Topic(GROUP_METADATA_TOPIC, lambda config: config.offsets_topic_num_partitions),
    TRANSACTION: Topic(TRANSACTION_STATE_TOPIC, lambda config: config.transaction_state_log_num_partitions),
    SHARE: Topic(SHARE_GROUP_STATE_TOPIC, lambda config: config.share_coordinator_state_topic_num_partitions),
}


class Found(NamedTuple):
    error: ErrorCode
    node_id: int = -1
    host: str = ""
    port: int = -1


NOT_AVAILABLE: Final = Found(ErrorCode.COORDINATOR_NOT_AVAILABLE)


def handle(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    if request.key_type not in TOPICS:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"there are no coordinators of type {request.key_type}")
    if context.api_version < BATCH_VERSION:
        found = _find(request.key_type, request.key, context)
        return FindCoordinatorResponse(
            error_code=found.error,
            error_message=found.error.message if found.error else "NONE",
            node_id=found.node_id,
            host=found.host,
            port=found.port,
        )
    coordinators = []
    for key in request.coordinator_keys:
        found = _find(request.key_type, key, context)
        coordinators.append(
            FindCoordinatorResponse.Coordinator(
                key=key, error_code=found.error, node_id=found.node_id, host=found.host, port=found.port
            )
        )
    return FindCoordinatorResponse(coordinators=coordinators)


def _find(key_type: int, key: str, context: RequestContext) -> Found:
    if key_type == SHARE and (context.api_version < SHARE_VERSION or not _is_share_partition(key)):
        return Found(ErrorCode.INVALID_REQUEST)
    node = context.node
    topic_name, partitions_configured = TOPICS[key_type]
    topic = node.metadata.image.topics.by_name.get(topic_name)
    if topic is None:
        node.auto_topics.create([topic_name])
        return NOT_AVAILABLE
    if key_type == GROUP:
        if not node.groups.is_active:
            return NOT_AVAILABLE
        index = node.groups.partition_for(key)
    else:
        index = partition_for(key, len(topic.partitions) or partitions_configured(node.config))
    partition = topic.partitions.get(index)
    if partition is None or not node.metadata.is_alive(partition.leader):
        return NOT_AVAILABLE
    leader = endpoint(node.metadata.image, partition.leader, context.listener_name)
    if leader is None:
        return NOT_AVAILABLE
    return Found(ErrorCode.NONE, partition.leader, leader.host, leader.port)


def _is_share_partition(key: str) -> bool:
    """group:topic id:partition, where the group may have colons of its own."""
    group_id, *rest = key.rsplit(":", 2)
    if len(rest) != 2 or not group_id.strip():
        return False
    try:
        uuid_from_string(rest[0])
        partition = int(rest[1])
    except ValueError:
        return False
    return abs(partition) <= PARTITION_MAX
