"""A log against a list of batches: whatever is done to it, and however it is stopped, it holds what the list holds."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.errors import ApiError
from protocol.records.batch import iter_batches
from storage import checkpoints
from storage.log import Log, remove_files
from storage.log_config import LogConfig
from tests.support.memory_files import MemoryFiles
from tests.unit.storage.logs import FAR, NOW, TP, append, batch, open_log, stored

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=150, retention_bytes=1200, file_delete_delay_ms=0)
CHECKPOINT = f"/data/{checkpoints.RECOVERY_POINT_CHECKPOINT}"


class Written(NamedTuple):
    base_offset: int
    last_offset: int
    epoch: int
    timestamp: int
    """Of the first record; each next one is a millisecond later."""


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model: list[Written] = []
        self.end = 0
        self.start = 0
        self.epoch = 0
        self.synced = 0
        self.may_come_back = False
        """Something was truncated, which is not on disk yet."""
        self.files = MemoryFiles()
        self.log: Log

    @initialize(seed=st.none() | st.integers(0, 1000))
    def begin(self, seed: int | None) -> None:
        self.files = MemoryFiles(seed=seed)
        self.files.make_dirs("/data")
        self.files.sync_dir("/")
        self.log = open_log(self.files, CONFIG)

    def reopen(self, *, clean: bool) -> None:
        try:
            data = self.files.read_bytes(CHECKPOINT)
        except FileNotFoundError:
            data = b""
        recovery_point = checkpoints.decode_offsets(data).get(TP, 0)
        self.log = open_log(
            self.files, CONFIG, clean_shutdown=clean, recovery_point=recovery_point, log_start_offset=self.start
        )

    # writing

    @rule(count=st.integers(1, 4), new_epoch=st.booleans(), timestamp=st.integers(0, 300))
    def append(self, count: int, new_epoch: bool, timestamp: int) -> None:
        self.epoch += new_epoch
        info = append(self.log, batch(count, timestamp=NOW + timestamp), leader_epoch=self.epoch)
        assert info.first_offset == self.end
        self.model.append(Written(self.end, self.end + count - 1, self.epoch, NOW + timestamp))
        self.end += count

    @rule(count=st.integers(1, 3))
    def append_as_follower(self, count: int) -> None:
        data = b""
        for _ in range(count):
            data += batch(2, offset=self.end, leader_epoch=self.epoch)
            self.model.append(Written(self.end, self.end + 1, self.epoch, NOW))
            self.end += 2
        self.log.append_as_follower(data, leader_epoch=self.epoch, now_ms=NOW)

    @rule()
    def roll(self) -> None:
        self.log.roll(NOW)

    @rule()
    def flush(self) -> None:
        if self.log.recovery_point < self.end and self.log.active.base_offset < self.end:
            self.may_come_back = False
        self.log.flush(NOW)
        self.synced = self.end

    @rule()
    def checkpoint(self) -> None:
        self.write_checkpoint(self.log.recovery_point)

    def write_checkpoint(self, recovery_point: int) -> None:
        self.files.write_atomically(CHECKPOINT, checkpoints.encode_offsets({TP: recovery_point}))

    # removing

    @rule(where=st.floats(0, 1))
    def truncate(self, where: float) -> None:
        """At the start of a batch, as replicas do."""
        candidates = [each.base_offset for each in self.model] or [self.end]
        offset = candidates[int(where * (len(candidates) - 1))]
        self.write_checkpoint(min(self.log.recovery_point, offset))
        self.log.truncate_to(offset, NOW)
        self.model = [each for each in self.model if each.base_offset < offset]
        self.end, self.start = offset, min(self.start, offset)
        self.synced = min(self.synced, offset)
        self.epoch += 1
        self.may_come_back = True

    @rule(ahead=st.integers(0, 5))
    def start_over(self, ahead: int) -> None:
        self.write_checkpoint(0)
        self.end = self.start = self.end + ahead
        self.log.truncate_fully_and_start_at(self.end, NOW)
        self.model = []
        self.synced = 0
        self.may_come_back = True

    @rule(where=st.floats(0, 1))
    def advance_log_start(self, where: float) -> None:
        self.log.update_high_watermark(FAR)
        self.start = self.start + int(where * (self.end - self.start))
        self.log.advance_log_start_offset(self.start)

    @rule()
    def retention(self) -> None:
        self.log.update_high_watermark(FAR)
        self.log.delete_old_segments(NOW)
        remove_files(self.files, self.log.take_deletions(NOW))
        assert self.log.log_start_offset >= self.start
        self.start = self.log.log_start_offset
        self.model = [each for each in self.model if each.last_offset >= self.log.segments[0].base_offset]

    # stopping

    @rule()
    def stop_cleanly(self) -> None:
        if self.log.recovery_point < self.end and self.log.active.base_offset < self.end:
            self.may_come_back = False
        self.log.close(NOW)
        self.synced = self.end
        self.reopen(clean=True)

    @rule()
    def kill(self) -> None:
        self.files.kill()
        self.reopen(clean=False)

    @rule()
    def power_cut(self) -> None:
        self.files.power_cut()
        self.reopen(clean=False)
        log = self.log
        assert log.log_end_offset >= min(self.synced, self.end)
        kept = [each for each in self.model if log.log_start_offset <= each.last_offset < self.synced]
        found = [
            Written(each.base_offset, each.last_offset, each.partition_leader_epoch, each.base_timestamp)
            for each in stored(log)
        ]
        assert kept == found[: len(kept)]
        if not self.may_come_back:
            assert all(each in self.model for each in found)
        self.model = found
        self.end, self.start = log.log_end_offset, log.log_start_offset
        self.synced = min(self.synced, self.end)
        self.epoch = max(self.epoch, log.leader_epochs.latest)

    # looking

    @invariant()
    def same_batches(self) -> None:
        if not hasattr(self, "log"):
            return
        log = self.log
        assert (log.log_start_offset, log.log_end_offset) == (self.start, self.end)
        visible = [each for each in self.model if each.last_offset >= self.start]
        found = [(each.base_offset, each.last_offset, each.partition_leader_epoch) for each in stored(log)]
        assert found == [each[:3] for each in visible]
        assert log.recovery_point <= log.log_end_offset
        assert log.log_start_offset <= log.last_stable_offset <= log.high_watermark <= log.log_end_offset

    @rule(where=st.floats(0, 1), max_bytes=st.integers(0, 500), below=st.integers(0, 5), minimum=st.booleans())
    def read(self, where: float, max_bytes: int, below: int, minimum: bool) -> None:
        offset = self.start + int(where * (self.end - self.start))
        max_offset = self.end - below
        recent = self.log.locate_recent(offset, max_bytes, max_offset)
        found = self.log.read(offset, max_bytes, max_offset=max_offset, min_one_batch=minimum)
        assert recent is None or recent[1:] == (found.position, found.size)
        batches = list(iter_batches(found.read(), partial_tail=True))
        expected = [each for each in self.model if each.last_offset >= offset and each.last_offset < max_offset]
        assert [each.base_offset for each in batches] == [each.base_offset for each in expected[: len(batches)]]
        if expected and minimum and offset < max_offset:
            assert batches
        assert found.size <= max_bytes or (minimum and len(batches) == 1)

    @rule(offset=st.integers(-3, 3))
    def read_outside(self, offset: int) -> None:
        wanted = self.start + offset if offset < 0 else self.end + offset + 1
        try:
            self.log.read(wanted, 100, max_offset=FAR)
        except ApiError:
            return
        raise AssertionError(wanted)

    @rule(timestamp=st.integers(-1, 310))
    def look_up(self, timestamp: int) -> None:
        timestamp += NOW
        records = [
            (each.timestamp + i, each.base_offset + i, each.epoch)
            for each in self.model
            for i in range(each.last_offset - each.base_offset + 1)
            if each.base_offset + i >= self.start
        ]
        first = next((each for each in records if each[0] >= timestamp), None)
        assert self.log.offset_for_timestamp(timestamp) == first

    @rule(epoch=st.integers(0, 20))
    def epochs(self, epoch: int) -> None:
        end, found = self.log.end_offset_for_epoch(epoch)
        entries = self.log.leader_epochs.entries
        assert [entry.epoch for entry in entries] == sorted({entry.epoch for entry in entries})
        for each in self.model:
            if each.last_offset >= self.start:
                at = max(each.base_offset, self.start)
                assert self.log.leader_epochs.epoch_for_offset(at) == each.epoch
                if found >= epoch and each.epoch > epoch:
                    assert each.last_offset >= end


LogMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLog = LogMachine.TestCase
