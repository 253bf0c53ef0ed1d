"""Metadata (API key 3), versions 0-13: brokers, and topics by name, by id (version 12) or all of them.

"All" is an empty list in version 0 and null from 1 on, where an empty list asks for no topic. A topic that is not
there is created if the request and `auto.create.topics.enable` allow it; the answer says UNKNOWN_TOPIC_OR_PARTITION
all the same, and the client asks again. A partition without a reachable leader has an error and leader -1; leaders'
epochs never go back, since an image is always complete. Replicas on fenced brokers are told as offline. Version 0
knows no offline replicas: there, missing ones are left out and make the error REPLICA_NOT_AVAILABLE.

Counterpart: KafkaApis.handleTopicMetadataRequest; KIP-430 (authorized operations), KIP-516 (topic ids).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from broker.controller.topic_names import is_internal, topic_name_problem
from broker.handlers import cluster_view
from broker.handlers.authorized_operations import CLUSTER_OPERATIONS, NOT_REQUESTED, TOPIC_OPERATIONS
from broker.handlers.context import HandlerResult, RequestContext
from broker.metadata.image import MetadataImage, TopicImage
from broker.metadata.partitions import PartitionRegistration
from protocol.errors import ApiError, ErrorCode
from protocol.ids import ZERO_UUID, Uuid
from protocol.messages.metadata import MetadataRequest, MetadataResponse

Topic = MetadataResponse.MetadataResponseTopic

TOPIC_IDS_VERSION = 12
LISTENER_NOT_FOUND_VERSION = 6
PARTITIONS_AT_ONCE = 1000


def handle(request: MetadataRequest, context: RequestContext) -> HandlerResult:
    _check(request, context.api_version)
    image = context.node.metadata.image
    found, others = _topics(request, image, context)
    if sum([len(topic.partitions) for topic in found]) > PARTITIONS_AT_ONCE:
        return _handle_slowly(request, context, image, found, others)
    topics = [_described(topic, image, context) for topic in found]
    return _response(request, context, image, topics + others)


async def _handle_slowly(
    request: MetadataRequest,
    context: RequestContext,
    image: MetadataImage,
    found: list[TopicImage],
    others: list[Topic],
) -> MetadataResponse:
    """A large answer, made in slices; all of it is of one image."""
    topics, count = [], 0
    for topic in found:
        topics.append(_described(topic, image, context))
        count += len(topic.partitions)
        if count > PARTITIONS_AT_ONCE:
            count = 0
            await asyncio.sleep(0)
    return _response(request, context, image, topics + others)


def _response(
    request: MetadataRequest, context: RequestContext, image: MetadataImage, topics: list[Topic]
) -> MetadataResponse:
    response = MetadataResponse(
        brokers=[
            MetadataResponse.MetadataResponseBroker(
                node_id=broker.id, host=where.host, port=where.port, rack=broker.rack
            )
            for broker, where in cluster_view.reachable_brokers(image, context.listener_name)
        ],
        cluster_id=context.node.cluster_id,
        controller_id=_controller_id(image, context),
        topics=topics,
    )
    if request.include_cluster_authorized_operations and 8 <= context.api_version <= 10:
        response.cluster_authorized_operations = CLUSTER_OPERATIONS
    operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_REQUESTED
    for topic in response.topics:
        if topic.error_code != ErrorCode.UNKNOWN_TOPIC_ID:
            topic.topic_authorized_operations = operations
    return response


def _check(request: MetadataRequest, version: int) -> None:
    if version >= TOPIC_IDS_VERSION:
        return
    for topic in request.topics or ():
        if topic.name is None:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"a topic's name must not be null in version {version}")
        if topic.topic_id != ZERO_UUID:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"topic ids must not be used in version {version}")


def _controller_id(image: MetadataImage, context: RequestContext) -> int:
    """Any broker forwards what is for the controller, so clients are told of one they can reach: this one, if it may
    be used (Kafka names a random one)."""
    own_id = context.node.config.node_id
    alive = [broker.id for broker, _ in cluster_view.reachable_brokers(image, context.listener_name)]
    if own_id in alive:
        return own_id
    return alive[0] if alive else -1


def _topics(
    request: MetadataRequest, image: MetadataImage, context: RequestContext
) -> tuple[list[TopicImage], list[Topic]]:
    """The topics that are there, and the answers for those that are not."""
    asked = request.topics
    if asked is None or (not asked and context.api_version == 0):
        return list(image.topics.by_name.values()), []
    by_id = [topic.topic_id for topic in asked if topic.topic_id != ZERO_UUID]
    if by_id:
        return _topics_by_id(dict.fromkeys(by_id), image)
    topics, missing = [], []
    for name in dict.fromkeys(topic.name or "" for topic in asked):
        found = image.topics.by_name.get(name)
        if found is not None and found.partitions:
            topics.append(found)
        else:
            missing.append(name)
    return topics, _missing(missing, request, context)


def _topics_by_id(ids: Iterable[Uuid], image: MetadataImage) -> tuple[list[TopicImage], list[Topic]]:
    topics, unknown = [], []
    for topic_id in ids:
        found = image.topics.by_id.get(topic_id)
        if found is not None:
            topics.append(found)
        else:
            unknown.append(Topic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id))
    return topics, unknown


def _missing(names: list[str], request: MetadataRequest, context: RequestContext) -> list[Topic]:
    if not names:
        return []
    valid = [name for name in names if topic_name_problem(name) is None]
    if valid and request.allow_auto_topic_creation and context.node.config.auto_create_topics_enable:
        context.node.auto_topics.create(valid)
    return [
        Topic(
            error_code=(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                if topic_name_problem(name) is None
                else ErrorCode.INVALID_TOPIC_EXCEPTION
            ),
            name=name,
            is_internal=is_internal(name),
        )
        for name in names
    ]


def _described(topic: TopicImage, image: MetadataImage, context: RequestContext) -> Topic:
    listener_name, version = context.listener_name, context.api_version
    return Topic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=is_internal(topic.name),
        partitions=[
            _partition(index, partition, image, listener_name, version) for index, partition in topic.partitions.items()
        ],
    )


def _partition(
    index: int, partition: PartitionRegistration, image: MetadataImage, listener_name: str, version: int
) -> MetadataResponse.MetadataResponsePartition:
    error = cluster_view.leader_problem(image, partition, listener_name)
    leader_id = partition.leader if error == ErrorCode.NONE else cluster_view.NO_LEADER
    if error == ErrorCode.LISTENER_NOT_FOUND and version < LISTENER_NOT_FOUND_VERSION:
        error = ErrorCode.LEADER_NOT_AVAILABLE
    replicas, isr = list(partition.replicas), list(partition.isr)
    if version == 0:
        replicas = cluster_view.alive_replicas(image, replicas, listener_name)
        isr = cluster_view.alive_replicas(image, isr, listener_name)
        if error == ErrorCode.NONE and (len(replicas) < len(partition.replicas) or len(isr) < len(partition.isr)):
            error = ErrorCode.REPLICA_NOT_AVAILABLE
    return MetadataResponse.MetadataResponsePartition(
        error_code=error,
        partition_index=index,
        leader_id=leader_id,
        leader_epoch=partition.leader_epoch,
        replica_nodes=replicas,
        isr_nodes=isr,
        offline_replicas=cluster_view.offline_replicas(image, partition, listener_name),
    )
