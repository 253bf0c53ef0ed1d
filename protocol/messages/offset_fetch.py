"""OffsetFetch (API key 9): a group's stored positions; several groups in one request since version 8 (KIP-709)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int16, Int32, Int64, Message, String, Uuid128, request, response


class OffsetFetchRequest(Message):
    SPEC: ClassVar = request(key=9, versions="1-10", flexible="6+", listeners=("broker",))

    class OffsetFetchRequestTopic(Message):
        name: Annotated[str, String("0-7")] = ""
        partition_indexes: Annotated[list[int], Array("0-7", of=Int32)] = []

    class OffsetFetchRequestTopics(Message):
        name: Annotated[str, String("8-9", ignorable=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("10+", ignorable=True)] = ZERO_UUID
        partition_indexes: Annotated[list[int], Array("8+", of=Int32)] = []

    class OffsetFetchRequestGroup(Message):
        group_id: Annotated[str, String("8+")] = ""
        member_id: Annotated[str | None, String("9+", nullable="9+", ignorable=True)] = None
        member_epoch: Annotated[int, Int32("9+", ignorable=True)] = -1
        topics: Annotated[list[OffsetFetchRequest.OffsetFetchRequestTopics] | None, Array("8+", nullable="8+")] = []

    group_id: Annotated[str, String("0-7")] = ""
    topics: Annotated[list[OffsetFetchRequest.OffsetFetchRequestTopic] | None, Array("0-7", nullable="2-7")] = []
    groups: Annotated[list[OffsetFetchRequest.OffsetFetchRequestGroup], Array("8+")] = []
    require_stable: Annotated[bool, Bool("7+")] = False


class OffsetFetchResponse(Message):
    SPEC: ClassVar = response(key=9, versions="1-10", flexible="6+")

    class OffsetFetchResponsePartition(Message):
        partition_index: Annotated[int, Int32("0-7")] = 0
        committed_offset: Annotated[int, Int64("0-7")] = 0
        committed_leader_epoch: Annotated[int, Int32("5-7", ignorable=True)] = -1
        metadata: Annotated[str | None, String("0-7", nullable="0-7")] = ""
        error_code: Annotated[int, Int16("0-7")] = 0

    class OffsetFetchResponseTopic(Message):
        name: Annotated[str, String("0-7")] = ""
        partitions: Annotated[list[OffsetFetchResponse.OffsetFetchResponsePartition], Array("0-7")] = []

    class OffsetFetchResponsePartitions(Message):
        partition_index: Annotated[int, Int32("8+")] = 0
        committed_offset: Annotated[int, Int64("8+")] = 0
        committed_leader_epoch: Annotated[int, Int32("8+", ignorable=True)] = -1
        metadata: Annotated[str | None, String("8+", nullable="8+")] = ""
        error_code: Annotated[int, Int16("8+")] = 0

    class OffsetFetchResponseTopics(Message):
        name: Annotated[str, String("8-9", ignorable=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("10+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[OffsetFetchResponse.OffsetFetchResponsePartitions], Array("8+")] = []

    class OffsetFetchResponseGroup(Message):
        group_id: Annotated[str, String("8+")] = ""
        topics: Annotated[list[OffsetFetchResponse.OffsetFetchResponseTopics], Array("8+")] = []
        error_code: Annotated[int, Int16("8+")] = 0

    throttle_time_ms: Annotated[int, Int32("3+", ignorable=True)] = 0
    topics: Annotated[list[OffsetFetchResponse.OffsetFetchResponseTopic], Array("0-7")] = []
    error_code: Annotated[int, Int16("2-7", ignorable=True)] = 0
    groups: Annotated[list[OffsetFetchResponse.OffsetFetchResponseGroup], Array("8+")] = []
