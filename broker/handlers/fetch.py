"""Fetch (API key 1), versions 4-18: record batches for consumers and followers.

Opens the session (or none), reads, waits if there is too little, and answers with what is news to the session. Topics
go by id from version 13. A partition that this broker no longer leads is told where to (version 16, KIP-951). Clients
of versions up to 5 do not know KAFKA_STORAGE_ERROR and get NOT_LEADER_OR_FOLLOWER in its place.

Counterpart: KafkaApis.handleFetchRequest; KIP-74, KIP-227, KIP-320, KIP-392, KIP-516.
"""

from __future__ import annotations

from typing import Any

from broker.deferred import Deferred
from broker.handlers.context import HandlerResult, RequestContext, then
from broker.handlers.leaders import Leaders
from broker.metrics.counters import TopicStats
from broker.replication.fetch_session import Answers, FetchContext
from broker.replication.fetching import READ_COMMITTED, FetchParams
from protocol.errors import ErrorCode
from protocol.messages.fetch import FetchRequest, FetchResponse

REPLICA_STATE_VERSION = 15
CLIENT_METADATA_VERSION = 11
STORAGE_ERROR_VERSION = 6
LEADER_ENDPOINTS_VERSION = 16


def handle(request: FetchRequest, context: RequestContext) -> HandlerResult:
    node, version = context.node, context.api_version
    params = _params(request, version, node.config.fetch_max_bytes, context.listener_name)
    session = node.fetch_sessions.open(request, version, node.metadata.topic_name, is_follower=params.replica_id >= 0)
    if session.error != ErrorCode.NONE or not session.partitions:
        return _response(session, params, [], context)
    answers = node.replicas.fetch(params, session.partitions)
    if isinstance(answers, list):
        return _response(session, params, answers, context)
    if isinstance(answers, Deferred):
        return answers.map(lambda answers: _response(session, params, answers, context))
    return then(answers, lambda answers: _response(session, params, answers, context))


def _params(request: FetchRequest, version: int, fetch_max_bytes: int, listener_name: str) -> FetchParams:
    replica_id, replica_epoch = request.replica_id, -1
    if version >= REPLICA_STATE_VERSION:
        replica_id, replica_epoch = request.replica_state.replica_id, request.replica_state.replica_epoch
    max_bytes = min(request.max_bytes, fetch_max_bytes)
    return FetchParams(
        replica_id=replica_id,
        replica_epoch=replica_epoch,
        max_bytes=max_bytes,
        min_bytes=min(request.min_bytes, max_bytes),
        max_wait_ms=request.max_wait_ms,
        is_read_committed=request.isolation_level == READ_COMMITTED,
        has_client_metadata=version >= CLIENT_METADATA_VERSION,
        rack=request.rack_id,
        listener_name=listener_name,
    )


def _response(session: FetchContext, params: FetchParams, answers: Answers, context: RequestContext) -> FetchResponse:
    error, session_id, answers = session.finish(answers)
    topics_stats = context.node.replicas.topics_stats.by_name
    leaders = None
    topics: list[FetchResponse.FetchableTopicResponse] = []
    topic = None
    for asked, data in answers:
        if data.error_code:
            leaders = leaders or Leaders(context)
            _adapt_error(asked.topic, data, leaders, context.api_version)
        elif data.records and asked.topic in topics_stats:
            _count_out(topics_stats[asked.topic], data.records, params)
        if topic is None or topic.topic_id != asked.topic_id or topic.topic != (asked.topic or ""):
            topic = FetchResponse.FetchableTopicResponse(
                topic=asked.topic or "", topic_id=asked.topic_id, partitions=[data]
            )
            topics.append(topic)
        else:
            topic.partitions.append(data)
    response = FetchResponse(error_code=error, session_id=session_id, responses=topics)
    if leaders is not None:
        response.node_endpoints = [
            FetchResponse.NodeEndpoint(node_id=node_id, host=where.host, port=where.port, rack=rack)
            for node_id, where, rack in leaders.endpoints()
        ]
    return response


def _count_out(stats: TopicStats, records: Any, params: FetchParams) -> None:
    size = records[0].size if isinstance(records, list) else len(records)
    if params.replica_id >= 0:
        stats.replication_bytes_out += size
    else:
        stats.bytes_out += size


def _adapt_error(topic: str | None, data: FetchResponse.PartitionData, leaders: Leaders, version: int) -> None:
    code = data.error_code
    if code == ErrorCode.KAFKA_STORAGE_ERROR and version < STORAGE_ERROR_VERSION:
        data.error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER
    if (
        version >= LEADER_ENDPOINTS_VERSION
        and topic is not None
        and code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)
    ):
        leader_id, leader_epoch = leaders.of(topic, data.partition_index)
        data.current_leader = FetchResponse.LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch)
