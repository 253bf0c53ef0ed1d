"""Control batches, metadata batches, and what a follower takes of a response."""

from __future__ import annotations

import pytest

from protocol.errors import DecodeError
from protocol.messages.control_records import LeaderChangeMessage, VotersRecord
from protocol.metadata.configs import FeatureLevelRecord
from protocol.records.batch import iter_batches
from protocol.records.builder import RecordsBuilder
from protocol.records.control import ControlRecordType
from protocol.schema import Message
from raft.leader import Leader, initial_progress
from raft.records import (
    BatchTooLarge,
    control_batch,
    control_records,
    data_batch,
    data_records,
    leader_change_records,
    valid_prefix,
    voters_from_record,
    voters_record,
)
from raft.voters import BOOTSTRAP_OFFSET, Membership, VoterNode, VoterSet
from tests.support.raft_simulation import endpoints, voter_node

VOTERS = VoterSet([voter_node(1), voter_node(2)])


def feature(level: int) -> tuple[Message, int]:
    return FeatureLevelRecord(name="f", feature_level=level), 0


def leader(local: VoterNode | None = None) -> Leader:
    return Leader(
        epoch=3,
        epoch_start_offset=0,
        local=local or voter_node(1),
        granting_voters=[1, 2],
        fetch_timeout_ms=2000,
        check_quorum_at_ms=0,
        begin_quorum_at_ms=0,
        voters=initial_progress(VOTERS),
    )


def test_voters_survive_their_record() -> None:
    record = voters_record(VOTERS)
    assert isinstance(record.message, VotersRecord)
    assert voters_from_record(record.message) == VOTERS == record.voters
    assert record.kraft_version is None


def test_control_batch_reads_back() -> None:
    membership = Membership()
    membership.add_kraft_version(BOOTSTRAP_OFFSET, 1)
    membership.add_voters(BOOTSTRAP_OFFSET, VOTERS)
    records = leader_change_records(leader(), membership)
    [batch] = iter_batches(control_batch(records, 40, 3, 1234))
    assert batch.is_control and batch.is_valid_crc() and batch.compression == 0
    assert (batch.base_offset, batch.last_offset, batch.partition_leader_epoch) == (40, 42, 3)
    assert (batch.base_timestamp, batch.max_timestamp, batch.producer_id) == (1234, 1234, -1)
    assert control_records(batch) == records
    change = records[0].message
    assert isinstance(change, LeaderChangeMessage)
    assert [voter.voter_id for voter in change.voters] == [1, 2]
    assert records[1].kraft_version == 1 and records[2].voters == VOTERS


@pytest.mark.parametrize(
    ("version", "offset", "local", "types"),
    [
        (0, None, voter_node(1), [ControlRecordType.LEADER_CHANGE]),
        (1, 7, voter_node(1), [ControlRecordType.LEADER_CHANGE]),
        (
            1,
            7,
            VoterNode(voter_node(1).key, endpoints(9), 0, 1),
            [ControlRecordType.LEADER_CHANGE, ControlRecordType.KRAFT_VERSION, ControlRecordType.KRAFT_VOTERS],
        ),
    ],
)
def test_voters_are_written_when_they_are_news(
    version: int, offset: int | None, local: VoterNode, types: list[ControlRecordType]
) -> None:
    membership = Membership(VOTERS)
    if version:
        membership.add_kraft_version(0, version)
    if offset is not None:
        membership.add_voters(offset, VOTERS)
    records = leader_change_records(leader(local), membership)
    assert [record.type for record in records] == types
    if len(records) == 3:
        assert records[2].voters == VOTERS.update(local)


def test_data_batch_reads_back() -> None:
    [batch] = iter_batches(data_batch([feature(1), feature(2)], 100, 7, 55))
    assert not batch.is_control and batch.is_valid_crc()
    assert (batch.base_offset, batch.last_offset, batch.partition_leader_epoch) == (100, 101, 7)
    assert list(data_records(batch)) == [feature(1), feature(2)]


def test_data_batch_has_a_limit() -> None:
    with pytest.raises(BatchTooLarge):
        data_batch([feature(1)] * 100, 0, 1, 0, max_size_bytes=500)


def test_unknown_control_records_are_passed_over() -> None:
    builder = RecordsBuilder(0, is_control=True)
    builder.append(0, b"\x00\x00\x00\x63", b"whatever")
    [batch] = iter_batches(builder.build())
    [record] = control_records(batch)
    assert record.type == ControlRecordType.UNKNOWN and record.message is None and record.voters is None


def test_control_record_without_value() -> None:
    builder = RecordsBuilder(0, is_control=True)
    builder.append(0, b"\x00\x00\x00\x06", None)
    [batch] = iter_batches(builder.build())
    with pytest.raises(DecodeError):
        control_records(batch)


def batches(*shapes: tuple[int, int, int]) -> list[bytes]:
    """(base offset, records, epoch)"""
    return [data_batch([feature(1)] * count, base, epoch, 0) for base, count, epoch in shapes]


def accepted(parts: list[bytes], next_offset: int = 10, epoch: int = 5, last_epoch: int = 2) -> list[int]:
    return [batch.base_offset for batch in valid_prefix(parts, next_offset, epoch, last_epoch)]


def test_what_continues_the_log_is_taken() -> None:
    assert accepted(batches((10, 2, 2), (12, 1, 5))) == [10, 12]
    assert accepted([]) == [] and valid_prefix(None, 0, 0, 0) == []


def test_what_does_not_is_not() -> None:
    assert accepted(batches((9, 2, 2))) == [] and accepted(batches((11, 2, 2))) == []
    assert accepted(batches((10, 2, 2), (13, 1, 2))) == [10]
    assert accepted(batches((10, 1, 2), (11, 1, 6), (12, 1, 5))) == [10], "of a later epoch than the leader's"
    assert accepted(batches((10, 1, 4), (11, 1, 3))) == [10], "epochs do not go back"


def test_damage_ends_what_is_taken() -> None:
    good, bad = batches((10, 1, 2), (11, 1, 2))
    flipped = bad[:-1] + bytes([bad[-1] ^ 1])
    assert accepted([good, flipped]) == [10]
    assert accepted([good, bad[:-5]]) == [10], "cut off by the size limit"
    assert accepted([good, b"\xff" * 100]) == [10]
