"""DescribeProducers (API key 61), version 0: who has appended to partitions hosted here, and what is open (KIP-664).

Counterpart: KafkaApis.handleDescribeProducersRequest, UnifiedLog.activeProducers.
"""

from __future__ import annotations

from broker.controller.topic_names import topic_name_problem
from broker.handlers.context import RequestContext
from broker.replication.replica_manager import ReplicaManager
from protocol.errors import ApiError, ErrorCode
from protocol.messages.describe_producers import DescribeProducersRequest, DescribeProducersResponse
from storage.producer_entry import ProducerStateEntry

Partition = DescribeProducersResponse.PartitionResponse
Producer = DescribeProducersResponse.ProducerState


def handle(request: DescribeProducersRequest, context: RequestContext) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            DescribeProducersResponse.TopicResponse(
                name=topic.name,
                partitions=[_described(topic.name, index, context) for index in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _described(topic: str, index: int, context: RequestContext) -> Partition:
    problem = topic_name_problem(topic)
    if problem is not None:
        return _refused(index, ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    if topic not in context.node.metadata.image.topics.by_name:
        return _refused(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None)
    try:
        producers = _producers(context.node.replicas, topic, index)
    except ApiError as error:
        return _refused(index, error.code, error.message)
    return Partition(partition_index=index, active_producers=producers)


def _producers(replicas: ReplicaManager, topic: str, index: int) -> list[Producer]:
    return [_producer(entry) for entry in list(replicas.replica(topic, index).log.producer_state.producers.values())]


def _producer(entry: ProducerStateEntry) -> Producer:
    first_offset = entry.current_txn_first_offset
    return Producer(
        producer_id=entry.producer_id,
        producer_epoch=entry.producer_epoch,
        last_sequence=entry.last_sequence,
        last_timestamp=entry.last_timestamp,
        coordinator_epoch=entry.coordinator_epoch,
        current_txn_start_offset=-1 if first_offset is None else first_offset,
    )


def _refused(index: int, code: ErrorCode, message: str | None) -> Partition:
    return Partition(partition_index=index, error_code=code, error_message=message or code.message)
