"""OffsetDelete (API key 47), version 0: positions of topics that the group does not use are removed (KIP-496).

Counterpart: KafkaApis.handleOffsetDeleteRequest.
"""

from __future__ import annotations

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from broker.handlers.group_requests import answered
from protocol.errors import ErrorCode
from protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse

RequestTopic = OffsetDeleteRequest.OffsetDeleteRequestTopic
ResponseTopic = OffsetDeleteResponse.OffsetDeleteResponseTopic


def handle(request: OffsetDeleteRequest, context: RequestContext) -> Answer[OffsetDeleteResponse]:
    topics = context.node.metadata.image.topics.by_name
    known: list[RequestTopic] = []
    refused: list[ResponseTopic] = []
    for topic in request.topics:
        image = topics.get(topic.name)
        existing = {} if image is None else image.partitions
        present = [each for each in topic.partitions if each.partition_index in existing]
        missing = [each for each in topic.partitions if each.partition_index not in existing]
        if present:
            known.append(RequestTopic(name=topic.name, partitions=present))
        if missing:
            refused.append(_unknown(topic.name, [each.partition_index for each in missing]))
    answer = context.node.groups.delete_offsets(OffsetDeleteRequest(group_id=request.group_id, topics=known))
    return answered(answer, lambda response: _with_refused(response, refused))


def _unknown(name: str, indexes: list[int]) -> ResponseTopic:
    error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ResponseTopic(
        name=name,
        partitions=[
            OffsetDeleteResponse.OffsetDeleteResponsePartition(partition_index=index, error_code=error)
            for index in indexes
        ],
    )


def _with_refused(response: OffsetDeleteResponse, refused: list[ResponseTopic]) -> OffsetDeleteResponse:
    if response.error_code:
        return response
    topics = {topic.name: topic for topic in refused}
    for topic in response.topics:
        present = topics.setdefault(topic.name, topic)
        if present is not topic:
            present.partitions += topic.partitions
    response.topics = list(topics.values())
    return response
