"""WriteTxnMarkers (API key 27): the transaction coordinator has partition leaders append commit or abort markers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bool, Int8, Int16, Int32, Int64, Message, String, request, response


class WriteTxnMarkersRequest(Message):
    SPEC: ClassVar = request(key=27, versions="1-2", flexible="1+", listeners=("broker",))

    class WritableTxnMarkerTopic(Message):
        name: Annotated[str, String("0+")] = ""
        partition_indexes: Annotated[list[int], Array("0+", of=Int32)] = []

    class WritableTxnMarker(Message):
        producer_id: Annotated[int, Int64("0+")] = 0
        producer_epoch: Annotated[int, Int16("0+")] = 0
        transaction_result: Annotated[bool, Bool("0+")] = False
        topics: Annotated[list[WriteTxnMarkersRequest.WritableTxnMarkerTopic], Array("0+")] = []
        coordinator_epoch: Annotated[int, Int32("0+")] = 0
        transaction_version: Annotated[int, Int8("2+", ignorable=True)] = 0

    markers: Annotated[list[WriteTxnMarkersRequest.WritableTxnMarker], Array("0+")] = []


class WriteTxnMarkersResponse(Message):
    SPEC: ClassVar = response(key=27, versions="1-2", flexible="1+")

    class WritableTxnMarkerPartitionResult(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0

    class WritableTxnMarkerTopicResult(Message):
        name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[WriteTxnMarkersResponse.WritableTxnMarkerPartitionResult], Array("0+")] = []

    class WritableTxnMarkerResult(Message):
        producer_id: Annotated[int, Int64("0+")] = 0
        topics: Annotated[list[WriteTxnMarkersResponse.WritableTxnMarkerTopicResult], Array("0+")] = []

    markers: Annotated[list[WriteTxnMarkersResponse.WritableTxnMarkerResult], Array("0+")] = []
