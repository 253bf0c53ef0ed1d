"""OffsetCommit (API key 8): store a group's positions.

From version 9 also for the consumer protocol (KIP-848), topic ids from 10.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, String, Uuid128, request, response


class OffsetCommitRequest(Message):
    SPEC: ClassVar = request(key=8, versions="2-10", flexible="8+", listeners=("broker",))

    class OffsetCommitRequestPartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        committed_offset: Annotated[int, Int64("0+")] = 0
        committed_leader_epoch: Annotated[int, Int32("6+", ignorable=True)] = -1
        committed_metadata: Annotated[str | None, String("0+", nullable="0+")] = ""

    class OffsetCommitRequestTopic(Message):
        name: Annotated[str, String("0-9", ignorable=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("10+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[OffsetCommitRequest.OffsetCommitRequestPartition], Array("0+")] = []

    group_id: Annotated[str, String("0+")] = ""
    generation_id_or_member_epoch: Annotated[int, Int32("1+", ignorable=True)] = -1
    member_id: Annotated[str, String("1+", ignorable=True)] = ""
    group_instance_id: Annotated[str | None, String("7+", nullable="7+")] = None
    retention_time_ms: Annotated[int, Int64("2-4", ignorable=True)] = -1
    topics: Annotated[list[OffsetCommitRequest.OffsetCommitRequestTopic], Array("0+")] = []


class OffsetCommitResponse(Message):
    SPEC: ClassVar = response(key=8, versions="2-10", flexible="8+")

    class OffsetCommitResponsePartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0

    class OffsetCommitResponseTopic(Message):
        name: Annotated[str, String("0-9", ignorable=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("10+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[OffsetCommitResponse.OffsetCommitResponsePartition], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("3+", ignorable=True)] = 0
    topics: Annotated[list[OffsetCommitResponse.OffsetCommitResponseTopic], Array("0+")] = []
