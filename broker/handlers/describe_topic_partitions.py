"""DescribeTopicPartitions (API key 75), version 0: topics with their partitions, page by page (KIP-966).

Topics come in the order of their names. A page ends when it has as many partitions as the request or
`max.request.partition.size.limit` allows, if need be in the middle of a topic; its cursor names the next partition. An
empty list of topics asks for all.
"""

from __future__ import annotations

from broker.controller.topic_names import is_internal, topic_name_problem
from broker.handlers import cluster_view
from broker.handlers.authorized_operations import TOPIC_OPERATIONS
from broker.handlers.context import RequestContext
from broker.metadata.image import MetadataImage, TopicImage
from broker.metadata.partitions import PartitionRegistration
from protocol.errors import ApiError, ErrorCode
from protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
)

Topic = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic
Partition = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition


def handle(request: DescribeTopicPartitionsRequest, context: RequestContext) -> DescribeTopicPartitionsResponse:
    image = context.node.metadata.image
    cursor = request.cursor
    wants_all = not request.topics
    names = set(image.topics.by_name) if wants_all else {topic.name for topic in request.topics}
    if cursor is not None:
        if not wants_all and cursor.topic_name not in names:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"the cursor's topic {cursor.topic_name} is not among the topics")
        if cursor.partition_index < 0:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"the cursor's partition {cursor.partition_index} is negative")
    first_topic, first_partition = (cursor.topic_name, cursor.partition_index) if cursor is not None else ("", 0)
    limit = min(context.node.config.max_request_partition_size_limit, request.response_partition_limit)
    remaining = max(limit, 1)
    response = DescribeTopicPartitionsResponse(topics=[])
    for name in sorted(name for name in names if name >= first_topic):
        if remaining == 0:
            response.next_cursor = DescribeTopicPartitionsResponse.Cursor(topic_name=name, partition_index=0)
            break
        topic = image.topics.by_name.get(name)
        if topic is None:
            response.topics.append(_missing(name))
            continue
        start = first_partition if name == first_topic else 0
        end = min(len(topic.partitions), start + remaining)
        response.topics.append(_described(topic, range(start, end), image, context.listener_name))
        if end < len(topic.partitions):
            response.next_cursor = DescribeTopicPartitionsResponse.Cursor(topic_name=name, partition_index=end)
            break
        remaining -= max(end - start, 0)
    return response


def _missing(name: str) -> Topic:
    is_legal = topic_name_problem(name) is None
    return Topic(
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if is_legal else ErrorCode.INVALID_TOPIC_EXCEPTION,
        name=name,
        is_internal=is_internal(name),
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _described(topic: TopicImage, indexes: range, image: MetadataImage, listener_name: str) -> Topic:
    return Topic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=is_internal(topic.name),
        partitions=[
            _partition(index, topic.partitions[index], image, listener_name)
            for index in indexes
            if index in topic.partitions
        ],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _partition(index: int, partition: PartitionRegistration, image: MetadataImage, listener_name: str) -> Partition:
    has_leader = cluster_view.leader_problem(image, partition, listener_name) == ErrorCode.NONE
    return Partition(
        partition_index=index,
        leader_id=partition.leader if has_leader else cluster_view.NO_LEADER,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        eligible_leader_replicas=list(partition.elr),
        last_known_elr=list(partition.last_known_elr),
        offline_replicas=cluster_view.offline_replicas(image, partition, listener_name),
    )
