"""What has to be on disk although no batch is left to sync: completed indexes, and the names of new files."""

from __future__ import annotations

import pytest

from storage.log import Log
from storage.log_config import LogConfig
from storage.segment import Segment
from tests.support.memory_files import MemoryFiles
from tests.unit.storage.logs import NOW, append, batch, names, open_log, records_of, stored

SMALL = LogConfig(segment_bytes=700, index_interval_bytes=50)


def synced_one_by_one(files: MemoryFiles, count: int) -> Log:
    log = open_log(files, SMALL)
    for _ in range(count):
        append(log, batch(2))
        log.flush(NOW)
    return log


def test_indexes_of_a_segment_whose_batches_were_all_synced_before_it_was_rolled() -> None:
    files = MemoryFiles()
    log = synced_one_by_one(files, 20)
    assert len(log.segments) > 2
    sealed = [segment.path(suffix) for segment in log.segments[:-1] for suffix in (".index", ".timeindex")]
    content = {path: files.read_bytes(path) for path in sealed}
    assert all(content.values())
    files.sync_dir("/data")
    files.sync_dir("/")
    files.power_cut()
    assert {path: files.read_bytes(path) for path in sealed} == content


def test_a_clean_stop_right_after_a_roll_leaves_everything_on_disk() -> None:
    files = MemoryFiles()
    log = synced_one_by_one(files, 3)
    log.roll(NOW)
    expected = records_of(stored(log))
    # A producer snapshot that says that there are none may be lost.
    content = {name: files.read_bytes(f"/data/t-0/{name}") for name in names(files) if not name.endswith(".snapshot")}
    log.close(NOW)
    files.sync_dir("/data")
    files.sync_dir("/")
    files.power_cut()
    assert {name: files.read_bytes(f"/data/t-0/{name}") for name in content} == content
    again = open_log(files, SMALL, clean_shutdown=True, recovery_point=6)
    assert records_of(stored(again)) == expected


def test_a_log_that_was_closed_empty_and_then_written() -> None:
    files = MemoryFiles()
    open_log(files, SMALL).close(NOW)
    # The directory of logs is synced when it is marked as left cleanly, and when it is loaded.
    files.sync_dir("/data")
    files.sync_dir("/")
    log = open_log(files, SMALL, clean_shutdown=True, is_parent_synced=True)
    append(log, batch(3))
    log.flush(NOW)
    files.power_cut()
    again = open_log(files, SMALL, recovery_point=3)
    assert again.log_end_offset == 3


# The indexes of a segment just rolled are written by the flush of its batches, off the event loop.


def rolled(files: MemoryFiles) -> tuple[Log, Segment]:
    """A log of which nothing is synced, and its first segment, just rolled."""
    log = open_log(files, LogConfig(index_interval_bytes=50))
    for number in range(5):
        append(log, batch(2, timestamp=NOW + number))
    log.roll(NOW)
    append(log)
    return log, log.segments[0]


def index_files(files: MemoryFiles, segment: Segment) -> tuple[bytes, bytes]:
    return files.read_bytes(segment.path(".index")), files.read_bytes(segment.path(".timeindex"))


def test_a_flush_seals_what_was_rolled() -> None:
    files = MemoryFiles()
    log, segment = rolled(files)
    assert index_files(files, segment) == (b"", b"")
    job = log.flush_begin(segment.base_offset + 10)
    assert job is not None
    segment.release()
    assert len(segment.offset_index) > 0, "they are nowhere else yet"
    job.run()
    log.flush_done(job, NOW)
    expected = segment.offset_index.encode(), segment.time_index.encode()
    assert all(expected) and index_files(files, segment) == expected
    segment.release()
    assert segment.index_bytes == 0


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_is_rolled_during_a_flush_is_sealed_before_the_recovery_point_passes_it(is_killed: bool) -> None:
    files = MemoryFiles()
    log = open_log(files, LogConfig(index_interval_bytes=50))
    for _ in range(5):
        append(log, batch(2))
    job = log.flush_begin()
    assert job is not None
    log.roll(NOW)
    job.run()
    log.flush_done(job, NOW)
    assert log.recovery_point == 0
    if is_killed:
        files.kill()
        log = open_log(files, LogConfig(index_interval_bytes=50), recovery_point=log.recovery_point)
    append(log)
    log.flush(NOW)
    assert log.recovery_point == 11
    assert all(index_files(files, log.segments[0]))


@pytest.mark.parametrize("how", ["truncated", "deleted"])
def test_a_flush_writes_no_indexes_of_what_is_gone(how: str) -> None:
    files = MemoryFiles()
    log, segment = rolled(files)
    job = log.flush_begin()
    assert job is not None
    if how == "truncated":
        log.truncate_to(4, NOW)
    else:
        log.update_high_watermark(log.log_end_offset)
        log.advance_log_start_offset(10)
        assert log.delete_old_segments(NOW) == 1
    job.run()
    log.flush_done(job, NOW)
    if how == "deleted":
        assert not files.exists(segment.path(".index"))
        return
    assert index_files(files, segment) == (b"", b"")
    append(log, batch(3))
    expected = records_of(stored(log))
    log.close(NOW)
    again = open_log(files, clean_shutdown=True, recovery_point=log.log_end_offset)
    assert records_of(stored(again)) == expected
