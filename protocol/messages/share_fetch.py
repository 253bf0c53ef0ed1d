"""ShareFetch (API key 78): acquire records of share partitions, and acknowledge earlier ones (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import (
    Array,
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Message,
    RecordBytes,
    Records,
    String,
    Struct,
    Uuid128,
    request,
    response,
)


class ShareFetchRequest(Message):
    SPEC: ClassVar = request(key=78, versions="1-2", flexible="0+", listeners=("broker",))

    class AcknowledgementBatch(Message):
        first_offset: Annotated[int, Int64("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        acknowledge_types: Annotated[list[int], Array("0+", of=Int8)] = []

    class FetchPartition(Message):
        partition_index: Annotated[int, Int32("0+", key=True)] = 0
        partition_max_bytes: Annotated[int, Int32("0")] = 0
        acknowledgement_batches: Annotated[list[ShareFetchRequest.AcknowledgementBatch], Array("0+")] = []

    class FetchTopic(Message):
        topic_id: Annotated[Uuid, Uuid128("0+", key=True)] = ZERO_UUID
        partitions: Annotated[list[ShareFetchRequest.FetchPartition], Array("0+")] = []

    class ForgottenTopic(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    group_id: Annotated[str | None, String("0+", nullable="0+")] = None
    member_id: Annotated[str | None, String("0+", nullable="0+")] = ""
    share_session_epoch: Annotated[int, Int32("0+")] = 0
    max_wait_ms: Annotated[int, Int32("0+")] = 0
    min_bytes: Annotated[int, Int32("0+")] = 0
    max_bytes: Annotated[int, Int32("0+")] = 0x7FFF_FFFF
    max_records: Annotated[int, Int32("1+")] = 0
    batch_size: Annotated[int, Int32("1+")] = 0
    share_acquire_mode: Annotated[int, Int8("2+", ignorable=True)] = 0
    is_renew_ack: Annotated[bool, Bool("2+")] = False
    topics: Annotated[list[ShareFetchRequest.FetchTopic], Array("0+")] = []
    forgotten_topics_data: Annotated[list[ShareFetchRequest.ForgottenTopic], Array("0+")] = []


class ShareFetchResponse(Message):
    SPEC: ClassVar = response(key=78, versions="1-2", flexible="0+")

    class LeaderIdAndEpoch(Message):
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0

    class AcquiredRecords(Message):
        first_offset: Annotated[int, Int64("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        delivery_count: Annotated[int, Int16("0+")] = 0

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        acknowledge_error_code: Annotated[int, Int16("0+")] = 0
        acknowledge_error_message: Annotated[str | None, String("0+", nullable="0+")] = None
        current_leader: Annotated[ShareFetchResponse.LeaderIdAndEpoch, Struct("0+")] = msgspec.field(
            default_factory=lambda: ShareFetchResponse.LeaderIdAndEpoch()
        )
        records: Annotated[RecordBytes, Records("0+", nullable="0")] = b""
        acquired_records: Annotated[list[ShareFetchResponse.AcquiredRecords], Array("0+")] = []

    class ShareFetchableTopicResponse(Message):
        topic_id: Annotated[Uuid, Uuid128("0+", key=True)] = ZERO_UUID
        partitions: Annotated[list[ShareFetchResponse.PartitionData], Array("0+")] = []

    class NodeEndpoint(Message):
        node_id: Annotated[int, Int32("0+", key=True)] = 0
        host: Annotated[str, String("0+")] = ""
        port: Annotated[int, Int32("0+")] = 0
        rack: Annotated[str | None, String("0+", nullable="0+")] = None

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    error_message: Annotated[str | None, String("0+", nullable="0+")] = None
    acquisition_lock_timeout_ms: Annotated[int, Int32("1+")] = 0
    responses: Annotated[list[ShareFetchResponse.ShareFetchableTopicResponse], Array("0+")] = []
    node_endpoints: Annotated[list[ShareFetchResponse.NodeEndpoint], Array("0+")] = []
