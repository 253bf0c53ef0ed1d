"""A crash at every step of a directory's life: creating, checkpointing, deleting and recreating logs, a clean stop."""

from __future__ import annotations

import itertools

import pytest

from protocol.ids import TopicPartition, Uuid
from storage.directory import LogDirectories
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.memory_files import Crash, MemoryFiles
from tests.unit.storage.logs import NOW, append, batch, records_of, stored

CONFIG = LogConfig(segment_bytes=500, file_delete_delay_ms=0)
OLD, NEW = Uuid(b"o" * 16), Uuid(b"n" * 16)
T0, T1 = TopicPartition("a", 0), TopicPartition("a", 1)


class Life:
    """Synced ends by topic id and partition: what a restart must find, unless the log was deleted."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files = files
        self.synced: dict[tuple[TopicPartition, Uuid], int] = {}
        self.deleted: set[tuple[TopicPartition, Uuid]] = set()
        self.ids = itertools.count(1)

    def open(self) -> LogDirectories:
        made = LogDirectories(self.files, ["/a", "/b"], new_uuid=lambda: Uuid(next(self.ids).to_bytes(16, "big")))
        made.open()
        made.load(lambda topic: CONFIG, NOW)
        return made

    def write(self, log: Log, count: int) -> None:
        assert log.topic_id is not None
        for _ in range(count):
            append(log, batch(2, value=log.topic_id))
        log.flush(NOW)
        self.synced[log.topic_partition, log.topic_id] = log.log_end_offset

    def checkpoint(self, made: LogDirectories) -> None:
        for directory in made.online:
            job = made.begin_checkpoint(directory)
            if job is not None:
                job.run()

    def run(self) -> None:
        made = self.open()
        for topic_partition in (T0, T1):
            self.write(made.create(topic_partition, OLD, CONFIG, NOW), 6)
        self.checkpoint(made)
        self.deleted.add((T0, OLD))
        job = made.delete(T0, NOW)
        assert job is not None
        job.run()
        self.write(made.create(T0, NEW, CONFIG, NOW), 2)
        for removal in made.take_deletions(NOW):
            removal()
        log = made.logs[T1]
        log.update_high_watermark(log.log_end_offset)
        log.advance_log_start_offset(4)
        self.checkpoint(made)
        point = log.truncation_point(8)
        job = made.checkpoint_before_truncation(log, 8)
        if job is not None:
            job.run()
        self.synced[T1, OLD] = point
        log.truncate_to(8, NOW)
        self.write(log, 1)
        made.close(NOW, broker_epoch=5)
        again = self.open()
        self.write(again.logs[T1], 1)
        again.close(NOW, broker_epoch=6)


def crash(step: int, seed: int | None) -> Life | None:
    files = MemoryFiles(seed=seed)
    life = Life(files)
    files.crash_at_step = step
    try:
        life.run()
    except Crash:
        return life
    return None


def check(life: Life) -> None:
    for _ in range(2):
        made = life.open()
        assert not made.corrupt and not made.offline
        for log in made.all_logs():
            identity = log.topic_partition, log.topic_id
            assert log.topic_id is not None or log.log_end_offset == 0
            values = {value for _, value in records_of(stored(log))}
            assert values <= {log.topic_id}, "records of another topic of the same name"
            assert log.log_end_offset >= life.synced.get(identity, 0)  # type: ignore[arg-type]
        for (topic_partition, topic_id), end in life.synced.items():
            found = made.log(topic_partition)
            if (topic_partition, topic_id) not in life.deleted:
                assert found is not None and found.topic_id == topic_id and found.log_end_offset >= end
        life.files.kill()
    made = life.open()
    for removal in made.take_deletions(NOW):
        removal()
    made.close(NOW)
    assert life.open().online[0].had_clean_shutdown


@pytest.mark.parametrize("how", ["kill", "power cut", "power cut that leaves some"])
def test_crash_at_every_step(how: str) -> None:
    step = 1
    while (life := crash(step, step if how == "power cut that leaves some" else None)) is not None:
        if how == "kill":
            life.files.kill()
        else:
            life.files.power_cut()
        check(life)
        step += 1
    assert step > 80
