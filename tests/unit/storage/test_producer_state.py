"""Producers of a log: sequences, epochs, transactions, verification, expiry and snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ApiError, ErrorCode
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.builder import build_batch, build_control_batch, build_end_transaction_marker
from protocol.records.control import ControlRecordType, EndTransactionMarker
from protocol.records.record import Record
from storage.files import DiskFiles
from storage.producer_entry import (
    BatchMetadata,
    CompletedTransaction,
    ProducerStateEntry,
    VerificationGuard,
    VerificationStateEntry,
)
from storage.producer_state import ProducerAnalysis, ProducerState
from storage.validation import AppendOrigin

PID = 1000
NOW = 1_700_000_000_000
SEQUENCE_MAX = 2**31 - 1
CLIENT, COORDINATOR, REPLICATION = AppendOrigin.CLIENT, AppendOrigin.COORDINATOR, AppendOrigin.REPLICATION


def data_batch(
    offset: int,
    sequence: int,
    *,
    count: int = 1,
    producer_id: int = PID,
    epoch: int = 0,
    timestamp: int = NOW,
    transactional: bool = False,
) -> RecordBatch:
    data = build_batch(
        [Record(offset + i, timestamp, b"k", b"v") for i in range(count)],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=transactional,
    )
    return next(iter_batches(data))


def marker_batch(
    offset: int, *, commit: bool = True, producer_id: int = PID, epoch: int = 0, coordinator_epoch: int = 0
) -> RecordBatch:
    data = build_end_transaction_marker(
        EndTransactionMarker(commit, coordinator_epoch),
        timestamp=NOW,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_offset=offset,
    )
    return next(iter_batches(data))


@pytest.fixture
def state(tmp_path: Path) -> ProducerState:
    return ProducerState(DiskFiles(), str(tmp_path), transaction_verification_enabled=False)


def append(
    state: ProducerState,
    *batches: RecordBatch,
    origin: AppendOrigin = CLIENT,
    guard: VerificationGuard | None = None,
    version: int = 0,
) -> ProducerAnalysis:
    """What a log does around its write."""
    analysis = state.analyze(batches, origin, guard=guard, transaction_version=version)
    if analysis.duplicate is None:
        state.update(analysis)
        for completed in analysis.completed:
            state.complete_transaction(completed)
        state.map_end_offset = batches[-1].next_offset
    return analysis


def refused(state: ProducerState, *batches: RecordBatch, origin: AppendOrigin = CLIENT, version: int = 0) -> ErrorCode:
    before = repr(state.producers)
    with pytest.raises(ApiError) as caught:
        state.analyze(batches, origin, transaction_version=version)
    assert repr(state.producers) == before
    return caught.value.code


class TestSequences:
    def test_each_batch_follows_the_one_before(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, count=3))
        append(state, data_batch(3, 3))
        assert refused(state, data_batch(4, 5)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        append(state, data_batch(4, 4))
        entry = state.producers[PID]
        assert (entry.first_sequence, entry.last_sequence, entry.last_data_offset) == (0, 4, 4)

    def test_an_unknown_producer_may_start_anywhere(self, state: ProducerState) -> None:
        append(state, data_batch(0, 77))
        assert state.producers[PID].last_sequence == 77

    def test_they_wrap_between_batches(self, state: ProducerState) -> None:
        append(state, data_batch(0, SEQUENCE_MAX))
        assert refused(state, data_batch(1, 1)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        append(state, data_batch(1, 0))
        assert state.producers[PID].last_sequence == 0

    def test_they_wrap_within_a_batch(self, state: ProducerState) -> None:
        append(state, data_batch(0, SEQUENCE_MAX - 1, count=4))
        entry = state.producers[PID]
        assert (entry.first_sequence, entry.last_sequence) == (SEQUENCE_MAX - 1, 1)
        append(state, data_batch(4, 2))
        assert append(state, data_batch(5, SEQUENCE_MAX - 1, count=4)).duplicate == BatchMetadata(1, 3, 3, NOW)

    def test_batches_without_a_producer_leave_no_trace(self, state: ProducerState) -> None:
        append(state, data_batch(0, -1, producer_id=-1, epoch=-1))
        assert state.producers == {} and state.is_empty()

    def test_several_batches_of_an_append(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0), data_batch(1, 1), data_batch(2, 5, producer_id=7), origin=CLIENT)
        assert state.producers[PID].last_sequence == 1 and state.producers[7].last_sequence == 5
        batches = (data_batch(3, 2), data_batch(4, 4))
        assert refused(state, *batches) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def test_followers_and_coordinators_take_any_sequence(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0))
        append(state, data_batch(1, 9), origin=REPLICATION)
        append(state, data_batch(2, -1), origin=COORDINATOR)
        assert state.producers[PID].last_sequence == -1


class TestDuplicates:
    def test_the_last_five_batches_are_recognised(self, state: ProducerState) -> None:
        for i in range(7):
            append(state, data_batch(i * 2, i * 2, count=2, timestamp=NOW + i))
        for i in range(2, 7):
            duplicate = append(state, data_batch(99, i * 2, count=2)).duplicate
            assert duplicate == BatchMetadata(i * 2 + 1, i * 2 + 1, 1, NOW + i)
            assert (duplicate.first_sequence, duplicate.first_offset) == (i * 2, i * 2)
        for i in range(2):
            assert refused(state, data_batch(99, i * 2, count=2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def test_the_range_must_be_the_same(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, count=3))
        assert refused(state, data_batch(3, 0, count=2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert refused(state, data_batch(3, 1, count=2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def test_not_across_epochs_nor_for_followers(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0))
        assert append(state, data_batch(1, 0, epoch=1)).duplicate is None
        assert append(state, data_batch(2, 0, epoch=1), origin=REPLICATION).duplicate is None


class TestEpochs:
    def test_a_new_epoch_starts_with_0(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0))
        append(state, data_batch(1, 1))
        assert refused(state, data_batch(2, 2, epoch=1)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        append(state, data_batch(2, 0, epoch=1))
        entry = state.producers[PID]
        assert (entry.producer_epoch, len(entry.batches), entry.last_sequence) == (1, 1, 0)

    def test_old_epochs_are_fenced(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, epoch=5))
        assert refused(state, data_batch(1, 1, epoch=4)) == ErrorCode.INVALID_PRODUCER_EPOCH
        assert refused(state, data_batch(1, 0, epoch=4), origin=COORDINATOR) == ErrorCode.INVALID_PRODUCER_EPOCH

    def test_followers_take_what_the_leader_took(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, epoch=5))
        append(state, data_batch(1, 9, epoch=4), origin=REPLICATION)
        assert state.producers[PID].producer_epoch == 4

    def test_after_a_marker_of_a_new_epoch_sequences_start_again(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, transactional=True))
        append(state, marker_batch(1, epoch=1), origin=COORDINATOR)
        assert state.producers[PID].batches == ()
        assert refused(state, data_batch(2, 1, epoch=1)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        append(state, data_batch(2, 0, epoch=1))


class TestTransactions:
    def test_an_open_transaction_is_unstable_until_its_marker_is_replicated(self, state: ProducerState) -> None:
        append(state, data_batch(5, 0, transactional=True))
        append(state, data_batch(6, 1, transactional=True))
        assert (state.first_unstable_offset, state.first_undecided_offset) == (5, 5)
        assert state.has_ongoing_transaction(PID, 0) and not state.has_ongoing_transaction(PID, 1)
        analysis = append(state, marker_batch(7), origin=COORDINATOR)
        assert analysis.completed == [CompletedTransaction(PID, 5, 7, is_aborted=False)]
        assert (state.first_unstable_offset, state.first_undecided_offset) == (5, None)
        assert not state.has_ongoing_transaction(PID, 0)
        state.on_high_watermark(7)
        assert state.first_unstable_offset == 5
        state.on_high_watermark(8)
        assert state.first_unstable_offset is None

    def test_the_last_stable_offset_of_a_completed_transaction(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, transactional=True))
        append(state, data_batch(1, 0, producer_id=7, transactional=True))
        first = state.analyze([marker_batch(2, commit=False)], COORDINATOR, transaction_version=0).completed[0]
        assert first.is_aborted and state.last_stable_offset(first) == 1
        append(state, marker_batch(2, commit=False), origin=COORDINATOR)
        second = state.analyze([marker_batch(3, producer_id=7)], COORDINATOR, transaction_version=0).completed[0]
        assert state.last_stable_offset(second) == 4
        assert (state.first_unstable_offset, state.first_undecided_offset) == (0, 1)

    def test_writes_outside_of_the_open_transaction(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, transactional=True))
        assert refused(state, data_batch(1, 1)) == ErrorCode.INVALID_TXN_STATE

    def test_a_marker_that_ends_nothing(self, state: ProducerState) -> None:
        assert append(state, marker_batch(0, epoch=3), origin=COORDINATOR).completed == []
        assert state.producers[PID].producer_epoch == 3 and state.first_unstable_offset is None

    def test_markers_of_an_old_coordinator(self, state: ProducerState) -> None:
        append(state, marker_batch(0, coordinator_epoch=5), origin=COORDINATOR)
        old = marker_batch(1, coordinator_epoch=4)
        assert refused(state, old, origin=COORDINATOR) == ErrorCode.TRANSACTION_COORDINATOR_FENCED
        append(state, old, origin=REPLICATION)

    def test_markers_of_an_old_epoch(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, epoch=2, transactional=True))
        assert refused(state, marker_batch(1, epoch=1), origin=COORDINATOR) == ErrorCode.INVALID_PRODUCER_EPOCH

    def test_markers_of_version_2_need_a_new_epoch(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, epoch=2, transactional=True))
        same = marker_batch(1, epoch=2)
        assert refused(state, same, origin=COORDINATOR, version=2) == ErrorCode.INVALID_PRODUCER_EPOCH
        append(state, marker_batch(1, epoch=3), origin=COORDINATOR, version=2)
        again = append(state, marker_batch(2, epoch=3), origin=COORDINATOR, version=2)
        assert again.completed == []
        old = marker_batch(3, epoch=2)
        assert refused(state, old, origin=COORDINATOR, version=2) == ErrorCode.INVALID_PRODUCER_EPOCH

    def test_the_last_epoch_there_is_may_end_its_transaction(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, epoch=2**15 - 1, transactional=True))
        marker = marker_batch(1, epoch=2**15 - 1)
        assert len(append(state, marker, origin=COORDINATOR, version=2).completed) == 1

    def test_a_marker_that_compaction_emptied(self, state: ProducerState) -> None:
        data = build_batch(
            [],
            base_offset=3,
            last_offset=3,
            max_timestamp=NOW,
            producer_id=PID,
            producer_epoch=0,
            is_transactional=True,
            is_control=True,
        )
        analysis = append(state, *iter_batches(data), origin=REPLICATION)
        assert analysis.completed == [] and state.producers[PID].producer_epoch == -1

    def test_control_records_that_end_no_transaction(self, state: ProducerState) -> None:
        (batch,) = iter_batches(build_control_batch(ControlRecordType.LEADER_CHANGE, b"", timestamp=1))
        batch.producer_id = PID
        assert refused(state, batch, origin=COORDINATOR) == ErrorCode.INVALID_RECORD

    def test_a_whole_transaction_in_one_append(self, state: ProducerState) -> None:
        analysis = append(
            state, data_batch(0, 0, transactional=True), marker_batch(1, commit=False), origin=REPLICATION
        )
        assert analysis.completed == [CompletedTransaction(PID, 0, 1, is_aborted=True)]
        assert (state.first_unstable_offset, state.first_undecided_offset) == (0, None)

    def test_the_first_of_many(self, state: ProducerState) -> None:
        batches = [data_batch(offset, 0, producer_id=offset, transactional=True) for offset in range(10, 20)]
        append(state, *reversed(batches), origin=REPLICATION)
        for offset in range(10, 19):
            assert state.first_undecided_offset == offset
            append(state, marker_batch(100 + offset, producer_id=offset), origin=REPLICATION)
            state.on_high_watermark(101 + offset)
            assert state.first_unstable_offset == offset + 1

    def test_hanging_transactions(self, state: ProducerState) -> None:
        assert not state.has_late_transaction(NOW)
        append(state, data_batch(0, 0, transactional=True))
        late = NOW + state.max_transaction_timeout_ms + 300_000
        assert not state.has_late_transaction(late) and state.has_late_transaction(late + 1)
        append(state, marker_batch(1), origin=COORDINATOR)
        assert not state.has_late_transaction(late + 1)


class TestVerification:
    @pytest.fixture
    def state(self, tmp_path: Path) -> ProducerState:
        return ProducerState(DiskFiles(), str(tmp_path))

    def start(self, state: ProducerState, sequence: int = 0, epoch: int = 0, bump: bool = False) -> VerificationGuard:
        guard = state.maybe_start_verification(PID, sequence, epoch, bump, NOW)
        assert guard is not None
        return guard

    def test_the_first_append_needs_the_guard(self, state: ProducerState) -> None:
        first = data_batch(0, 0, transactional=True)
        assert refused(state, first) == ErrorCode.INVALID_TXN_STATE
        guard = self.start(state)
        assert self.start(state) is guard
        with pytest.raises(ApiError, match="INVALID_TXN_STATE"):
            state.analyze([first], CLIENT, guard=VerificationGuard())
        append(state, first, guard=guard)
        assert state.maybe_start_verification(PID, 1, 0, False, NOW) is None
        append(state, data_batch(1, 1, transactional=True))

    def test_a_guard_of_an_ended_transaction_is_worthless(self, state: ProducerState) -> None:
        guard = self.start(state)
        append(state, marker_batch(0), origin=COORDINATOR)
        with pytest.raises(ApiError, match="INVALID_TXN_STATE"):
            state.analyze([data_batch(1, 0, transactional=True)], CLIENT, guard=guard)

    def test_a_marker_of_the_next_transactions_epoch_keeps_the_guard(self, state: ProducerState) -> None:
        guard = self.start(state, epoch=1, bump=True)
        append(state, marker_batch(0, epoch=1), origin=COORDINATOR, version=2)
        append(state, data_batch(1, 0, epoch=1, transactional=True), guard=guard)

    def test_the_lowest_sequence_goes_first(self, state: ProducerState) -> None:
        guard = self.start(state, sequence=3)
        self.start(state, sequence=1)
        self.start(state, sequence=5)
        with pytest.raises(ApiError, match="OUT_OF_ORDER"):
            state.analyze([data_batch(0, 3, transactional=True)], CLIENT, guard=guard)
        append(state, data_batch(0, 1, count=2, transactional=True), guard=guard)
        append(state, data_batch(2, 3, transactional=True))

    def test_new_producers_of_version_2_start_with_0(self, state: ProducerState) -> None:
        guard = self.start(state, sequence=3, bump=True)
        with pytest.raises(ApiError, match="OUT_OF_ORDER"):
            state.analyze([data_batch(0, 3, transactional=True)], CLIENT, guard=guard)

    def test_old_epochs_are_fenced_before_they_are_verified(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, epoch=3))
        with pytest.raises(ApiError, match="INVALID_PRODUCER_EPOCH"):
            state.maybe_start_verification(PID, 0, 2, False, NOW)
        assert refused(state, data_batch(0, 0, epoch=2, transactional=True)) == ErrorCode.INVALID_PRODUCER_EPOCH

    def test_a_higher_epoch_resets_the_lowest_sequence(self) -> None:
        entry = VerificationStateEntry(NOW, 3, 1, False)
        entry.update(9, 0)
        entry.update(5, 1)
        assert (entry.lowest_sequence, entry.epoch) == (3, 1)
        entry.update(7, 2)
        assert (entry.lowest_sequence, entry.epoch) == (7, 2)

    def test_followers_need_none(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, transactional=True), origin=REPLICATION)

    def test_it_expires(self, state: ProducerState) -> None:
        guard = self.start(state)
        state.remove_expired(NOW + state.producer_id_expiration_ms - 1)
        assert self.start(state) is guard
        state.remove_expired(NOW + state.producer_id_expiration_ms)
        assert self.start(state) is not guard


class TestExpiry:
    def test_idle_producers_are_forgotten(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0))
        append(state, data_batch(1, 0, producer_id=7, timestamp=NOW + 1))
        state.remove_expired(NOW + state.producer_id_expiration_ms)
        assert list(state.producers) == [7]

    def test_not_with_a_transaction_open(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, transactional=True))
        state.remove_expired(NOW * 2)
        assert list(state.producers) == [PID]


def reopened(state: ProducerState) -> ProducerState:
    return ProducerState(DiskFiles(), state.snapshots.directory, transaction_verification_enabled=False)


def snapshot_names(state: ProducerState) -> list[str]:
    return [name for name in DiskFiles().list_dir(state.snapshots.directory) if "snapshot" in name]


class TestSnapshots:
    def test_the_file_byte_by_byte(self, state: ProducerState) -> None:
        append(state, data_batch(4, 9, count=2, epoch=3, transactional=True))
        path = state.take_snapshot()
        assert path is not None and path.endswith("/00000000000000000006.snapshot")
        data = Path(path).read_bytes()
        assert data[:2] == b"\0\1" and data[6:10] == b"\0\0\0\1"
        assert data[10:] == b"".join(
            value.to_bytes(size, "big", signed=True)
            for value, size in [(PID, 8), (3, 2), (10, 4), (5, 8), (1, 4), (NOW, 8), (-1, 4), (4, 8)]
        )

    def test_reload(self, state: ProducerState) -> None:
        for i in range(3):
            append(state, data_batch(i, i))
        append(state, data_batch(3, 0, producer_id=7, transactional=True))
        append(state, marker_batch(4, producer_id=8, epoch=6, coordinator_epoch=2), origin=COORDINATOR)
        state.take_snapshot()
        again = reopened(state)
        again.truncate_and_reload(0, 5, NOW)
        assert again.map_end_offset == 5 and again.first_undecided_offset == 3
        assert again.producers[PID].batches == (BatchMetadata(2, 2, 0, NOW),)
        assert again.producers[8].batches == () and again.producers[8].coordinator_epoch == 2
        assert again.producers[8].producer_epoch == 6
        append(again, data_batch(5, 3))
        append(again, marker_batch(6, producer_id=7), origin=COORDINATOR)

    def test_expired_producers_are_not_loaded(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0))
        state.take_snapshot()
        again = reopened(state)
        again.truncate_and_reload(0, 1, NOW + again.producer_id_expiration_ms)
        assert again.producers == {} and again.map_end_offset == 1

    def test_only_one_for_an_offset(self, state: ProducerState) -> None:
        assert state.take_snapshot() is None
        append(state, data_batch(0, 0))
        assert state.take_snapshot(sync=False) is not None
        assert state.take_snapshot() is None
        assert (state.snapshots.latest, state.snapshots.oldest) == (1, 1)

    def test_an_older_one_serves_where_the_latest_is_damaged(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0))
        state.take_snapshot()
        for i, damage in enumerate([b"", b"\0", b"\0\2" + bytes(8), None], start=1):
            append(state, data_batch(i, i))
            path = state.take_snapshot()
            assert path is not None
            whole = Path(path).read_bytes()
            Path(path).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
        again = reopened(state)
        again.truncate_and_reload(0, 5, NOW)
        assert again.map_end_offset == 1 and again.producers[PID].last_sequence == 0
        assert snapshot_names(again) == ["00000000000000000001.snapshot"]

    def test_truncation_goes_back_to_the_latest_in_range(self, state: ProducerState) -> None:
        for i in range(6):
            append(state, data_batch(i, i, transactional=i == 5))
            state.take_snapshot()
        state.truncate_and_reload(2, 4, NOW)
        assert (state.map_end_offset, state.producers[PID].last_sequence) == (4, 3)
        assert state.first_unstable_offset is None
        assert snapshot_names(state) == ["00000000000000000003.snapshot", "00000000000000000004.snapshot"]
        state.truncate_and_reload(2, 2, NOW)
        assert (state.map_end_offset, state.producers) == (2, {})

    def test_without_truncation_the_state_stays(self, state: ProducerState) -> None:
        for i in range(3):
            append(state, data_batch(i, i))
            state.take_snapshot()
        state.truncate_and_reload(1, 3, NOW)
        assert state.producers[PID].last_sequence == 2 and len(state.producers[PID].batches) == 3
        assert snapshot_names(state) == ["00000000000000000002.snapshot", "00000000000000000003.snapshot"]

    def test_truncation_to_nothing(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, transactional=True))
        state.take_snapshot()
        state.truncate_fully_and_start_at(50)
        assert (state.map_end_offset, state.producers, state.first_unstable_offset) == (50, {}, None)
        assert snapshot_names(state) == []
        assert state.take_snapshot() is not None

    def test_the_log_start_moves_on(self, state: ProducerState) -> None:
        append(state, data_batch(0, 0, transactional=True))
        append(state, marker_batch(1), origin=COORDINATOR)
        state.on_log_start_offset(2)
        assert state.first_unstable_offset is None and state.map_end_offset == 2
        state.on_log_start_offset(10)
        assert state.map_end_offset == 10
        assert state.take_snapshot() is None

    def test_deleting(self, state: ProducerState) -> None:
        for i in range(4):
            append(state, data_batch(i, i))
            state.take_snapshot()
        state.snapshots.delete_before(3)
        assert state.snapshots.offsets == [3, 4]
        marked = state.snapshots.mark_for_deletion(3)
        assert marked is not None and marked.endswith("00000000000000000003.snapshot.deleted")
        assert state.snapshots.mark_for_deletion(3) is None
        Path(state.snapshots.path(4)).unlink()
        assert state.snapshots.mark_for_deletion(4) is None
        assert state.snapshots.offsets == [] and snapshot_names(state) == [Path(marked).name]

    @pytest.mark.parametrize(
        ("segments", "kept"),
        [
            ([], [40]),
            ([0, 10, 20], [10, 20, 40]),
            ([0, 10, 50], [10]),
            ([20, 40], [20, 40]),
            ([10, 20, 30, 40], [10, 20, 30, 40]),
            ([30], [30, 40]),
        ],
    )
    def test_strays(self, state: ProducerState, segments: Sequence[int], kept: Sequence[int]) -> None:
        for offset in (10, 20, 30, 40):
            state.snapshots.write(offset, [], sync=False)
        state.remove_stray_snapshots(segments)
        assert state.snapshots.offsets == kept
        assert snapshot_names(state) == [f"{offset:020d}.snapshot" for offset in kept]

    def test_other_files_are_left_alone(self, tmp_path: Path) -> None:
        for name in ("x.snapshot", "00000000000000000007.snapshot.deleted", "00000000000000000007.log"):
            (tmp_path / name).touch()
        state = ProducerState(DiskFiles(), str(tmp_path))
        assert state.snapshots.offsets == []
        state.truncate_fully_and_start_at(0)
        assert len(list(tmp_path.iterdir())) == 3

    def test_no_directory_yet(self, tmp_path: Path) -> None:
        assert ProducerState(DiskFiles(), str(tmp_path / "none")).snapshots.offsets == []


@given(st.data())
def test_leader_follower_and_replay_come_to_the_same_state(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A leader takes valid batches one by one; a follower gets them in pieces; a log replays them."""
    directory = str(tmp_path_factory.getbasetemp() / "none")
    leader, follower, replayed = (
        ProducerState(DiskFiles(), directory, transaction_verification_enabled=False) for _ in range(3)
    )
    history: list[RecordBatch] = []
    offset = 0
    for _ in range(data.draw(st.integers(1, 25))):
        producer_id = data.draw(st.integers(1, 3))
        entry = leader.producers.get(producer_id, ProducerStateEntry(producer_id))
        epoch = max(entry.producer_epoch, 0) + data.draw(st.sampled_from([0, 0, 0, 1]))
        is_open = entry.current_txn_first_offset is not None
        if is_open and data.draw(st.booleans()):
            batch = marker_batch(offset, commit=data.draw(st.booleans()), producer_id=producer_id, epoch=epoch)
            append(leader, batch, origin=COORDINATOR)
        else:
            sequence = entry.last_sequence + 1 if epoch == entry.producer_epoch else 0
            count = data.draw(st.integers(1, 3))
            transactional = is_open or data.draw(st.booleans())
            batch = data_batch(
                offset, sequence, count=count, producer_id=producer_id, epoch=epoch, transactional=transactional
            )
            append(leader, batch)
        history.append(batch)
        offset = batch.next_offset
    rest = history
    while rest:
        piece = data.draw(st.integers(1, len(rest)))
        append(follower, *rest[:piece], origin=REPLICATION)
        rest = rest[piece:]
    replayed.replay(history)
    for other in (follower, replayed):
        assert sorted(other.producers) == sorted(leader.producers)
        for producer_id, entry in leader.producers.items():
            assert repr(other.producers[producer_id]) == repr(entry)
        assert other.first_undecided_offset == leader.first_undecided_offset
        assert other.first_unstable_offset == leader.first_unstable_offset


@given(
    st.lists(
        st.builds(
            data_batch,
            st.just(0),
            st.sampled_from([0, 1, 2, 3, 4, 5, SEQUENCE_MAX - 1, SEQUENCE_MAX]),
            count=st.integers(1, 2),
            producer_id=st.sampled_from([PID, PID + 1]),
            epoch=st.sampled_from([0, 0, 0, 1]),
            transactional=st.sampled_from([False, False, False, True]),
        ),
        max_size=12,
    )
)
def test_the_short_way_ends_where_an_analysis_does(batches: list[RecordBatch]) -> None:
    """A batch that is next in order is taken in as an analysis would have it, and is never one that it refuses."""
    short, long = (ProducerState(DiskFiles(), "/nowhere", transaction_verification_enabled=False) for _ in range(2))
    for offset, batch in enumerate(batches):
        batch.base_offset = 10 * offset
        in_order = short.next_in_order(batch)
        if in_order is not None:
            in_order.add_batch_in_order(batch)
            assert append(long, batch).duplicate is None
        else:
            outcomes: list[object] = []
            for state in (short, long):
                try:
                    outcomes.append(append(state, batch).duplicate)
                except ApiError as error:
                    outcomes.append(error.code)
            assert outcomes[0] == outcomes[1]
        assert repr(short.producers) == repr(long.producers)


def test_the_short_way_is_taken_for_a_producer_that_goes_on(state: ProducerState) -> None:
    first = data_batch(0, SEQUENCE_MAX - 1, count=2)
    assert state.next_in_order(first) is None
    append(state, first)
    assert state.next_in_order(data_batch(2, 0)) is state.producers[PID]
    assert state.next_in_order(data_batch(2, 1)) is None
    state.maybe_start_verification(PID, 0, 0, False, NOW)
    assert state.next_in_order(data_batch(2, 0)) is None
