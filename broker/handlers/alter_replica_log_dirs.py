"""AlterReplicaLogDirs (API key 34), versions 1-2: has partitions lie in another log directory of this broker (KIP-113).

The answer says whether a move was begun; DescribeLogDirs, how far it is. Counterpart:
ReplicaManager.alterReplicaLogDirs.
"""

from __future__ import annotations

from broker.handlers.context import RequestContext
from protocol.errors import ApiError, ErrorCode
from protocol.ids import TopicPartition
from protocol.messages.alter_replica_log_dirs import AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse

Topic = AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult
Partition = AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult


def handle(request: AlterReplicaLogDirsRequest, context: RequestContext) -> AlterReplicaLogDirsResponse:
    topics: dict[str, Topic] = {}
    for topic_partition, path in _asked(request).items():
        topic = topics.setdefault(topic_partition.topic, Topic(topic_name=topic_partition.topic))
        code = _move(topic_partition, path, context)
        topic.partitions.append(Partition(partition_index=topic_partition.partition, error_code=code))
    return AlterReplicaLogDirsResponse(results=list(topics.values()))


def _asked(request: AlterReplicaLogDirsRequest) -> dict[TopicPartition, str]:
    """Paths by partition; the last one counts."""
    return {
        TopicPartition(topic.name, partition): directory.path
        for directory in request.dirs
        for topic in directory.topics
        for partition in topic.partitions
    }


def _move(topic_partition: TopicPartition, path: str, context: RequestContext) -> ErrorCode:
    try:
        if path in context.node.config.cordoned_log_dirs:
            raise ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"{path} is cordoned")
        context.node.replicas.moves.move(topic_partition, path)
    except ApiError as error:
        return error.code
    return ErrorCode.NONE
