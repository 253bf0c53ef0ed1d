"""DescribeTransactions (API key 65): state of transactions (KIP-664)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Int64, Message, String, request, response


class DescribeTransactionsRequest(Message):
    SPEC: ClassVar = request(key=65, versions="0", flexible="0+", listeners=("broker",))

    transactional_ids: Annotated[list[str], Array("0+", of=String)] = []


class DescribeTransactionsResponse(Message):
    SPEC: ClassVar = response(key=65, versions="0", flexible="0+")

    class TopicData(Message):
        topic: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class TransactionState(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        transactional_id: Annotated[str, String("0+")] = ""
        transaction_state: Annotated[str, String("0+")] = ""
        transaction_timeout_ms: Annotated[int, Int32("0+")] = 0
        transaction_start_time_ms: Annotated[int, Int64("0+")] = 0
        producer_id: Annotated[int, Int64("0+")] = 0
        producer_epoch: Annotated[int, Int16("0+")] = 0
        topics: Annotated[list[DescribeTransactionsResponse.TopicData], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    transaction_states: Annotated[list[DescribeTransactionsResponse.TransactionState], Array("0+")] = []
