"""AddPartitionsToTxn (API key 24): make partitions part of a transaction.

Versions 4 and up are sent by brokers, in batches (KIP-890).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, String, request, response


class AddPartitionsToTxnRequest(Message):
    SPEC: ClassVar = request(key=24, versions="0-5", flexible="3+", listeners=("broker",))

    class AddPartitionsToTxnTopic(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class AddPartitionsToTxnTransaction(Message):
        transactional_id: Annotated[str, String("4+", key=True)] = ""
        producer_id: Annotated[int, Int64("4+")] = 0
        producer_epoch: Annotated[int, Int16("4+")] = 0
        verify_only: Annotated[bool, Bool("4+")] = False
        topics: Annotated[list[AddPartitionsToTxnRequest.AddPartitionsToTxnTopic], Array("4+")] = []

    transactions: Annotated[list[AddPartitionsToTxnRequest.AddPartitionsToTxnTransaction], Array("4+")] = []
    v3_and_below_transactional_id: Annotated[str, String("0-3")] = ""
    v3_and_below_producer_id: Annotated[int, Int64("0-3")] = 0
    v3_and_below_producer_epoch: Annotated[int, Int16("0-3")] = 0
    v3_and_below_topics: Annotated[list[AddPartitionsToTxnRequest.AddPartitionsToTxnTopic], Array("0-3")] = []


class AddPartitionsToTxnResponse(Message):
    SPEC: ClassVar = response(key=24, versions="0-5", flexible="3+")

    class AddPartitionsToTxnPartitionResult(Message):
        partition_index: Annotated[int, Int32("0+", key=True)] = 0
        partition_error_code: Annotated[int, Int16("0+")] = 0

    class AddPartitionsToTxnTopicResult(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        results_by_partition: Annotated[
            list[AddPartitionsToTxnResponse.AddPartitionsToTxnPartitionResult], Array("0+")
        ] = []

    class AddPartitionsToTxnResult(Message):
        transactional_id: Annotated[str, String("4+", key=True)] = ""
        topic_results: Annotated[list[AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult], Array("4+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("4+", ignorable=True)] = 0
    results_by_transaction: Annotated[list[AddPartitionsToTxnResponse.AddPartitionsToTxnResult], Array("4+")] = []
    results_by_topic_v3_and_below: Annotated[
        list[AddPartitionsToTxnResponse.AddPartitionsToTxnTopicResult], Array("0-3")
    ] = []
