"""Readers on other threads beside an owner who appends, rolls, truncates and deletes: what they get is always right."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.errors import ApiError, ErrorCode
from protocol.ids import TopicPartition
from protocol.records.batch import iter_batches
from storage.files import DiskFiles
from storage.log import Log, remove_files
from storage.log_config import LogConfig
from storage.open_segments import OpenSegments
from tests.unit.storage.logs import FAR, NOW, append, batch

CONFIG = LogConfig(segment_bytes=3000, index_interval_bytes=300, retention_bytes=20_000, file_delete_delay_ms=0)


class Reader(threading.Thread):
    def __init__(self, log: Log, seed: int) -> None:
        super().__init__()
        self._log = log
        self._rng = random.Random(seed)
        self.must_stop = False
        self.error: BaseException | None = None
        self.reads = 0

    def run(self) -> None:
        try:
            while not self.must_stop:
                self._read()
        except BaseException as e:
            self.error = e

    def _read(self) -> None:
        log, rng = self._log, self._rng
        max_offset = log.high_watermark
        start = rng.randint(log.log_start_offset, max(max_offset, log.log_start_offset))
        try:
            found = log.read(start, rng.choice((1, 500, 10_000)), max_offset=max_offset)
        except ApiError as e:
            # Retention overtook the reader.
            assert e.code == ErrorCode.OFFSET_OUT_OF_RANGE, e
            return
        batches = list(iter_batches(found.read(), partial_tail=True))
        if start < max_offset:
            assert batches and batches[0].base_offset <= start <= batches[0].last_offset
        for each in batches:
            assert each.is_valid_crc()
            assert each.last_offset < max_offset
            assert [record.value for record in each.records()] == [b"%d" % each.base_offset] * each.records_count
        self.reads += 1


@pytest.fixture
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("quick_switches")
def test_readers_beside_the_owner(tmp_path: Path) -> None:
    log = Log.open(
        DiskFiles(),
        str(tmp_path / "t-0"),
        TopicPartition("t", 0),
        CONFIG,
        now_ms=NOW,
        open_segments=OpenSegments(segments_max=3),
    )
    readers = [Reader(log, seed) for seed in range(3)]
    for reader in readers:
        reader.start()
    rng = random.Random(9)
    for i in range(800):
        append(log, batch(rng.randint(1, 4), value=b"%d" % log.log_end_offset), now_ms=NOW)
        if i % 7 == 0:
            log.update_high_watermark(FAR)
        if i % 100 == 50:
            # Above the high watermark only, which is all that replicas may truncate.
            log.truncate_to(log.truncation_point(rng.randint(log.high_watermark, log.log_end_offset)), NOW)
            log.update_high_watermark(log.high_watermark)
        if i % 150 == 0:
            log.delete_old_segments(NOW)
            remove_files(log.files, log.take_deletions(FAR))
    for reader in readers:
        reader.must_stop = True
    for reader in readers:
        reader.join()
        assert reader.error is None, reader.error
        assert reader.reads > 3
