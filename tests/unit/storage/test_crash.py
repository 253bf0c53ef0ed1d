"""A crash at every step that changes the disk: what was synced is there afterwards, and nothing that was never written.

A scenario runs once to count its steps, then once for each step up to which it comes. After each crash the log is
opened as a restart opens it, from the checkpoint on the same disk, and again after writing more.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.errors import DecodeError
from protocol.ids import TopicPartition
from protocol.records.batch import iter_batches
from storage import checkpoints
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.memory_files import Crash, MemoryFiles
from tests.unit.storage.logs import DIRECTORY, FAR, NOW, TP, append, append_marker, batch, open_log, stored

CONFIG = LogConfig(segment_bytes=600, index_interval_bytes=150, retention_bytes=1500, file_delete_delay_ms=0)
CHECKPOINT = f"/data/{checkpoints.RECOVERY_POINT_CHECKPOINT}"


class Scenario:
    """Writes, and remembers what a restart must find."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files = files
        self.appended: dict[int, bytes] = {}
        """What was ever given to the log, by offset; the value may have been truncated and written anew since."""
        self.synced_end = 0
        self.written_end = 0
        self.start_max = 0
        self.gap_at: int | None = None
        """Where a truncation cut into a batch, so that offsets may be missing behind it."""
        self.sequence = 0
        self.log: Log | None = None

    def open(self, *, clean: bool = False) -> Log:
        self.log = open_log(
            self.files,
            CONFIG,
            clean_shutdown=clean,
            recovery_point=recovery_points(self.files).get(TP, 0),
        )
        self.log.producer_state.transaction_verification_enabled = False
        return self.log

    def put(self, log: Log, count: int = 2, epoch: int = 0) -> None:
        for i in range(count):
            self.appended[log.log_end_offset + i] = b"%d" % (log.log_end_offset + i)
        value = b"epoch %d" % epoch
        append(log, batch(count, producer_id=1, sequence=self.sequence, value=value), leader_epoch=epoch)
        self.sequence += count
        self.written_end = log.log_end_offset

    def sync(self, log: Log) -> None:
        log.flush(NOW)
        self.synced_end = log.log_end_offset

    def checkpoint(self, log: Log) -> None:
        data = checkpoints.encode_offsets({TP: log.recovery_point})
        self.files.write_atomically(CHECKPOINT, data)

    def truncate(self, log: Log, offset: int) -> None:
        point = log.truncation_point(offset)
        if recovery_points(self.files).get(TP, 0) > point:
            self.files.write_atomically(CHECKPOINT, checkpoints.encode_offsets({TP: point}))
        self.synced_end = min(self.synced_end, point)
        self.gap_at = point if point < offset else None
        log.truncate_to(offset, NOW)
        self.written_end = offset


def recovery_points(files: MemoryFiles) -> dict[TopicPartition, int]:
    try:
        return checkpoints.decode_offsets(files.read_bytes(CHECKPOINT))
    except (FileNotFoundError, DecodeError):
        return {}


def appends_and_rolls(scenario: Scenario) -> None:
    log = scenario.open()
    for i in range(14):
        scenario.put(log, epoch=i // 5)
        if i % 4 == 3:
            scenario.sync(log)
        if i == 9:
            scenario.checkpoint(log)
    log.close(NOW)


def truncations(scenario: Scenario) -> None:
    log = scenario.open()
    for _ in range(8):
        scenario.put(log)
    scenario.sync(log)
    scenario.checkpoint(log)
    scenario.truncate(log, 9)
    scenario.sequence = log.producer_state.producers[1].last_sequence + 1
    for _ in range(6):
        scenario.put(log, epoch=3)
    scenario.sync(log)
    scenario.checkpoint(log)
    scenario.put(log, epoch=4)


def retention(scenario: Scenario) -> None:
    log = scenario.open()
    for i in range(16):
        scenario.put(log)
        if i % 5 == 4:
            log.update_high_watermark(FAR)
            scenario.sync(log)
            scenario.start_max = log.log_end_offset
            log.delete_old_segments(NOW)
            for path in log.take_deletions(NOW):
                scenario.files.remove(path)
            scenario.checkpoint(log)


def transactions(scenario: Scenario) -> None:
    log = scenario.open()
    for i in range(6):
        append(log, batch(1, producer_id=2, sequence=i, is_transactional=True))
        scenario.put(log)
        append_marker(log, 2, commit=i % 2 == 0)
        if i % 2:
            scenario.sync(log)
    scenario.checkpoint(log)


def start_over(scenario: Scenario) -> None:
    log = scenario.open()
    for _ in range(6):
        scenario.put(log)
    scenario.sync(log)
    scenario.files.write_atomically(CHECKPOINT, checkpoints.encode_offsets({TP: 0}))
    scenario.synced_end = 0
    scenario.start_max = 100
    log.truncate_fully_and_start_at(100, NOW)
    scenario.written_end = 100
    scenario.sequence = 0
    scenario.put(log, epoch=2)


SCENARIOS: list[Callable[[Scenario], None]] = [appends_and_rolls, truncations, retention, transactions, start_over]


def crash(run: Callable[[Scenario], None], step: int, seed: int | None) -> Scenario | None:
    """The scenario after the crash at `step`; None if it came to its end."""
    files = MemoryFiles(seed=seed)
    files.make_dirs("/data")
    files.sync_dir("/")
    scenario = Scenario(files)
    files.crash_at_step = files.steps + step
    try:
        run(scenario)
    except Crash:
        return scenario
    return None


def check(scenario: Scenario) -> None:
    """A restart finds all that was synced, in order, and only what was written; and the log can go on."""
    log = scenario.open()
    assert log.log_end_offset >= scenario.synced_end
    assert log.log_start_offset <= max(scenario.start_max, 0)
    found = stored(log)
    offset = log.log_start_offset
    for each in found:
        assert each.is_valid_crc()
        assert each.base_offset == offset or (offset == scenario.gap_at and each.base_offset == offset + 1)
        offset = each.next_offset
    assert offset == log.log_end_offset
    state = described(log)
    scenario.files.kill()
    again = scenario.open()
    assert described(again) == state
    append(again, batch(3), leader_epoch=9)
    again.flush(NOW)
    again.close(NOW)
    last = scenario.open(clean=True)
    assert last.log_end_offset == log.log_end_offset + 3
    assert last.leader_epochs.latest == 9
    tail = last.read(last.log_end_offset - 1, 1000, max_offset=FAR).read()
    assert [each.last_offset for each in iter_batches(tail)] == [last.log_end_offset - 1]


def described(log: Log) -> object:
    producers = {key: entry.last_sequence for key, entry in log.producer_state.producers.items()}
    return (
        [bytes(each.buffer) for each in stored(log)],
        log.leader_epochs.entries,
        producers,
        log.aborted_transactions(0, FAR),
    )


@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
def test_power_cut_at_every_step(run: Callable[[Scenario], None]) -> None:
    step = 1
    while (scenario := crash(run, step, None)) is not None:
        scenario.files.power_cut()
        check(scenario)
        step += 1
    assert step > 20


@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
def test_power_cut_that_leaves_some(run: Callable[[Scenario], None]) -> None:
    step = 1
    while (scenario := crash(run, step, step)) is not None:
        scenario.files.power_cut()
        check(scenario)
        step += 1


@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
def test_kill_at_every_step(run: Callable[[Scenario], None]) -> None:
    """The page cache survives a killed process: nothing that an append returned for is lost, synced or not."""
    step = 1
    while (scenario := crash(run, step, step)) is not None:
        scenario.files.kill()
        log = scenario.open()
        assert log.log_end_offset >= scenario.written_end or run in (truncations, start_over)
        scenario.files.kill()
        check(scenario)
        step += 1


def test_closed_log_survives_a_power_cut_without_recovery() -> None:
    files = MemoryFiles()
    files.make_dirs("/data")
    files.sync_dir("/")
    scenario = Scenario(files)
    appends_and_rolls(scenario)
    files.power_cut()
    log = scenario.open(clean=True)
    assert log.log_end_offset == 28
    assert log.leader_epochs.entries == [(0, 0), (1, 10), (2, 20)]
    assert log.producer_state.producers[1].last_sequence == 27
    assert DIRECTORY in log.directory
