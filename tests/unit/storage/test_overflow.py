"""A segment whose offsets lie further apart than 2^31, as old compaction left them, is split when the log is loaded."""

from __future__ import annotations

import pytest

from storage.log import Log
from storage.log_config import LogConfig
from tests.support.memory_files import Crash, MemoryFiles
from tests.unit.storage.logs import DIRECTORY, batch, offsets, open_log

FAR_APART = [0, 1, 2**31 - 1, 2**31, 2**31 + 7, 2**32, 2**33 + 5]
BEHIND = 2**33 + 6
COMPACTED = LogConfig(is_compacted=True, index_interval_bytes=50)


def overflowing() -> MemoryFiles:
    files = MemoryFiles()
    files.make_dirs(DIRECTORY)
    for base_offset, content in ((0, FAR_APART), (BEHIND, [BEHIND])):
        data = b"".join(batch(1, offset=offset, leader_epoch=0) for offset in content)
        files.write_bytes(f"{DIRECTORY}/{base_offset:020d}.log", data, sync=True)
        for suffix in (".index", ".timeindex"):
            files.write_bytes(f"{DIRECTORY}/{base_offset:020d}{suffix}", b"", sync=True)
    files.sync_dir(DIRECTORY)
    files.sync_dir("/data")
    files.sync_dir("/")
    return files


def check(log: Log) -> None:
    assert [segment.base_offset for segment in log.segments] == [0, 2**31, 2**32, 2**33 + 5, BEHIND]
    assert [first for first, _ in offsets(log)] == [*FAR_APART, BEHIND]
    for segment in log.segments:
        assert all(offset >= 0 for offset in segment.offset_index.relative_offsets)
    for offset in (*FAR_APART, BEHIND):
        found = log.read(offset, 1, max_offset=log.log_end_offset)
        assert int.from_bytes(found.read()[:8], "big") == offset


@pytest.mark.parametrize("clean", [True, False])
def test_it_is_split_and_everything_is_found(clean: bool) -> None:
    files = overflowing()
    check(open_log(files, COMPACTED, clean_shutdown=clean, recovery_point=BEHIND if clean else 0))


def test_a_crash_anywhere_loses_nothing() -> None:
    step = 0
    while True:
        step += 1
        files = overflowing()
        files.crash_at_step = files.steps + step
        try:
            open_log(files, COMPACTED, clean_shutdown=False, recovery_point=BEHIND)
        except Crash:
            files.power_cut()
            check(open_log(files, COMPACTED, clean_shutdown=False, recovery_point=BEHIND))
            continue
        break
    assert step > 10


def test_segments_that_are_merely_far_apart_stay_as_they_are() -> None:
    files = MemoryFiles()
    files.make_dirs(DIRECTORY)
    for base_offset in (0, 2**40):
        files.write_bytes(f"{DIRECTORY}/{base_offset:020d}.log", batch(2, offset=base_offset, leader_epoch=0))
    log = open_log(files, COMPACTED, clean_shutdown=True, recovery_point=2**40)
    assert [segment.base_offset for segment in log.segments] == [0, 2**40]


def test_what_lies_between_two_of_them_stays() -> None:
    files = overflowing()
    last = BEHIND + 2**33
    for base_offset, content in ((BEHIND + 1, [BEHIND + 1, BEHIND + 1 + 2**32]), (last, [last])):
        data = b"".join(batch(1, offset=offset, leader_epoch=0) for offset in content)
        files.write_bytes(f"{DIRECTORY}/{base_offset:020d}.log", data, sync=True)
    log = open_log(files, COMPACTED, clean_shutdown=True, recovery_point=last)
    assert [first for first, _ in offsets(log)] == [*FAR_APART, BEHIND, BEHIND + 1, BEHIND + 1 + 2**32, last]


def test_a_damaged_one_is_left_to_recovery() -> None:
    files = overflowing()
    path = f"{DIRECTORY}/{0:020d}.log"
    files.write_bytes(path, files.read_bytes(path)[:-10], sync=True)
    log = open_log(files, COMPACTED, clean_shutdown=False, recovery_point=0)
    assert [first for first, _ in offsets(log)] == FAR_APART[:3], "as far as they fit into one segment"
