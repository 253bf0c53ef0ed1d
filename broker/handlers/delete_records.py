"""DeleteRecords (API key 21), versions 0-2: moves where partitions begin, so that what was before is served no more.

The offset -1 means the high watermark. The answer leaves when the new beginning is on disk here and every other replica
that is alive has it, or with REQUEST_TIMED_OUT. Segments that lie below go with the next round of retention. Internal
topics, and those that are compacted only, refuse (KIP-107). Counterpart: ReplicaManager.deleteRecords,
Partition.deleteRecordsOnLeader, DelayedDeleteRecords; there the beginning is on disk within a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from broker.controller.topic_names import is_internal
from broker.handlers.context import HandlerResult, RequestContext, then
from broker.replication.delayed import DelayedProduce
from broker.replication.replica import Replica
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsResponse

Answer = DeleteRecordsResponse.DeleteRecordsPartitionResult

NO_LOW_WATERMARK: Final = -1


class _Deletion:
    """Of one partition. `offset` is the one that is meant, once that is known."""

    __slots__ = ("answer", "offset", "replica")

    def __init__(self, replica: Replica, answer: Answer) -> None:
        self.replica = replica
        self.answer = answer
        self.offset: int | None = None


def handle(request: DeleteRecordsRequest, context: RequestContext) -> HandlerResult:
    response = DeleteRecordsResponse()
    deletions: list[_Deletion] = []
    busy: list[asyncio.Future[None]] = []
    for topic, offsets in _asked(request).items():
        result = DeleteRecordsResponse.DeleteRecordsTopicResult(name=topic)
        response.topics.append(result)
        for partition, offset in offsets.items():
            answer = Answer(partition_index=partition, low_watermark=NO_LOW_WATERMARK)
            result.partitions.append(answer)
            try:
                replica = _replica(topic, partition, context)
            except ApiError as error:
                answer.error_code = error.code
                continue
            deletion = _Deletion(replica, answer)
            deletions.append(deletion)
            if (waiting := _delete_when_idle(deletion, offset)) is not None:
                busy.append(waiting)
    if busy:
        return _finish_later(busy, deletions, request.timeout_ms, response, context)
    return _finish(deletions, request.timeout_ms, response, context)


def _asked(request: DeleteRecordsRequest) -> dict[str, dict[int, int]]:
    """Offsets by partition and topic. What is named twice counts as it was named last."""
    asked: dict[str, dict[int, int]] = {}
    for topic in request.topics:
        for each in topic.partitions:
            asked.setdefault(topic.name, {})[each.partition_index] = each.offset
    return asked


def _replica(topic: str, partition: int, context: RequestContext) -> Replica:
    found = context.node.metadata.image.topics.by_name.get(topic)
    if found is None or partition not in found.partitions:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if is_internal(topic):
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION)
    return context.node.replicas.replica(topic, partition)


def _delete_when_idle(deletion: _Deletion, offset: int) -> asyncio.Future[None] | None:
    """A future where a write to a slow disk is under way."""
    if not deletion.replica.is_writing:
        _delete(deletion, offset)
        return None
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def delete() -> None:
        _delete(deletion, offset)
        if not done.done():
            done.set_result(None)

    deletion.replica.when_idle(delete)
    return done


def _delete(deletion: _Deletion, offset: int) -> None:
    replica, answer = deletion.replica, deletion.answer
    try:
        if replica.is_stopped:
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        deletion.offset = replica.delete_records(offset)
        answer.low_watermark = replica.low_watermark
    except ApiError as error:
        answer.error_code = error.code
    except StorageError as error:
        replica.storage_failed(error)
        answer.error_code = ErrorCode.KAFKA_STORAGE_ERROR


async def _finish_later(
    busy: list[asyncio.Future[None]],
    deletions: list[_Deletion],
    timeout_ms: int,
    response: DeleteRecordsResponse,
    context: RequestContext,
) -> HandlerResult:
    await asyncio.gather(*busy)
    return _finish(deletions, timeout_ms, response, context)


def _finish(
    deletions: list[_Deletion], timeout_ms: int, response: DeleteRecordsResponse, context: RequestContext
) -> HandlerResult:
    """The effect is made; what is left is to wait."""
    made = [deletion for deletion in deletions if deletion.offset is not None]
    if not made:
        return response
    waits: list[asyncio.Future[None]] = [
        context.node.replicas.checkpoints.write(log_dir)
        for log_dir in dict.fromkeys(deletion.replica.log.log_dir for deletion in made)
    ]
    delayed: DelayedProduce | None = None
    for deletion in made:
        assert deletion.offset is not None
        if deletion.answer.low_watermark < deletion.offset:
            if delayed is None:
                delayed = DelayedProduce(asyncio.get_running_loop(), timeout_ms / 1000)
                waits.append(delayed.future)
            delayed.wait_for(deletion.replica.low_watermark_waiters, deletion.offset, _settle(deletion))
    return then(asyncio.gather(*waits), lambda _: _checked(made, response, context))


def _settle(deletion: _Deletion) -> Callable[[ErrorCode], None]:
    def settle(code: ErrorCode) -> None:
        answer = deletion.answer
        answer.error_code = code
        if code == ErrorCode.NONE:
            answer.low_watermark = deletion.replica.low_watermark
        elif code != ErrorCode.REQUEST_TIMED_OUT:
            answer.low_watermark = NO_LOW_WATERMARK

    return settle


def _checked(made: list[_Deletion], response: DeleteRecordsResponse, context: RequestContext) -> DeleteRecordsResponse:
    directories = context.node.replicas.directories
    for deletion in made:
        log = deletion.replica.log
        is_stored = log.failure is None and not directories.of(log).is_checkpoint_due
        if not is_stored and deletion.answer.error_code == ErrorCode.NONE:
            deletion.answer.error_code = ErrorCode.KAFKA_STORAGE_ERROR
            deletion.answer.low_watermark = NO_LOW_WATERMARK
    return response
