"""DeleteRecords (API key 21): move the start of partitions' logs forward (KIP-107)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Int64, Message, String, request, response


class DeleteRecordsRequest(Message):
    SPEC: ClassVar = request(key=21, versions="0-2", flexible="2+", listeners=("broker",))

    class DeleteRecordsPartition(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        offset: Annotated[int, Int64("0+")] = 0

    class DeleteRecordsTopic(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[DeleteRecordsRequest.DeleteRecordsPartition], Array("0+")] = []

    topics: Annotated[list[DeleteRecordsRequest.DeleteRecordsTopic], Array("0+")] = []
    timeout_ms: Annotated[int, Int32("0+")] = 0


class DeleteRecordsResponse(Message):
    SPEC: ClassVar = response(key=21, versions="0-2", flexible="2+")

    class DeleteRecordsPartitionResult(Message):
        partition_index: Annotated[int, Int32("0+", key=True)] = 0
        low_watermark: Annotated[int, Int64("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0

    class DeleteRecordsTopicResult(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[DeleteRecordsResponse.DeleteRecordsPartitionResult], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    topics: Annotated[list[DeleteRecordsResponse.DeleteRecordsTopicResult], Array("0+")] = []
