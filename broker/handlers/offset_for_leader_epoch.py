"""OffsetForLeaderEpoch (API key 23), versions 2-4: where a leader epoch ended in this leader's log.

Followers and consumers compare it with what they have, to find where logs diverged (KIP-101, KIP-279, KIP-320). For an
epoch that is unknown the answer is about the largest one below.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from broker.replication.replica_manager import ReplicaManager
from protocol.errors import ApiError
from protocol.messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse

Asked = OffsetForLeaderEpochRequest.OffsetForLeaderPartition
Answer = OffsetForLeaderEpochResponse.EpochEndOffset


def handle(request: OffsetForLeaderEpochRequest, context: RequestContext) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[_answer(context.node.replicas, topic.topic, asked) for asked in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _answer(replicas: ReplicaManager, topic: str, asked: Asked) -> Answer:
    try:
        replica = replicas.replica(topic, asked.partition)
        replica.check_epoch(asked.current_leader_epoch, leader_only=True)
    except ApiError as error:
        return Answer(partition=asked.partition, error_code=error.code)
    end = replica.end_offset_for_epoch(asked.leader_epoch)
    return Answer(partition=asked.partition, leader_epoch=end.epoch, end_offset=end.offset)
