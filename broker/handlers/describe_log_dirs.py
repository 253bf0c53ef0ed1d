"""DescribeLogDirs (API key 35), versions 1-5: the log directories of this broker, with the sizes of what is in them.

Null asks for all partitions, a list for those that it names; directories come in any case, one that has failed with
KAFKA_STORAGE_ERROR. Version 4 tells the size of the volume and what is left of it (KIP-827), version 5 which
directories get no new partitions (KIP-1066). Counterpart: ReplicaManager.describeLogDirs (KIP-113).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from broker.handlers.context import HandlerResult, RequestContext, then
from broker.replication.replica_manager import ReplicaManager
from protocol.errors import ErrorCode
from protocol.ids import TopicPartition
from protocol.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse
from storage.directory import LogDirectory
from storage.log import Log

Result = DescribeLogDirsResponse.DescribeLogDirsResult
Topic = DescribeLogDirsResponse.DescribeLogDirsTopic
Partition = DescribeLogDirsResponse.DescribeLogDirsPartition
Usage = tuple[int, int]
IsAsked = Callable[[TopicPartition], bool]

LAG_UNKNOWN: Final = -1
USAGE_VERSION: Final = 4
CORDONED_VERSION: Final = 5


def handle(request: DescribeLogDirsRequest, context: RequestContext) -> HandlerResult:
    replicas, version = context.node.replicas, context.api_version
    asked = _asked(request)
    results: dict[str, Result] = {}
    for path, directory in replicas.directories.directories.items():
        results[path] = _result(directory, replicas, asked)
        if version >= CORDONED_VERSION:
            results[path].is_cordoned = _is_cordoned(path, context)
    response = DescribeLogDirsResponse(results=list(results.values()))
    if version < USAGE_VERSION:
        return response
    online = [path for path, result in results.items() if result.error_code == ErrorCode.NONE]
    usages = (context.node.executor.lane(f"{path}:read").run(replicas.directories.disk_usage, path) for path in online)

    def with_usage(found: list[Usage | BaseException]) -> DescribeLogDirsResponse:
        for path, usage in zip(online, found, strict=True):
            if isinstance(usage, BaseException):
                results[path].error_code = ErrorCode.KAFKA_STORAGE_ERROR
                results[path].topics = []
            else:
                results[path].total_bytes, results[path].usable_bytes = usage
        return response

    return then(asyncio.gather(*usages, return_exceptions=True), with_usage)


def _asked(request: DescribeLogDirsRequest) -> IsAsked:
    if request.topics is None:
        return lambda _: True
    named = {(topic.topic, partition) for topic in request.topics for partition in topic.partitions}
    return lambda topic_partition: topic_partition in named


def _result(directory: LogDirectory, replicas: ReplicaManager, is_asked: IsAsked) -> Result:
    if not directory.is_online:
        return Result(log_dir=directory.path, error_code=ErrorCode.KAFKA_STORAGE_ERROR)
    topics: dict[str, Topic] = {}
    for logs, is_future in ((replicas.directories.logs, False), (replicas.directories.future_logs, True)):
        for (name, index), log in logs.items():
            if log.log_dir == directory.path and is_asked(log.topic_partition):
                topic = topics.setdefault(name, Topic(name=name))
                topic.partitions.append(
                    Partition(
                        partition_index=index,
                        partition_size=log.size_bytes,
                        offset_lag=_lag(log, replicas, is_future=is_future),
                        is_future_key=is_future,
                    )
                )
    return Result(log_dir=directory.path, topics=list(topics.values()))


def _lag(log: Log, replicas: ReplicaManager, *, is_future: bool) -> int:
    """How far a future log is behind the one it will replace; how far another is behind what is committed."""
    replica = replicas.find(*log.topic_partition)
    if replica is None:
        return LAG_UNKNOWN
    if is_future:
        return replica.log.log_end_offset - log.log_end_offset
    return max(replica.log.high_watermark - log.log_end_offset, 0)


def _is_cordoned(path: str, context: RequestContext) -> bool:
    metadata_version = context.node.metadata.image.features.metadata_version
    return metadata_version.is_cordoned_log_dirs_supported and path in context.node.config.cordoned_log_dirs
