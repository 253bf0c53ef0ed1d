"""Validation as a leader's log does it, checked against the rules of Kafka's LogValidator."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.errors import ApiError, ErrorCode
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.builder import COVERED, build_batch, build_end_transaction_marker, seal
from protocol.records.compression import CompressionType, compress
from protocol.records.control import EndTransactionMarker
from protocol.records.record import Record
from storage import validation
from storage.validation import (
    CREATE_TIME,
    LOG_APPEND_TIME,
    AppendOrigin,
    InvalidRecords,
    RecordValidationError,
    UnexpectedAppendOffset,
    ValidatedAppend,
    ValidationRules,
    prepare_append,
    recompresses,
    validate_assigned,
    validate_for_append,
)

NOW = 1_700_000_000_000
RULES = ValidationRules()
CODECS = list(CompressionType)


def records(count: int = 3, timestamp: int = NOW) -> list[Record]:
    return [Record(i, timestamp + i, b"key%d" % i, b"value" * 20) for i in range(count)]


def append(
    data: bytes | memoryview,
    rules: ValidationRules = RULES,
    *,
    origin: AppendOrigin = AppendOrigin.CLIENT,
    allow_zstd: bool = True,
) -> ValidatedAppend:
    return validate_for_append(
        data, rules, first_offset=500, leader_epoch=7, now_ms=NOW, origin=origin, allow_zstd=allow_zstd
    )


def refused(data: bytes, rules: ValidationRules = RULES) -> RecordValidationError:
    with pytest.raises(RecordValidationError) as caught:
        append(data, rules)
    return caught.value


def written(append: ValidatedAppend) -> RecordBatch:
    data = b"".join(append.buffers)
    (batch,) = iter_batches(data)
    assert batch.is_valid_crc()
    assert append.size == len(data)
    assigned = append.batches[0]
    for name in RecordBatch.__slots__:
        if name not in ("buffer", "position"):
            assert getattr(batch, name) == getattr(assigned, name), name
    return batch


def resealed(data: bytes, **fields: int) -> bytes:
    """A batch with other header values and a CRC that fits."""
    return with_payload(data, data[61:], **fields)


def with_payload(data: bytes, payload: bytes, **fields: int) -> bytes:
    (batch,) = iter_batches(data)
    for name, value in fields.items():
        setattr(batch, name, value)
    covered = COVERED.pack(
        batch.attributes,
        batch.last_offset_delta,
        batch.base_timestamp,
        batch.max_timestamp,
        batch.producer_id,
        batch.producer_epoch,
        batch.base_sequence,
        batch.records_count,
    )
    return seal(batch.base_offset, batch.partition_leader_epoch, covered, payload) + covered + payload


class TestAccepted:
    @pytest.mark.parametrize("codec", CODECS)
    def test_offsets_are_assigned_in_front_of_the_producers_bytes(self, codec: int) -> None:
        data = memoryview(build_batch(records(), compression=codec, producer_id=4, producer_epoch=0, base_sequence=0))
        result = append(data)
        batch = written(result)
        assert (batch.base_offset, batch.last_offset, batch.partition_leader_epoch) == (500, 502, 7)
        assert [record.key for record in batch.records()] == [b"key0", b"key1", b"key2"]
        assert (result.first_offset, result.last_offset, result.records_count) == (500, 502, 3)
        assert (result.max_timestamp, result.offset_of_max_timestamp) == (NOW + 2, 502)
        assert (result.log_append_time, result.source_compression, result.was_recompressed) == (-1, codec, False)
        assert isinstance(result.buffers[1], memoryview) and result.buffers[1].obj is data.obj
        assert len(result.buffers[0]) == 16

    def test_the_leader_epoch_of_the_client_does_not_matter(self) -> None:
        assert written(append(build_batch(records(), partition_leader_epoch=99))).partition_leader_epoch == 7

    def test_sequences_without_a_producer_id(self) -> None:
        written(append(build_batch(records(), base_sequence=0)))

    def test_an_incomplete_second_batch_is_dropped(self) -> None:
        data = build_batch(records())
        for tail in (b"x", data[:11], data[:16], data[:-1]):
            assert written(append(data + tail)).size == len(data)

    def test_records_without_timestamps(self) -> None:
        result = append(build_batch([Record(0, -1, None, b"v")]))
        assert (result.max_timestamp, result.offset_of_max_timestamp) == (-1, -1)
        written(result)

    def test_a_wrong_max_timestamp_is_corrected(self) -> None:
        for wrong in (0, NOW + 10**9, -1):
            result = append(resealed(build_batch(records()), max_timestamp=wrong))
            assert written(result).max_timestamp == NOW + 2 == result.max_timestamp

    def test_coordinators_may_write_markers_and_omit_sequences(self) -> None:
        marker = build_end_transaction_marker(
            EndTransactionMarker(True, 1), timestamp=5, producer_id=4, producer_epoch=0
        )
        assert written(append(marker, origin=AppendOrigin.COORDINATOR)).is_control
        offsets = build_batch(records(), producer_id=4, producer_epoch=0, is_transactional=True)
        assert written(append(offsets, origin=AppendOrigin.COORDINATOR)).is_transactional

    def test_preparing_and_assigning_apart(self) -> None:
        prepared = prepare_append(build_batch(records()), RULES, now_ms=NOW)
        assert (prepared.first_offset, prepared.last_offset, prepared.buffers) == (0, 2, [])
        prepared.assign(10, 1)
        assert (prepared.first_offset, prepared.last_offset, prepared.offset_of_max_timestamp) == (10, 12, 12)
        assert written(prepared).base_offset == 10


class TestLogAppendTime:
    RULES = ValidationRules(timestamp_type=LOG_APPEND_TIME)

    @pytest.mark.parametrize("codec", CODECS)
    def test_the_header_says_when(self, codec: int) -> None:
        result = append(build_batch(records(timestamp=5), compression=codec), self.RULES)
        batch = written(result)
        assert (batch.timestamp_type, batch.max_timestamp, batch.base_timestamp) == (1, NOW, 5)
        assert (result.log_append_time, result.max_timestamp, result.offset_of_max_timestamp) == (NOW, NOW, 502)
        assert {record.timestamp for record in batch.records()} == {NOW}

    def test_any_timestamp_will_do(self) -> None:
        written(append(build_batch([Record(0, 2**62, None, b"")]), self.RULES))

    def test_producers_may_not_claim_it(self) -> None:
        error = refused(build_batch(records(), log_append_time=NOW), self.RULES)
        assert error.code == ErrorCode.INVALID_TIMESTAMP
        assert [each.batch_index for each in error.record_errors] == [0, 1, 2]

    def test_a_claim_is_cleared_where_the_topic_takes_create_time(self) -> None:
        batch = written(append(build_batch(records(), log_append_time=NOW)))
        assert (batch.timestamp_type, batch.max_timestamp) == (0, NOW + 2)

    def test_a_claim_without_a_timestamp(self) -> None:
        error = refused(build_batch(records(), log_append_time=-1))
        assert error.code == ErrorCode.INVALID_TIMESTAMP and len(error.record_errors) == 3


class TestRecompression:
    @pytest.mark.parametrize("source", CODECS)
    @pytest.mark.parametrize("target", CODECS)
    @pytest.mark.parametrize("timestamp_type", [CREATE_TIME, LOG_APPEND_TIME])
    def test_to_the_codec_of_the_topic(self, source: int, target: int, timestamp_type: int) -> None:
        rules = ValidationRules(compression=target, timestamp_type=timestamp_type)
        data = build_batch(
            records(), compression=source, producer_id=4, producer_epoch=1, base_sequence=9, is_transactional=True
        )
        result = append(data, rules)
        batch = written(result)
        assert (batch.compression, result.source_compression, result.was_recompressed) == (
            target,
            source,
            source != target,
        )
        assert recompresses(data, rules) == (source != target)
        assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (4, 1, 9)
        assert (batch.is_transactional, batch.timestamp_type) == (True, timestamp_type)
        expected = [(500 + i, NOW if timestamp_type else NOW + i, b"key%d" % i) for i in range(3)]
        assert [(record.offset, record.timestamp, record.key) for record in batch.records()] == expected

    def test_levels(self) -> None:
        sizes = [
            append(build_batch(records(50)), ValidationRules(compression=1, compression_level=level)).size
            for level in (1, 9)
        ]
        assert sizes[0] > sizes[1]

    def test_markers_stay_uncompressed(self) -> None:
        marker = build_end_transaction_marker(
            EndTransactionMarker(True, 1), timestamp=5, producer_id=4, producer_epoch=0
        )
        result = append(marker, ValidationRules(compression=4), origin=AppendOrigin.COORDINATOR)
        assert written(result).compression == 0

    def test_the_result_has_to_fit(self) -> None:
        data = build_batch([Record(0, NOW, None, bytes(10_000))], compression=4)
        error = refused(data, ValidationRules(compression=0, max_message_bytes=1000))
        assert error.code == ErrorCode.MESSAGE_TOO_LARGE

    def test_nothing_to_do(self) -> None:
        assert not recompresses(build_batch(records(), compression=2), RULES)
        assert not recompresses(b"", ValidationRules(compression=2))


class TestRefused:
    GOOD = build_batch(records())

    @pytest.mark.parametrize("data", [b"", b"x", GOOD[:16], GOOD[:-1]])
    def test_no_whole_batch(self, data: bytes) -> None:
        assert refused(data).code == ErrorCode.INVALID_RECORD

    def test_two_batches(self) -> None:
        assert refused(self.GOOD + self.GOOD).code == ErrorCode.INVALID_RECORD

    def test_garbage_behind_the_batch(self) -> None:
        assert refused(self.GOOD + bytes(20)).code == ErrorCode.CORRUPT_MESSAGE

    @pytest.mark.parametrize("magic", [0, 1])
    def test_old_formats(self, magic: int) -> None:
        data = self.GOOD[:16] + bytes([magic]) + self.GOOD[17:]
        error = refused(data)
        assert (error.code, error.meter) == (ErrorCode.INVALID_RECORD, InvalidRecords.MAGIC)

    @pytest.mark.parametrize("magic", [3, 255])
    def test_unknown_magic(self, magic: int) -> None:
        assert refused(self.GOOD[:16] + bytes([magic]) + self.GOOD[17:]).code == ErrorCode.CORRUPT_MESSAGE

    @pytest.mark.parametrize("length", [0, 48, -1])
    def test_lengths_below_the_header(self, length: int) -> None:
        data = self.GOOD[:8] + struct.pack(">i", length) + self.GOOD[12 : 12 + max(length, 5)]
        assert refused(data).code == ErrorCode.CORRUPT_MESSAGE

    def test_checksum(self) -> None:
        error = refused(self.GOOD[:-1] + b"!")
        assert (error.code, error.meter) == (ErrorCode.CORRUPT_MESSAGE, InvalidRecords.CHECKSUM)

    def test_size(self) -> None:
        error = refused(self.GOOD, ValidationRules(max_message_bytes=len(self.GOOD) - 1))
        assert error.code == ErrorCode.MESSAGE_TOO_LARGE
        written(append(self.GOOD, ValidationRules(max_message_bytes=len(self.GOOD))))

    def test_base_offset(self) -> None:
        data = build_batch([Record(5, NOW, None, b"")])
        assert refused(data).code == ErrorCode.INVALID_RECORD
        written(append(data, origin=AppendOrigin.COORDINATOR))

    def test_zstd_in_old_requests(self) -> None:
        with pytest.raises(ApiError) as caught:
            append(build_batch(records(), compression=4), allow_zstd=False)
        assert caught.value.code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
        written(append(build_batch(records(), compression=3), allow_zstd=False))

    @pytest.mark.parametrize(
        "fields",
        [
            {"records_count": 0, "last_offset_delta": -1},
            {"records_count": -1},
            {"records_count": -1, "last_offset_delta": -2},
            {"records_count": 2},
            {"last_offset_delta": 3},
            {"last_offset_delta": -3},
            {"records_count": 4, "last_offset_delta": 3},
            {"records_count": 2, "last_offset_delta": 1},
            {"records_count": 2**31 - 1, "last_offset_delta": 2**31 - 2},
            {"attributes": 0x05},
            {"attributes": 0x10},
            {"attributes": 0x20},
            {"producer_id": 5, "producer_epoch": 0},
            {"producer_id": 5, "producer_epoch": 0, "base_sequence": -2},
        ],
    )
    def test_headers(self, fields: dict[str, int]) -> None:
        assert refused(resealed(self.GOOD, **fields)).code == ErrorCode.INVALID_RECORD

    @pytest.mark.parametrize("codec", CODECS)
    def test_offset_deltas(self, codec: int) -> None:
        data = build_batch([Record(0, NOW, None, b""), Record(2, NOW, None, b"")], compression=codec)
        error = refused(resealed(data, last_offset_delta=1))
        assert (error.code, error.meter) == (ErrorCode.INVALID_RECORD, InvalidRecords.OFFSET_OR_SEQUENCE)

    @pytest.mark.parametrize("codec", CODECS[1:])
    def test_damaged_compression_under_a_fitting_checksum(self, codec: int) -> None:
        data = build_batch(records(), compression=codec)
        assert refused(with_payload(data, data[61:-3])).code == ErrorCode.INVALID_RECORD

    @pytest.mark.parametrize("codec", CODECS[1:])
    def test_bombs(self, codec: int) -> None:
        data = build_batch([Record(0, NOW, None, bytes(200_000))], compression=codec)
        assert refused(data, ValidationRules(max_decompressed_bytes=200_000)).code == ErrorCode.INVALID_RECORD
        written(append(data, ValidationRules(max_decompressed_bytes=200_100)))

    def test_records_without_keys_on_a_compacted_topic(self) -> None:
        data = build_batch([Record(0, NOW, b"", b""), Record(1, NOW, None, b""), Record(2, NOW, None, b"")])
        error = refused(data, ValidationRules(is_compacted=True))
        assert (error.code, error.meter) == (ErrorCode.INVALID_RECORD, InvalidRecords.NO_KEY_ON_COMPACTED_TOPIC)
        assert [each.batch_index for each in error.record_errors] == [1, 2]
        assert "2 records" in str(error)

    @pytest.mark.parametrize("codec", [0, 1])
    def test_timestamps_out_of_range(self, codec: int) -> None:
        rules = ValidationRules(timestamp_before_max_ms=1000, timestamp_after_max_ms=100)
        times = [NOW - 1000, NOW - 1001, NOW + 100, NOW + 101, -1]
        data = build_batch([Record(i, time, None, b"") for i, time in enumerate(times)], compression=codec)
        error = refused(data, rules)
        assert (error.code, error.meter) == (ErrorCode.INVALID_TIMESTAMP, None)
        assert [each.batch_index for each in error.record_errors] == [1, 3]
        assert str(NOW + 101) in error.record_errors[1].message

    def test_timestamps_weigh_more_than_keys(self) -> None:
        data = build_batch([Record(0, NOW, None, b""), Record(1, 2**62, b"k", b"")])
        error = refused(data, ValidationRules(is_compacted=True))
        assert error.code == ErrorCode.INVALID_TIMESTAMP and len(error.record_errors) == 2

    def test_ten_years_ahead_is_refused_by_default(self) -> None:
        assert refused(build_batch(records(timestamp=NOW + 10 * 31_536_000_000))).code == ErrorCode.INVALID_TIMESTAMP
        assert refused(build_batch(records(timestamp=NOW + 3_600_000))).code == ErrorCode.INVALID_TIMESTAMP
        written(append(build_batch(records(1, timestamp=NOW + 3_600_000))))

    def test_record_errors_are_limited(self) -> None:
        data = build_batch([Record(i, NOW, None, None) for i in range(3000)])
        assert len(refused(data, ValidationRules(is_compacted=True)).record_errors) == 1000


@given(st.binary(max_size=120), st.integers(0, 3), st.sampled_from(CODECS))
def test_junk_raises_only_refusals(junk: bytes, count: int, codec: int) -> None:
    good = build_batch(records(max(count, 1)), compression=codec)
    for data in (junk, good[:17] + junk, with_payload(good, junk), with_payload(good, compress(codec, junk))):
        try:
            written(append(data))
        except RecordValidationError as error:
            assert error.code in (ErrorCode.INVALID_RECORD, ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_TIMESTAMP)


@given(st.data())
def test_damaged_headers_raise_only_refusals(data: st.DataObject) -> None:
    good = build_batch(records(), compression=data.draw(st.sampled_from(CODECS)))
    names = ["attributes", "last_offset_delta", "base_timestamp", "max_timestamp", "producer_id", "records_count"]
    limits = [2**15, 2**31, 2**63, 2**63, 2**63, 2**31]
    fields = {
        name: data.draw(st.integers(-limit, limit - 1) | st.integers(-2, 40))
        for name, limit in zip(names, limits, strict=True)
        if data.draw(st.booleans())
    }
    try:
        result = append(resealed(good, **fields))
    except RecordValidationError:
        return
    batch = written(result)
    assert [record.offset for record in batch.records()] == list(range(500, 503))


class TestAssigned:
    @staticmethod
    def batches(*spans: tuple[int, int, int]) -> bytes:
        """(base offset, records, epoch)"""
        return b"".join(
            build_batch([Record(base + i, NOW + base, b"k", b"v") for i in range(count)], partition_leader_epoch=epoch)
            for base, count, epoch in spans
        )

    @staticmethod
    def follow(data: bytes, *, epoch: int = 5, next_offset: int = 10) -> ValidatedAppend:
        return validate_assigned(data, origin=AppendOrigin.REPLICATION, leader_epoch=epoch, next_offset=next_offset)

    def test_a_follower_takes_batches_as_they_are(self) -> None:
        data = self.batches((10, 2, 3), (12, 1, 5), (20, 3, 5))
        result = self.follow(data)
        assert [(batch.base_offset, batch.last_offset) for batch in result.batches] == [(10, 11), (12, 12), (20, 22)]
        assert (result.first_offset, result.last_offset, result.records_count) == (10, 22, 6)
        assert (result.max_timestamp, result.offset_of_max_timestamp) == (NOW + 20, 22)
        assert b"".join(result.buffers) == data and result.size == len(data)

    def test_the_first_batch_with_the_maximum_counts(self) -> None:
        data = b"".join(build_batch([Record(offset, NOW, None, b"")], partition_leader_epoch=1) for offset in (10, 11))
        assert self.follow(data).offset_of_max_timestamp == 10

    def test_nothing(self) -> None:
        result = self.follow(b"")
        assert (result.batches, result.size, result.first_offset, result.last_offset) == ([], 0, -1, -1)

    def test_an_incomplete_batch_is_cut_off(self) -> None:
        whole = self.batches((10, 2, 3))
        result = self.follow(whole + self.batches((12, 1, 5))[:-1])
        assert b"".join(result.buffers) == whole and result.last_offset == 11

    def test_batches_of_a_later_epoch_and_what_follows_are_cut_off(self) -> None:
        whole = self.batches((10, 2, 5))
        result = self.follow(whole + self.batches((12, 1, 6), (13, 1, 5)))
        assert b"".join(result.buffers) == whole

    @pytest.mark.parametrize(("position", "code"), [(70, ErrorCode.CORRUPT_MESSAGE), (16, ErrorCode.CORRUPT_MESSAGE)])
    def test_damage(self, position: int, code: ErrorCode) -> None:
        data = bytearray(self.batches((10, 2, 5)))
        data[position] ^= 0x55
        with pytest.raises(RecordValidationError) as caught:
            self.follow(bytes(data))
        assert caught.value.code == code

    def test_offsets_must_rise(self) -> None:
        with pytest.raises(RecordValidationError) as caught:
            self.follow(self.batches((10, 3, 5), (12, 1, 5)))
        assert caught.value.code == ErrorCode.INVALID_RECORD

    def test_offsets_below_the_end(self) -> None:
        with pytest.raises(UnexpectedAppendOffset) as caught:
            self.follow(self.batches((8, 3, 5), (11, 1, 5)))
        assert (caught.value.first_offset, caught.value.last_offset) == (8, 11)

    def test_the_leader_of_the_metadata_log_sets_the_epoch_itself(self) -> None:
        def lead(epochs: Iterable[int]) -> ValidatedAppend:
            data = self.batches(*((10 + i, 1, epoch) for i, epoch in enumerate(epochs)))
            return validate_assigned(data, origin=AppendOrigin.RAFT_LEADER, leader_epoch=5, next_offset=10)

        assert lead([5, 5]).last_offset == 11
        for epochs in ([4], [5, 6]):
            with pytest.raises(RecordValidationError) as caught:
                lead(epochs)
            assert caught.value.code == ErrorCode.INVALID_RECORD


def outcome(data: bytes, rules: ValidationRules, *, allow_zstd: bool) -> object:
    try:
        made = append(data, rules, allow_zstd=allow_zstd)
    except RecordValidationError as error:
        return error.code, error.message, error.record_errors, error.meter
    batch = {name: getattr(made.batches[0], name) for name in RecordBatch.__slots__ if name != "buffer"}
    return batch, [bytes(each) for each in made.buffers], made.max_timestamp, made.last_offset, made.was_recompressed


@given(
    codec=st.sampled_from(CODECS),
    fields=st.dictionaries(
        st.sampled_from(["attributes", "last_offset_delta", "max_timestamp", "producer_id", "base_sequence"]),
        st.integers(-2, 70),
        max_size=2,
    ),
    changes=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=2),
    cut=st.integers(-70, 1),
    rules=st.sampled_from(
        [RULES, ValidationRules(max_message_bytes=150), ValidationRules(timestamp_type=LOG_APPEND_TIME)]
    ),
    allow_zstd=st.booleans(),
)
@example(codec=CompressionType.NONE, fields={}, changes=[], cut=1, rules=RULES, allow_zstd=True)
def test_a_plain_batch_comes_out_as_if_it_had_been_looked_at_closely(
    codec: CompressionType,
    fields: dict[str, int],
    changes: list[tuple[int, int]],
    cut: int,
    rules: ValidationRules,
    allow_zstd: bool,
) -> None:
    data = bytearray(resealed(build_batch(records(), compression=codec), **fields))
    for position, value in changes:
        data[position] = value
    sent = bytes(data[:cut] if cut < 0 else data)
    short = outcome(sent, rules, allow_zstd=allow_zstd)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "prepare_plain", lambda *_: None)
        assert outcome(sent, rules, allow_zstd=allow_zstd) == short
        patch.setattr(validation, "_plain_batch", lambda *_: None)
        assert outcome(sent, rules, allow_zstd=allow_zstd) == short


@pytest.mark.parametrize(
    ("data", "rules", "is_plain"),
    [
        (build_batch(records()), RULES, True),
        (build_batch(records(), producer_id=1, producer_epoch=0, base_sequence=0), RULES, True),
        (build_batch(records(), compression=CompressionType.GZIP), RULES, False),
        (build_batch(records()), ValidationRules(timestamp_type=LOG_APPEND_TIME), False),
        (build_batch(records()), ValidationRules(compression=CompressionType.ZSTD), False),
    ],
)
def test_what_is_plain_is_checked_in_one_go(data: bytes, rules: ValidationRules, is_plain: bool) -> None:
    assert (validation.prepare_plain(memoryview(data), rules, NOW) is not None) is is_plain
