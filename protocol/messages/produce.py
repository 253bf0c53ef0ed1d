"""Produce (API key 0): append record batches to partitions. From version 13 topics go by id (KIP-516)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import (
    Array,
    Int16,
    Int32,
    Int64,
    Message,
    RecordBytes,
    Records,
    String,
    Struct,
    Uuid128,
    request,
    response,
)


class ProduceRequest(Message):
    SPEC: ClassVar = request(key=0, versions="3-13", flexible="9+", listeners=("broker",))

    class PartitionProduceData(Message):
        index: Annotated[int, Int32("0+")] = 0
        records: Annotated[RecordBytes, Records("0+", nullable="0+")] = None

    class TopicProduceData(Message):
        name: Annotated[str, String("0-12", ignorable=True, key=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("13+", ignorable=True, key=True)] = ZERO_UUID
        partition_data: Annotated[list[ProduceRequest.PartitionProduceData], Array("0+")] = []

    transactional_id: Annotated[str | None, String("3+", nullable="3+")] = None
    acks: Annotated[int, Int16("0+")] = 0
    timeout_ms: Annotated[int, Int32("0+")] = 0
    topic_data: Annotated[list[ProduceRequest.TopicProduceData], Array("0+")] = []


class ProduceResponse(Message):
    SPEC: ClassVar = response(key=0, versions="3-13", flexible="9+")

    class BatchIndexAndErrorMessage(Message):
        batch_index: Annotated[int, Int32("8+")] = 0
        batch_index_error_message: Annotated[str | None, String("8+", nullable="8+")] = None

    class LeaderIdAndEpoch(Message):
        leader_id: Annotated[int, Int32("10+")] = -1
        leader_epoch: Annotated[int, Int32("10+")] = -1

    class PartitionProduceResponse(Message):
        index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        base_offset: Annotated[int, Int64("0+")] = 0
        log_append_time_ms: Annotated[int, Int64("2+", ignorable=True)] = -1
        log_start_offset: Annotated[int, Int64("5+", ignorable=True)] = -1
        record_errors: Annotated[list[ProduceResponse.BatchIndexAndErrorMessage], Array("8+", ignorable=True)] = []
        error_message: Annotated[str | None, String("8+", nullable="8+", ignorable=True)] = None
        current_leader: Annotated[ProduceResponse.LeaderIdAndEpoch, Struct("10+", tag=0)] = msgspec.field(
            default_factory=lambda: ProduceResponse.LeaderIdAndEpoch()
        )

    class TopicProduceResponse(Message):
        name: Annotated[str, String("0-12", ignorable=True, key=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("13+", ignorable=True, key=True)] = ZERO_UUID
        partition_responses: Annotated[list[ProduceResponse.PartitionProduceResponse], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("10+", key=True)] = 0
        host: Annotated[str, String("10+")] = ""
        port: Annotated[int, Int32("10+")] = 0
        rack: Annotated[str | None, String("10+", nullable="10+")] = None

    responses: Annotated[list[ProduceResponse.TopicProduceResponse], Array("0+")] = []
    throttle_time_ms: Annotated[int, Int32("1+", ignorable=True)] = 0
    node_endpoints: Annotated[list[ProduceResponse.NodeEndpoint], Array("10+", tag=0)] = []
