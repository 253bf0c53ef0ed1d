"""TxnOffsetCommit (API key 28): store a group's positions as part of a transaction."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Int64, Message, String, request, response


class TxnOffsetCommitRequest(Message):
    SPEC: ClassVar = request(key=28, versions="0-5", flexible="3+", listeners=("broker",))

    class TxnOffsetCommitRequestPartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        committed_offset: Annotated[int, Int64("0+")] = 0
        committed_leader_epoch: Annotated[int, Int32("2+", ignorable=True)] = -1
        committed_metadata: Annotated[str | None, String("0+", nullable="0+")] = ""

    class TxnOffsetCommitRequestTopic(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[TxnOffsetCommitRequest.TxnOffsetCommitRequestPartition], Array("0+")] = []

    transactional_id: Annotated[str, String("0+")] = ""
    group_id: Annotated[str, String("0+")] = ""
    producer_id: Annotated[int, Int64("0+")] = 0
    producer_epoch: Annotated[int, Int16("0+")] = 0
    generation_id: Annotated[int, Int32("3+")] = -1
    member_id: Annotated[str, String("3+")] = ""
    group_instance_id: Annotated[str | None, String("3+", nullable="3+")] = None
    topics: Annotated[list[TxnOffsetCommitRequest.TxnOffsetCommitRequestTopic], Array("0+")] = []


class TxnOffsetCommitResponse(Message):
    SPEC: ClassVar = response(key=28, versions="0-5", flexible="3+")

    class TxnOffsetCommitResponsePartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0

    class TxnOffsetCommitResponseTopic(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[TxnOffsetCommitResponse.TxnOffsetCommitResponsePartition], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    topics: Annotated[list[TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic], Array("0+")] = []
