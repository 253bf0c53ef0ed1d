"""The codec on chosen examples: layouts by hand, and each way in which a message can be wrong."""

from __future__ import annotations

import time

import pytest

from protocol.coordinator.group import ConsumerGroupMemberMetadataValue
from protocol.decoder import decoder_source
from protocol.encoder import encoder_source
from protocol.errors import DecodeError
from protocol.ids import Uuid
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from protocol.messages.metadata import MetadataRequest, MetadataResponse
from protocol.messages.offset_commit import OffsetCommitRequest
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord
from protocol.schema import EncodeError, Message, UnsupportedVersionError, decode, decode_prefix, encode, encode_parts

HEARTBEAT = HeartbeatRequest(group_id="g", generation_id=7, member_id="me", group_instance_id=None)
HEARTBEAT_V3 = bytes.fromhex("0001 67 00000007 0002 6d65 ffff")
HEARTBEAT_V4 = bytes.fromhex("02 67 00000007 03 6d65 00 00")


def test_layout_of_an_old_version() -> None:
    assert encode(HEARTBEAT, 3) == HEARTBEAT_V3
    assert decode(HeartbeatRequest, 3, HEARTBEAT_V3) == HEARTBEAT


def test_layout_of_a_flexible_version() -> None:
    assert encode(HEARTBEAT, 4) == HEARTBEAT_V4
    assert decode(HeartbeatRequest, 4, HEARTBEAT_V4) == HEARTBEAT


def test_layout_of_arrays_and_tagged_fields() -> None:
    record = PartitionChangeRecord(partition_id=2, topic_id=Uuid(b"\x05" * 16), isr=[1, 2], leader=-1)
    expected = "00000002" + "05" * 16 + "02" + "00 09 03 00000001 00000002" + "01 04 ffffffff"
    assert encode(record, 0) == bytes.fromhex(expected)
    assert decode(PartitionChangeRecord, 0, bytes.fromhex(expected), exact=True) == record


def test_layout_of_a_struct_that_may_be_null() -> None:
    """Kafka's default is an empty struct, so that null has to be written."""
    value = ConsumerGroupMemberMetadataValue()
    absent = encode(value, 0)
    value.classic_member_metadata = None
    null = encode(value, 0)
    assert absent[-1:] == b"\x00"
    assert null == absent[:-1] + bytes.fromhex("01 00 01 00")
    assert decode(ConsumerGroupMemberMetadataValue, 0, null) == value


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer(make: type) -> None:
    assert decode(HeartbeatRequest, 4, make(HEARTBEAT_V4)) == HEARTBEAT
    assert decode(HeartbeatRequest, 4, make(b"ab" + HEARTBEAT_V4), 2) == HEARTBEAT


def test_decode_prefix_tells_where_the_message_ends() -> None:
    assert decode_prefix(HeartbeatRequest, 3, b"x" + HEARTBEAT_V3 + b"yz", 1) == (HEARTBEAT, 1 + len(HEARTBEAT_V3))


def test_bytes_behind_a_message_are_ignored_unless_exact() -> None:
    assert decode(HeartbeatRequest, 3, HEARTBEAT_V3 + b"yz") == HEARTBEAT
    with pytest.raises(DecodeError, match="2 bytes follow"):
        decode(HeartbeatRequest, 3, HEARTBEAT_V3 + b"yz", exact=True)


def test_each_message_has_its_own_default_list() -> None:
    first, second = MetadataRequest(), MetadataRequest()
    assert first.topics is not None
    first.topics.append(MetadataRequest.MetadataRequestTopic(name="a"))
    assert second.topics == []
    assert PartitionRecord().isr is not PartitionRecord().isr


def test_the_name_of_a_message_is_its_class() -> None:
    assert FetchRequest.SPEC.name == "FetchRequest"
    assert FetchRequest.SPEC.versions == (4, 18)
    assert FetchRequest.SPEC.flexible == 12
    assert FetchRequest.SPEC.listeners == ("broker", "controller")


# What a version cannot carry.


def test_an_unknown_version_is_the_callers_mistake() -> None:
    with pytest.raises(UnsupportedVersionError):
        encode(HEARTBEAT, 5)
    with pytest.raises(UnsupportedVersionError):
        decode(HeartbeatRequest, -1, b"")


def test_a_field_of_another_version_is_refused_unless_ignorable() -> None:
    assert encode(HeartbeatResponse(throttle_time_ms=9), 0) == b"\x00\x00"
    with pytest.raises(UnsupportedVersionError, match="group_instance_id"):
        encode(HeartbeatRequest(group_instance_id="i"), 2)


def test_unknown_tagged_fields_need_a_flexible_version() -> None:
    with pytest.raises(UnsupportedVersionError):
        encode(HeartbeatRequest(unknown_tagged_fields={1: b""}), 3)


@pytest.mark.parametrize(
    ("message", "version"),
    [
        (HeartbeatRequest(group_id=None), 4),  # type: ignore[arg-type]
        (HeartbeatRequest(generation_id=2**31), 4),
        (HeartbeatRequest(generation_id=None), 4),  # type: ignore[arg-type]
        (HeartbeatRequest(group_id="x" * 40_000), 3),
        (HeartbeatRequest(group_id="x" * 40_000), 4),
        (HeartbeatRequest(group_id="\ud800"), 4),
        (MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(topic_id=Uuid(b"short"))]), 12),
        (MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name=5)]), 12),  # type: ignore[arg-type]
        (FetchRequest(topics=None), 12),  # type: ignore[arg-type]
        (FetchRequest(replica_state=None), 15),  # type: ignore[arg-type]
        (PartitionRecord(replicas=[2**31]), 0),
        (PartitionRecord(directories=[Uuid(b"")]), 1),
    ],
)
def test_what_its_type_cannot_carry(message: Message, version: int) -> None:
    with pytest.raises(EncodeError):
        encode(message, version)


def test_null_where_the_version_has_none() -> None:
    assert encode(MetadataRequest(topics=None, allow_auto_topic_creation=True), 1) == b"\xff\xff\xff\xff"
    with pytest.raises(EncodeError):
        encode(MetadataRequest(topics=None), 0)


# Records stay where they are.


def test_decoded_records_are_views() -> None:
    data = encode(produce_request(b"r" * 10), 9)
    decoded = decode(ProduceRequest, 9, data)
    records = decoded.topic_data[0].partition_data[0].records
    assert isinstance(records, memoryview)
    assert records.obj is data
    assert bytes(records) == b"r" * 10


def produce_request(records: bytes | None) -> ProduceRequest:
    partition = ProduceRequest.PartitionProduceData(index=1, records=records)
    return ProduceRequest(topic_data=[ProduceRequest.TopicProduceData(name="t", partition_data=[partition])])


def fetch_response(*records: bytes | list[bytes]) -> FetchResponse:
    partitions = [FetchResponse.PartitionData(records=each) for each in records]
    return FetchResponse(responses=[FetchResponse.FetchableTopicResponse(partitions=partitions)])


def test_large_records_are_not_copied_when_encoding() -> None:
    large, small, other = bytes(10_000), b"small", bytes(5_000)
    message = fetch_response(large, small, [other, b"x", large])
    parts = encode_parts(message, 12)
    assert b"".join(parts) == encode(message, 12)
    assert [part for part in parts if part is large or part is other] == [large, other, large]
    assert len(parts) == 7


def test_records_in_pieces_are_one_value() -> None:
    whole = encode(fetch_response(b"abcdef"), 12)
    assert encode(fetch_response([b"ab", b"", b"cdef"]), 12) == whole


def test_a_message_without_large_records_is_one_part() -> None:
    assert encode_parts(HEARTBEAT, 4) == [HEARTBEAT_V4]
    assert len(encode_parts(fetch_response(b"abc"), 12)) == 1


# Tagged fields.


def test_unknown_tagged_fields_are_kept_and_sent_on_in_order() -> None:
    data = HEARTBEAT_V4[:-1] + bytes.fromhex("02 05 01 aa 8001 00")
    decoded = decode(HeartbeatRequest, 4, data)
    assert decoded.unknown_tagged_fields == {5: b"\xaa", 128: b""}
    assert encode(decoded, 4) == data


def test_known_and_unknown_tagged_fields_are_sorted_together() -> None:
    leader = ProduceResponse.LeaderIdAndEpoch(leader_id=1, leader_epoch=2)
    partition = ProduceResponse.PartitionProduceResponse(current_leader=leader, unknown_tagged_fields={9: b"z"})
    message = ProduceResponse(responses=[ProduceResponse.TopicProduceResponse(partition_responses=[partition])])
    data = encode(message, 10)
    assert bytes.fromhex("02 00 09 00000001 00000002 00 09 01 7a") in data
    assert decode(ProduceResponse, 10, data, exact=True) == message


def test_an_unknown_tag_must_not_hide_a_known_one() -> None:
    with pytest.raises(EncodeError, match="hide"):
        encode(FetchRequest(cluster_id="c", unknown_tagged_fields={0: b""}), 12)


@pytest.mark.parametrize(
    "section",
    [
        "01 05",  # the data ends
        "01 05 02 aa",  # the value is longer than the data
        "02 05 00 05 00",  # the same tag twice
        "ffffffff0f",  # more tags than bytes
        "01 00 05 02 63 00 00 00",  # cluster id ends before its tagged field
        "01 00 01 02 63",  # and after it
        "01 00 01 80",  # and in its length
        "01 01 00",  # a tag that begins with version 15
    ],
)
def test_bad_tagged_sections(section: str) -> None:
    head = encode(FetchRequest(), 12)[:-1]
    assert decode(FetchRequest, 12, head + bytes.fromhex("01 00 02 02 63"), exact=True).cluster_id == "c"
    with pytest.raises(DecodeError):
        decode(FetchRequest, 12, head + bytes.fromhex(section), exact=True)


# Malformed bytes.


@pytest.mark.parametrize(
    ("cls", "version", "encoded"),
    [
        (HeartbeatRequest, 3, ""),
        (HeartbeatRequest, 3, "00"),
        (HeartbeatRequest, 3, "ffff 00000007 0002 6d65 ffff"),  # null where none may be
        (HeartbeatRequest, 3, "0001 67 00000007 0003 6d65"),  # string longer than the data
        (HeartbeatRequest, 4, "00 00000007 03 6d65 00 00"),
        (HeartbeatRequest, 4, "ffffffff0f 67 00000007 03 6d65 00 00"),
        (HeartbeatRequest, 4, "8080808080 8000"),
        (MetadataRequest, 0, "ffffffff"),
        (MetadataRequest, 1, "7fffffff"),
        (MetadataRequest, 1, "00000002 0001 61"),
        (MetadataRequest, 9, "ffffffff0f 00"),
        (OffsetCommitRequest, 2, "0000 ffffffff 0000 ffffffffffffffff 00000001 0000 7fffffff"),
        (ApiVersionsRequest, 3, "01 01"),
        (ApiVersionsResponse, 3, "0000 01 00000000 01 02 09 ff ffffffffffffff7f00"),
    ],
)
def test_malformed(cls: type[Message], version: int, encoded: str) -> None:
    with pytest.raises(DecodeError):
        decode(cls, version, bytes.fromhex(encoded), exact=True)


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        ("ff", "\ufffd"),
        ("61 c3", "a\ufffd"),
        ("e2 82 62", "\ufffdb"),
        ("ed a0 80 62", "\ufffdb"),  # half of a surrogate pair
        ("ed a0 62", "\ufffdb"),
        ("ed bf", "\ufffd"),
        ("f0 9f 98", "\ufffd"),
        ("f8 80", "\ufffd\ufffd"),
        ("f0 9f 98 80", "\U0001f600"),
    ],
)
def test_what_is_not_utf_8_is_replaced(encoded: str, decoded: str) -> None:
    text = bytes.fromhex(encoded)
    filler = "#" * len(text)
    data = encode(HeartbeatRequest(group_id=filler), 3).replace(filler.encode(), text)
    assert decode(HeartbeatRequest, 3, data, exact=True).group_id == decoded
    data = encode(ProduceRequest(transactional_id=filler), 3).replace(filler.encode(), text)  # read from a view
    assert decode(ProduceRequest, 3, data, exact=True).transactional_id == decoded


def test_a_string_that_replacements_could_make_too_long_is_malformed() -> None:
    data = encode(HeartbeatRequest(group_id="#" * 10923), 3).replace(b"#", b"\xff")
    with pytest.raises(DecodeError, match="is not UTF-8"):
        decode(HeartbeatRequest, 3, data)
    longest = encode(HeartbeatRequest(group_id="#" * 10922), 3).replace(b"#", b"\xff")
    encode(decode(HeartbeatRequest, 3, longest), 3)


def test_a_compact_string_is_no_longer_than_an_old_one() -> None:
    with pytest.raises(DecodeError, match="longer than a string may be"):
        decode(HeartbeatRequest, 4, b"\x81\x80\x02" + b"x" * 33_000)
    longest = HeartbeatRequest(group_id="x" * 0x7FFF)
    assert decode(HeartbeatRequest, 4, encode(longest, 4)) == longest


def test_a_lying_count_costs_nothing() -> None:
    """A count is believed only as far as the smallest elements could fill the data."""
    begin = time.perf_counter()
    for count in (2**31 - 1, 1_000_000):
        data = count.to_bytes(4, "big") + bytes(1000)
        with pytest.raises(DecodeError, match="does not fit"):
            decode(MetadataResponse, 0, data)
    assert time.perf_counter() - begin < 1.0


def test_generated_source_can_be_read() -> None:
    assert "unpack_from" in decoder_source(HeartbeatRequest, 3)
    assert "pack_" in encoder_source(HeartbeatRequest, 3)
