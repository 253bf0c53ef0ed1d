"""The same done to Kafka's log and to ours: the same answers, the same files, and each opens what the other wrote."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ApiError
from protocol.ids import TopicPartition
from protocol.records.builder import build_end_transaction_marker
from protocol.records.control import EndTransactionMarker
from storage.files import DiskFiles
from storage.log import Log, TimestampAndOffset, remove_files
from storage.log_config import LogConfig
from tests.oracle.storage.oracle import KafkaLog, KafkaRefused
from tests.support.kafka_peer import run_java
from tests.unit.storage.logs import FAR, NOW, append, append_marker, batch

TP = TopicPartition("topic", 3)
CONFIG = LogConfig(
    is_compacted=True,  # so that a gap between segments is none to be worried about
    segment_bytes=2000,
    index_interval_bytes=300,
    segment_index_bytes=80,
    retention_bytes=9000,
    retention_ms=-1,
    file_delete_delay_ms=0,
)
SETTINGS = {
    "cleanup.policy": "compact;delete",
    "internal.segment.bytes": 2000,
    "index.interval.bytes": 300,
    "segment.index.bytes": 80,
    "retention.bytes": 9000,
    "retention.ms": -1,
    "file.delete.delay.ms": 10_000_000,
    "message.timestamp.after.max.ms": 2**62,
}
COMPARED = (".log", ".index", ".timeindex", ".txnindex", ".snapshot")


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaLog]:
    process = KafkaLog()
    yield process
    process.close_process()


def open_ours(directory: Path, **options: Any) -> Log:
    log = Log.open(DiskFiles(), str(directory), TP, CONFIG, now_ms=NOW, **options)
    log.producer_state.transaction_verification_enabled = False
    return log


def describe(log: Log) -> dict[str, Any]:
    return {
        "start": log.log_start_offset,
        "end": log.log_end_offset,
        "high_watermark": log.high_watermark,
        "stable": log.last_stable_offset,
        "segments": [[each.base_offset, each.size, each.max_timestamp_and_offset()[0]] for each in log.segments],
        "epochs": [list(entry) for entry in log.leader_epochs.entries],
        "producers": [
            [
                key,
                entry.producer_epoch,
                entry.last_sequence,
                entry.last_timestamp,
                entry.coordinator_epoch,
                -1 if entry.current_txn_first_offset is None else entry.current_txn_first_offset,
            ]
            for key, entry in sorted(log.producer_state.producers.items())
        ],
        "aborted": [list(each) for each in log.aborted_transactions(log.log_start_offset, log.log_end_offset)],
    }


def next_sequence(log: Log, producer_id: int) -> int:
    entry = log.producer_state.producers.get(producer_id)
    return 0 if entry is None else entry.last_sequence + 1


class Pair:
    """Kafka's log and ours, told the same."""

    def __init__(self, kafka: KafkaLog, root: Path, rng: random.Random) -> None:
        self.kafka = kafka
        self.rng = rng
        self.ours_path = root / "ours" / "topic-3"
        self.theirs_path = root / "theirs" / "topic-3"
        for path in (self.ours_path, self.theirs_path):
            path.mkdir(parents=True)
        self.ours = open_ours(self.ours_path)
        self.epoch = 0
        self.clock = NOW
        kafka.open(self.theirs_path, SETTINGS)

    def both(self, ours: Callable[[], object], *words: object) -> None:
        """Either both do it or both refuse."""
        try:
            self.kafka.tell(*words)
        except KafkaRefused:
            with pytest.raises(ApiError):
                ours()
            return
        ours()

    def append(self) -> None:
        rng = self.rng
        if rng.random() < 0.1:
            self.lead()
        self.clock += rng.choice((0, 1, 5, -3))
        producer_id = rng.choice((-1, -1, 1, 2, 3))
        transactional = producer_id > 1 and rng.random() < 0.8
        sequence = next_sequence(self.ours, producer_id) + (rng.random() < 0.05)
        data = batch(
            rng.randint(1, 5),
            timestamp=self.clock,
            value=rng.randbytes(rng.randint(0, 120)),
            producer_id=producer_id,
            sequence=sequence,
            is_transactional=transactional,
            compression=rng.randint(0, 4),
        )
        self.append_data(data, "client", lambda: append(self.ours, data, leader_epoch=self.epoch))

    def lead(self) -> None:
        """Become leader in a new epoch."""
        self.epoch += 1
        end = self.ours.log_end_offset
        self.both(lambda: self.ours.leader_epochs.assign(self.epoch, end), "assign", self.epoch, end)

    def append_data(self, data: bytes, origin: str, ours: Callable[[], Any]) -> None:
        try:
            expected = self.kafka.append(data, leader_epoch=self.epoch, origin=origin)
        except KafkaRefused:
            with pytest.raises(ApiError):
                ours()
            if len(self.kafka.describe()["segments"]) > len(self.ours.segments):
                # Kafka had made room for the batch before it looked at its sequence.
                self.ours.roll(NOW)
            return
        info = ours()
        assert (info.first_offset, info.last_offset) == expected

    def end_transaction(self) -> None:
        open_ones = [
            key
            for key, entry in self.ours.producer_state.producers.items()
            if entry.current_txn_first_offset is not None
        ]
        if open_ones:
            self.write_marker(self.rng.choice(open_ones), commit=self.rng.random() < 0.5)

    def write_marker(self, producer_id: int, *, commit: bool) -> None:
        data = build_end_transaction_marker(
            EndTransactionMarker(commit, 0), timestamp=NOW, producer_id=producer_id, producer_epoch=0
        )
        self.append_data(
            data,
            "coordinator",
            lambda: append_marker(self.ours, producer_id, commit=commit, leader_epoch=self.epoch),
        )

    def replicate(self) -> None:
        """As a follower, with a gap as compaction leaves it."""
        offset = self.ours.log_end_offset + self.rng.choice((0, 0, 3))
        data = batch(2, offset=offset, leader_epoch=self.epoch, timestamp=self.clock)
        data += batch(1, offset=offset + 2, leader_epoch=self.epoch, timestamp=self.clock)
        self.append_data(
            data,
            "follower",
            lambda: self.ours.append_as_follower(data, leader_epoch=self.epoch, now_ms=NOW),
        )

    def roll(self) -> None:
        self.both(lambda: self.ours.roll(NOW), "roll")

    def advance(self) -> None:
        self.both(lambda: self.ours.update_high_watermark(self.ours.log_end_offset), "hw", self.ours.log_end_offset)

    def delete_records(self) -> None:
        offset = self.rng.randint(self.ours.log_start_offset, self.ours.high_watermark)
        self.both(lambda: self.ours.advance_log_start_offset(offset), "start", offset)

    def retention(self) -> None:
        self.both(lambda: self.ours.delete_old_segments(NOW), "retention")

    def truncate(self) -> None:
        offset = self.rng.randint(self.ours.log_start_offset, self.ours.log_end_offset)
        self.both(lambda: self.ours.truncate_to(offset, NOW), "truncate", offset)
        self.epoch += 1

    def start_over(self) -> None:
        offset = self.ours.log_end_offset + self.rng.randint(-3, 3)
        if offset >= 0:
            self.both(lambda: self.ours.truncate_fully_and_start_at(offset, NOW), "restart", offset)

    def run(self, steps: int, weights: dict[str, int]) -> None:
        for _ in range(steps):
            (name,) = self.rng.choices(list(weights), list(weights.values()))
            getattr(self, name)()
            assert describe(self.ours) == self.described(), name

    def described(self) -> dict[str, Any]:
        """Kafka's log, with two of its offsets as they should be."""
        # After a truncation Kafka takes transactions below the high watermark for unstable until that moves again, and
        # after DeleteRecords into the middle of a batch the last stable offset is before the log's start.
        self.kafka.tell("hw", self.ours.high_watermark)
        found = self.kafka.describe()
        return found | {"stable": max(found["stable"], found["start"])}

    def look(self) -> None:
        ours, kafka = self.ours, self.kafka
        for offset in range(ours.log_start_offset, ours.log_end_offset, 3):
            max_bytes = self.rng.choice((0, 50, 500, 5000))
            found = ours.read(offset, max_bytes, max_offset=FAR)
            assert bytes(found.read()) == kafka.read(offset, max_bytes)
        timestamps = {NOW + self.rng.randint(-10, self.clock - NOW + 10) for _ in range(40)}
        for timestamp in sorted(timestamps):
            expected = kafka.numbers("time", timestamp)
            if expected or ours.log_start_offset == ours.segments[0].base_offset:
                # Else Kafka may have stopped at a segment whose newest record is below the log's start.
                assert _numbers(ours.offset_for_timestamp(timestamp)) == expected
        assert _numbers(ours.offset_of_max_timestamp()) == kafka.numbers("time", -3)
        assert _numbers(ours.earliest_offset()) == kafka.numbers("time", -2)
        assert _numbers(ours.latest_offset()) == kafka.numbers("time", -1)
        for epoch in range(-1, self.epoch + 2):
            assert tuple(ours.end_offset_for_epoch(epoch)) == kafka.numbers("epoch", epoch)

    def close(self) -> None:
        remove_files(self.ours.files, self.ours.take_deletions(FAR))
        self.ours.close(NOW)
        self.kafka.tell("close")


def _numbers(found: TimestampAndOffset | None) -> tuple[int, ...]:
    if found is None:
        return ()
    return found.timestamp, found.offset, -1 if found.leader_epoch is None else found.leader_epoch


def contents(path: Path) -> dict[str, bytes]:
    """By name; an index of aborted transactions that a truncation emptied is as good as none."""
    found = {each.name: each.read_bytes() for each in sorted(path.iterdir()) if each.suffix in COMPARED}
    return {name: data for name, data in found.items() if data or not name.endswith(".txnindex")}


LEADER = {"append": 60, "end_transaction": 15, "roll": 2, "advance": 10}
FOLLOWER = {"append": 20, "replicate": 30, "end_transaction": 10, "truncate": 3, "advance": 10, "start_over": 1}
AGEING = {"append": 60, "end_transaction": 15, "roll": 2, "advance": 20, "delete_records": 3, "retention": 5}


@pytest.mark.parametrize("weights", [LEADER, FOLLOWER, AGEING], ids=["leader", "follower", "ageing"])
@pytest.mark.parametrize("seed", range(6))
def test_same_answers_and_same_files(kafka: KafkaLog, tmp_path: Path, seed: int, weights: dict[str, int]) -> None:
    pair = Pair(kafka, tmp_path, random.Random(seed))
    pair.run(150, weights)
    pair.look()
    pair.close()
    ours, theirs = contents(pair.ours_path), contents(pair.theirs_path)
    assert list(ours) == list(theirs)
    for name in ours:
        assert ours[name] == theirs[name], name
    epochs = "leader-epoch-checkpoint"
    assert (pair.ours_path / epochs).read_bytes() == (pair.theirs_path / epochs).read_bytes()


@pytest.mark.parametrize("weights", [LEADER, FOLLOWER, AGEING], ids=["leader", "follower", "ageing"])
@pytest.mark.parametrize("how", ["closed", "killed"])
@pytest.mark.parametrize("seed", range(2))
def test_each_opens_what_the_other_wrote(
    kafka: KafkaLog, tmp_path: Path, seed: int, how: str, weights: dict[str, int]
) -> None:
    pair = Pair(kafka, tmp_path, random.Random(100 + seed))
    pair.run(100, weights)
    before = pair.ours
    if how == "closed":
        pair.close()
    else:
        pair.ours.close_files()
        kafka.tell("abandon")
    clean = how == "closed"
    options: dict[str, Any] = {"log_start_offset": before.log_start_offset}
    kafka.open(pair.ours_path, SETTINGS, clean=clean, **options)
    pair.ours = open_ours(pair.theirs_path, clean_shutdown=clean, **options)
    assert describe(pair.ours) == pair.described()
    assert pair.ours.log_end_offset == before.log_end_offset
    pair.look()
    pair.ours_path, pair.theirs_path = pair.theirs_path, pair.ours_path
    pair.run(50, weights)
    pair.look()
    pair.close()


def test_dump_log_segments_has_no_complaint(tmp_path: Path) -> None:
    directory = tmp_path / "topic-3"
    directory.mkdir()
    log = open_ours(directory)
    rng = random.Random(7)
    for i in range(200):
        data = batch(
            rng.randint(1, 5),
            timestamp=NOW + i,
            producer_id=i % 3,
            sequence=next_sequence(log, i % 3),
            is_transactional=True,
            compression=rng.randint(0, 4),
        )
        append(log, data, leader_epoch=i // 50)
        if i % 9 == 8:
            for producer_id in range(3):
                append_marker(log, producer_id, commit=rng.random() < 0.5)
    log.close(NOW)
    names = [str(each) for each in sorted(directory.iterdir()) if each.suffix in COMPARED]
    assert {Path(name).suffix for name in names} == set(COMPARED)
    dumped = dump(names, "--deep-iteration")
    assert dumped.count("isValid: true") or dumped.count("isvalid: true")
    sane = dump([name for name in names if "index" in name and "txn" not in name], "--index-sanity-check")
    assert sane.count("passed sanity check") == 2 * len(log.segments)
    dump([name for name in names if name.endswith("index") and "txn" not in name], "--verify-index-only")


def dump(names: list[str], *flags: str) -> str:
    done = run_java("org.apache.kafka.tools.DumpLogSegments", [*flags, "--files", ",".join(names)])
    output = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, output[-2000:]
    for complaint in ("mismatch", "Mismatch", "Exception", "isvalid: false", "isValid: false", "Found", "corrupt"):
        assert complaint not in output, output[output.index(complaint) - 500 :][:1500]
    return output
