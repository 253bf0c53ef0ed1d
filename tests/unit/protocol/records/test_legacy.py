"""Messages of the formats 0 and 1, as old segments hold them."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DecodeError
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.builder import build_batch
from protocol.records.compression import CompressionType, compress
from protocol.records.legacy import LegacyRecordBatch
from protocol.records.record import Record


def field(data: bytes | None) -> bytes:
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def message(
    offset: int, key: bytes | None, value: bytes | None, *, magic: int = 1, attributes: int = 0, timestamp: int = 1000
) -> bytes:
    body = struct.pack(">bb", magic, attributes)
    if magic:
        body += struct.pack(">q", timestamp)
    body += field(key) + field(value)
    return struct.pack(">qiI", offset, len(body) + 4, crc32(body)) + body


def only(data: bytes) -> RecordBatch:
    (batch,) = iter_batches(data)
    assert isinstance(batch, LegacyRecordBatch)
    return batch


@pytest.mark.parametrize("magic", [0, 1])
def test_a_message(magic: int) -> None:
    data = message(5, b"k", b"value", magic=magic)
    batch = only(data)
    timestamp = 1000 if magic else -1
    assert (batch.base_offset, batch.last_offset, batch.size, batch.records_count) == (5, 5, len(data), 1)
    assert (batch.magic, batch.max_timestamp, batch.compression) == (magic, timestamp, 0)
    assert (batch.producer_id, batch.base_sequence, batch.last_sequence) == (-1, -1, -1)
    assert (batch.partition_leader_epoch, batch.is_control, batch.is_transactional) == (-1, False, False)
    assert batch.is_valid_crc()
    assert list(batch.records()) == [Record(5, timestamp, b"k", b"value")]
    assert not only(data[:-1] + b"!").is_valid_crc()


def test_nulls() -> None:
    assert list(only(message(5, None, None)).records()) == [Record(5, 1000, None, None)]


@pytest.mark.parametrize("codec", [CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4])
def test_wrappers_have_relative_offsets_in_format_1(codec: int) -> None:
    inner = message(0, b"a", b"1", timestamp=7) + message(1, b"b", b"2", timestamp=8) + message(3, b"c", b"3")
    batch = only(message(103, None, compress(codec, inner), attributes=codec))
    assert (batch.base_offset, batch.last_offset, batch.records_count, batch.compression) == (100, 103, 3, codec)
    assert [(record.offset, record.timestamp, record.key) for record in batch.records()] == [
        (100, 7, b"a"),
        (101, 8, b"b"),
        (103, 1000, b"c"),
    ]


def test_wrappers_have_absolute_offsets_in_format_0() -> None:
    inner = message(100, b"a", b"1", magic=0) + message(101, b"b", b"2", magic=0)
    batch = only(message(101, None, compress(1, inner), magic=0, attributes=1))
    assert [record.offset for record in batch.records()] == [100, 101]
    assert (batch.base_offset, batch.last_offset) == (100, 101)


def test_log_append_time_of_the_wrapper() -> None:
    inner = message(0, b"a", b"1", timestamp=7)
    batch = only(message(100, None, compress(1, inner), attributes=1 | 8, timestamp=99))
    assert batch.timestamp_type == 1
    assert [record.timestamp for record in batch.records()] == [99]


@pytest.mark.parametrize(
    "value",
    [None, b"", b"junk", compress(1, b""), compress(1, message(0, b"", b"", magic=1)[:16] + b"\x05" + bytes(30))],
)
def test_broken_wrappers_still_are_ranges(value: bytes | None) -> None:
    batch = only(message(100, None, value, attributes=1))
    assert (batch.base_offset, batch.last_offset) == (100, 100)
    with pytest.raises(DecodeError):
        list(batch.records())


def test_wrapper_offset_before_its_messages() -> None:
    inner = message(0, b"a", b"1") + message(5, b"b", b"2")
    with pytest.raises(DecodeError, match="wrapper"):
        list(only(message(3, None, compress(1, inner), attributes=1)).records())


def test_zstd_came_later() -> None:
    with pytest.raises(DecodeError, match="zstd"):
        list(only(message(3, None, b"", attributes=4)).records())


def test_formats_follow_each_other() -> None:
    data = message(0, b"a", b"1", magic=0) + message(1, b"b", b"2") + build_batch([Record(2, 5, b"c", b"3")])
    batches = list(iter_batches(data))
    assert [batch.magic for batch in batches] == [0, 1, 2]
    assert [record.key for batch in batches for record in batch.records()] == [b"a", b"b", b"c"]


@given(st.binary(max_size=80), st.integers(0, 1), st.integers(0, 255))
def test_junk_raises_only_decode_errors(junk: bytes, magic: int, attributes: int) -> None:
    body = struct.pack(">IbB", 0, magic, attributes) + junk
    try:
        for batch in iter_batches(struct.pack(">qi", 3, len(body)) + body):
            batch.is_valid_crc()
            list(batch.records(1000))
    except DecodeError:
        return
