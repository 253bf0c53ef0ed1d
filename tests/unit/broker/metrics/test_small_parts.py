"""The loop's watch, elections, the disks' room, the document."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from broker.environment import ThreadExecutor
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, MetadataProvenance
from broker.metadata.publishers import LoaderManifest
from broker.metrics import disk_space, loop_watch
from broker.metrics.disk_space import DiskSpace
from broker.metrics.document import DOCUMENT, metrics_document
from broker.metrics.elections import ElectionCounts
from broker.metrics.loop_watch import LoopWatch
from broker.metrics.table import METRICS
from protocol.ids import Uuid
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord, TopicRecord
from protocol.schema import Message

TOPIC = Uuid(bytes(15) + b"\x07")
MANIFEST = LoaderManifest(is_snapshot=False)


def test_the_document_is_fresh() -> None:
    assert DOCUMENT.read_text() == metrics_document(), "stale: run `make docs`"


def test_the_table_names_types_as_prometheus_does() -> None:
    for metric in METRICS.values():
        assert metric.type in ("counter", "gauge", "untyped", "histogram"), metric.name
        assert (metric.type == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.documentation.endswith("."), metric.name
        assert ("quantile" in metric.labels) == (f"{metric.name}_count" in METRICS), metric.name


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return 0


async def test_the_watch_sees_how_late_and_how_busy_the_loop_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_watch, "INTERVAL_S", 0.001)
    clock, cpu_s = FakeClock(), 0.0
    watch = LoopWatch(clock, lambda: cpu_s)
    watch.start()
    async with asyncio.timeout(30):
        while not watch.lag.count:
            await asyncio.sleep(0.001)
        assert watch.idle == 1.0
        clock.now_s, cpu_s = clock.now_s + 600.0, cpu_s + 450.0  # a stall of ten minutes, three quarters of it work
        seen = watch.lag.count
        while watch.lag.count == seen:
            await asyncio.sleep(0.001)
    watch.stop()
    assert watch.lag.counts[-1] == 1, "later than the last bound"
    assert watch.idle == pytest.approx(0.25, abs=0.01)
    stopped = watch.lag.count
    await asyncio.sleep(0.01)
    assert watch.lag.count == stopped


def published(counts: ElectionCounts, image: MetadataImage, *records: Message) -> MetadataImage:
    delta = MetadataDelta(image)
    for record in records:
        delta.replay(record)
    after = delta.apply(MetadataProvenance(image.offset + len(records), 1, 0, True))
    counts.on_metadata(delta, after, MANIFEST)
    return after


def change(**fields: Any) -> PartitionChangeRecord:
    return PartitionChangeRecord(partition_id=0, topic_id=TOPIC, **fields)


def test_elections_and_in_sync_replicas_are_counted() -> None:
    counts = ElectionCounts(1)
    directories = [Uuid(bytes(15) + bytes([200 + replica])) for replica in (1, 2, 3)]
    image = published(
        counts,
        EMPTY_IMAGE,
        TopicRecord(name="t", topic_id=TOPIC),
        PartitionRecord(
            partition_id=0,
            topic_id=TOPIC,
            replicas=[1, 2, 3],
            directories=directories,
            isr=[1, 2, 3],
            leader=1,
            leader_epoch=0,
            partition_epoch=0,
        ),
    )
    image = published(counts, image, change(isr=[1, 2]))
    image = published(counts, image, change(isr=[1]))
    image = published(counts, image, change(isr=[1, 3]))
    assert (counts.isr_shrinks, counts.isr_expands, counts.unclean_elections) == (2, 1, 0)
    image = published(counts, image, change(isr=[3], leader=3))
    assert (counts.isr_shrinks, counts.isr_expands) == (2, 1), "led elsewhere"
    image = published(counts, image, change(isr=[2], leader=2, leader_recovery_state=1))
    assert counts.unclean_elections == 1
    published(counts, image, change(leader_recovery_state=0))
    assert counts.unclean_elections == 1


class Disks:
    """In place of LogDirectories."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.calls: list[str] = []

    def disk_usage(self, path: str) -> tuple[int, int]:
        self.calls.append(path)
        if path == "/hangs":
            self.hangs.wait()
        if path == "/fails":
            raise OSError(5, "an error")
        return 100, 40


async def test_a_disk_that_hangs_is_left_out_and_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "PATIENCE_S", 0.05)
    executor, disks = ThreadExecutor(1), Disks()
    space = DiskSpace(disks, executor)  # type: ignore[arg-type]
    try:
        for _ in range(3):
            assert await space.of(["/fine", "/hangs", "/fails"]) == {"/fine": (100, 40)}
        assert disks.calls.count("/hangs") == 1
        disks.hangs.set()
        async with asyncio.timeout(30):
            while "/hangs" not in await space.of(["/hangs"]):
                await asyncio.sleep(0.01)
    finally:
        disks.hangs.set()
        executor.close()


async def test_the_room_of_a_real_directory(tmp_path: Path) -> None:
    from storage.directory import LogDirectories
    from storage.files import DiskFiles

    executor = ThreadExecutor(1)
    directories = LogDirectories(DiskFiles(), [str(tmp_path)], new_uuid=lambda: TOPIC)
    found = await DiskSpace(directories, executor).of([str(tmp_path)])
    size_bytes, available_bytes = found[str(tmp_path)]
    assert 0 < available_bytes <= size_bytes
    executor.close()
