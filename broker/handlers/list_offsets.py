"""ListOffsets (API key 2), versions 1-11: offsets by what they mean, or by time.

    -1  the end: high watermark, or last stable offset for read_committed
    -2  the start of the log; -4 the same of its local part (version 8): all of it is local
    -3  the first record with the largest timestamp (version 7)
    -5  the end of the tiered part (version 9), -6 the start of what is to be tiered (version 11): there is no such part
     t  the first record at or after the timestamp, -1 if there is none

A consumer is told nothing beyond the end that it may read to. Right after an election the high watermark may be older
than what the leader before had announced: until it has reached the start of the leader's epoch, the end and offsets
beyond it are OFFSET_NOT_AVAILABLE (KIP-207). Searches by time read from disk, on executors.

Counterpart: ReplicaManager.fetchOffset, Partition.fetchOffsetForTimestamp; KIP-79, KIP-734, KIP-405, KIP-1005,
KIP-1023.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from broker.handlers.context import HandlerResult, RequestContext
from broker.replication.replica import Replica
from broker.replication.replica_manager import READ_THREADS
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
from storage.log import NO_TIMESTAMP, TimestampAndOffset

log = logging.getLogger(__name__)

LATEST: Final = -1
EARLIEST: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL: Final = -4
LATEST_TIERED: Final = -5
EARLIEST_PENDING_UPLOAD: Final = -6

_SINCE_VERSION: Final = {
    LATEST: 1,
    EARLIEST: 1,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING_UPLOAD: 11,
}
_NOTHING_TIERED: Final = TimestampAndOffset(NO_TIMESTAMP, -1, -1)

CONSUMER_ID: Final = -1
DEBUGGING_ID: Final = -2
READ_COMMITTED: Final = 1
LEADER_EPOCH_VERSION: Final = 4
OFFSET_NOT_AVAILABLE_VERSION: Final = 5

Asked = ListOffsetsRequest.ListOffsetsPartition
Answer = ListOffsetsResponse.ListOffsetsPartitionResponse


class _Search(NamedTuple):
    """A look-up that reads from disk, and the answer that waits for it."""

    replica: Replica
    asked: Asked
    answer: Answer
    end_offset: int
    """What may be told lies below."""
    is_behind: bool


def handle(request: ListOffsetsRequest, context: RequestContext) -> HandlerResult:
    counts = Counter((topic.name, asked.partition_index) for topic in request.topics for asked in topic.partitions)
    searches: list[_Search] = []
    response = ListOffsetsResponse(topics=[])
    for topic in request.topics:
        answers = []
        for asked in topic.partitions:
            if counts[topic.name, asked.partition_index] == 0:
                continue  # a duplicate, answered at its first mention
            answer = Answer(partition_index=asked.partition_index)
            answers.append(answer)
            try:
                if counts[topic.name, asked.partition_index] > 1:
                    counts[topic.name, asked.partition_index] = 0
                    raise ApiError(ErrorCode.INVALID_REQUEST)
                replica = context.node.replicas.replica(topic.name, asked.partition_index)
                search = _look_up(replica, request, asked, answer, context.api_version)
                if search is not None:
                    searches.append(search)
            except ApiError as error:
                answer.error_code = _code(error.code, context.api_version)
        if answers:
            response.topics.append(ListOffsetsResponse.ListOffsetsTopicResponse(name=topic.name, partitions=answers))
    if searches:
        return _search_all(searches, response, context)
    return response


def _look_up(
    replica: Replica, request: ListOffsetsRequest, asked: Asked, answer: Answer, version: int
) -> _Search | None:
    """Fills the answer from memory, or says what to search."""
    timestamp = asked.timestamp
    if timestamp < 0 and version < _SINCE_VERSION.get(timestamp, version + 1):
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION)
    replica.check_epoch(asked.current_leader_epoch, leader_only=request.replica_id != DEBUGGING_ID)
    is_client = request.replica_id == CONSUMER_ID
    replica_log = replica.log
    if not is_client:
        end_offset = replica_log.log_end_offset
    elif request.isolation_level == READ_COMMITTED:
        end_offset = replica_log.last_stable_offset
    else:
        end_offset = replica_log.high_watermark
    epoch_start = replica.state.leader_epoch_start_offset
    is_behind = is_client and epoch_start is not None and epoch_start > replica_log.high_watermark
    match timestamp:
        case -1:
            if is_behind:
                raise ApiError(ErrorCode.OFFSET_NOT_AVAILABLE)
            _fill(answer, TimestampAndOffset(NO_TIMESTAMP, end_offset, replica.state.leader_epoch), version)
        case -2 | -4:
            _fill(answer, replica_log.earliest_offset(), version)
        case -5 | -6:
            _fill(answer, _NOTHING_TIERED, version)
        case _:
            return _Search(replica, asked, answer, end_offset, is_behind)
    return None


async def _search_all(
    searches: list[_Search], response: ListOffsetsResponse, context: RequestContext
) -> ListOffsetsResponse:
    executor = context.node.executor
    futures = []
    for search in searches:
        lane = executor.lane(f"{search.replica.log.log_dir}:read", READ_THREADS)
        futures.append(lane.run(_search(search)))
    for search, future in zip(searches, futures, strict=True):
        try:
            _fill_found(search, await future, context.api_version)
        except ApiError as error:
            search.answer.error_code = _code(error.code, context.api_version)
        except StorageError as error:
            search.replica.storage_failed(error)
            search.answer.error_code = ErrorCode.KAFKA_STORAGE_ERROR
        except Exception:
            log.exception("no offset of %s for %d", search.replica.topic_partition, search.asked.timestamp)
            search.answer.error_code = ErrorCode.UNKNOWN_SERVER_ERROR
    return response


def _search(search: _Search) -> Callable[[], TimestampAndOffset | None]:
    replica_log, limit = search.replica.log, search.replica.settings.rules.max_decompressed_bytes
    if search.asked.timestamp == MAX_TIMESTAMP:
        return lambda: replica_log.offset_of_max_timestamp(max_decompressed_bytes=limit)
    return lambda: replica_log.offset_for_timestamp(search.asked.timestamp, max_decompressed_bytes=limit)


def _fill_found(search: _Search, found: TimestampAndOffset | None, version: int) -> None:
    if found is not None and found.offset < search.end_offset:
        _fill(search.answer, found, version)
    elif search.is_behind:
        raise ApiError(ErrorCode.OFFSET_NOT_AVAILABLE)


def _fill(answer: Answer, found: TimestampAndOffset, version: int) -> None:
    answer.timestamp = found.timestamp
    answer.offset = found.offset
    if found.leader_epoch is not None and version >= LEADER_EPOCH_VERSION:
        answer.leader_epoch = found.leader_epoch


def _code(code: ErrorCode, version: int) -> ErrorCode:
    if code == ErrorCode.OFFSET_NOT_AVAILABLE and version < OFFSET_NOT_AVAILABLE_VERSION:
        return ErrorCode.LEADER_NOT_AVAILABLE
    return code
