"""OffsetFetch (API key 9), versions 1-10: the positions that groups have stored.

One group before version 8, any number since (KIP-709); null topics ask for all that there is; topics go by id from
version 10. Counterpart: KafkaApis.handleOffsetFetchRequest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from broker.coordinator.group.group_coordinator import Answer
from broker.handlers.context import RequestContext
from broker.handlers.group_requests import answered, client_of
from broker.metadata.image import TopicsImage
from protocol.errors import ErrorCode
from protocol.ids import ZERO_UUID
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse

BATCH_VERSION: Final = 8
TOPIC_ID_VERSION: Final = 10
INVALID_OFFSET: Final = -1

RequestGroup = OffsetFetchRequest.OffsetFetchRequestGroup
RequestTopic = OffsetFetchRequest.OffsetFetchRequestTopics
ResponseGroup = OffsetFetchResponse.OffsetFetchResponseGroup
ResponseTopic = OffsetFetchResponse.OffsetFetchResponseTopics


def handle(request: OffsetFetchRequest, context: RequestContext) -> Answer[OffsetFetchResponse]:
    if context.api_version >= BATCH_VERSION:
        answers = [_fetch(group, request.require_stable, context) for group in request.groups]
        return answered(_all(answers), lambda groups: OffsetFetchResponse(groups=groups))
    topics = None
    if request.topics is not None:
        topics = [RequestTopic(name=each.name, partition_indexes=each.partition_indexes) for each in request.topics]
    group = RequestGroup(group_id=request.group_id, topics=topics)
    return answered(_fetch(group, request.require_stable, context), _of_one_group)


def _fetch(group: RequestGroup, require_stable: bool, context: RequestContext) -> Answer[ResponseGroup]:
    topics = context.node.metadata.image.topics
    uses_ids = context.api_version >= TOPIC_ID_VERSION
    unknown: list[ResponseTopic] = []
    if group.topics is not None and uses_ids:
        unknown = [_unknown(topic) for topic in group.topics if topic.topic_id not in topics.by_id]
        known = [
            RequestTopic(
                name=topics.by_id[topic.topic_id].name,
                topic_id=topic.topic_id,
                partition_indexes=topic.partition_indexes,
            )
            for topic in group.topics
            if topic.topic_id in topics.by_id
        ]
        group = RequestGroup(
            group_id=group.group_id, member_id=group.member_id, member_epoch=group.member_epoch, topics=known
        )
    is_all = group.topics is None

    def respond(response: ResponseGroup) -> ResponseGroup:
        if response.error_code:
            return response
        if is_all and uses_ids:
            response.topics = _with_ids(response.topics, topics)
        response.topics += unknown
        return response

    return answered(context.node.groups.fetch_offsets(client_of(context), group, require_stable), respond)


def _unknown(topic: RequestTopic) -> ResponseTopic:
    return ResponseTopic(
        topic_id=topic.topic_id,
        partitions=[
            OffsetFetchResponse.OffsetFetchResponsePartitions(
                partition_index=index, committed_offset=INVALID_OFFSET, error_code=ErrorCode.UNKNOWN_TOPIC_ID
            )
            for index in topic.partition_indexes
        ],
    )


def _with_ids(fetched: list[ResponseTopic], topics: TopicsImage) -> list[ResponseTopic]:
    """Topics that exist no more have no id, and so no place in the response."""
    named = []
    for topic in fetched:
        image = topics.by_name.get(topic.name)
        if topic.topic_id == ZERO_UUID and image is not None:
            topic.topic_id = image.id
        if topic.topic_id != ZERO_UUID:
            named.append(topic)
    return named


def _all(answers: Sequence[Answer[ResponseGroup]]) -> Answer[list[ResponseGroup]]:
    async def collect() -> list[ResponseGroup]:
        return [await answer if isinstance(answer, asyncio.Future) else answer for answer in answers]

    if any(isinstance(answer, asyncio.Future) for answer in answers):
        return asyncio.get_running_loop().create_task(collect())
    return list(cast(Sequence[ResponseGroup], answers))


def _of_one_group(group: ResponseGroup) -> OffsetFetchResponse:
    return OffsetFetchResponse(
        error_code=group.error_code,
        topics=[
            OffsetFetchResponse.OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponse.OffsetFetchResponsePartition(
                        partition_index=partition.partition_index,
                        committed_offset=partition.committed_offset,
                        committed_leader_epoch=partition.committed_leader_epoch,
                        metadata=partition.metadata,
                        error_code=partition.error_code,
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in group.topics
        ],
    )
