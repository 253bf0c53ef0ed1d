"""Control records and the batches that carry them."""

from __future__ import annotations

import pytest

from protocol.errors import DecodeError
from protocol.records.batch import iter_batches
from protocol.records.builder import RecordsBuilder, build_control_batch, build_end_transaction_marker
from protocol.records.control import (
    ControlRecordType,
    EndTransactionMarker,
    decode_control_key,
    decode_end_transaction_marker,
    encode_control_key,
    encode_end_transaction_marker,
)


@pytest.mark.parametrize("record_type", [each for each in ControlRecordType if each >= 0])
def test_keys(record_type: ControlRecordType) -> None:
    key = encode_control_key(record_type)
    assert key == b"\0\0\0" + bytes([record_type])
    assert decode_control_key(key) == record_type


def test_types_and_versions_of_the_future() -> None:
    assert decode_control_key(b"\0\0\0\x7f") == ControlRecordType.UNKNOWN
    assert decode_control_key(b"\0\x05\0\x01more") == ControlRecordType.COMMIT


@pytest.mark.parametrize("key", [None, b"", b"\0\0\0", b"\xff\xff\0\x01"])
def test_malformed_keys(key: bytes | None) -> None:
    with pytest.raises(DecodeError):
        decode_control_key(key)


@pytest.mark.parametrize("is_commit", [False, True])
def test_end_of_a_transaction(is_commit: bool) -> None:
    marker = EndTransactionMarker(is_commit, 17)
    key, value = encode_end_transaction_marker(marker)
    assert value == b"\0\0\0\0\0\x11"
    assert decode_end_transaction_marker(key, value) == marker
    assert decode_end_transaction_marker(key, b"\0\x09" + value[2:] + b"more") == marker


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"\0\0\0\x02", b"\0\0\0\0\0\x11"),
        (b"\0\0\0\x01", b"\0\0\0\0\0"),
        (b"\0\0\0\x01", None),
        (b"\0\0\0\x01", b"\xff\xff\0\0\0\x11"),
    ],
)
def test_malformed_markers(key: bytes, value: bytes | None) -> None:
    with pytest.raises(DecodeError):
        decode_end_transaction_marker(key, value)


def test_marker_batch() -> None:
    data = build_end_transaction_marker(
        EndTransactionMarker(True, 3),
        timestamp=50,
        producer_id=9,
        producer_epoch=1,
        base_offset=70,
        partition_leader_epoch=2,
    )
    (batch,) = iter_batches(data)
    assert batch.is_control and batch.is_transactional and batch.is_valid_crc()
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (9, 1, -1)
    (record,) = batch.records()
    assert (record.offset, record.timestamp) == (70, 50)
    assert decode_end_transaction_marker(record.key, record.value) == EndTransactionMarker(True, 3)


def test_control_batches_of_the_metadata_log() -> None:
    (batch,) = iter_batches(
        build_control_batch(
            ControlRecordType.LEADER_CHANGE, b"message", timestamp=5, base_offset=4, partition_leader_epoch=6
        )
    )
    assert batch.is_control and not batch.is_transactional
    assert (batch.base_offset, batch.partition_leader_epoch, batch.producer_id) == (4, 6, -1)
    (record,) = batch.records()
    assert (decode_control_key(record.key), record.value) == (ControlRecordType.LEADER_CHANGE, b"message")


def test_several_control_records_in_a_batch() -> None:
    builder = RecordsBuilder(is_control=True)
    builder.append_control(1, ControlRecordType.KRAFT_VERSION, b"a")
    builder.append_control(1, ControlRecordType.KRAFT_VOTERS, b"b")
    (batch,) = iter_batches(builder.build())
    assert [decode_control_key(record.key) for record in batch.records()] == [
        ControlRecordType.KRAFT_VERSION,
        ControlRecordType.KRAFT_VOTERS,
    ]
