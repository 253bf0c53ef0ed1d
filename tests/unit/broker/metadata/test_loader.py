"""The loader: batches in, publishes out; whole transactions, fixed order, slices, snapshots, faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.metadata.delta import MetadataDelta
from broker.metadata.image import EMPTY_IMAGE, MetadataImage
from broker.metadata.image_records import VersionedRecord, image_records
from broker.metadata.loader import MetadataLoader
from broker.metadata.publishers import LoaderManifest, RegistrationTracker
from protocol.ids import OffsetAndEpoch
from protocol.metadata.log import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    NoOpRecord,
)
from protocol.metadata.topics import RemoveTopicRecord
from tests.support.controller import (
    BOOTSTRAPPED,
    Batch,
    ManualClock,
    broker_record,
    cluster,
    level_record,
    partition_record,
    replayed,
    topic_records,
    uuid,
)
from tests.unit.broker.metadata.strategies import record_sequences

BEGIN: VersionedRecord = (BeginTransactionRecord(name="x"), 0)
END: VersionedRecord = (EndTransactionRecord(), 0)
ABORT: VersionedRecord = (AbortTransactionRecord(reason="x"), 0)
NOOP: VersionedRecord = (NoOpRecord(), 0)


class Recorder:
    """A publisher that follows by delta alone, as publishers do."""

    def __init__(self, name: str = "", log: list[str] | None = None) -> None:
        self.name = name
        self.log = log
        self.images: list[MetadataImage] = []
        self.deltas: list[MetadataDelta] = []
        self.manifests: list[LoaderManifest] = []
        self.waits: list[Awaitable[None]] = []

    def on_metadata(
        self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest
    ) -> Awaitable[None] | None:
        assert delta.image == (self.images[-1] if self.images else EMPTY_IMAGE)
        assert delta.apply(image.provenance) == image
        self.images.append(image)
        self.deltas.append(delta)
        self.manifests.append(manifest)
        if self.log is not None:
            self.log.append(f"{self.name}@{image.offset}")
        return self.waits.pop(0) if self.waits else None

    @property
    def offsets(self) -> list[int]:
        return [image.offset for image in self.images]


class Bench:
    def __init__(self, high_watermark: int | None = 0) -> None:
        self.clock = ManualClock()
        self.high_watermark = high_watermark
        self.faults: list[Exception] = []
        self.loader = MetadataLoader(self.clock, lambda: self.high_watermark, self.faults.append)
        self.recorder = Recorder()
        self.loader.install(self.recorder)
        self.next_offset = 0

    def commit(self, *records: VersionedRecord, size_bytes: int = 100) -> None:
        self.loader.on_commit(Batch(self.next_offset, list(records), size_bytes=size_bytes))
        self.next_offset += len(records)


class Snapshot:
    def __init__(self, image: MetadataImage, offset: int, epoch: int = 1) -> None:
        self.snapshot_id = OffsetAndEpoch(offset, epoch)
        self.last_contained_log_timestamp = 5
        self._image = image

    @property
    def batches(self) -> Iterator[Sequence[VersionedRecord]]:
        for record in image_records(self._image):
            yield [record]


async def test_nothing_is_published_before_the_log_as_found_is_replayed() -> None:
    bench = Bench(high_watermark=None)
    bench.commit(BOOTSTRAPPED)
    bench.commit(*cluster(1))
    assert bench.recorder.images == [] and bench.loader.published_offset == -1 and not bench.loader.is_caught_up
    assert bench.loader.image.cluster.brokers  # a controller can begin from here
    bench.high_watermark = 4
    bench.commit(NOOP)
    assert bench.recorder.images == []
    bench.commit(NOOP)
    assert bench.recorder.offsets == [3] and bench.loader.published_offset == 3
    assert bench.recorder.manifests == [LoaderManifest(True, 400, None, 0)]


async def test_without_a_publisher_the_loader_goes_on_collecting() -> None:
    bench = Bench()
    bench.loader = MetadataLoader(bench.clock, lambda: 0, bench.faults.append)
    bench.commit(BOOTSTRAPPED)
    bench.commit(*cluster(1))
    assert not bench.loader.is_caught_up and bench.loader.image.cluster.brokers
    first, second = Recorder(), Recorder()
    bench.loader.install(first)
    bench.loader.install(second)
    await asyncio.sleep(0)
    assert first.offsets == second.offsets == [1] and first.deltas[0] is second.deltas[0]


async def test_the_high_watermark_may_become_known_last() -> None:
    bench = Bench(high_watermark=None)
    bench.commit(BOOTSTRAPPED)
    bench.high_watermark = 1
    bench.loader.on_leader_change(7, 3)
    assert bench.recorder.offsets == [0] and bench.recorder.manifests[0].leader_id == 7


async def test_an_empty_log_is_not_published_before_its_bootstrap() -> None:
    bench = Bench(high_watermark=1)
    bench.loader.on_commit(Batch(0, (), control_count=1))
    assert bench.recorder.images == [] and bench.loader.image.offset == 0
    bench.next_offset = 1
    bench.commit(BOOTSTRAPPED)
    assert bench.recorder.offsets == [1]


async def test_every_batch_is_published_in_the_order_of_installation() -> None:
    bench, log = Bench(), list[str]()
    bench.loader.install(Recorder("a", log), Recorder("b", log))
    bench.commit(BOOTSTRAPPED)
    bench.commit(NOOP, NOOP)
    late = Recorder("c", log)
    bench.loader.install(late)
    await asyncio.sleep(0)
    bench.commit(NOOP)
    assert log == ["a@0", "b@0", "a@2", "b@2", "c@2", "a@3", "b@3", "c@3"]
    assert late.manifests[0].is_snapshot and not late.manifests[1].is_snapshot


async def test_a_transaction_is_published_whole() -> None:
    bench = Bench()
    bench.commit(BOOTSTRAPPED)
    bench.commit(*topic_records("a", 1, [partition_record([1])]), BEGIN)
    bench.commit(*topic_records("b", 2, [partition_record([1])]))
    bench.commit(NOOP)
    assert bench.recorder.offsets == [0, 2] and bench.loader.transaction_offset == 3
    assert not bench.recorder.images[-1].provenance.is_batch_aligned
    assert list(bench.recorder.images[-1].topics.by_name) == ["a"]
    bench.commit(*topic_records("c", 3, [partition_record([1])]), END)
    assert bench.recorder.offsets == [0, 2, 9] and bench.loader.transaction_offset is None
    assert list(bench.recorder.images[-1].topics.by_name) == ["a", "b", "c"]
    assert bench.recorder.images[-1].provenance.is_batch_aligned


async def test_an_aborted_transaction_never_was() -> None:
    bench = Bench()
    bench.commit(BOOTSTRAPPED, BEGIN)
    bench.commit(*topic_records("a", 1, [partition_record([1])]))
    bench.commit(ABORT, *topic_records("b", 2, [partition_record([1])]))
    assert list(bench.recorder.images[-1].topics.by_name) == ["b"] and bench.recorder.offsets == [0, 6]


async def test_a_transaction_aborted_while_catching_up_takes_nothing_else_back() -> None:
    bench = Bench(high_watermark=7)
    bench.commit(BOOTSTRAPPED, *topic_records("a", 1, [partition_record([1])]))
    bench.commit(BEGIN, *topic_records("b", 2, [partition_record([1])]))
    bench.commit(ABORT)
    assert list(bench.recorder.images[-1].topics.by_name) == ["a"]


@pytest.mark.parametrize("batch", [[BEGIN, BEGIN], [END], [ABORT], [(RemoveTopicRecord(topic_id=uuid(1)), 0)]])
async def test_a_log_that_makes_no_sense_is_fatal(batch: list[VersionedRecord]) -> None:
    bench = Bench()
    bench.commit(BOOTSTRAPPED)
    bench.commit(*batch)
    assert len(bench.faults) == 1 and isinstance(bench.faults[0], ValueError)
    bench.commit(NOOP)
    assert bench.recorder.offsets == [0]


async def test_a_publisher_that_fails_is_fatal() -> None:
    class Broken:
        def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
            raise RuntimeError("no")

    bench = Bench()
    bench.loader.install(Broken())
    bench.commit(BOOTSTRAPPED)
    assert [str(fault) for fault in bench.faults] == ["no"]


async def test_a_snapshot_becomes_one_delta_that_also_removes() -> None:
    bench = Bench()
    bench.commit(BOOTSTRAPPED, *topic_records("a", 1, [partition_record([1])]))
    target = replayed(EMPTY_IMAGE, [BOOTSTRAPPED, *topic_records("b", 2, [partition_record([1])])])
    bench.loader.on_load_snapshot(Snapshot(target, 20))
    image, manifest = bench.recorder.images[-1], bench.recorder.manifests[-1]
    assert image.topics == target.topics and image.provenance.snapshot_id == OffsetAndEpoch(20, 1)
    assert manifest.is_snapshot and bench.recorder.deltas[-1].topics_delta is not None
    assert bench.recorder.deltas[-1].topics_delta.topic_was_deleted("a")


async def test_a_log_may_begin_with_a_snapshot() -> None:
    bench = Bench(high_watermark=21)
    bench.loader.on_load_snapshot(Snapshot(replayed(EMPTY_IMAGE, [BOOTSTRAPPED, *cluster(1)]), 20))
    assert bench.recorder.images == []
    bench.next_offset = 20
    bench.commit(broker_record(2))
    assert bench.recorder.offsets == [20] and set(bench.recorder.images[0].cluster.brokers) == {1, 2}


async def test_long_work_is_done_in_slices() -> None:
    bench = Bench()
    bench.clock = _SlowClock(bench.clock)  # type: ignore[assignment]
    bench.loader._clock = bench.clock
    bench.commit(BOOTSTRAPPED, *[NOOP] * 1000)
    assert not bench.loader.is_at_rest and bench.recorder.images == []
    bench.commit(NOOP)
    rests: list[int] = []
    bench.loader.add_rest_listener(lambda: rests.append(bench.loader.published_offset))
    while not bench.loader.is_at_rest:
        await asyncio.sleep(0)
    assert rests == [1001] and bench.recorder.offsets[-1] == 1001


class _SlowClock:
    """Every look at it takes 3 ms."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        self._clock.now_s += 0.003
        return self._clock.now_s


async def test_a_publisher_that_takes_its_time_holds_up_those_after_it() -> None:
    bench, log = Bench(), list[str]()
    slow, after = Recorder("slow", log), Recorder("after", log)
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    slow.waits.append(gate)
    bench.loader.install(slow, after)
    bench.commit(BOOTSTRAPPED)
    bench.commit(NOOP)
    await asyncio.sleep(0)
    assert log == ["slow@0"] and not bench.loader.is_at_rest
    gate.set_result(None)
    while not bench.loader.is_at_rest:
        await asyncio.sleep(0)
    assert log == ["slow@0", "after@0", "slow@1", "after@1"]


async def test_a_closed_loader_says_nothing_more() -> None:
    bench = Bench()
    bench.commit(BOOTSTRAPPED)
    bench.loader.close()
    bench.commit(NOOP)
    assert bench.recorder.offsets == [0]


@given(record_sequences(), st.data())
@settings(deadline=None, max_examples=40)
def test_images_at_equal_offsets_are_equal_however_the_log_is_cut(
    records: list[VersionedRecord], data: st.DataObject
) -> None:
    by_offset: dict[int, MetadataImage] = {}

    async def publish() -> None:
        bench = Bench()
        rest = list(records)
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            bench.commit(*rest[:size])
            rest = rest[size:]
        assert not bench.faults
        for image in bench.recorder.images:
            assert by_offset.setdefault(image.offset, image) == image

    asyncio.run(publish())
    asyncio.run(publish())


async def test_the_registration_is_asked_for_again_when_it_lacks_directories() -> None:
    asked: list[int] = []
    bench = Bench()
    bench.loader.install(RegistrationTracker(1, lambda: asked.append(bench.next_offset)))
    bench.commit(level_record("metadata.version", 15), broker_record(1, directories=[]), *cluster(2))
    assert asked == []
    bench.commit(level_record("metadata.version", 30))
    assert asked == [3]
    bench.commit(broker_record(2, directories=[]))
    bench.commit(*cluster(1))
    assert asked == [3]
