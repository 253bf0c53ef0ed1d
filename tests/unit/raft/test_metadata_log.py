"""The metadata log in real files: appends, snapshots, retention, restarts, what crashes leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.metadata.raft_log import DIRECTORY_NAME, KafkaMetadataLog, MetadataLogConfig
from protocol.errors import StorageError
from protocol.ids import OffsetAndEpoch
from protocol.metadata.configs import FeatureLevelRecord
from protocol.records.batch import iter_batches
from raft.loading import load_membership
from raft.quorum_state import FILE_NAME, ElectionState, QuorumStateFile
from raft.records import control_batch, data_batch, kraft_version_record, voters_record
from raft.snapshots import MembershipAt, SnapshotWriter, read_all
from raft.voters import ReplicaKey, VoterSet
from storage.files import DiskFiles, make_dirs_durably
from tests.support.memory_files import MemoryFiles
from tests.support.raft_simulation import voter_node

VOTERS = VoterSet([voter_node(1)])


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


class Fixture:
    def __init__(self, path: Path, **config: int) -> None:
        self.path = path
        self.directory = path / DIRECTORY_NAME
        self.config = MetadataLogConfig(**config)
        self.clock = Clock()
        self.log = self.open()

    def open(self) -> KafkaMetadataLog:
        self.log = KafkaMetadataLog.open(DiskFiles(), str(self.path), self.config, now_ms=self.clock)
        return self.log

    def append(self, count: int = 1, epoch: int = 1, size: int = 10) -> int:
        records = [(FeatureLevelRecord(name="x" * size, feature_level=1), 0)] * count
        self.log.append_as_leader(data_batch(records, self.log.end_offset, epoch, self.clock()), epoch)
        return self.log.end_offset

    def sync(self) -> None:
        self.log.begin_sync()()
        self.log.end_sync()

    def snapshot(self, offset: int, epoch: int = 1, membership: MembershipAt | None = None) -> OffsetAndEpoch:
        snapshot_id = OffsetAndEpoch(offset, epoch)
        raw = self.log.create_snapshot(snapshot_id)
        SnapshotWriter(raw, self.clock(), self.clock(), membership or MembershipAt(0, None)).finish()
        raw.freeze()
        self.log.add_snapshot(snapshot_id)
        return snapshot_id

    def crash(self) -> KafkaMetadataLog:
        """The process dies; the page cache lives on."""
        self.log.abandon()
        return self.open()

    def files(self, suffix: str = "") -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name.endswith(suffix))


@pytest.fixture
def on_disk(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path)


def offsets(log: KafkaMetadataLog, start: int, end: int) -> list[int]:
    return [batch.base_offset for batch in iter_batches(log.read(start, 1 << 20, end).read(), partial_tail=True)]


def test_new_log_is_empty_and_knows_its_topic(on_disk: Fixture) -> None:
    outline = on_disk.log.outline()
    assert (outline.start_offset, outline.end_offset, outline.epochs, outline.snapshots) == (0, 0, [], [])
    assert (on_disk.directory / "partition.metadata").read_text() == "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"


def test_appends_survive_a_crash_of_the_process(on_disk: Fixture) -> None:
    on_disk.append(3, epoch=1)
    on_disk.append(2, epoch=4)
    outline = on_disk.crash().outline()
    assert outline.end == (5, 4) and outline.epochs == [(1, 0), (4, 3)]
    assert offsets(on_disk.log, 0, 5) == [0, 3]
    assert offsets(on_disk.log, 4, 5) == [3]
    assert offsets(on_disk.log, 0, 3) == [0]


def test_first_vote_survives_a_power_cut_before_anything_was_appended() -> None:
    disk = MemoryFiles()
    make_dirs_durably(disk, "/data")
    KafkaMetadataLog.open(disk, "/data", MetadataLogConfig(), now_ms=lambda: 1)
    path = f"/data/{DIRECTORY_NAME}/{FILE_NAME}"
    vote = ElectionState(1, voted_key=ReplicaKey(3))
    QuorumStateFile(disk, path).write(vote, 1)
    disk.power_cut()
    assert QuorumStateFile(disk, path).read() == vote


def test_torn_tail_is_cut(on_disk: Fixture) -> None:
    on_disk.append(3)
    on_disk.sync()
    on_disk.append(3)
    on_disk.log.abandon()
    segment = on_disk.directory / f"{0:020d}.log"
    segment.write_bytes(segment.read_bytes()[:-7])
    assert on_disk.open().outline().end == (3, 1)
    assert on_disk.append(1, epoch=2) == 4


def test_follower_appends_several_epochs(on_disk: Fixture) -> None:
    record = [(FeatureLevelRecord(name="f", feature_level=1), 0)]
    on_disk.log.append_as_follower([data_batch(record, 0, 1, 0), data_batch(record, 1, 3, 0)], 3)
    assert on_disk.log.outline().epochs == [(1, 0), (3, 1)]
    on_disk.log.truncate_to(1)
    assert on_disk.log.outline().end == (1, 1)
    on_disk.log.append_as_follower([data_batch(record, 1, 5, 0)], 5)
    assert on_disk.crash().outline().epochs == [(1, 0), (5, 1)]


def test_membership_is_found_again(on_disk: Fixture) -> None:
    on_disk.log.append_as_leader(control_batch([kraft_version_record(1), voters_record(VOTERS)], 0, 1, 0), 1)
    on_disk.append(5)
    membership = load_membership(on_disk.log, on_disk.log.outline(), VoterSet())
    assert (membership.kraft_version, membership.voters, membership.voters_offset) == (1, VOTERS, 1)
    on_disk.snapshot(7, membership=MembershipAt(1, VOTERS))
    on_disk.append(1)
    membership = load_membership(on_disk.log, on_disk.log.outline(), VoterSet())
    assert (membership.kraft_version, membership.voters, membership.voters_offset) == (1, VOTERS, 6)


def test_snapshot_is_visible_only_when_frozen(on_disk: Fixture) -> None:
    on_disk.append(4)
    raw = on_disk.log.create_snapshot(OffsetAndEpoch(4, 1))
    SnapshotWriter(raw, 5, 5, MembershipAt(0, None)).finish()
    assert on_disk.files(".part") == [f"{4:020d}-{1:010d}.checkpoint.part"] and on_disk.files(".checkpoint") == []
    assert on_disk.log.open_snapshot(OffsetAndEpoch(4, 1)) is None
    raw.freeze()
    on_disk.log.add_snapshot(OffsetAndEpoch(4, 1))
    reader = on_disk.log.open_snapshot(OffsetAndEpoch(4, 1))
    assert reader is not None and len(read_all(reader)) == reader.size == raw.size
    assert on_disk.files(".part") == []
    assert on_disk.crash().latest_snapshot_id == (4, 1)


def test_unfinished_snapshots_are_removed(on_disk: Fixture) -> None:
    on_disk.append(4)
    on_disk.log.create_snapshot(OffsetAndEpoch(4, 1)).append(b"half")
    (on_disk.directory / f"{3:020d}-{1:010d}-123.checkpoint.part").write_bytes(b"kafka's half")
    (on_disk.directory / f"{2:020d}-{1:010d}.checkpoint.deleted").write_bytes(b"old")
    on_disk.crash()
    assert on_disk.files(".part") == on_disk.files(".deleted") == [] and on_disk.log.latest_snapshot_id is None


def test_snapshot_given_up_leaves_nothing(on_disk: Fixture) -> None:
    raw = on_disk.log.create_snapshot(OffsetAndEpoch(0, 1))
    raw.append(b"half")
    raw.close()
    raw.close()
    assert on_disk.files(".part") == []


def test_retention_by_time_takes_old_snapshots_and_the_log_before_them(tmp_path: Path) -> None:
    on_disk = Fixture(tmp_path, retention_ms=1000, file_delete_delay_ms=100)
    for _ in range(3):
        end = on_disk.append(5)
        on_disk.snapshot(end)
        on_disk.append(1)
        on_disk.clock.ms += 800
    on_disk.sync()
    assert on_disk.log.snapshot_to_keep(on_disk.clock()) is None, "nothing is known to be committed yet"
    on_disk.log.advance_high_watermark(18)
    keep = on_disk.log.snapshot_to_keep(on_disk.clock())
    assert keep == (17, 1)
    on_disk.log.delete_before(keep)
    assert (on_disk.log.start_offset, on_disk.log.outline().snapshots) == (17, [(17, 1)])
    assert on_disk.files(".checkpoint") == [f"{17:020d}-{1:010d}.checkpoint"]
    assert on_disk.files(".log") == [f"{11:020d}.log", f"{17:020d}.log"] or on_disk.files(".log") == [f"{17:020d}.log"]
    assert on_disk.log.take_deletions(on_disk.clock()) is None
    on_disk.clock.ms += 200
    job = on_disk.log.take_deletions(on_disk.clock())
    assert job is not None
    job()
    assert on_disk.files(".deleted") == []
    assert on_disk.log.take_deletions(on_disk.clock()) is None
    reopened = on_disk.crash()
    assert reopened.outline().snapshots == [(17, 1)] and reopened.end_offset == 18


def test_retention_by_size(tmp_path: Path) -> None:
    on_disk = Fixture(tmp_path, retention_bytes=20_000, retention_ms=-1)
    for _ in range(4):
        on_disk.snapshot(on_disk.append(100, size=50))
    on_disk.sync()
    on_disk.log.advance_high_watermark(400)
    keep = on_disk.log.snapshot_to_keep(on_disk.clock())
    assert keep == (300, 1) or keep == (200, 1)
    on_disk.log.delete_before(keep)
    assert on_disk.log.size < 20_000
    assert on_disk.log.snapshot_to_keep(on_disk.clock()) is None


def test_newest_snapshot_always_stays(tmp_path: Path) -> None:
    on_disk = Fixture(tmp_path, retention_bytes=1, retention_ms=1)
    on_disk.snapshot(on_disk.append(10))
    on_disk.log.advance_high_watermark(10)
    on_disk.clock.ms += 10**9
    assert on_disk.log.snapshot_to_keep(on_disk.clock()) is None


def test_bootstrap_snapshot_goes_with_the_first_real_one(tmp_path: Path) -> None:
    on_disk = Fixture(tmp_path, retention_ms=0)
    on_disk.snapshot(0, epoch=0)
    on_disk.append(5)
    on_disk.snapshot(5)
    on_disk.log.advance_high_watermark(5)
    on_disk.clock.ms += 10
    keep = on_disk.log.snapshot_to_keep(on_disk.clock())
    assert keep == (5, 1)
    on_disk.log.delete_before(keep)
    assert on_disk.log.outline().end == (5, 1)
    assert on_disk.crash().outline().snapshots == [(5, 1)]


def test_log_starts_anew_at_a_snapshot_beyond_its_end(on_disk: Fixture) -> None:
    on_disk.append(3)
    raw = on_disk.log.create_snapshot(OffsetAndEpoch(50, 7))
    SnapshotWriter(raw, 5, 5, MembershipAt(1, VOTERS)).finish()
    raw.freeze()
    # The crash comes before the log is cut.
    outline = on_disk.crash().outline()
    assert (outline.start_offset, outline.end, outline.snapshots) == (50, (50, 7), [(50, 7)])
    assert on_disk.append(2, epoch=8) == 52
    assert on_disk.crash().outline().end == (52, 8)
    membership = load_membership(on_disk.log, on_disk.log.outline(), VoterSet())
    assert membership.voters == VOTERS


def test_log_without_its_beginning_needs_a_snapshot(tmp_path: Path) -> None:
    on_disk = Fixture(tmp_path)
    on_disk.append(5)
    on_disk.snapshot(5)
    on_disk.append(5)
    on_disk.log.advance_high_watermark(10)
    on_disk.log.delete_before(OffsetAndEpoch(5, 1))
    on_disk.log.abandon()
    for name in on_disk.files(".checkpoint"):
        (on_disk.directory / name).unlink()
    with pytest.raises(StorageError, match="no snapshot covers"):
        on_disk.open()


def test_sync_of_nothing_new_is_no_work(on_disk: Fixture) -> None:
    on_disk.append(1)
    first = on_disk.log.begin_sync()
    first()
    on_disk.log.end_sync()
    assert on_disk.log.begin_sync().__name__ == "_nothing"


def test_clean_close_and_reopen(on_disk: Fixture) -> None:
    on_disk.append(3)
    on_disk.log.close()
    assert on_disk.open().outline().end == (3, 1)
