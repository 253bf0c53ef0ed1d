"""Records of the metadata log and of the coordinators' topics, and the quorum-state file, as bytes."""

from __future__ import annotations

import contextlib
import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coordinator.group import OffsetCommitKey, OffsetCommitValue
from protocol.coordinator.serde import (
    GROUP_RECORDS,
    SHARE_RECORDS,
    TRANSACTION_RECORDS,
    CoordinatorRecord,
    RecordTypes,
    UnknownRecordTypeError,
    UnknownRecordVersionError,
    encode_key,
    encode_value,
)
from protocol.coordinator.transaction import TransactionLogKey
from protocol.errors import DecodeError
from protocol.ids import Uuid
from protocol.messages.quorum_state import QuorumStateData
from protocol.metadata import RECORDS
from protocol.metadata.configs import FeatureLevelRecord
from protocol.metadata.log import NoOpRecord
from protocol.metadata.serde import decode_record, encode_record
from protocol.quorum_state import decode_quorum_state, encode_quorum_state
from protocol.schema import UnsupportedVersionError
from tests.support.messages import random_message, versions_of

COORDINATORS = [GROUP_RECORDS, TRANSACTION_RECORDS, SHARE_RECORDS]


def test_layout_of_a_metadata_record() -> None:
    value = encode_record(FeatureLevelRecord(name="f", feature_level=3), 0)
    assert value == bytes.fromhex("01 0c 00 02 66 0003 00")
    assert decode_record(value) == (FeatureLevelRecord(name="f", feature_level=3), 0)


def test_every_metadata_record_comes_back() -> None:
    random = Random(1)
    for cls in RECORDS.values():
        for version in versions_of(cls):
            record = random_message(random, cls, version)
            assert decode_record(encode_record(record, version)) == (record, version)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00 0c 00 02 66 0003 00",  # frame version 0
        "02 0c 00 02 66 0003 00",
        "01 06 00 00",  # no such key
        "01 0c 01 02 66 0003 00",  # no such version
        "01 0c 00 02 66 0003 00 00",  # something follows
        "01 0c 00 02 66 0003",
        "01 ffffffffff01",
    ],
)
def test_bad_metadata_records(value: str) -> None:
    with pytest.raises(DecodeError):
        decode_record(bytes.fromhex(value))


def test_only_metadata_records_are_metadata_records() -> None:
    with pytest.raises(AssertionError):
        encode_record(TransactionLogKey(), 0)


def test_registry_of_metadata_records() -> None:
    assert all(RECORDS[key].SPEC.key == key for key in RECORDS)
    assert RECORDS[20] is NoOpRecord
    assert 6 not in RECORDS
    assert len(RECORDS) == 26


def test_layout_of_coordinator_records() -> None:
    key = OffsetCommitKey(group="g", topic="t", partition=4)
    assert encode_key(key) == bytes.fromhex("0001 0001 67 0001 74 00000004")
    value = OffsetCommitValue(offset=9, metadata="m", commit_timestamp=5)
    assert encode_value(value, 0) == bytes.fromhex("0000 0000000000000009 0001 6d 0000000000000005")
    decoded = GROUP_RECORDS.decode(encode_key(key), encode_value(value, 0))
    assert decoded == CoordinatorRecord(key, value, 0)


def test_a_missing_value_is_a_tombstone() -> None:
    key = OffsetCommitKey(group="g", topic="t", partition=4)
    assert GROUP_RECORDS.decode(encode_key(key), None) == CoordinatorRecord(key, None, 0)


@pytest.mark.parametrize("records", COORDINATORS)
def test_every_coordinator_record_comes_back(records: RecordTypes) -> None:
    random = Random(2)
    assert set(records.keys) == set(records.values)
    for record_type, value_class in records.values.items():
        assert records.keys[record_type].SPEC.key == value_class.SPEC.key == record_type
        for version in versions_of(value_class):
            key = random_message(random, records.keys[record_type], 0)
            value = random_message(random, value_class, version)
            decoded = records.decode(encode_key(key), encode_value(value, version))
            assert decoded == CoordinatorRecord(key, value, version)


def test_unknown_types_and_versions_are_told_apart_from_damage() -> None:
    with pytest.raises(UnknownRecordTypeError) as unknown_type:
        GROUP_RECORDS.decode(bytes.fromhex("0063 0001 67"), None)
    assert unknown_type.value.record_type == 99
    with pytest.raises(UnknownRecordVersionError) as unknown_version:
        TRANSACTION_RECORDS.decode(encode_key(TransactionLogKey()), bytes.fromhex("0009"))
    assert unknown_version.value.version == 9
    for key, value in (("", None), ("00", None), ("0001", None), ("0001 0001 67 0001 74 00000004", "00")):
        with pytest.raises(DecodeError) as damage:
            GROUP_RECORDS.decode(bytes.fromhex(key), None if value is None else bytes.fromhex(value))
        assert type(damage.value) is DecodeError


@given(st.binary(max_size=30), st.none() | st.binary(max_size=60))
def test_any_record_is_decoded_or_a_decode_error(key: bytes, value: bytes | None) -> None:
    for records in COORDINATORS:
        with contextlib.suppress(DecodeError):
            records.decode(key, value)
    with contextlib.suppress(DecodeError):
        decode_record(key)


VOTED = QuorumStateData(leader_id=-1, leader_epoch=4, voted_id=2, voted_directory_id=Uuid(bytes(15) + b"\x09"))
VOTED_FILE = b'{"leaderId":-1,"leaderEpoch":4,"votedId":2,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAACQ","data_version":1}'


def test_quorum_state() -> None:
    assert encode_quorum_state(VOTED, 1) == VOTED_FILE
    assert decode_quorum_state(VOTED_FILE) == (VOTED, 1)


@pytest.mark.parametrize("voters", [None, [], [1, 2]])
def test_quorum_state_of_version_0(voters: list[int] | None) -> None:
    state = QuorumStateData(
        cluster_id="c",
        leader_id=1,
        leader_epoch=4,
        applied_offset=7,
        current_voters=None if voters is None else [QuorumStateData.Voter(voter_id=voter) for voter in voters],
    )
    assert decode_quorum_state(encode_quorum_state(state, 0)) == (state, 0)


def test_quorum_state_refuses_what_a_version_cannot_carry() -> None:
    for state, version in ((VOTED, 0), (VOTED, 2), (QuorumStateData(cluster_id="c"), 1)):
        with pytest.raises(UnsupportedVersionError):
            encode_quorum_state(state, version)


@pytest.mark.parametrize(
    "change",
    [
        {"data_version": 2},
        {"data_version": None},
        {"leaderId": "1"},
        {"leaderEpoch": True},
        {"votedId": 1.5},
        {"votedDirectoryId": "short"},
        {"votedDirectoryId": 3},
        {"data_version": 0},
        {"data_version": 0, "clusterId": "", "appliedOffset": 0, "currentVoters": 3},
        {"data_version": 0, "clusterId": "", "appliedOffset": 0, "currentVoters": [3]},
        {"data_version": 0, "clusterId": "", "appliedOffset": 0, "currentVoters": [{}]},
    ],
)
def test_damaged_quorum_state(change: dict[str, object]) -> None:
    fields = {**json.loads(VOTED_FILE), **change}
    with pytest.raises(DecodeError):
        decode_quorum_state(json.dumps(fields).encode())


@given(st.binary(max_size=40))
def test_any_file_is_decoded_or_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode_quorum_state(data)


def test_quorum_state_that_is_no_object() -> None:
    for data in (b"", b"[]", b"null", b"\xff", b"[" * 100_000):
        with pytest.raises(DecodeError):
            decode_quorum_state(data)
