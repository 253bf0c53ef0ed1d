"""Produce (API key 0), versions 3-13: append a batch to each of the named partitions.

First every batch is checked, which needs nothing of the log; then all are appended, one after the other, with nothing
in between: so batches of a connection enter the log in the order they came, and a refusal of one partition leaves the
others alone. With acks=0 and 1 the answer is at once (with flush.messages=1: when the disk has it), with acks=-1 when
every in-sync replica has it. acks=0 is never answered; an error there closes the connection, which is how such a
client learns of it.

What takes long is done off the loop, and holds the connection: compressing anew, batches that decompress to a lot.
Large requests are checked in slices. Topics go by id from version 13; before that, a topic id is looked up by name.
Versions 0-2 are advertised and refused (see `protocol.apis`). Transactional batches are refused, since transactions
are not served.

Counterpart: KafkaApis.handleProduceRequest, ReplicaManager.appendRecords; KIP-98, KIP-467 (record errors), KIP-951.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from broker.controller.topic_names import INTERNAL_TOPICS
from broker.handlers.context import HandlerResult, RequestContext, then
from broker.handlers.leaders import Leaders
from broker.replication.delayed import DelayedProduce, OffsetQueue, Settle
from broker.replication.replica import ACKS_ALL, Replica
from broker.server.connection import CloseConnection
from protocol.compiler import shared_default
from protocol.errors import ApiError, ErrorCode
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.records.batch import CURRENT_MAGIC, LOG_OVERHEAD_BYTES
from storage.log import AppendInfo
from storage.validation import (
    RecordValidationError,
    ValidatedAppend,
    prepare_append,
    prepare_plain,
    recompresses,
)

PartitionResponse = ProduceResponse.PartitionProduceResponse

TOPIC_ID_VERSION: Final = 13
ZSTD_VERSION: Final = 7
LEADER_ENDPOINTS_VERSION: Final = 10
ADMIN_CLIENT_ID: Final = "__admin_client"
"""The one client that may write to internal topics, as in Kafka."""
SLICE_BYTES: Final = 2 * 1024 * 1024
"""What is checked at a stretch."""
CHECKS_LANE: Final = "checks"
CHECK_THREADS: Final = 2
"""Each may need twice barnabas.decompressed.batch.max.bytes. Threads of their own: whoever sends bombs holds up others
who send large batches, and nobody else."""

_REFUSED_BY_THE_LOG: Final = frozenset(
    {
        ErrorCode.INVALID_RECORD,
        ErrorCode.INVALID_TIMESTAMP,
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.INVALID_PRODUCER_EPOCH,
    }
)
"""Of a single batch: these errors come with where the log begins, as in Kafka."""
_NO_FAILURES: Final = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)
"""Refusals that Kafka does not count among failed requests."""
_MAGIC: Final = 16
_ATTRIBUTES_LOW_BYTE: Final = 22
_TRANSACTIONAL: Final = 0x10
_COMPRESSION: Final = 0x07

_ANSWERED_ACKS: Final = (-1, 1)
_NO_RECORDS: Final = memoryview(b"")
# Shared by all partitions that do not set it; nothing ever changes it.
_NO_LEADER: Final = shared_default(PartitionResponse, "current_leader")
_NOT_LEADER: Final = int(ErrorCode.NOT_LEADER_OR_FOLLOWER)


class _Append:
    """A partition's batch on its way."""

    __slots__ = ("batch", "records", "replica", "response", "wait_offset", "wait_queue")

    def __init__(self, response: PartitionResponse, replica: Replica, records: memoryview) -> None:
        self.response = response
        self.replica = replica
        self.records = records
        self.batch: ValidatedAppend | None = None
        self.wait_queue: OffsetQueue | None = None
        self.wait_offset = 0


def handle(request: ProduceRequest, context: RequestContext) -> HandlerResult:
    topics = request.topic_data
    if len(topics) == 1 and len(topics[0].partition_data) == 1:
        answer = _handle_plain(request, context)
        if answer is not None:
            return answer
    response, appends = _plan(request, context)
    now_ms = context.node.clock.wall_ms()
    allow_zstd = context.api_version >= ZSTD_VERSION
    size = 0
    for append in appends:
        rules = append.replica.settings.rules
        size += len(append.records)
        if (
            (size > SLICE_BYTES and append is not appends[0])
            or (rules.compression is not None and recompresses(append.records, rules))
            or not _prepare(append, now_ms, allow_zstd)
        ):
            return _handle_slowly(request, context, response, appends)
    return _append_all(request.acks, request.timeout_ms, context, response, appends, now_ms)


def _handle_plain(request: ProduceRequest, context: RequestContext) -> ProduceResponse | asyncio.Future[Any] | None:
    """What all the steps below come to for a plain batch to one partition, which small requests nearly always are: what
    they cost is the number of calls. None, and nothing is done, if there is anything else to it."""
    (topic,) = request.topic_data
    (data,) = topic.partition_data
    acks, node, records = request.acks, context.node, data.records
    replicas = node.replicas
    name: str | None = topic.name
    by_id = context.api_version >= TOPIC_ID_VERSION
    if by_id:
        name = node.metadata.topic_name(topic.topic_id)
    if name is None or name in INTERNAL_TOPICS or acks not in _ANSWERED_ACKS or records is None:
        return None
    replica = replicas.find(name, data.index)
    if (
        replica is None
        or (by_id and replica.topic_id != topic.topic_id)
        or not replica.state.is_leader
        or replica.writes is not None
        or replicas.slow_directories.slow
    ):
        return None
    now_ms = node.clock.wall_ms()
    batch = prepare_plain(records, replica.settings.rules, now_ms)  # type: ignore[arg-type]
    if batch is None:
        return None
    response = PartitionResponse(index=data.index, base_offset=-1, current_leader=_NO_LEADER)
    whole = ProduceResponse(
        responses=[
            ProduceResponse.TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=[response]
            )
        ]
    )
    try:
        info = replica.append(batch, acks, now_ms)
    except Exception as error:
        append = _Append(response, replica, records)  # type: ignore[arg-type]
        append.batch = batch
        _append_failed(append, error)
        return _finished(whole, context)
    if replica.log.high_watermark <= info.last_offset or replica.settings.is_synced:
        append = _Append(response, replica, records)  # type: ignore[arg-type]
        _appended(append, info, acks)
        return _answer(acks, request.timeout_ms, context, whole, [append])
    response.base_offset = info.first_offset
    response.log_append_time_ms = info.log_append_time
    response.log_start_offset = info.log_start_offset
    if acks == ACKS_ALL:
        response.error_code = replica.state.acknowledgement
    return whole


async def _handle_slowly(
    request: ProduceRequest, context: RequestContext, response: ProduceResponse, appends: list[_Append]
) -> ProduceResponse | asyncio.Future[Any] | None:
    """Prepares what is not prepared yet, off the loop, and then goes on as always."""
    now_ms = context.node.clock.wall_ms()
    allow_zstd = context.api_version >= ZSTD_VERSION
    for append in appends:
        if append.batch is None and not append.response.error_code:
            lane = context.node.executor.lane(CHECKS_LANE, CHECK_THREADS)
            await lane.run(_prepare_fully, append, now_ms, allow_zstd)
    return _append_all(request.acks, request.timeout_ms, context, response, appends, now_ms)


# Which partitions.


def _plan(request: ProduceRequest, context: RequestContext) -> tuple[ProduceResponse, list[_Append]]:
    """The response as it will be sent, with refusals filled in, and what is to be appended for the rest of it."""
    version, replicas = context.api_version, context.node.replicas
    find = replicas.find
    by_id = version >= TOPIC_ID_VERSION
    acks_are_valid = -1 <= request.acks <= 1
    may_write_internal = context.client_id == ADMIN_CLIENT_ID
    appends: list[_Append] = []
    topics: list[ProduceResponse.TopicProduceResponse] = []
    for topic in request.topic_data:
        partitions: list[PartitionResponse] = []
        name: str | None = topic.name
        if by_id:
            name = context.node.metadata.topic_name(topic.topic_id)
        forbidden = ErrorCode.NONE
        if not acks_are_valid:
            forbidden = ErrorCode.INVALID_REQUIRED_ACKS
        elif name in INTERNAL_TOPICS and not may_write_internal:
            forbidden = ErrorCode.INVALID_TOPIC_EXCEPTION
        for data in topic.partition_data:
            response = PartitionResponse(index=data.index, base_offset=-1, current_leader=_NO_LEADER)
            partitions.append(response)
            if name is None:
                response.error_code = ErrorCode.UNKNOWN_TOPIC_ID
                continue
            replica = find(name, data.index)
            if replica is None:
                why = replicas.why_missing(name, data.index)
                # What is forbidden is so wherever the partition is, and is not to be tried there.
                is_known = why != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                response.error_code = forbidden if forbidden and is_known else why
            elif by_id and replica.topic_id != topic.topic_id:
                response.error_code = ErrorCode.UNKNOWN_TOPIC_ID
            elif forbidden:
                response.error_code = forbidden
            elif not replica.state.is_leader:
                response.error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER
            else:
                records: Any = data.records
                appends.append(_Append(response, replica, _NO_RECORDS if records is None else records))
        if partitions:
            topics.append(
                ProduceResponse.TopicProduceResponse(
                    name=topic.name, topic_id=topic.topic_id, partition_responses=partitions
                )
            )
    return ProduceResponse(responses=topics), appends


# Checking, which needs nothing of the log's state.


def _prepare(append: _Append, now_ms: int, allow_zstd: bool) -> bool:
    """False if it has to be done off the loop."""
    records, settings = append.records, append.replica.settings
    if len(records) > _ATTRIBUTES_LOW_BYTE and records[_ATTRIBUTES_LOW_BYTE] & _TRANSACTIONAL:
        _refuse(append, ApiError(ErrorCode.INVALID_TXN_STATE, "this broker does not serve transactions"))
        return True
    try:
        append.batch = prepare_append(records, settings.rules_on_loop, now_ms=now_ms, allow_zstd=allow_zstd)
    except RecordValidationError as error:
        is_compressed = len(records) > _ATTRIBUTES_LOW_BYTE and records[_ATTRIBUTES_LOW_BYTE] & _COMPRESSION
        if error.code == ErrorCode.INVALID_RECORD and is_compressed and not error.record_errors:
            # Perhaps it is but larger than the limit for the loop.
            return False
        _refuse(append, error)
    return True


def _prepare_fully(append: _Append, now_ms: int, allow_zstd: bool) -> None:
    """On an executor: as `_prepare`, with the limits as configured."""
    try:
        append.batch = prepare_append(
            append.records, append.replica.settings.rules, now_ms=now_ms, allow_zstd=allow_zstd
        )
    except RecordValidationError as error:
        _refuse(append, error)


# Appending.


def _append_all(
    acks: int, timeout_ms: int, context: RequestContext, response: ProduceResponse, appends: list[_Append], now_ms: int
) -> ProduceResponse | asyncio.Future[Any] | None:
    queued: list[tuple[_Append, asyncio.Future[AppendInfo]]] = []
    for append in appends:
        if append.batch is not None:
            future = _append(append, append.batch, acks, now_ms)
            if future is not None:
                queued.append((append, future))
    if queued:
        context.retains_request = True
        return asyncio.get_running_loop().create_task(
            _finish_queued(acks, timeout_ms, context, response, appends, queued)
        )
    return _answer(acks, timeout_ms, context, response, appends)


async def _finish_queued(
    acks: int,
    timeout_ms: int,
    context: RequestContext,
    response: ProduceResponse,
    appends: list[_Append],
    queued: list[tuple[_Append, asyncio.Future[AppendInfo]]],
) -> ProduceResponse | None:
    """Where a directory is slow: every batch has its place in the order, and is written by and by."""
    for append, future in queued:
        try:
            _appended(append, await future, acks)
        except ApiError as error:
            _refuse(append, error)
        except Exception:
            append.response.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    answer = _answer(acks, timeout_ms, context, response, appends)
    return await answer if isinstance(answer, asyncio.Future) else answer


def _answer(
    acks: int, timeout_ms: int, context: RequestContext, response: ProduceResponse, appends: list[_Append]
) -> ProduceResponse | asyncio.Future[Any] | None:
    if acks == 0:
        _check_unanswered(response, context)
        return None
    waiting = [append for append in appends if append.wait_queue is not None]
    if not waiting:
        return _finished(response, context)
    delayed = DelayedProduce(asyncio.get_running_loop(), timeout_ms / 1000)
    for append in waiting:
        assert append.wait_queue is not None
        delayed.wait_for(append.wait_queue, append.wait_offset, _settle(append.response))
    return then(delayed.future, lambda _: _finished(response, context))


def _append(append: _Append, batch: ValidatedAppend, acks: int, now_ms: int) -> asyncio.Future[AppendInfo] | None:
    """A future where the append is put off."""
    try:
        info = append.replica.append_in_turn(batch, acks, now_ms)
    except Exception as error:
        _append_failed(append, error)
        return None
    if isinstance(info, asyncio.Future):
        return info
    _appended(append, info, acks)
    return None


def _append_failed(append: _Append, error: Exception) -> None:
    if isinstance(error, ApiError):
        _refuse(append, error)
    else:
        # The disk failed, or the state of the log is in doubt: it is offline by now, and the reason has been logged.
        append.response.error_code = ErrorCode.KAFKA_STORAGE_ERROR


def _appended(append: _Append, info: AppendInfo, acks: int) -> None:
    replica, response = append.replica, append.response
    response.base_offset = info.first_offset
    response.log_append_time_ms = info.log_append_time
    response.log_start_offset = info.log_start_offset
    end_offset = info.last_offset + 1
    if acks == ACKS_ALL:
        if replica.log.high_watermark < end_offset:
            append.wait_queue, append.wait_offset = replica.high_watermark_waiters, end_offset
        else:
            response.error_code = replica.state.acknowledgement
    elif replica.settings.is_synced and replica.log.recovery_point < end_offset:
        append.wait_queue, append.wait_offset = replica.sync_waiters, end_offset


def _settle(response: PartitionResponse) -> Settle:
    def settle(code: ErrorCode) -> None:
        response.error_code = code

    return settle


# Answering.


def _refuse(append: _Append, error: ApiError) -> None:
    response = append.response
    response.error_code = error.code
    _count_refusal(append, error)
    if error.code in _REFUSED_BY_THE_LOG and _is_one_batch(append.records):
        response.log_start_offset = append.replica.log.log_start_offset
    if isinstance(error, RecordValidationError):
        response.error_message = error.message
        response.record_errors = [
            ProduceResponse.BatchIndexAndErrorMessage(
                batch_index=each.batch_index, batch_index_error_message=each.message
            )
            for each in error.record_errors
        ]


def _count_refusal(append: _Append, error: ApiError) -> None:
    stats = append.replica.stats
    if append.batch is None:
        stats.total_produce_requests += 1  # The replica, which counts the others, has not seen it.
    if error.code not in _NO_FAILURES:
        stats.failed_produce_requests += 1
    if error.code == ErrorCode.MESSAGE_TOO_LARGE:
        stats.bytes_rejected += len(append.records)
    if isinstance(error, RecordValidationError) and error.meter is not None:
        stats.invalid_records[error.meter] = stats.invalid_records.get(error.meter, 0) + 1


def _is_one_batch(records: memoryview) -> bool:
    if len(records) <= _ATTRIBUTES_LOW_BYTE or records[_MAGIC] != CURRENT_MAGIC:
        return False
    return int.from_bytes(records[8:12], "big") + LOG_OVERHEAD_BYTES == len(records)


def _check_unanswered(response: ProduceResponse, context: RequestContext) -> None:
    """With acks=0 there is no answer; that something went wrong is told by hanging up."""
    errors = {
        f"{topic.name or topic.topic_id.hex()}-{each.index}": ErrorCode(each.error_code).name
        for topic in response.responses
        for each in topic.partition_responses
        if each.error_code
    }
    if errors:
        raise CloseConnection(f"produce of client {context.client_id!r} with acks=0 failed: {errors}")


def _finished(response: ProduceResponse, context: RequestContext) -> ProduceResponse:
    """Names the leaders of partitions that are not led here."""
    leaders = None
    for topic in response.responses:
        for each in topic.partition_responses:
            if each.error_code == _NOT_LEADER and context.api_version >= LEADER_ENDPOINTS_VERSION:
                leaders = leaders or Leaders(context)
                name = topic.name or context.node.metadata.topic_name(topic.topic_id) or ""
                leader_id, leader_epoch = leaders.of(name, each.index)
                each.current_leader = ProduceResponse.LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch)
    if leaders is not None:
        response.node_endpoints = [
            ProduceResponse.NodeEndpoint(node_id=node_id, host=where.host, port=where.port, rack=rack)
            for node_id, where, rack in leaders.endpoints()
        ]
    return response
