"""Files damaged between a kill and the next start: tails torn and flipped, and every other file of the node lost,
emptied, cut, zeroed or overwritten. The node starts and never serves a wrong record; where it must refuse, it says why.

One node is loaded and killed with -9; each case damages a copy of its directory and starts a node of this process on
it, over the real files, and every third time once more after a clean stop. Two partitions: of `loose` nothing was
synced, so its end may be cut off; `synced` has its recovery point at its end: what is damaged below is the disk's
fault, and may be refused (KAFKA_STORAGE_ERROR) or left for the client's checksum to find, but not shortened.

BARNABAS_DAMAGE_STRIDE is the distance between the bytes of the tails that are tried, BARNABAS_SEED the first.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from broker.environment import real_environment
from broker.errors import StartupError
from broker.format_command import format_new_directories
from broker.node import Node
from config.properties import load_node_config
from protocol.errors import ErrorCode, StorageError
from protocol.ids import TopicPartition
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.records.batch import iter_batches
from storage.checkpoints import RECOVERY_POINT_CHECKPOINT, decode_offsets
from tests.support.node import BarnabasNode
from tests.support.node_in_memory import Client, connect
from tests.support.requests_in_memory import (
    Batch,
    commit,
    create,
    fetch_committed,
    make_offsets_topic,
    new_producer_id,
    produce,
)

STRIDE = int(os.environ.get("BARNABAS_DAMAGE_STRIDE", "307"))
OTHERS_STRIDE = 3 if STRIDE > 50 else 1
AGAIN_EVERY = 3
SEED = int(os.environ.get("BARNABAS_SEED", "1"))
SEGMENT_BYTES = 2400
BATCHES = 25
COMMITTED = 7
BASE_OFFSET_BYTES = 8
PARTITIONS = ("loose", "synced")
PROPERTIES = {
    "offsets.topic.num.partitions": "1",
    "log.index.interval.bytes": "200",
    "log.flush.offset.checkpoint.interval.ms": "50",
    "log.initial.task.delay.ms": "50",
    "log.retention.ms": "-1",
    "metadata.log.max.record.bytes.between.snapshots": "1500",
}
T = TypeVar("T")
Values = dict[int, bytes]


class Loaded(NamedTuple):
    """What the node left, and what it had acknowledged."""

    directory: Path
    truth: dict[str, Values]


def value_at(topic: str, offset: int) -> bytes:
    return b"%s %d %s" % (topic.encode(), offset, b"z" * (offset % 50))


async def load(port: int) -> dict[str, Values]:
    client = await connect(port)
    truth: dict[str, Values] = {topic: {} for topic in PARTITIONS}
    config = {"internal.segment.bytes": str(SEGMENT_BYTES)}
    await create(client, "plain", {})
    await create(client, "loose", config)
    await create(client, "synced", {**config, "flush.messages": "1"})
    await make_offsets_topic(client)
    assert await commit(client, COMMITTED) == ErrorCode.NONE
    for topic in PARTITIONS:
        producer_id, offset = await new_producer_id(client), 0
        for _ in range(BATCHES):
            values = [value_at(topic, offset + n) for n in range(3)]
            code, base_offset = await produce(client, topic, 0, Batch(offset, values), producer_id=producer_id)
            assert code == ErrorCode.NONE and base_offset == offset
            truth[topic].update(enumerate(values, offset))
            offset += len(values)
    client.close()
    return truth


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    node = BarnabasNode(tmp_path_factory.mktemp("loaded"), PROPERTIES)
    node.start()
    try:
        truth = asyncio.run(load(node.port))
        deadline = time.monotonic() + 30
        while recovery_points(node.data).get(TopicPartition("synced", 0)) != len(truth["synced"]):
            assert time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.02)
    finally:
        node.kill()
    yield Loaded(node.data, truth)


def recovery_points(data: Path) -> dict[TopicPartition, int]:
    path = data / RECOVERY_POINT_CHECKPOINT
    return decode_offsets(path.read_bytes()) if path.exists() else {}


# a start on a damaged copy


def run_node(data: Path, work: Callable[[Client], Awaitable[T]]) -> T:
    return asyncio.run(_run_node(data, work))


async def _run_node(data: Path, work: Callable[[Client], Awaitable[T]]) -> T:
    listeners = "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"
    settings = [f"{key}={value}" for key, value in PROPERTIES.items()]
    config = load_node_config(overrides=[listeners, f"log.dirs={data}", "metrics.port=0", *settings]).config
    environment = real_environment(2)
    format_new_directories(config, environment, None)
    node = Node(config, environment)
    await node.start()
    try:
        client = await connect(node.endpoints[0].port)
        result = await work(client)
        client.close()
        assert not node.failed.is_set()
    finally:
        await node.stop()
    return result


class Found(NamedTuple):
    code: ErrorCode
    values: Values
    bad_checksums: int


async def read(client: Client, topic: str) -> Found:
    """Until the end, an error, or a batch that any client would refuse."""
    values: Values = {}
    offset = 0
    while True:
        partition = FetchRequest.FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
        request = FetchRequest(max_wait_ms=0, topics=[FetchRequest.FetchTopic(topic=topic, partitions=[partition])])
        answer = (await client.ask(request, 12, FetchResponse)).responses[0].partitions[0]
        records = answer.records or b""
        assert isinstance(records, bytes | bytearray | memoryview)
        if answer.error_code != ErrorCode.NONE or not records:
            assert answer.error_code or answer.high_watermark == offset
            return Found(ErrorCode(answer.error_code), values, 0)
        for batch in iter_batches(records, partial_tail=True):
            if not batch.is_valid_crc():
                return Found(ErrorCode.NONE, values, 1)
            for record in batch.records():
                assert record.value is not None
                values[record.offset] = record.value
            offset = batch.next_offset


class Outcome(NamedTuple):
    found: dict[str, Found]
    committed: int


async def look(client: Client) -> Outcome:
    return Outcome({topic: await read(client, topic) for topic in PARTITIONS}, await fetch_committed(client))


class Case:
    """A damaged copy; `start` looks, writes on where it can, and now and then looks again after a clean stop."""

    def __init__(self, loaded: Loaded, tmp_path: Path) -> None:
        self.loaded = loaded
        self.data = tmp_path / "data"
        self.starts = 0

    def copy(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.loaded.directory, self.data)

    def start(self, what: str) -> Outcome:
        first = run_node(self.data, look_and_write)
        self.starts += 1
        again = run_node(self.data, look) if self.starts % AGAIN_EVERY == 1 else None
        for topic in PARTITIONS:
            found = first.found[topic]
            self.check(found, topic, what)
            if again is not None and found.code == ErrorCode.NONE and not found.bad_checksums:
                values = dict(again.found[topic].values)
                assert values.pop(len(found.values), None) == b"new 0", what
                assert values == found.values, what
        assert again is None or again.committed == first.committed
        return first

    def check(self, found: Found, topic: str, what: str) -> None:
        truth = self.loaded.truth[topic]
        for offset, value in found.values.items():
            assert truth.get(offset) == value, f"{what}: {value!r} at {offset} of {topic}"
        assert sorted(found.values) == list(range(len(found.values))), what


async def look_and_write(client: Client) -> Outcome:
    outcome = await look(client)
    for topic, found in outcome.found.items():
        if found.code == ErrorCode.NONE and not found.bad_checksums:
            code, offset = await produce(client, topic, 0, Batch(0, [b"new 0"]))
            assert code == ErrorCode.NONE and offset == len(found.values)
    return outcome


@pytest.fixture
def case(loaded: Loaded, tmp_path: Path) -> Case:
    return Case(loaded, tmp_path)


# tails


def last_segment(data: Path, topic: str) -> Path:
    return max((data / f"{topic}-0").glob("*.log"))


def is_covered(segment: Path, position: int) -> bool:
    """Whether checksums could tell; they leave out the base offset, as in Kafka."""
    return not any(
        batch.position <= position < batch.position + BASE_OFFSET_BYTES for batch in iter_batches(segment.read_bytes())
    )


def batches_before(segment: Path, position: int) -> int:
    """The records of the log that stand whole before the position."""
    end = int(segment.stem)
    for batch in iter_batches(segment.read_bytes()):
        if batch.position + batch.size <= position:
            end = batch.next_offset
    return end


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x21
    path.write_bytes(data)


TAIL_DAMAGE: dict[str, Callable[[Path, int], None]] = {
    "cut": lambda path, position: os.truncate(path, position),
    "flipped": flip,
    "zeros": lambda path, position: zero_from(path, position),
}


def zero_from(path: Path, position: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:position] + bytes(len(data) - position))


@pytest.mark.parametrize("kind", TAIL_DAMAGE)
def test_a_tail_that_was_not_synced(case: Case, kind: str) -> None:
    segment = last_segment(case.loaded.directory, "loose")
    size = segment.stat().st_size
    for position in range(SEED % STRIDE, size, STRIDE):
        if kind == "flipped" and not is_covered(segment, position):
            continue
        case.copy()
        TAIL_DAMAGE[kind](last_segment(case.data, "loose"), position)
        what = f"{kind} at {position} of {size}"
        outcome = case.start(what)
        loose, synced = outcome.found["loose"], outcome.found["synced"]
        assert loose.code == ErrorCode.NONE and not loose.bad_checksums, what
        assert len(loose.values) >= batches_before(segment, position), what
        assert len(synced.values) == len(case.loaded.truth["synced"]), what
        assert outcome.committed == COMMITTED


@pytest.mark.parametrize("kind", TAIL_DAMAGE)
def test_a_tail_that_was_synced(case: Case, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    segment = last_segment(case.loaded.directory, "synced")
    size = segment.stat().st_size
    for position in range(SEED % STRIDE, size, STRIDE):
        case.copy()
        TAIL_DAMAGE[kind](last_segment(case.data, "synced"), position)
        what = f"{kind} at {position} of {size}"
        outcome = case.start(what)
        loose, synced = outcome.found["loose"], outcome.found["synced"]
        assert len(loose.values) == len(case.loaded.truth["loose"]), what
        is_whole = len(synced.values) == len(case.loaded.truth["synced"])
        is_refused = synced.bad_checksums or synced.code == ErrorCode.KAFKA_STORAGE_ERROR
        # Where a file ends between two batches, nothing is wrong with it but that it is too short: that is logged.
        assert is_whole or is_refused or "synced data is missing" in caplog.text, what
        caplog.clear()


@pytest.mark.parametrize("tail", [bytes(100), b"\xff" * 100, b"garbage" * 30], ids=["zeros", "ones", "text"])
def test_rubbish_behind_the_tail(case: Case, tail: bytes) -> None:
    case.copy()
    for topic in PARTITIONS:
        with last_segment(case.data, topic).open("ab") as segment:
            segment.write(tail)
    outcome = case.start("rubbish")
    for topic in PARTITIONS:
        assert len(outcome.found[topic].values) == len(case.loaded.truth[topic])


def test_a_batch_that_stands_twice(case: Case) -> None:
    case.copy()
    for topic in PARTITIONS:
        path = last_segment(case.data, topic)
        last = list(iter_batches(path.read_bytes()))[-1]
        path.write_bytes(path.read_bytes() + bytes(last.buffer))
    outcome = case.start("twice")
    for topic in PARTITIONS:
        assert len(outcome.found[topic].values) == len(case.loaded.truth[topic])


# everything but the records


def remove(path: Path) -> None:
    path.unlink()


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def overwrite(path: Path) -> None:
    path.write_bytes(bytes(range(255, 0, -1)) * (path.stat().st_size // 255 + 1))


FILE_DAMAGE: dict[str, Callable[[Path], None]] = {
    "removed": remove,
    "empty": lambda path: os.truncate(path, 0),
    "cut": cut_in_half,
    "one byte short": lambda path: os.truncate(path, max(0, path.stat().st_size - 1)),
    "zeroed": zero,
    "overwritten": overwrite,
}
MAY_REFUSE = ("meta.properties", "quorum-state", ".checkpoint", "partition.metadata")
"""Who this node is, whom it voted for, metadata that is in no log, whose log this is: there is nothing to go on from
without. Of a topic's partition only that one is refused."""


def other_files(data: Path) -> list[str]:
    return (
        sorted(
            str(path.relative_to(data))
            for path in data.rglob("*")
            if path.is_file() and path.suffix not in (".log", "")
        )
        + sorted(str(path.relative_to(data)) for path in data.rglob("*-checkpoint"))
        + ["__cluster_metadata-0/quorum-state"]
    )


@pytest.mark.parametrize("kind", FILE_DAMAGE)
def test_other_files(case: Case, kind: str) -> None:
    names = other_files(case.loaded.directory)
    assert any(name.endswith(".snapshot") for name in names) and any(name.endswith(".timeindex") for name in names)
    for name in names[SEED % OTHERS_STRIDE :: OTHERS_STRIDE]:
        if kind != "removed" and name == "__consumer_offsets-0/partition.metadata":
            continue  # That partition is refused, and with it all groups: the test would wait for its coordinator.
        case.copy()
        path = case.data / name
        before = path.read_bytes()
        FILE_DAMAGE[kind](path)
        if path.exists() and path.read_bytes() == before:
            continue
        what = f"{name} {kind}"
        try:
            outcome = case.start(what)
        except (StartupError, StorageError, OSError) as refusal:
            assert name.endswith(MAY_REFUSE) and len(str(refusal)) > 20, f"{what}: {refusal}"
            continue
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        for topic in PARTITIONS:
            found = outcome.found[topic]
            is_refused = name == f"{topic}-0/partition.metadata" and found.code == ErrorCode.KAFKA_STORAGE_ERROR
            assert is_refused or len(found.values) == len(case.loaded.truth[topic]), (what, topic, found.code)
        assert outcome.committed == COMMITTED, what


@pytest.mark.parametrize("suffix", [".index", ".timeindex", ".snapshot"])
def test_all_files_of_a_kind_lost(case: Case, suffix: str) -> None:
    case.copy()
    for path in case.data.rglob(f"*{suffix}"):
        path.unlink()
    outcome = case.start(suffix)
    for topic in PARTITIONS:
        assert len(outcome.found[topic].values) == len(case.loaded.truth[topic])
    assert outcome.committed == COMMITTED
