"""Records of `__transaction_state`: one key a transactional id (KIP-98; version 1 of the value with KIP-890)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, coordinator_key, coordinator_value


class TransactionLogKey(Message):
    SPEC: ClassVar = coordinator_key(key=0, versions="0", flexible="none")

    transactional_id: Annotated[str, String("0")] = ""


class TransactionLogValue(Message):
    SPEC: ClassVar = coordinator_value(key=0, versions="0-1", flexible="1+")

    class PartitionsSchema(Message):
        topic: Annotated[str, String("0+")] = ""
        partition_ids: Annotated[list[int], Array("0+", of=Int32)] = []

    producer_id: Annotated[int, Int64("0+")] = 0
    previous_producer_id: Annotated[int, Int64("1+", tag=0)] = -1
    next_producer_id: Annotated[int, Int64("1+", tag=1)] = -1
    producer_epoch: Annotated[int, Int16("0+")] = 0
    next_producer_epoch: Annotated[int, Int16("1+", tag=3)] = -1
    transaction_timeout_ms: Annotated[int, Int32("0+")] = 0
    transaction_status: Annotated[int, Int8("0+")] = 0
    transaction_partitions: Annotated[
        list[TransactionLogValue.PartitionsSchema] | None, Array("0+", nullable="0+")
    ] = []
    transaction_last_update_timestamp_ms: Annotated[int, Int64("0+")] = 0
    transaction_start_timestamp_ms: Annotated[int, Int64("0+")] = 0
    client_transaction_version: Annotated[int, Int16("1+", tag=2)] = 0
