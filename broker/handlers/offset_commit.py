"""OffsetCommit (API key 8), versions 2-10: a group's positions are stored.

Only positions in partitions that exist are taken; topics go by id from version 10 (KIP-848). Counterpart:
KafkaApis.handleOffsetCommitRequest.
"""

from __future__ import annotations

from typing import Final

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from broker.handlers.group_requests import answered, client_of
from broker.metadata.image import TopicImage
from protocol.errors import ErrorCode
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse

TOPIC_ID_VERSION: Final = 10

RequestTopic = OffsetCommitRequest.OffsetCommitRequestTopic
ResponseTopic = OffsetCommitResponse.OffsetCommitResponseTopic


def handle(request: OffsetCommitRequest, context: RequestContext) -> Answer[OffsetCommitResponse]:
    topics = context.node.metadata.image.topics
    uses_ids = context.api_version >= TOPIC_ID_VERSION
    accepted: list[RequestTopic] = []
    refused: list[ResponseTopic] = []
    for topic in request.topics:
        image = topics.by_id.get(topic.topic_id) if uses_ids else topics.by_name.get(topic.name)
        if image is None:
            error = ErrorCode.UNKNOWN_TOPIC_ID if uses_ids else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            refused.append(_refused(topic, topic.name, topic.partitions, error))
            continue
        known, unknown = _split(topic, image)
        if unknown:
            refused.append(_refused(topic, image.name, unknown, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
        if known:
            accepted.append(RequestTopic(name=image.name, topic_id=topic.topic_id, partitions=known))
    if not accepted:
        return OffsetCommitResponse(topics=refused)
    checked = OffsetCommitRequest(
        group_id=request.group_id,
        generation_id_or_member_epoch=request.generation_id_or_member_epoch,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        retention_time_ms=request.retention_time_ms,
        topics=accepted,
    )
    answer = context.node.groups.commit_offsets(client_of(context), checked)
    return answered(answer, lambda response: _with_refused(response, refused))


def _split(
    topic: RequestTopic, image: TopicImage
) -> tuple[
    list[OffsetCommitRequest.OffsetCommitRequestPartition], list[OffsetCommitRequest.OffsetCommitRequestPartition]
]:
    known = [partition for partition in topic.partitions if partition.partition_index in image.partitions]
    unknown = [partition for partition in topic.partitions if partition.partition_index not in image.partitions]
    return known, unknown


def _refused(
    topic: RequestTopic,
    name: str,
    partitions: list[OffsetCommitRequest.OffsetCommitRequestPartition],
    error: ErrorCode,
) -> ResponseTopic:
    return ResponseTopic(
        name=name,
        topic_id=topic.topic_id,
        partitions=[
            OffsetCommitResponse.OffsetCommitResponsePartition(
                partition_index=partition.partition_index, error_code=error
            )
            for partition in partitions
        ],
    )


def _with_refused(response: OffsetCommitResponse, refused: list[ResponseTopic]) -> OffsetCommitResponse:
    """One entry a topic, though some of its partitions were refused here and others taken by the coordinator."""
    topics = {(topic.topic_id, topic.name): topic for topic in refused}
    for topic in response.topics:
        present = topics.setdefault((topic.topic_id, topic.name), topic)
        if present is not topic:
            present.partitions += topic.partitions
    response.topics = list(topics.values())
    return response
