"""Batches as views: what the builder writes is what the view reads, and nothing malformed gets through."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DecodeError
from protocol.records.batch import RecordBatch, iter_batches, read_batch
from protocol.records.builder import RecordsBuilder, build_batch
from protocol.records.compression import CompressionType
from protocol.records.record import Record, decrement_sequence, increment_sequence
from tests.unit.protocol.records.strategies import record_lists


def only(data: bytes) -> RecordBatch:
    (batch,) = iter_batches(data)
    return batch


def test_a_batch_byte_by_byte() -> None:
    data = build_batch(
        [Record(7, 1000, b"k", b"v", [("h", None)])],
        producer_id=5,
        producer_epoch=2,
        base_sequence=9,
        is_transactional=True,
        partition_leader_epoch=3,
    )
    body = b"\x16\0\0\0\x02k\x02v\x02\x02h\x01"
    assert data[61:] == body
    head = struct.unpack(">qiibIhiqqqhii", data[:61])
    assert head[:4] == (7, 49 + len(body), 3, 2)
    assert head[5:] == (0x10, 0, 1000, 1000, 5, 2, 9, 1)


def test_header_values() -> None:
    records = [Record(10 + i, 100 - i, None, b"x" * i) for i in range(4)]
    batch = only(
        build_batch(records, compression=4, producer_id=1, producer_epoch=0, base_sequence=2**31 - 2, is_control=False)
    )
    assert (batch.base_offset, batch.last_offset, batch.next_offset, batch.records_count) == (10, 13, 14, 4)
    assert (batch.base_timestamp, batch.max_timestamp, batch.timestamp_type) == (100, 100, 0)
    assert (batch.base_sequence, batch.last_sequence) == (2**31 - 2, 1)
    assert batch.compression == CompressionType.ZSTD
    assert batch.has_producer_id and not batch.is_transactional and not batch.is_control
    assert not batch.has_delete_horizon and batch.delete_horizon_ms is None
    assert batch.size == len(batch.buffer) and batch.is_valid_crc()
    assert [record.sequence for record in batch.records()] == [2**31 - 2, 2**31 - 1, 0, 1]
    assert "offsets=[10, 13]" in repr(batch)


def test_without_producer_there_are_no_sequences() -> None:
    batch = only(build_batch([Record(0, 1, None, None)]))
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.last_sequence) == (-1, -1, -1, -1)
    assert [record.sequence for record in batch.records()] == [-1]


def test_log_append_time_replaces_timestamps() -> None:
    batch = only(build_batch([Record(0, 1, None, None), Record(1, 2, None, None)], log_append_time=99))
    assert (batch.timestamp_type, batch.max_timestamp) == (1, 99)
    assert [record.timestamp for record in batch.records()] == [99, 99]


def test_delete_horizon_is_the_base_timestamp() -> None:
    batch = only(build_batch([Record(0, 1000, b"k", None)], delete_horizon_ms=50_000))
    assert batch.has_delete_horizon and batch.delete_horizon_ms == 50_000
    assert [record.timestamp for record in batch.records()] == [1000]


def test_an_empty_batch_keeps_offsets_and_producer() -> None:
    data = build_batch(
        [],
        base_offset=5,
        last_offset=9,
        max_timestamp=77,
        compression=1,
        producer_id=3,
        producer_epoch=1,
        base_sequence=4,
    )
    batch = only(data)
    assert (len(data), batch.base_offset, batch.last_offset, batch.last_sequence) == (61, 5, 9, 8)
    assert (batch.base_timestamp, batch.max_timestamp, batch.compression) == (-1, 77, 0)
    assert list(batch.records()) == [] and batch.is_valid_crc()


@pytest.mark.parametrize("codec", list(CompressionType))
@given(records=record_lists(min_size=1, gaps=True))
def test_round_trip(codec: int, records: list[Record]) -> None:
    batch = only(build_batch(records, compression=codec))
    assert batch.is_valid_crc()
    assert list(batch.records()) == records


def test_timestamps_wrap_as_64_bits_do() -> None:
    batch = only(build_batch([Record(0, 10, None, None), Record(1, 11, None, None)]))
    batch.base_timestamp = 2**63 - 1
    assert [record.timestamp for record in batch.records()] == [2**63 - 1, -(2**63)]


def test_crc_covers_attributes_to_end() -> None:
    data = build_batch([Record(0, 1, b"key", b"value")])
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        if 8 <= position < 12 or position == 16:
            continue
        assert only(bytes(damaged)).is_valid_crc() == (position < 16)


def test_records_of_a_miscounted_batch() -> None:
    data = build_batch([Record(0, 1, b"key", b"value"), Record(1, 1, b"key", b"value")])
    for count in (-1, 0, 1, 3, 2**31 - 1):
        batch = RecordBatch(memoryview(data[:57] + struct.pack(">i", count) + data[61:]))
        with pytest.raises(DecodeError):
            list(batch.records())


def test_decompression_is_limited() -> None:
    batch = only(build_batch([Record(0, 1, None, bytes(100_000))], compression=4))
    assert len(list(batch.records(200_000))) == 1
    with pytest.raises(DecodeError):
        list(batch.records(100_000))


class TestIteration:
    FIRST = build_batch([Record(0, 1, b"a", b"b")])
    SECOND = build_batch([Record(1, 1, b"a", b"b"), Record(2, 1, b"a", b"c")])

    def test_all_batches_with_their_positions(self) -> None:
        batches = list(iter_batches(self.FIRST + self.SECOND))
        assert [(batch.position, batch.base_offset) for batch in batches] == [(0, 0), (len(self.FIRST), 1)]
        assert bytes(batches[1].buffer) == self.SECOND

    def test_views_share_the_bytes(self) -> None:
        data = bytearray(self.FIRST + self.SECOND)
        batches = list(iter_batches(memoryview(data)))
        data[-1] ^= 1
        assert batches[0].is_valid_crc() and not batches[1].is_valid_crc()

    def test_nothing(self) -> None:
        assert list(iter_batches(b"")) == []

    def test_partial_tail(self) -> None:
        for cut in range(1, len(self.SECOND)):
            data = self.FIRST + self.SECOND[:cut]
            assert len(list(iter_batches(data, partial_tail=True))) == 1
            with pytest.raises(DecodeError, match="incomplete"):
                list(iter_batches(data))

    @pytest.mark.parametrize("length", [-1, 0, 13, -(2**31)])
    def test_impossible_lengths(self, length: int) -> None:
        data = self.FIRST[:8] + struct.pack(">i", length) + self.FIRST[12:]
        for cut in (12, 16, len(data)):
            with pytest.raises(DecodeError, match="length"):
                list(iter_batches(data[:cut], partial_tail=True))

    def test_a_length_beyond_the_data_is_a_partial_batch(self) -> None:
        data = self.FIRST[:8] + struct.pack(">i", 2**31 - 1) + self.FIRST[12:]
        assert list(iter_batches(data, partial_tail=True)) == []

    @pytest.mark.parametrize("magic", [3, 127, -1])
    def test_unknown_magic(self, magic: int) -> None:
        data = self.FIRST[:16] + struct.pack(">b", magic) + self.FIRST[17:]
        with pytest.raises(DecodeError, match="magic"):
            list(iter_batches(data))

    def test_shorter_than_a_header(self) -> None:
        data = self.FIRST[:8] + struct.pack(">i", 48) + self.FIRST[12:60]
        with pytest.raises(DecodeError, match="header"):
            list(iter_batches(data))

    @given(st.binary(max_size=200))
    def test_junk_raises_only_decode_errors(self, junk: bytes) -> None:
        for data in (junk, self.FIRST[:12] + junk, self.FIRST[:17] + junk, self.SECOND[:61] + junk):
            try:
                for batch in iter_batches(data, partial_tail=True):
                    batch.is_valid_crc()
                    list(batch.records(1000))
            except DecodeError:
                continue


def test_read_batch_within_a_larger_buffer() -> None:
    data = memoryview(b"xyz" + TestIteration.FIRST + TestIteration.SECOND)
    batch = read_batch(data, 3, 3 + len(TestIteration.FIRST))
    assert batch is not None and batch.position == 3 and bytes(batch.buffer) == TestIteration.FIRST
    assert read_batch(data, 3, 3 + len(TestIteration.FIRST) - 1) is None


class TestBuilder:
    def test_offsets_follow_by_themselves(self) -> None:
        builder = RecordsBuilder(100, partition_leader_epoch=4)
        assert [builder.append(5, b"k", b"v"), builder.append(6, None, b"v", [("h", b"x")])] == [100, 101]
        assert builder.append(7, None, None, offset=110) == 110
        assert builder.records_count == 3
        data = builder.build()
        assert builder.size == len(data)
        assert [record.offset for record in only(data).records()] == [100, 101, 110]

    def test_offsets_must_rise(self) -> None:
        builder = RecordsBuilder(100)
        builder.append(5, b"k", b"v")
        with pytest.raises(AssertionError):
            builder.append(5, b"k", b"v", offset=100)

    @given(record_lists(min_size=1))
    def test_header_keys_that_are_no_utf8_survive(self, records: list[Record]) -> None:
        records[0].headers = [(b"\xff\xfe".decode("utf-8", "surrogateescape"), b"x")]
        assert list(only(build_batch(records)).records()) == records


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_sequences_wrap(sequence: int, increment: int) -> None:
    later = increment_sequence(sequence, increment)
    assert 0 <= later < 2**31 and decrement_sequence(later, increment) == sequence


def test_sequence_after_the_last_is_0() -> None:
    assert increment_sequence(2**31 - 1, 1) == 0
    assert decrement_sequence(0, 1) == 2**31 - 1
