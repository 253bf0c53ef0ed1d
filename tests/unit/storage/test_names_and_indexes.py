"""What has to be on disk although no batch is left to sync: completed indexes, and the names of new files."""

from __future__ import annotations

from storage.log import Log
from storage.log_config import LogConfig
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
