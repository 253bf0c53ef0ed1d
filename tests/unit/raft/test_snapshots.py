"""Snapshot names, writing and reading."""

from __future__ import annotations

import pytest

from protocol.ids import OffsetAndEpoch
from protocol.metadata.configs import FeatureLevelRecord
from protocol.records.batch import iter_batches
from protocol.records.control import ControlRecordType
from protocol.schema import Message
from raft.snapshots import (
    DELETED_SUFFIX,
    PARTIAL_SUFFIX,
    SUFFIX,
    LoadedSnapshot,
    MembershipAt,
    SnapshotError,
    SnapshotWriter,
    file_name,
    parse_file_name,
    read_all,
    read_control_records,
    read_last_contained_timestamp,
)
from raft.voters import VoterSet
from tests.support.raft_memory import Disk, MemorySnapshotReader, MemorySnapshotWriter
from tests.support.raft_simulation import voter_node

ID = OffsetAndEpoch(127, 3)


def feature(level: int) -> tuple[Message, int]:
    return FeatureLevelRecord(name="f" * 100, feature_level=level), 0


def written(records: int, membership: MembershipAt | None = None) -> bytes:
    disk = Disk()
    raw = MemorySnapshotWriter(disk, ID)
    writer = SnapshotWriter(raw, 777, 888, membership or MembershipAt(0, None))
    writer.append([feature(level % 100) for level in range(records)])
    writer.finish()
    raw.freeze()
    return disk.snapshots[ID]


@pytest.mark.parametrize("suffix", [SUFFIX, PARTIAL_SUFFIX, DELETED_SUFFIX])
def test_names(suffix: str) -> None:
    assert file_name(ID) == "00000000000000000127-0000000003.checkpoint"
    assert parse_file_name(file_name(ID, suffix)) == (ID, suffix)


def test_kafkas_names_of_unfinished_snapshots() -> None:
    name = "00000000000000000127-0000000003-8203953216508723.checkpoint.part"
    assert parse_file_name(name) == (ID, PARTIAL_SUFFIX)


@pytest.mark.parametrize(
    "name",
    [
        "00000000000000000127.log",
        "leader-epoch-checkpoint",
        "bootstrap.checkpoint",
        "127-3.checkpoint",
        "0000000000000000012x-0000000003.checkpoint",
        "00000000000000000127-3.checkpoint",
        "00000000000000000127_0000000003.checkpoint",
    ],
)
def test_names_of_other_files(name: str) -> None:
    assert parse_file_name(name) is None


def test_snapshot_reads_back_in_pieces() -> None:
    content = written(3000)
    assert len(list(iter_batches(content))) > 4
    snapshot = LoadedSnapshot(ID, content)
    assert (snapshot.last_contained_log_offset, snapshot.last_contained_log_timestamp) == (126, 777)
    pieces = list(snapshot.batches)
    assert max(map(len, pieces)) <= 256
    assert [record for piece in pieces for record in piece] == [feature(level % 100) for level in range(3000)]
    offset = 0
    for batch in iter_batches(content):
        assert batch.base_offset == offset and batch.partition_leader_epoch == 3
        offset = batch.next_offset


def test_frame_without_records() -> None:
    records = read_control_records(ID, written(0, MembershipAt(1, VoterSet([voter_node(1)]))))
    assert [record.type for record in records] == [
        ControlRecordType.SNAPSHOT_HEADER,
        ControlRecordType.KRAFT_VERSION,
        ControlRecordType.KRAFT_VOTERS,
        ControlRecordType.SNAPSHOT_FOOTER,
    ]
    assert records[2].voters == VoterSet([voter_node(1)])
    assert list(LoadedSnapshot(ID, written(0)).batches) == []


def test_timestamp_from_the_head_alone() -> None:
    reader = MemorySnapshotReader(ID, written(10))
    assert read_last_contained_timestamp(reader) == 777
    assert read_all(reader) == written(10)


@pytest.mark.parametrize("position", [30, 200, -30])
def test_damage_is_noticed(position: int) -> None:
    content = bytearray(written(10))
    content[position] ^= 1
    with pytest.raises(SnapshotError, match="damaged"):
        LoadedSnapshot(ID, content)


def test_what_is_no_snapshot() -> None:
    tail = written(10)
    tail = tail[next(iter_batches(tail)).size :]
    for content in (b"", tail, written(10)[:-1], b"\xff" * 200):
        with pytest.raises(SnapshotError):
            LoadedSnapshot(ID, content)
        with pytest.raises(SnapshotError):
            read_last_contained_timestamp(MemorySnapshotReader(ID, b"" if content == written(10)[:-1] else content))
