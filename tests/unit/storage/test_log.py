"""A log: appending, reading, rolling, looking up, truncating, retention, transactions."""

from __future__ import annotations

import errno

import pytest

from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import OffsetAndEpoch, Uuid
from protocol.records.batch import iter_batches
from storage.failures import DiskFullError
from storage.log import Log, TimestampAndOffset, remove_files
from storage.log_config import LogConfig
from storage.segment import Segment
from storage.validation import UnexpectedAppendOffset
from tests.support.memory_files import MemoryFiles
from tests.unit.storage.logs import (
    DIRECTORY,
    FAR,
    NOW,
    append,
    append_marker,
    batch,
    names,
    new_log,
    offsets,
    open_log,
    records_of,
    stored,
)

SMALL = LogConfig(segment_bytes=1000, index_interval_bytes=200, file_delete_delay_ms=100)


def refused(code: ErrorCode) -> pytest.RaisesExc[ApiError]:
    return pytest.raises(ApiError, match=code.name)


class TestAppend:
    def test_offsets_follow_one_another(self) -> None:
        log = new_log()
        info = append(log, batch(3))
        assert (info.first_offset, info.last_offset, info.records_count) == (0, 2, 3)
        info = append(log, batch(2), leader_epoch=4)
        assert (info.first_offset, info.last_offset) == (3, 4)
        assert log.log_end_offset == 5
        assert [each.partition_leader_epoch for each in stored(log)] == [0, 4]
        assert list(log.leader_epochs.entries) == [(0, 0), (4, 3)]

    def test_follower_keeps_the_offsets_of_its_leader(self) -> None:
        log = new_log()
        data = batch(2, offset=10, leader_epoch=3) + batch(1, offset=20, leader_epoch=5)
        info = log.append_as_follower(data + data[:30], leader_epoch=5, now_ms=NOW)
        assert (info.first_offset, info.last_offset) == (10, 20)
        assert offsets(log) == [(10, 11), (20, 20)]
        assert log.leader_epochs.entries == [(3, 10), (5, 20)]
        with pytest.raises(UnexpectedAppendOffset):
            log.append_as_follower(batch(1, offset=20, leader_epoch=5), leader_epoch=5, now_ms=NOW)

    def test_nothing_appended_of_nothing(self) -> None:
        log = new_log()
        assert log.append_as_follower(b"", leader_epoch=5, now_ms=NOW).last_offset == -1
        assert log.log_end_offset == 0

    def test_raft_leader(self) -> None:
        log = new_log()
        log.append_as_raft_leader(batch(2, offset=0, leader_epoch=1), leader_epoch=1, now_ms=NOW)
        with refused(ErrorCode.INVALID_RECORD):
            log.append_as_raft_leader(batch(2, offset=2, leader_epoch=1), leader_epoch=2, now_ms=NOW)
        assert log.log_end_offset == 2

    def test_larger_than_a_segment(self) -> None:
        log = new_log(SMALL)
        with refused(ErrorCode.RECORD_LIST_TOO_LARGE):
            append(log, batch(1, value=bytes(2000)))
        assert log.log_end_offset == 0

    def test_duplicate_is_answered_with_its_first_offsets(self) -> None:
        log = new_log()
        append(log, batch(2))
        first = append(log, batch(3, producer_id=7))
        append(log, batch(1, producer_id=7, sequence=3))
        again = append(log, batch(3, producer_id=7))
        assert again.is_duplicate
        assert (again.first_offset, again.last_offset) == (first.first_offset, first.last_offset)
        assert log.log_end_offset == 6
        with refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER):
            append(log, batch(1, producer_id=7, sequence=9))
        assert log.log_end_offset == 6


class TestFailedAppend:
    def full(self) -> tuple[MemoryFiles, Log]:
        files = MemoryFiles()
        log = new_log(files=files)
        append(log, batch(1, producer_id=3))
        files.capacity_bytes = files.used_bytes() + 40
        return files, log

    def test_full_disk_leaves_nothing_and_heals(self) -> None:
        files, log = self.full()
        size = log.size_bytes
        with pytest.raises(DiskFullError):
            append(log, batch(1, producer_id=3, sequence=1))
        assert files.file_size(log.active.path()) == size == log.size_bytes
        assert log.log_end_offset == 1 and log.failure is None
        assert len(stored(log)) == 1
        files.capacity_bytes = None
        append(log, batch(1, producer_id=3, sequence=1))
        assert offsets(log) == [(0, 0), (1, 1)]

    def test_failed_cut_back_is_the_end(self) -> None:
        files, log = self.full()
        files.fail("truncate")
        with pytest.raises(StorageError) as raised:
            append(log)
        assert not isinstance(raised.value, DiskFullError)
        with pytest.raises(StorageError):
            append(log)

    def test_write_error_is_the_end(self) -> None:
        files = MemoryFiles()
        log = new_log(files=files)
        append(log)
        files.fail("write", errno.EIO)
        with pytest.raises(StorageError) as raised:
            append(log)
        assert raised.value.directory == "/data"
        files.heal()
        with pytest.raises(StorageError):
            append(log)
        assert files.file_size(log.active.path()) == log.size_bytes

    def test_full_disk_at_roll(self) -> None:
        files = MemoryFiles()
        log = new_log(SMALL, files)
        while log.size_bytes < 900:
            append(log, batch(2))
        files.capacity_bytes = files.used_bytes() + 4
        with pytest.raises(DiskFullError):
            append(log, batch(10))
        assert len(log.segments) <= 2 and log.failure is None
        files.capacity_bytes = None
        before = log.log_end_offset
        append(log, batch(10))
        assert offsets(log)[-1] == (before, before + 9)
        assert len(log.segments) == 2

    def test_no_descriptors_left(self) -> None:
        files = MemoryFiles()
        log = new_log(SMALL, files)
        append(log)
        files.fail("open", errno.EMFILE)
        with pytest.raises(StorageError):
            log.roll(NOW)
        assert log.failure is None
        log.roll(NOW)
        append(log)
        assert offsets(log) == [(0, 0), (1, 1)]


class TestRead:
    def filled(self) -> Log:
        log = new_log(SMALL)
        for i in range(30):
            append(log, batch(3, timestamp=NOW + 10 * i))
        return log

    def test_every_offset_begins_with_its_batch(self) -> None:
        log = self.filled()
        assert len(log.segments) > 2
        for offset in range(90):
            found = log.read(offset, 150, max_offset=FAR)
            first = next(iter_batches(found.read(), partial_tail=True))
            assert first.base_offset <= offset <= first.last_offset
            assert found.first_offset == first.base_offset
            assert found.size <= 150

    def test_out_of_range(self) -> None:
        log = self.filled()
        for offset in (-1, 91):
            with refused(ErrorCode.OFFSET_OUT_OF_RANGE):
                log.read(offset, 100, max_offset=FAR)
        assert log.read(90, 100, max_offset=FAR).size == 0

    def test_ends_before_max_offset(self) -> None:
        log = self.filled()
        for max_offset in range(91):
            seen = []
            offset = 0
            while offset < max_offset:
                data = log.read(offset, 10_000, max_offset=max_offset).read()
                batches = list(iter_batches(data))
                if not batches:
                    break
                seen += batches
                offset = batches[-1].next_offset
            assert [each.base_offset for each in seen] == list(range(0, max_offset - max_offset % 3, 3))

    def test_first_batch_comes_whole(self) -> None:
        log = self.filled()
        whole = log.read(4, 1, max_offset=FAR)
        assert [each.base_offset for each in iter_batches(whole.read())] == [3]
        assert log.read(4, 1, max_offset=FAR, min_one_batch=False).size == 0

    def test_does_not_wait_for_the_disk(self) -> None:
        log = self.filled()
        files = log.files
        assert isinstance(files, MemoryFiles)
        files.is_cold = True
        with pytest.raises(BlockingIOError):
            log.read(4, 1000, max_offset=FAR, wait=False)
        found = log.read(4, 1000, max_offset=FAR)
        assert found.read_nowait() is None
        assert found.read()
        files.is_cold = False
        assert log.read(4, 1000, max_offset=FAR, wait=False).read_nowait() == found.read()

    def test_slice_outlives_its_segment(self) -> None:
        log = self.filled()
        found = log.read(0, 1000, max_offset=FAR)
        data = found.read()
        log.update_high_watermark(FAR)
        log.advance_log_start_offset(90)
        log.delete_old_segments(NOW)
        remove_files(log.files, log.take_deletions(FAR))
        assert found.read() == data

    def test_gaps_between_batches_and_segments(self) -> None:
        log = new_log(LogConfig(segment_bytes=200))
        for offset in (5, 9, 20, 50):
            log.append_as_follower(batch(2, offset=offset, leader_epoch=0), leader_epoch=0, now_ms=NOW)
        assert log.log_end_offset == 52
        for offset, expected in ((0, 5), (6, 5), (7, 9), (11, 20), (22, 50), (51, 50)):
            assert log.read(offset, 1, max_offset=FAR).first_offset == expected
        assert log.read(30, 100, max_offset=45).size == 0

    def test_damaged_batch_chain_is_told(self) -> None:
        files = MemoryFiles()
        log = new_log(files=files)
        for _ in range(3):
            append(log)
        size = log.active.size // 3
        log.active.file().pwritev([b"\xff\xff\xff\xff"], size + 8)
        log.active.positions.clear()
        with refused(ErrorCode.CORRUPT_MESSAGE):
            log.read(2, 100, max_offset=FAR)

    def test_read_error(self) -> None:
        log = self.filled()
        files = log.files
        assert isinstance(files, MemoryFiles)
        files.fail("read")
        with pytest.raises(StorageError):
            log.read(0, 100, max_offset=FAR)


class TestRoll:
    def test_by_size(self) -> None:
        log = new_log(SMALL)
        for _ in range(100):
            append(log)
        assert all(each.size <= 1000 for each in log.segments)
        assert all(each.size > 900 for each in log.segments[:-1])

    def test_by_time_of_the_records(self) -> None:
        log = new_log(LogConfig(segment_ms=1000))
        append(log, batch(timestamp=NOW))
        append(log, batch(timestamp=NOW + 1000), now_ms=NOW + 10_000)
        assert len(log.segments) == 1
        append(log, batch(timestamp=NOW + 1001), now_ms=NOW)
        assert len(log.segments) == 2

    def test_by_time_of_the_clock_without_timestamps(self) -> None:
        log = new_log(LogConfig(segment_ms=1000))
        append(log, batch(timestamp=-1))
        append(log, batch(timestamp=-1), now_ms=NOW + 1001)
        assert len(log.segments) == 2

    def test_jitter_rolls_earlier(self) -> None:
        config = LogConfig(segment_ms=1000, segment_jitter_ms=500)
        log = open_log(MemoryFiles(), config, randrange=lambda start, stop: stop - 100)
        append(log, batch(timestamp=NOW))
        append(log, batch(timestamp=NOW + 601))
        assert len(log.segments) == 2

    def test_by_index(self) -> None:
        log = new_log(LogConfig(segment_index_bytes=32, index_interval_bytes=1))
        for _ in range(20):
            append(log)
        assert len(log.segments) > 3
        assert all(len(each.offset_index) <= 4 for each in log.segments)

    def test_by_offset_that_does_not_fit_the_index(self) -> None:
        log = new_log()
        log.append_as_follower(batch(offset=0, leader_epoch=0), leader_epoch=0, now_ms=NOW)
        log.append_as_follower(batch(offset=2**31 - 1, leader_epoch=0), leader_epoch=0, now_ms=NOW)
        assert len(log.segments) == 1
        log.append_as_follower(batch(offset=2**31, leader_epoch=0), leader_epoch=0, now_ms=NOW)
        assert [each.base_offset for each in log.segments] == [0, 2**31]
        assert log.read(1, 10, max_offset=FAR).first_offset == 2**31 - 1

    def test_first_append_far_beyond_an_empty_segment(self) -> None:
        log = new_log()
        log.append_as_follower(batch(offset=2**40, leader_epoch=0), leader_epoch=0, now_ms=NOW)
        assert log.active.base_offset == 2**40
        assert log.read(0, 10, max_offset=FAR).first_offset == 2**40

    def test_writes_what_the_segment_leaves_behind(self) -> None:
        log = new_log(SMALL)
        append(log, batch(producer_id=5))
        log.roll(NOW)
        log.roll(NOW)
        prefix = "0" * 20
        assert names(log.files) == [
            f"{prefix}.index",
            f"{prefix}.log",
            f"{prefix}.timeindex",
            "00000000000000000001.index",
            "00000000000000000001.log",
            "00000000000000000001.snapshot",
            "00000000000000000001.timeindex",
        ]

    def test_what_is_in_the_way_is_removed(self) -> None:
        files = MemoryFiles()
        log = new_log(files=files)
        append(log)
        files.write_bytes(f"{DIRECTORY}/00000000000000000001.log", b"junk")
        files.write_bytes(f"{DIRECTORY}/00000000000000000001.txnindex", b"junk")
        log.roll(NOW)
        append(log)
        assert offsets(log) == [(0, 0), (1, 1)]


class TestTimestamps:
    def test_first_record_at_or_after(self) -> None:
        log = new_log(SMALL)
        for i in range(20):
            append(log, batch(3, timestamp=NOW + 10 * i, compression=i % 5))
        for i in range(20):
            for within in range(3):
                assert log.offset_for_timestamp(NOW + 10 * i + within) == (NOW + 10 * i + within, 3 * i + within, 0)
            expected = None if i == 19 else TimestampAndOffset(NOW + 10 * i + 10, 3 * i + 3, 0)
            assert log.offset_for_timestamp(NOW + 10 * i + 3) == expected
        assert log.offset_for_timestamp(0) == (NOW, 0, 0)

    def test_out_of_order_timestamps(self) -> None:
        log = new_log(SMALL)
        times = [50, 10, 90, 20, 70, 95, 30, 5] * 5
        for each in times:
            append(log, batch(timestamp=NOW + each))
        for wanted in range(0, 100, 5):
            expected = next(((NOW + t, i, 0) for i, t in enumerate(times) if t >= wanted), None)
            assert log.offset_for_timestamp(NOW + wanted) == expected
        assert log.offset_of_max_timestamp() == (NOW + 95, 5, 0)

    def test_not_before_the_log_start(self) -> None:
        log = new_log()
        for i in range(5):
            append(log, batch(3, timestamp=NOW + 10 * i))
        log.update_high_watermark(15)
        log.advance_log_start_offset(7)
        assert log.offset_for_timestamp(NOW) == (NOW + 21, 7, 0)

    def test_max_timestamp_survives_reopening(self) -> None:
        files = MemoryFiles()
        log = new_log(SMALL, files)
        for i in range(30):
            append(log, batch(2, timestamp=NOW + (500 if i == 11 else i)))
        expected = log.offset_of_max_timestamp()
        assert expected == (NOW + 501, 23, 0)
        log.close(NOW)
        assert open_log(files, SMALL, clean_shutdown=True).offset_of_max_timestamp() == expected

    def test_empty_log(self) -> None:
        log = new_log()
        assert log.offset_of_max_timestamp() is None
        assert log.offset_for_timestamp(0) is None
        assert log.earliest_offset() == (-1, 0, None)
        assert log.latest_offset() == (-1, 0, None)

    def test_earliest_and_latest_with_epochs(self) -> None:
        log = new_log()
        append(log, leader_epoch=2)
        append(log, leader_epoch=3)
        assert log.earliest_offset() == (-1, 0, 2)
        assert log.latest_offset() == (-1, 2, 3)


class TestTruncate:
    def filled(self) -> Log:
        log = new_log(SMALL)
        for i in range(40):
            append(log, batch(3, timestamp=NOW + i * 10), leader_epoch=i // 10)
        log.update_high_watermark(60)
        return log

    @pytest.mark.parametrize("offset", [0, 1, 3, 29, 30, 31, 60, 61, 117, 119])
    def test_keeps_what_is_below(self, offset: int) -> None:
        log = self.filled()
        expected = [pair for pair in offsets(log) if pair[1] < offset]
        assert log.truncate_to(offset, NOW)
        assert log.log_end_offset == offset
        assert offsets(log) == expected
        assert log.high_watermark == min(60, offset)
        assert all(entry.start_offset < max(offset, 1) for entry in log.leader_epochs.entries)
        info = append(log, leader_epoch=9)
        assert info.first_offset == offset
        assert offsets(log) == [*expected, (offset, offset)]
        expected_time = max((NOW + pair[0] // 3 * 10 + 2 for pair in expected), default=NOW)
        found = log.offset_of_max_timestamp()
        assert found is not None and found.timestamp == expected_time

    def test_beyond_the_end_is_nothing_but_epochs(self) -> None:
        log = self.filled()
        log.leader_epochs.assign(7, 120)
        assert not log.truncate_to(120, NOW)
        assert log.log_end_offset == 120
        assert log.leader_epochs.latest == 3

    def test_below_the_first_segment(self) -> None:
        log = self.filled()
        log.advance_log_start_offset(60)
        log.delete_old_segments(NOW)
        assert log.truncate_to(10, NOW)
        assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (10, 10, 10)
        assert [each.base_offset for each in log.segments] == [10]

    @pytest.mark.parametrize("offset", [0, 45, 60, 120, 500])
    def test_fully(self, offset: int) -> None:
        log = self.filled()
        append(log, batch(producer_id=5))
        log.truncate_fully_and_start_at(offset, NOW)
        assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (offset, offset, offset)
        assert log.leader_epochs.entries == []
        assert not log.producer_state.producers
        append(log, leader_epoch=4)
        assert offsets(log) == [(offset, offset)]
        log.close(NOW)
        again = open_log(log.files, SMALL, clean_shutdown=True)
        assert offsets(again) == [(offset, offset)]

    def test_brings_the_producer_state_back(self) -> None:
        log = new_log(SMALL)
        for i in range(30):
            append(log, batch(1, producer_id=i % 3, sequence=i // 3, value=bytes(50)))
        assert len(log.segments) > 2
        log.truncate_to(14, NOW)
        last = {key: entry.last_sequence for key, entry in log.producer_state.producers.items()}
        assert last == {0: 4, 1: 4, 2: 3}
        append(log, batch(1, producer_id=2, sequence=4))
        with refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER):
            append(log, batch(1, producer_id=1, sequence=4 + 2))

    def test_recovery_point_follows(self) -> None:
        log = self.filled()
        log.flush(NOW)
        assert log.recovery_point == 120
        log.truncate_to(50, NOW)
        assert log.recovery_point == 48, "the batch with 48 to 50 went whole"

    def test_truncation_overtakes_a_flush(self) -> None:
        log = self.filled()
        job = log.flush_begin()
        assert job is not None
        job.run()
        log.truncate_to(50, NOW)
        for _ in range(100):
            append(log, leader_epoch=9)
        log.flush_done(job, NOW)
        assert log.recovery_point <= 50
        log.flush(NOW)
        assert log.recovery_point == log.log_end_offset


class TestEpochs:
    def test_end_offsets(self) -> None:
        log = new_log()
        for epoch in (1, 1, 4):
            append(log, batch(2), leader_epoch=epoch)
        assert log.end_offset_for_epoch(1) == OffsetAndEpoch(4, 1)
        assert log.end_offset_for_epoch(3) == OffsetAndEpoch(4, 1)
        assert log.end_offset_for_epoch(4) == OffsetAndEpoch(6, 4)
        assert log.end_offset_for_epoch(0) == OffsetAndEpoch(0, 0)
        assert log.end_offset_for_epoch(5) == OffsetAndEpoch(-1, -1)


class TestRetention:
    def aged(self, config: LogConfig) -> Log:
        log = new_log(config)
        for i in range(40):
            append(log, batch(1, timestamp=NOW + i * 10, value=bytes(100)))
        log.update_high_watermark(FAR)
        return log

    def test_by_time(self) -> None:
        log = self.aged(LogConfig(segment_bytes=1000, retention_ms=100))
        newest = [each.largest_timestamp() for each in log.segments]
        now_ms = newest[1] + 101
        assert log.has_old_segments(now_ms)
        assert log.delete_old_segments(now_ms) == 2
        assert log.log_start_offset == log.segments[0].base_offset
        assert offsets(log)[0][0] == log.log_start_offset
        assert not log.has_old_segments(now_ms)

    def test_all_of_it_by_time(self) -> None:
        log = self.aged(LogConfig(segment_bytes=1000, retention_ms=100))
        assert log.delete_old_segments(NOW + 10_000) > 2
        assert (log.log_start_offset, log.log_end_offset, log.is_empty) == (40, 40, True)
        append(log)
        assert offsets(log) == [(40, 40)]

    def test_by_size(self) -> None:
        log = self.aged(LogConfig(segment_bytes=1000, retention_bytes=2500, retention_ms=-1))
        log.delete_old_segments(NOW)
        assert 2500 <= log.size_bytes < 3500

    def test_only_by_log_start_when_compacted(self) -> None:
        log = self.aged(LogConfig(segment_bytes=1000, retention_ms=1, is_compacted=True, deletes_old_segments=False))
        assert log.delete_old_segments(FAR) == 0
        log.advance_log_start_offset(20)
        assert log.delete_old_segments(FAR) > 0
        assert log.log_start_offset == 20
        assert log.segments[0].base_offset <= 20

    def test_never_beyond_the_high_watermark(self) -> None:
        log = self.aged(LogConfig(segment_bytes=1000, retention_ms=1))
        log.update_high_watermark(log.segments[2].base_offset)
        log.delete_old_segments(FAR)
        assert log.log_start_offset == log.high_watermark

    def test_records_from_the_future_stay(self) -> None:
        log = new_log(LogConfig(segment_bytes=1000, retention_ms=100))
        append(log, batch(timestamp=NOW + 10**9))
        log.roll(NOW)
        log.update_high_watermark(FAR)
        assert log.delete_old_segments(NOW + 10**6) == 0

    def test_files_wait_for_their_time(self) -> None:
        config = LogConfig(segment_bytes=1000, retention_bytes=0, file_delete_delay_ms=500)
        log = self.aged(config)
        log.delete_old_segments(NOW)
        left = [name for name in names(log.files) if name.endswith(".deleted")]
        assert len(left) > 6
        assert log.next_deletion_ms == NOW + 500
        assert log.take_deletions(NOW + 499) == []
        remove_files(log.files, log.take_deletions(NOW + 500))
        assert not [name for name in names(log.files) if name.endswith(".deleted")]
        assert log.next_deletion_ms is None

    def test_log_start_beyond_the_high_watermark(self) -> None:
        log = new_log()
        append(log)
        with refused(ErrorCode.OFFSET_OUT_OF_RANGE):
            log.advance_log_start_offset(1)


class TestTransactions:
    def test_last_stable_offset(self) -> None:
        log = new_log()
        append(log, batch(2))
        log.producer_state.transaction_verification_enabled = False
        append(log, batch(2, producer_id=1, is_transactional=True))
        append(log, batch(1, producer_id=2, is_transactional=True))
        log.update_high_watermark(FAR)
        assert log.last_stable_offset == 2
        append_marker(log, 1, commit=True)
        assert log.last_stable_offset == 2
        log.update_high_watermark(FAR)
        assert log.last_stable_offset == 4
        append_marker(log, 2, commit=False)
        log.update_high_watermark(FAR)
        assert log.last_stable_offset == log.log_end_offset == 7

    def test_not_beyond_the_high_watermark(self) -> None:
        log = new_log()
        append(log, batch(2))
        log.update_high_watermark(1)
        assert log.last_stable_offset == 1

    def aborting(self, files: MemoryFiles) -> Log:
        log = new_log(LogConfig(segment_bytes=600), files)
        log.producer_state.transaction_verification_enabled = False
        for i in range(12):
            append(log, batch(2, producer_id=i % 2, sequence=2 * (i // 2), is_transactional=True))
            if i % 4 == 3:
                append_marker(log, 0, commit=False)
                append_marker(log, 1, commit=i == 7)
        assert len(log.segments) > 2
        log.update_high_watermark(FAR)
        return log

    def test_aborted_transactions(self) -> None:
        log = self.aborting(MemoryFiles())
        everything = log.aborted_transactions(0, log.log_end_offset)
        assert [(each.producer_id, each.first_offset, each.last_offset) for each in everything] == [
            (0, 0, 8),
            (1, 2, 9),
            (0, 10, 18),
            (0, 20, 28),
            (1, 22, 29),
        ]
        assert [each.last_offset for each in log.aborted_transactions(9, 11)] == [9, 18]
        assert log.aborted_transactions(19, 20) == []
        found = log.read(10, 150, max_offset=FAR)
        upper = log.upper_bound_offset(found)
        assert 18 in [each.last_offset for each in log.aborted_transactions(10, upper)]

    @pytest.mark.parametrize("clean", [True, False])
    def test_survive_reopening(self, clean: bool) -> None:
        files = MemoryFiles()
        log = self.aborting(files)
        expected = log.aborted_transactions(0, FAR)
        if clean:
            log.close(NOW)
        else:
            files.kill()
        again = open_log(files, LogConfig(segment_bytes=600), clean_shutdown=clean)
        assert again.aborted_transactions(0, FAR) == expected
        again.truncate_to(19, NOW)
        assert again.aborted_transactions(0, FAR) == expected[:3]


class TestFlush:
    def test_due(self) -> None:
        log = new_log(LogConfig(segment_bytes=1000, flush_messages=3, flush_ms=1000))
        assert log.flush_due(NOW + 10_000) is None
        append(log, batch(2))
        assert log.flush_due(NOW) is None
        assert log.flush_due(NOW + 1000) == 2
        append(log)
        assert log.flush_due(NOW) == 3
        log.flush(NOW + 5)
        assert (log.recovery_point, log.unflushed_messages, log.last_flush_ms) == (3, 0, NOW + 5)

    def test_due_after_a_roll(self) -> None:
        log = new_log(SMALL)
        append(log)
        log.roll(NOW)
        append(log)
        assert log.flush_due(NOW) == 1
        log.flush(NOW, 1)
        assert log.recovery_point == 1
        assert log.flush_due(NOW) is None

    def test_survives_a_power_cut(self) -> None:
        files = MemoryFiles()
        log = new_log(SMALL, files)
        for i in range(50):
            append(log, batch(1, producer_id=3, sequence=i), leader_epoch=i // 20)
        files.sync_dir("/")
        log.flush(NOW)
        append(log, batch(1, producer_id=3, sequence=50), leader_epoch=7)
        recovery_point = log.recovery_point
        files.power_cut()
        again = open_log(files, SMALL, recovery_point=recovery_point)
        assert again.log_end_offset == 50
        assert again.leader_epochs.entries == [(0, 0), (1, 20), (2, 40)]
        assert again.producer_state.producers[3].last_sequence == 49

    def test_failed_sync_is_the_end(self) -> None:
        files = MemoryFiles()
        log = new_log(files=files)
        append(log)
        files.fail("sync", errno.ENOSPC)
        with pytest.raises(StorageError) as raised:
            log.flush(NOW)
        assert not isinstance(raised.value, DiskFullError)
        with pytest.raises(StorageError):
            log.flush(NOW)
        assert log.recovery_point == 0

    def test_one_at_a_time(self) -> None:
        log = new_log()
        append(log)
        job = log.flush_begin()
        assert job is not None and log.is_flushing
        append(log)
        with pytest.raises(AssertionError):
            log.flush_begin()
        job.run()
        log.flush_done(job, NOW)
        assert log.recovery_point == 1
        assert not log.is_flushing


class TestOpen:
    def test_topic_id_is_kept(self) -> None:
        files = MemoryFiles()
        mine, other = Uuid(bytes(range(16))), Uuid(bytes(range(1, 17)))
        open_log(files, topic_id=mine).close(NOW)
        assert open_log(files, clean_shutdown=True).topic_id == mine
        with refused(ErrorCode.INCONSISTENT_TOPIC_ID):
            open_log(files, topic_id=other)

    def test_topic_id_assigned_later(self) -> None:
        files = MemoryFiles()
        mine = Uuid(bytes(range(16)))
        log = open_log(files)
        log.assign_topic_id(mine)
        log.assign_topic_id(mine)
        assert log.topic_id == mine
        with refused(ErrorCode.INCONSISTENT_TOPIC_ID):
            log.assign_topic_id(Uuid(bytes(range(1, 17))))
        assert b"topic_id: AAECAwQFBgcICQoLDA0ODw" in files.read_bytes(f"{DIRECTORY}/partition.metadata")

    def test_clean_reopening_changes_nothing(self) -> None:
        files = MemoryFiles()
        log = new_log(SMALL, files)
        for i in range(60):
            append(log, batch(2, producer_id=1, sequence=2 * i), leader_epoch=i // 25)
        epochs = log.leader_epochs.entries
        before = records_of(stored(log))
        log.close(NOW)
        content = {name: files.read_bytes(f"{DIRECTORY}/{name}") for name in names(files)}
        steps = files.steps
        again = open_log(files, SMALL, clean_shutdown=True)
        assert (again.log_end_offset, again.recovery_point) == (120, 120)
        assert again.leader_epochs.entries == epochs
        assert records_of(stored(again)) == before
        assert again.producer_state.producers[1].last_sequence == 119
        again.close(NOW)
        assert files.steps == steps
        assert content == {name: files.read_bytes(f"{DIRECTORY}/{name}") for name in names(files)}

    def test_log_start_offset_of_the_checkpoint(self) -> None:
        files = MemoryFiles()
        log = new_log(SMALL, files)
        for _ in range(60):
            append(log)
        log.close(NOW)
        again = open_log(files, SMALL, clean_shutdown=True, log_start_offset=33)
        assert (again.log_start_offset, again.high_watermark) == (33, 33)
        with refused(ErrorCode.OFFSET_OUT_OF_RANGE):
            again.read(32, 10, max_offset=FAR)

    def test_log_start_beyond_the_end_begins_anew(self) -> None:
        files = MemoryFiles()
        log = new_log(SMALL, files)
        append(log, batch(producer_id=3))
        log.close(NOW)
        again = open_log(files, SMALL, clean_shutdown=True, log_start_offset=100)
        assert (again.log_start_offset, again.log_end_offset) == (100, 100)
        assert not again.producer_state.producers
        append(again)
        assert offsets(again) == [(100, 100)]

    def test_closed_is_closed(self) -> None:
        log = new_log()
        log.close(NOW)
        with pytest.raises(StorageError):
            append(log)
        with pytest.raises(StorageError):
            log.close(NOW)


def test_descriptors_of_sealed_segments_are_bounded() -> None:
    from storage.open_segments import OpenSegments

    bound = OpenSegments(segments_max=3)
    log = open_log(MemoryFiles(), SMALL, open_segments=bound)
    for _ in range(200):
        append(log)

    def open_ones() -> list[Segment]:
        return [each for each in log.segments[:-1] if each.is_open]

    for offset in range(0, 200, 7):
        assert log.read(offset, 10, max_offset=FAR).first_offset == offset
        assert len(open_ones()) <= 3
    assert len(bound) <= 3
