"""OffsetForLeaderEpoch (API key 23): where a leader epoch ends in the leader's log (KIP-101, KIP-320)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Int64, Message, String, request, response


class OffsetForLeaderEpochRequest(Message):
    SPEC: ClassVar = request(key=23, versions="2-4", flexible="4+", listeners=("broker",))

    class OffsetForLeaderPartition(Message):
        partition: Annotated[int, Int32("0+")] = 0
        current_leader_epoch: Annotated[int, Int32("2+", ignorable=True)] = -1
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class OffsetForLeaderTopic(Message):
        topic: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[OffsetForLeaderEpochRequest.OffsetForLeaderPartition], Array("0+")] = []

    replica_id: Annotated[int, Int32("3+", ignorable=True)] = -2
    topics: Annotated[list[OffsetForLeaderEpochRequest.OffsetForLeaderTopic], Array("0+")] = []


class OffsetForLeaderEpochResponse(Message):
    SPEC: ClassVar = response(key=23, versions="2-4", flexible="4+")

    class EpochEndOffset(Message):
        error_code: Annotated[int, Int16("0+")] = 0
        partition: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("1+", ignorable=True)] = -1
        end_offset: Annotated[int, Int64("0+")] = -1

    class OffsetForLeaderTopicResult(Message):
        topic: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[OffsetForLeaderEpochResponse.EpochEndOffset], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("2+", ignorable=True)] = 0
    topics: Annotated[list[OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult], Array("0+")] = []
