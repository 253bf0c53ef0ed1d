"""The runtime with a shard that only counts: when replies leave, what unloads it, how it loads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from broker.coordinator.context import RuntimeSettings, ShardState
from broker.coordinator.runtime import CoordinatorRuntime
from broker.coordinator.shard import Outcome, ShardTimers
from protocol.coordinator.group import GroupMetadataKey, GroupMetadataValue
from protocol.coordinator.serde import GROUP_RECORDS, CoordinatorRecord
from protocol.errors import ApiError, DecodeError, ErrorCode, StorageError
from protocol.ids import TopicPartition
from protocol.records.batch import RecordBatch
from protocol.records.builder import RecordsBuilder, build_end_transaction_marker
from protocol.records.control import EndTransactionMarker
from protocol.schema import Buffer
from tests.support.coordinator_log import MemoryLog, VirtualTime

TOPIC = "__counters"
PARTITION = TopicPartition(TOPIC, 0)
TIMEOUT_MS = 5000


def record_of(name: str, number: int = 1) -> CoordinatorRecord:
    return CoordinatorRecord(GroupMetadataKey(group=name), GroupMetadataValue(generation=number), 3)


class CountingShard:
    """Hard: the sum of what was recorded for each name. Adding "poison" fails its replay."""

    def __init__(self, topic_partition: TopicPartition, timers: ShardTimers) -> None:
        self.timers = timers
        self.sums: dict[str, int] = {}
        self.ended: list[tuple[int, bool]] = []
        self.is_unloaded = False
        self.is_finished = False

    def decode(self, key: Buffer, value: Buffer | None) -> CoordinatorRecord:
        return GROUP_RECORDS.decode(key, value)

    def entity_of(self, record: CoordinatorRecord) -> str:
        key: Any = record.key
        name: str = key.group
        return name

    def replay(self, offset: int, producer_id: int, record: CoordinatorRecord) -> None:
        name = self.entity_of(record)
        value: Any = record.value
        if name == "poison" and self.is_finished:
            raise RuntimeError("this cannot be replayed")
        self.sums[name] = self.sums.get(name, 0) + value.generation

    def replay_end_transaction(self, producer_id: int, is_commit: bool) -> None:
        self.ended.append((producer_id, is_commit))

    def finish_loading(self, now_ms: int) -> Iterator[None]:
        yield
        self.is_finished = True

    def on_unloaded(self) -> None:
        self.is_unloaded = True

    # ---- operations

    def add(self, name: str, number: int = 1) -> Outcome[int]:
        return Outcome(self.sums.get(name, 0) + number, [record_of(name, number)])

    def read(self, name: str) -> Outcome[int]:
        return Outcome(self.sums.get(name, 0), saw=(name,))


class Bench:
    def __init__(self, compression: int = 0) -> None:
        self.time = VirtualTime()
        self.log = MemoryLog()
        self.shards: list[CountingShard] = []
        self.results: dict[str, tuple[ErrorCode, int | None]] = {}
        settings = RuntimeSettings(
            "counting", write_timeout_ms=TIMEOUT_MS, load_buffer_bytes=1000, compression=compression
        )
        self.runtime: CoordinatorRuntime[CountingShard] = CoordinatorRuntime(
            TOPIC, settings, self._make, self.log, self.time, self.time
        )

    def _make(self, topic_partition: TopicPartition, timers: ShardTimers) -> CountingShard:
        self.shards.append(CountingShard(topic_partition, timers))
        return self.shards[-1]

    @property
    def shard(self) -> CountingShard:
        return self.shards[-1]

    async def load(self, leader_epoch: int = 0) -> None:
        self.log.partition(PARTITION).leader_epoch = leader_epoch
        self.runtime.elect(0, leader_epoch)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    def do(self, label: str, operation: Callable[[CountingShard], Outcome[int]]) -> None:
        def complete(error: ErrorCode, reply: int | None) -> None:
            assert label not in self.results
            self.results[label] = error, reply

        self.runtime.perform(0, label, lambda shard, now_ms: operation(shard), complete)

    def add(self, label: str, name: str = "a", number: int = 1) -> None:
        self.do(label, lambda shard: shard.add(name, number))

    def read(self, label: str, name: str = "a") -> None:
        self.do(label, lambda shard: shard.read(name))


async def test_reply_leaves_at_once_when_the_high_watermark_follows() -> None:
    bench = Bench()
    await bench.load()
    bench.add("w", number=3)
    assert bench.results == {"w": (ErrorCode.NONE, 3)}
    assert bench.shard.sums == {"a": 3}


async def test_replies_wait_for_the_high_watermark_reads_too() -> None:
    bench = Bench()
    await bench.load()
    bench.log.is_held = True
    bench.add("w1")
    bench.add("w2")
    bench.read("read of a")
    bench.read("read of b", "b")
    assert bench.results == {"read of b": (ErrorCode.NONE, 0)}, "what is not seen is not waited for"
    bench.log.advance(PARTITION, 1)
    assert bench.results["w1"] == (ErrorCode.NONE, 1)
    assert "w2" not in bench.results and "read of a" not in bench.results
    bench.log.advance(PARTITION, 2)
    assert bench.results["w2"] == (ErrorCode.NONE, 2)
    assert bench.results["read of a"] == (ErrorCode.NONE, 2)


async def test_what_has_seen_everything_waits_for_everything() -> None:
    bench = Bench()
    await bench.load()
    bench.log.is_held = True
    bench.add("w")
    bench.do("all", lambda shard: Outcome(7))
    bench.do("none", lambda shard: Outcome(8, saw=()))
    assert bench.results == {"none": (ErrorCode.NONE, 8)}
    bench.log.advance(PARTITION)
    assert bench.results["all"] == (ErrorCode.NONE, 7)


async def test_replies_time_out_and_the_records_stay() -> None:
    bench = Bench()
    await bench.load()
    bench.log.is_held = True
    bench.add("w")
    bench.time.pass_ms(TIMEOUT_MS - 1)
    assert bench.results == {}
    bench.time.pass_ms(1)
    assert bench.results == {"w": (ErrorCode.REQUEST_TIMED_OUT, None)}
    assert bench.runtime.counters.timeouts == 1
    bench.log.advance(PARTITION)
    bench.read("r")
    assert bench.results["r"] == (ErrorCode.NONE, 1)


@pytest.mark.parametrize("error", [ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.MESSAGE_TOO_LARGE])
async def test_refused_append_changes_nothing(error: ErrorCode) -> None:
    bench = Bench()
    await bench.load()
    told: list[ErrorCode] = []
    bench.log.fail_with = error
    bench.do("w", lambda shard: Outcome(1, [record_of("a")], on_done=lambda code, now_ms: told.append(code)))
    assert bench.results == {"w": (error, None)}
    assert told == [error]
    assert bench.shard.sums == {}
    bench.log.fail_with = None
    bench.add("again")
    assert bench.results["again"] == (ErrorCode.NONE, 1)


async def test_failed_directory_is_told_as_a_storage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    await bench.load()

    def fail(*arguments: object) -> int:
        raise StorageError("/data", "it is gone")

    monkeypatch.setattr(bench.log, "append", fail)
    bench.add("w")
    assert bench.results == {"w": (ErrorCode.KAFKA_STORAGE_ERROR, None)}


async def test_operation_may_refuse_and_may_break() -> None:
    bench = Bench()
    await bench.load()

    def refuse(shard: CountingShard) -> Outcome[int]:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND)

    def break_down(shard: CountingShard) -> Outcome[int]:
        raise ZeroDivisionError

    bench.do("refused", refuse)
    bench.do("broken", break_down)
    bench.do("unwritable", lambda shard: Outcome(1, [record_of("x" * 40_000)]))
    assert bench.results == {
        "refused": (ErrorCode.GROUP_ID_NOT_FOUND, None),
        "broken": (ErrorCode.UNKNOWN_SERVER_ERROR, None),
        "unwritable": (ErrorCode.UNKNOWN_SERVER_ERROR, None),
    }
    bench.add("w")
    assert bench.results["w"] == (ErrorCode.NONE, 1)


async def test_on_done_hears_of_the_commit_and_of_the_loss() -> None:
    bench = Bench()
    await bench.load()
    bench.log.is_held = True
    told: list[ErrorCode] = []
    for label in ("first", "second"):
        bench.do(label, lambda shard: Outcome(1, [record_of("a")], on_done=lambda code, now_ms: told.append(code)))
    assert told == []
    bench.log.advance(PARTITION, 1)
    assert told == [ErrorCode.NONE]
    bench.runtime.resign(0, 1)
    assert told == [ErrorCode.NONE, ErrorCode.NOT_COORDINATOR]


# ---- leadership


async def test_nobody_is_the_coordinator_of_what_is_not_led() -> None:
    bench = Bench()
    bench.add("w")
    assert bench.results == {"w": (ErrorCode.NOT_COORDINATOR, None)}


async def test_loading_is_told() -> None:
    bench = Bench()
    bench.runtime.elect(0, 0)
    bench.add("early")
    assert bench.results == {"early": (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, None)}
    await bench.settle()
    assert bench.runtime.state(0) is ShardState.ACTIVE


async def test_resigning_fails_what_is_parked_before_it_returns() -> None:
    bench = Bench()
    await bench.load()
    bench.log.is_held = True
    bench.add("w")
    bench.read("r")
    bench.shard.timers.schedule(("t",), 10, lambda now_ms: pytest.fail("a timer of a lost shard"))
    bench.runtime.resign(0, 1)
    assert bench.results == {"w": (ErrorCode.NOT_COORDINATOR, None), "r": (ErrorCode.NOT_COORDINATOR, None)}
    assert bench.shard.is_unloaded
    assert bench.log.partition(PARTITION).listeners == []
    bench.time.pass_ms(60_000)
    bench.add("late")
    assert bench.results["late"] == (ErrorCode.NOT_COORDINATOR, None)


async def test_commit_that_was_truncated_away_never_succeeds() -> None:
    """KAFKA-20634: the broker is demoted, its log is cut and grows again from the new leader, and the high watermark
    passes the offset, all before the coordinator is told to resign."""
    bench = Bench()
    await bench.load(leader_epoch=5)
    bench.log.is_held = True
    bench.add("lost")
    partition = bench.log.partition(PARTITION)
    partition.is_leader, partition.leader_epoch = False, 6
    bench.log.truncate(PARTITION, 0)
    other = RecordsBuilder(0)
    other.append(0, b"k", b"v")
    bench.log.put(PARTITION, other.build())
    bench.log.advance(PARTITION)
    assert bench.results == {}
    bench.add("refused")
    assert bench.results == {"refused": (ErrorCode.NOT_LEADER_OR_FOLLOWER, None)}
    bench.runtime.resign(0, 6)
    assert bench.results["lost"] == (ErrorCode.NOT_COORDINATOR, None)


async def test_renewed_leadership_keeps_the_state_and_the_promises() -> None:
    bench = Bench()
    await bench.load(leader_epoch=1)
    bench.log.is_held = True
    bench.add("w")
    partition = bench.log.partition(PARTITION)
    partition.leader_epoch = 2
    bench.log.advance(PARTITION)
    assert bench.results == {}, "reached in an epoch that the coordinator does not know yet"
    bench.runtime.elect(0, 2)
    assert bench.results == {"w": (ErrorCode.NONE, 1)}
    assert len(bench.shards) == 1
    bench.add("w2")
    assert bench.shard.sums == {"a": 2}


async def test_old_news_of_leadership_is_ignored() -> None:
    bench = Bench()
    await bench.load(leader_epoch=4)
    bench.runtime.elect(0, 3)
    bench.runtime.resign(0, 4)
    bench.runtime.resign(1, 4)
    bench.add("w")
    assert bench.results == {"w": (ErrorCode.NONE, 1)}
    bench.runtime.resign(0, None)
    assert bench.runtime.state(0) is None


async def test_resigning_ends_a_load() -> None:
    bench = Bench()
    bench.log.put(PARTITION, batch_with(b"\x00\x02\x00\x01a", b"\x00\x03" + bytes(14)))
    bench.runtime.elect(0, 0)
    await asyncio.sleep(0)
    bench.runtime.resign(0, 1)
    await bench.settle()
    assert bench.shard.is_unloaded
    assert bench.runtime.counters.loads == 0


async def test_renewal_during_a_load() -> None:
    bench = Bench()
    await bench.load()
    for number in range(20):
        bench.add(f"w{number}", number=number)
    bench.runtime.close()
    partition = bench.log.partition(PARTITION)
    partition.leader_epoch = 1
    bench.runtime.elect(0, 1)
    partition.leader_epoch = 2
    bench.runtime.elect(0, 2)
    await bench.settle()
    assert bench.runtime.state(0) is ShardState.ACTIVE
    assert bench.shard.sums == {"a": sum(range(20))}


async def test_partitions_are_apart() -> None:
    bench = Bench()
    await bench.load()
    bench.runtime.elect(1, 0)
    await bench.settle()
    bench.add("w")
    assert [shard.sums for shard in bench.runtime.active_shards()] == [{"a": 1}, {}]
    assert bench.runtime.partitions() == [0, 1]


# ---- loading


@pytest.mark.parametrize("compression", range(5))
async def test_load_gives_what_was_written(compression: int) -> None:
    bench = Bench(compression)
    await bench.load()
    for number in range(100):
        bench.add(f"w{number}", name=f"n{number % 7}", number=number)
    before = dict(bench.shard.sums)
    bench.runtime.close()
    await bench.load(leader_epoch=1)
    assert bench.shard.sums == before
    assert bench.shard is not bench.shards[0]
    assert bench.runtime.counters.records_loaded == 100
    bench.add("after", name="n0")
    assert bench.results["after"][0] == ErrorCode.NONE


async def test_what_was_loaded_uncommitted_is_waited_for() -> None:
    bench = Bench()
    await bench.load()
    bench.log.is_held = True
    bench.add("w")
    bench.runtime.close()
    await bench.load(leader_epoch=1)
    bench.read("r")
    bench.read("of another", "b")
    assert "r" not in bench.results and "of another" not in bench.results
    bench.log.advance(PARTITION)
    assert bench.results["r"] == (ErrorCode.NONE, 1)


async def test_markers_of_transactions_are_replayed() -> None:
    bench = Bench()
    for is_commit in (True, False):
        marker = EndTransactionMarker(is_commit, coordinator_epoch=0)
        bench.log.put(PARTITION, build_end_transaction_marker(marker, timestamp=0, producer_id=9, producer_epoch=0))
    await bench.load()
    assert bench.shard.ended == [(9, True), (9, False)]


async def test_unknown_record_types_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    builder = RecordsBuilder(0)
    builder.append(0, b"\x00\x63something", b"new")
    bench.log.put(PARTITION, builder.build())
    await bench.load()
    assert bench.runtime.state(0) is ShardState.ACTIVE
    assert "unknown type 99" in caplog.text
    bench.add("w")
    assert bench.results == {"w": (ErrorCode.NONE, 1)}


def damaged_batch() -> bytes:
    builder = RecordsBuilder(0)
    builder.append(0, b"\x00\x02\x00\x01a", None)
    batch = bytearray(builder.build())
    batch[-1] ^= 1
    return bytes(batch)


def batch_with(key: bytes | None, value: bytes | None) -> bytes:
    builder = RecordsBuilder(0)
    builder.append(0, key, value)
    return builder.build()


@pytest.mark.parametrize(
    "batch",
    [
        damaged_batch(),
        batch_with(None, b"value"),
        batch_with(b"\x00", b"value"),
        batch_with(b"\x00\x02\x00\x01a", b"\x00\x03broken"),
        batch_with(b"\x00\x02\x00\x01a", b"\x00\x63from the future"),
    ],
    ids=["crc", "no key", "short key", "broken value", "unknown version"],
)
async def test_what_cannot_be_understood_fails_the_load_and_it_is_tried_again(batch: bytes) -> None:
    bench = Bench()
    bench.log.put(PARTITION, batch)
    await bench.load()
    assert bench.runtime.state(0) is ShardState.FAILED
    bench.add("w")
    assert bench.results == {"w": (ErrorCode.NOT_COORDINATOR, None)}
    for pause_ms in (1000, 2000, 4000):
        loads = len(bench.shards)
        bench.time.pass_ms(pause_ms - 1)
        assert len(bench.shards) == loads
        bench.time.pass_ms(1)
        await bench.settle()
        assert len(bench.shards) == loads + 1
    assert bench.runtime.counters.load_failures == 4
    bench.log.truncate(PARTITION, 0)
    bench.time.pass_ms(8000)
    await bench.settle()
    assert bench.runtime.state(0) is ShardState.ACTIVE


@pytest.mark.parametrize("error", [StorageError("/data", "gone"), RuntimeError("a mistake"), DecodeError("no")])
async def test_failed_reads_fail_the_load(error: Exception) -> None:
    bench = Bench()
    await bench.load()
    bench.add("w")
    bench.runtime.close()
    bench.log.read_error = error
    await bench.load(leader_epoch=1)
    assert bench.runtime.state(0) is ShardState.FAILED
    bench.log.read_error = None
    bench.log.partition(PARTITION).leader_epoch = 2
    bench.runtime.elect(0, 2)
    await bench.settle()
    assert bench.runtime.state(0) is ShardState.ACTIVE, "a new epoch does not wait for the pause"
    assert bench.shard.sums == {"a": 1}


async def test_loading_lets_others_run() -> None:
    bench = Bench()
    await bench.load()
    for number in range(300):
        bench.add(f"w{number}")
    bench.runtime.close()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while bench.runtime.state(0) is ShardState.LOADING:
            turns += 1
            await asyncio.sleep(0)

    real = bench.time.monotonic
    calls = 0

    def slow_clock() -> float:
        nonlocal calls
        calls += 1
        return real() + calls * 0.002  # each look at the clock finds 2 ms gone

    bench.time.monotonic = slow_clock  # type: ignore[method-assign]
    bench.log.partition(PARTITION).leader_epoch = 1
    bench.runtime.elect(0, 1)
    reads = -(-sum(map(len, bench.log.partition(PARTITION).batches)) // 1000)
    await count_turns()
    assert turns > reads


# ---- state and log have parted


async def test_shard_whose_replay_failed_is_loaded_again() -> None:
    bench = Bench()
    await bench.load()
    bench.add("w")
    bench.log.is_held = True
    bench.add("parked")
    bench.add("poisoned", "poison")
    assert bench.results["poisoned"] == (ErrorCode.NOT_COORDINATOR, None)
    assert bench.results["parked"] == (ErrorCode.NOT_COORDINATOR, None)
    assert bench.runtime.counters.replay_failures == 1
    assert bench.runtime.state(0) is ShardState.LOADING
    bench.log.is_held = False
    await bench.settle()
    assert bench.shard.sums == {"a": 2, "poison": 1}


async def test_record_of_somebody_else_makes_it_load_again() -> None:
    bench = Bench()
    await bench.load()
    bench.log.put(PARTITION, RecordBatch(memoryview(batch_with(b"\x00\x02\x00\x01z", None))).buffer.tobytes())
    bench.log.truncate(PARTITION, 1)
    bench.log.partition(PARTITION).batches[:] = [batch_with(b"\x00\x63an unknown type", b"which is no harm")]
    bench.add("w")
    assert bench.results == {"w": (ErrorCode.NOT_COORDINATOR, None)}
    await bench.settle()
    assert bench.runtime.state(0) is ShardState.ACTIVE
    assert bench.shard.sums == {"a": 1}


async def test_append_that_breaks_makes_it_load_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    await bench.load()

    def break_down(*arguments: object) -> int:
        raise RuntimeError("a mistake")

    with monkeypatch.context() as patch:
        patch.setattr(bench.log, "append", break_down)
        bench.add("w")
    assert bench.results == {"w": (ErrorCode.UNKNOWN_SERVER_ERROR, None)}
    await bench.settle()
    bench.add("again")
    assert bench.results["again"] == (ErrorCode.NONE, 1)


# ---- timers, batches, everything at once


async def test_timers_perform_operations() -> None:
    bench = Bench()
    await bench.load()
    bench.shard.timers.schedule(("t",), 100, lambda now_ms: Outcome(None, [record_of("a")]))
    bench.time.pass_ms(100)
    assert bench.shard.sums == {"a": 1}


async def test_timer_that_comes_while_loading_waits_for_its_own_shard() -> None:
    bench = Bench()
    bench.runtime.elect(0, 0)
    bench.shard.timers.schedule(("t",), 100, lambda now_ms: Outcome(None, [record_of("a")]))
    bench.time.pass_ms(200)
    assert bench.shard.sums == {}
    await bench.settle()
    assert bench.shard.sums == {"a": 1}


async def test_timer_of_a_load_that_failed_never_comes() -> None:
    bench = Bench()
    bench.log.put(PARTITION, damaged_batch())
    bench.runtime.elect(0, 0)
    bench.shard.timers.schedule(("t",), 100, lambda now_ms: pytest.fail("of a shard that is gone"))
    bench.time.pass_ms(200)
    await bench.settle()
    bench.log.truncate(PARTITION, 0)
    bench.time.pass_ms(1000)
    await bench.settle()
    assert bench.runtime.state(0) is ShardState.ACTIVE


async def test_many_records_go_into_several_batches_unless_they_are_one() -> None:
    bench = Bench()
    bench.log.size_max = 200
    await bench.load()
    records = [record_of(f"name-{number}") for number in range(20)]
    bench.do("split", lambda shard: Outcome(1, records, is_atomic=False))
    assert bench.results["split"] == (ErrorCode.NONE, 1)
    assert len(bench.log.partition(PARTITION).batches) > 5
    assert len(bench.shard.sums) == 20
    bench.do("whole", lambda shard: Outcome(1, records))
    assert bench.results["whole"] == (ErrorCode.MESSAGE_TOO_LARGE, None)
    assert len(bench.log.records(PARTITION)) == 20


async def test_action_for_each_shard_waits_for_those_that_load() -> None:
    bench = Bench()
    await bench.load()
    bench.runtime.elect(1, 0)
    seen: list[CountingShard] = []
    bench.runtime.for_each_shard(seen.append)
    assert seen == [bench.shards[0]]
    await bench.settle()
    assert seen == bench.shards


async def test_batches_are_written_as_kafka_writes_them() -> None:
    bench = Bench()
    await bench.load(leader_epoch=7)
    bench.add("w")
    batch = RecordBatch(memoryview(bench.log.partition(PARTITION).batches[0]))
    assert (batch.attributes, batch.producer_id, batch.producer_epoch, batch.base_sequence) == (0, -1, -1, 0)
    assert batch.base_timestamp == batch.max_timestamp == bench.time.wall_ms()
