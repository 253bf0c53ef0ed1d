"""DescribeProducers (API key 61): the producers with state on partitions (KIP-664)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Int64, Message, String, request, response


class DescribeProducersRequest(Message):
    SPEC: ClassVar = request(key=61, versions="0", flexible="0+", listeners=("broker",))

    class TopicRequest(Message):
        name: Annotated[str, String("0+")] = ""
        partition_indexes: Annotated[list[int], Array("0+", of=Int32)] = []

    topics: Annotated[list[DescribeProducersRequest.TopicRequest], Array("0+")] = []


class DescribeProducersResponse(Message):
    SPEC: ClassVar = response(key=61, versions="0", flexible="0+")

    class ProducerState(Message):
        producer_id: Annotated[int, Int64("0+")] = 0
        producer_epoch: Annotated[int, Int32("0+")] = 0
        last_sequence: Annotated[int, Int32("0+")] = -1
        last_timestamp: Annotated[int, Int64("0+")] = -1
        coordinator_epoch: Annotated[int, Int32("0+")] = 0
        current_txn_start_offset: Annotated[int, Int64("0+")] = -1

    class PartitionResponse(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        active_producers: Annotated[list[DescribeProducersResponse.ProducerState], Array("0+")] = []

    class TopicResponse(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[DescribeProducersResponse.PartitionResponse], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    topics: Annotated[list[DescribeProducersResponse.TopicResponse], Array("0+")] = []
