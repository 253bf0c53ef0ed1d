"""ListTransactions (API key 66): the transactions this broker coordinates (KIP-664, KIP-994)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Int64, Message, String, request, response


class ListTransactionsRequest(Message):
    SPEC: ClassVar = request(key=66, versions="0-2", flexible="0+", listeners=("broker",))

    state_filters: Annotated[list[str], Array("0+", of=String)] = []
    producer_id_filters: Annotated[list[int], Array("0+", of=Int64)] = []
    duration_filter: Annotated[int, Int64("1+")] = -1
    transactional_id_pattern: Annotated[str | None, String("2+", nullable="2+")] = None


class ListTransactionsResponse(Message):
    SPEC: ClassVar = response(key=66, versions="0-2", flexible="0+")

    class TransactionState(Message):
        transactional_id: Annotated[str, String("0+")] = ""
        producer_id: Annotated[int, Int64("0+")] = 0
        transaction_state: Annotated[str, String("0+")] = ""

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    unknown_state_filters: Annotated[list[str], Array("0+", of=String)] = []
    transaction_states: Annotated[list[ListTransactionsResponse.TransactionState], Array("0+")] = []
