"""The driver on an event loop: order of effects, shared syncs, listeners, requests, snapshots, faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

import pytest

import raft.driver
from protocol.errors import ApiError, ErrorCode
from protocol.ids import METADATA_TOPIC_ID, OffsetAndEpoch
from protocol.messages.describe_quorum import DescribeQuorumRequest, DescribeQuorumResponse
from protocol.messages.fetch import FetchResponse
from protocol.messages.fetch_snapshot import FetchSnapshotRequest, FetchSnapshotResponse
from protocol.messages.vote import VoteRequest, VoteResponse
from protocol.metadata.configs import FeatureLevelRecord
from protocol.metadata.log import NoOpRecord
from protocol.records.batch import iter_batches
from protocol.records.control import ControlRecordType
from protocol.schema import Message
from raft import rpc
from raft.driver import BatchTooLarge, NotLeader, RaftDriver
from raft.events import QuorumConfig
from raft.listeners import CommittedBatch
from raft.log import NoRoom
from raft.snapshots import LoadedSnapshot
from raft.voters import ReplicaKey, VoterSet
from tests.support.raft_memory import Disk, MemoryLog, MemoryQuorumState
from tests.support.raft_simulation import CLUSTER_ID, bootstrap_snapshot, directory_id, endpoints, voter_node

T = TypeVar("T")


class Clock:
    monotonic = staticmethod(time.monotonic)

    def wall_ms(self) -> int:
        return int(time.time() * 1000)


class InlineExecutor:
    """Runs a call when the loop comes round, after `gate` opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[str] = []

    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        async def work() -> T:
            await asyncio.sleep(0)
            await self.gate.wait()
            self.calls.append(getattr(function, "__name__", "partial"))
            return function(*arguments)

        return asyncio.ensure_future(work())

    def lane(self, name: str) -> InlineExecutor:
        return self


class Recorder:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_commit(self, batch: CommittedBatch) -> None:
        self.told.append(batch)

    def on_load_snapshot(self, snapshot: LoadedSnapshot) -> None:
        self.told.append(snapshot)

    def on_leader_change(self, leader_id: int | None, epoch: int) -> None:
        self.told.append((leader_id, epoch))

    @property
    def batches(self) -> list[CommittedBatch]:
        return [item for item in self.told if isinstance(item, CommittedBatch)]

    @property
    def names(self) -> list[str]:
        return [
            record.name
            for batch in self.batches
            for record, _ in batch.records
            if isinstance(record, FeatureLevelRecord)
        ]


def config(**changes: Any) -> QuorumConfig:
    return QuorumConfig(1, directory_id(1), CLUSTER_ID, endpoints=endpoints(1), **changes)


class Node:
    def __init__(self, disk: Disk, **changes: Any) -> None:
        self.disk = disk
        self.log = MemoryLog(disk)
        self.executor = InlineExecutor()
        self.faults: list[BaseException] = []
        self.driver = RaftDriver(
            config(**changes),
            self.log,
            MemoryQuorumState(disk),
            clock=Clock(),
            random=Random(1),
            executor=self.executor,
            on_fault=self.faults.append,
        )


def formatted_disk() -> Disk:
    disk = Disk()
    bootstrap_snapshot(disk, VoterSet([voter_node(1)]))
    return disk


@asynccontextmanager
async def running(disk: Disk | None = None, **changes: Any) -> AsyncIterator[Node]:
    node = Node(disk or formatted_disk(), **changes)
    await node.driver.start()
    await until(lambda: node.driver.high_watermark is not None or bool(node.faults))
    try:
        yield node
    finally:
        await node.driver.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def feature(name: str) -> tuple[Message, int]:
    return FeatureLevelRecord(name=name, feature_level=1), 0


async def test_quorum_of_one_leads_and_opens_its_epoch() -> None:
    async with running() as node:
        assert node.driver.leader_and_epoch == (1, 1)
        assert node.driver.kraft_version == 1
        [batch] = node.disk.views()
        assert (batch.base_offset, batch.last_offset, batch.partition_leader_epoch, batch.is_control) == (0, 2, 1, True)
    assert node.disk.quorum_state == (
        b'{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}'
    )
    assert node.log.is_closed


async def test_quorum_state_is_durable_before_the_log_is_touched() -> None:
    node = Node(formatted_disk())
    start = asyncio.ensure_future(node.driver.start())
    await start
    assert node.disk.quorum_state is None and not node.disk.batches
    await until(lambda: node.driver.high_watermark is not None)
    assert node.executor.calls[-2:] == ["write", "sync"]
    await node.driver.close()


async def test_every_start_leads_in_a_new_epoch() -> None:
    disk = formatted_disk()
    for epoch in (1, 2, 3):
        async with running(disk) as node:
            assert node.driver.leader_and_epoch == (1, epoch)
        disk.lose_power()
    assert [batch.partition_leader_epoch for batch in disk.views()] == [1, 2, 3]


async def test_append_commits_after_the_sync_and_not_before() -> None:
    async with running() as node:
        before = node.driver.high_watermark
        node.executor.gate.clear()
        last_offset = node.driver.schedule_append(1, [feature("a"), feature("b")])
        assert last_offset == 4 and node.log.end_offset == 5
        for _ in range(10):
            await asyncio.sleep(0)
        assert node.driver.high_watermark == before
        node.executor.gate.set()
        await until(lambda: node.driver.high_watermark == 5)
        assert node.disk.synced_offset == 5


NO_OP = (NoOpRecord(), 0)


async def test_a_record_that_says_nothing_waits_for_the_sync_of_another() -> None:
    async with running() as node:
        syncs, committed = node.disk.syncs, node.driver.high_watermark
        for _ in range(3):
            node.driver.schedule_append(1, [NO_OP])
            await asyncio.sleep(0.01)
        assert (node.disk.syncs, node.driver.high_watermark) == (syncs, committed)
        node.driver.schedule_append(1, [feature("a")])
        await until(lambda: node.driver.high_watermark == node.driver.log_end_offset)
        assert node.disk.syncs == syncs + 1


async def test_a_record_that_says_nothing_is_synced_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raft.driver.IDLE_SYNC_S", 0.01)
    async with running() as node:
        syncs = node.disk.syncs
        node.driver.schedule_append(1, [NO_OP])
        await until(lambda: node.driver.high_watermark == node.driver.log_end_offset)
        assert node.disk.syncs == syncs + 1


async def test_what_came_before_a_record_that_says_nothing_is_synced_at_once() -> None:
    async with running() as node:
        node.executor.gate.clear()
        node.driver.schedule_append(1, [feature("a")])
        node.driver.schedule_append(1, [NO_OP])
        node.executor.gate.set()
        await until(lambda: node.driver.high_watermark == node.driver.log_end_offset)
        node.driver.schedule_append(1, [NO_OP, feature("b")])
        await until(lambda: node.driver.high_watermark == node.driver.log_end_offset)


async def test_appends_share_syncs() -> None:
    async with running() as node:
        syncs = node.disk.syncs
        node.executor.gate.clear()
        node.driver.schedule_append(1, [feature("a")])
        await asyncio.sleep(0.01)  # the first sync is under way
        for index in range(50):
            node.driver.schedule_append(1, [feature(str(index))])
        node.executor.gate.set()
        await until(lambda: node.driver.high_watermark == node.driver.log_end_offset)
        assert node.disk.syncs - syncs == 2


async def test_append_is_refused_outside_the_epoch() -> None:
    async with running() as node:
        with pytest.raises(NotLeader):
            node.driver.schedule_append(0, [feature("a")])
    with pytest.raises(NotLeader):
        node.driver.schedule_append(1, [feature("a")])


async def test_append_over_the_limit_leaves_nothing_behind() -> None:
    async with running() as node:
        end = node.driver.log_end_offset
        with pytest.raises(BatchTooLarge):
            node.driver.schedule_append(1, [feature("x" * 30_000)] * 300)
        assert node.driver.log_end_offset == end
        assert node.driver.schedule_append(1, [feature("y")]) == end


async def test_listener_hears_of_leadership_after_all_earlier_records() -> None:
    disk = formatted_disk()
    async with running(disk) as node:
        node.driver.schedule_append(1, [feature("a")])
        await until(lambda: node.driver.high_watermark == 4)
    async with running(disk) as node:
        listener = Recorder()
        node.driver.register(listener)
        await until(lambda: (1, 2) in listener.told)
        offsets = [(batch.base_offset, batch.last_offset) for batch in listener.batches]
        assert offsets[:3] == [(0, 2), (3, 3), (4, 4)]
        assert listener.told.index((1, 2)) == 3
        assert listener.names == ["a"]
        assert [record.type for record in listener.batches[0].control_records] == [
            ControlRecordType.LEADER_CHANGE,
            ControlRecordType.KRAFT_VERSION,
            ControlRecordType.KRAFT_VOTERS,
        ]


async def test_own_records_come_back_as_the_objects_they_were() -> None:
    async with running() as node:
        listener = Recorder()
        node.driver.register(listener)
        record = feature("mine")
        node.driver.schedule_append(1, [record])
        await until(lambda: "mine" in listener.names)
        [batch] = [batch for batch in listener.batches if batch.records]
        assert batch.records[0] is record
        assert batch.size_bytes > 61 and batch.append_timestamp > 0 and batch.epoch == 1


async def test_late_listener_gets_the_snapshot_and_what_follows() -> None:
    disk = formatted_disk()
    async with running(disk) as node:
        for name in "abc":
            node.driver.schedule_append(1, [feature(name)])
        await until(lambda: node.driver.high_watermark == 6)
        writer = node.driver.create_snapshot(OffsetAndEpoch(5, 1), 1234)
        assert writer is not None
        writer.append([feature("state")] * 1000)
        await writer.freeze()
        assert node.driver.latest_snapshot_id == (5, 1)
        assert node.driver.create_snapshot(OffsetAndEpoch(5, 1), 1234) is None
        early = Recorder()
        node.driver.register(early)
        await until(lambda: "c" in early.names)
        [snapshot] = [item for item in early.told if isinstance(item, LoadedSnapshot)]
        assert snapshot.snapshot_id == (5, 1) and snapshot.last_contained_log_timestamp == 1234
        assert sum(len(batch) for batch in snapshot.batches) == 1000
        assert early.names == ["c"]
        assert [record.type for record in snapshot.control_records] == [
            ControlRecordType.SNAPSHOT_HEADER,
            ControlRecordType.KRAFT_VERSION,
            ControlRecordType.KRAFT_VOTERS,
            ControlRecordType.SNAPSHOT_FOOTER,
        ]


async def test_where_the_log_starts_is_no_high_watermark() -> None:
    """A state machine that took the state as of the snapshot for the present one would miss all that came since."""
    disk = formatted_disk()
    async with running(disk) as node:
        for name in "abc":
            node.driver.schedule_append(1, [feature(name)])
        await until(lambda: node.driver.high_watermark == 6)
        writer = node.driver.create_snapshot(OffsetAndEpoch(5, 1), 1234)
        assert writer is not None
        await writer.freeze()
    MemoryLog(disk).delete_before(OffsetAndEpoch(5, 1))
    again = Node(disk)
    seen: list[int | None] = []

    class Curious(Recorder):
        def on_load_snapshot(self, snapshot: LoadedSnapshot) -> None:
            seen.append(again.driver.high_watermark)

    listener = Curious()
    again.driver.register(listener)
    await again.driver.start()
    seen.append(again.driver.high_watermark)
    await until(lambda: "c" in listener.names)
    assert len(seen) == 2 and all(offset is None or offset > 6 for offset in seen)
    await again.driver.close()


async def test_snapshot_within_a_batch_is_our_mistake() -> None:
    async with running() as node:
        node.driver.schedule_append(1, [feature("a"), feature("b")])
        await until(lambda: node.driver.high_watermark == 5)
        with pytest.raises(AssertionError, match="within a batch"):
            node.driver.create_snapshot(OffsetAndEpoch(4, 1), 0)


async def test_cold_reads_go_to_the_executor() -> None:
    disk = formatted_disk()
    async with running(disk) as node:
        for index in range(100):
            node.driver.schedule_append(1, [feature(str(index))])
        await until(lambda: node.driver.high_watermark == 103)
    node = Node(disk)
    node.log.reads_are_cold = True
    await node.driver.start()
    listener = Recorder()
    node.driver.register(listener)
    await until(lambda: (1, 2) in listener.told)
    assert listener.names == [str(index) for index in range(100)]
    assert "read" in node.executor.calls
    await node.driver.close()


async def test_failed_sync_is_fatal_and_never_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as node:
        before = node.driver.high_watermark

        def fail() -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(node.log, "begin_sync", lambda: fail)
        node.driver.schedule_append(1, [feature("a")])
        await until(lambda: bool(node.faults))
        assert isinstance(node.faults[0], OSError)
        assert node.driver.high_watermark == before
        with pytest.raises(NotLeader):
            node.driver.schedule_append(1, [feature("b")])
        with pytest.raises(ApiError):
            await node.driver.handle_request(55, 2, describe_request())
    assert len(node.faults) == 1


async def test_a_full_disk_puts_appends_off_and_keeps_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raft.driver, "RETRY_NO_ROOM_S", 0.001)
    async with running() as node:
        before = node.driver.high_watermark
        assert before is not None
        append, attempts = node.log.append_as_leader, 0

        def no_room(batches: Any, epoch: int) -> None:
            nonlocal attempts
            attempts += 1
            raise NoRoom("no space left on device")

        monkeypatch.setattr(node.log, "append_as_leader", no_room)
        offsets = [node.driver.schedule_append(1, [feature(name)]) for name in ("a", "b")]
        await until(lambda: attempts > 2)
        assert node.driver.high_watermark == before
        monkeypatch.setattr(node.log, "append_as_leader", append)
        await until(lambda: (node.driver.high_watermark or 0) > before + 1)
        assert offsets == [before, before + 1]
        assert not node.faults
        monkeypatch.setattr(node.log, "append_as_leader", no_room)
        node.driver.schedule_append(1, [feature("c")])
    assert not node.faults, "closing does not wait for room"


async def test_listener_that_fails_is_fatal() -> None:
    class Failing(Recorder):
        def on_commit(self, batch: CommittedBatch) -> None:
            raise ValueError("cannot be replayed")

    async with running() as node:
        node.driver.register(Failing())
        await until(lambda: bool(node.faults))
        assert isinstance(node.faults[0], ValueError)


def describe_request() -> DescribeQuorumRequest:
    partition = DescribeQuorumRequest.PartitionData(partition_index=0)
    return DescribeQuorumRequest(
        topics=[DescribeQuorumRequest.TopicData(topic_name="__cluster_metadata", partitions=[partition])]
    )


async def test_describe_quorum() -> None:
    async with running() as node:
        response = await node.driver.handle_request(55, 2, describe_request())
        assert isinstance(response, DescribeQuorumResponse)
        partition = response.topics[0].partitions[0]
        assert (partition.leader_id, partition.leader_epoch, partition.high_watermark) == (1, 1, 3)
        [voter] = partition.current_voters
        assert (voter.replica_id, voter.log_end_offset, voter.replica_directory_id) == (1, 3, directory_id(1))
        assert not partition.observers
        [listed] = response.nodes
        assert (listed.node_id, listed.listeners[0].host, listed.listeners[0].port) == (1, "node1", 9001)


async def test_observer_fetches_and_waits_for_more() -> None:
    async with running() as node:
        observer = ReplicaKey(7, directory_id(7))
        request = rpc.fetch_request(
            CLUSTER_ID, observer, 1, OffsetAndEpoch(0, 0), None, max_bytes=1 << 20, max_wait_ms=5000
        )
        first = await node.driver.handle_request(1, 18, request)
        assert isinstance(first, FetchResponse)
        partition = first.responses[0].partitions[0]
        assert first.responses[0].topic_id == METADATA_TOPIC_ID
        assert (partition.high_watermark, partition.current_leader.leader_epoch) == (3, 1)
        [batch] = iter_batches(rpc_bytes(partition.records))
        assert batch.next_offset == 3
        again = rpc.fetch_request(
            CLUSTER_ID, observer, 1, OffsetAndEpoch(3, 1), 3, max_bytes=1 << 20, max_wait_ms=60_000
        )
        waiting = asyncio.ensure_future(node.driver.handle_request(1, 18, again))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        node.driver.schedule_append(1, [feature("news")])
        second = await waiting
        assert isinstance(second, FetchResponse)
        [batch] = iter_batches(rpc_bytes(second.responses[0].partitions[0].records))
        assert batch.base_offset == 3


def rpc_bytes(records: Any) -> bytes:
    return bytes(records)


async def test_fetch_snapshot_in_slices() -> None:
    async with running() as node:
        writer = node.driver.create_snapshot(OffsetAndEpoch(3, 1), 99)
        assert writer is not None
        writer.append([feature("s")] * 10)
        await writer.freeze()
        content = b""
        while True:
            response = await node.driver.handle_request(59, 1, snapshot_request(OffsetAndEpoch(3, 1), len(content)))
            assert isinstance(response, FetchSnapshotResponse)
            partition = response.topics[0].partitions[0]
            assert partition.error_code == ErrorCode.NONE
            content += rpc_bytes(partition.unaligned_records)
            if len(content) == partition.size:
                break
        assert content == node.disk.snapshots[OffsetAndEpoch(3, 1)]
        await expect_snapshot_error(node, OffsetAndEpoch(3, 1), len(content), ErrorCode.POSITION_OUT_OF_RANGE)
        await expect_snapshot_error(node, OffsetAndEpoch(2, 1), 0, ErrorCode.SNAPSHOT_NOT_FOUND)
        await expect_snapshot_error(node, OffsetAndEpoch(0, 0), 0, ErrorCode.SNAPSHOT_NOT_FOUND)


def snapshot_request(snapshot_id: OffsetAndEpoch, position: int) -> FetchSnapshotRequest:
    return rpc.fetch_snapshot_request(CLUSTER_ID, ReplicaKey(7, directory_id(7)), 1, snapshot_id, position, 100)


async def expect_snapshot_error(node: Node, snapshot_id: OffsetAndEpoch, position: int, error: ErrorCode) -> None:
    response = await node.driver.handle_request(59, 1, snapshot_request(snapshot_id, position))
    assert isinstance(response, FetchSnapshotResponse)
    assert response.topics[0].partitions[0].error_code == error


async def test_vote_for_another_makes_it_lose_leadership() -> None:
    """A voter set of one cannot be outvoted, but a newer epoch is a newer epoch: it stands again at once."""
    async with running() as node:
        listener = Recorder()
        node.driver.register(listener)
        await until(lambda: (1, 1) in listener.told)
        request = rpc.vote_request(
            CLUSTER_ID, 9, ReplicaKey(2, directory_id(2)), ReplicaKey(1, directory_id(1)), OffsetAndEpoch(99, 8), False
        )
        response = await node.driver.handle_request(52, 2, request)
        assert isinstance(response, VoteResponse)
        assert response.topics[0].partitions[0].vote_granted
        with pytest.raises(NotLeader):
            node.driver.schedule_append(1, [feature("late")])
        assert b'"leaderEpoch":9,"votedId":2' in (node.disk.quorum_state or b"")
        await until(lambda: (None, 9) in listener.told)


async def test_request_for_another_cluster() -> None:
    async with running() as node:
        response = await node.driver.handle_request(52, 2, VoteRequest(cluster_id="other"))
        assert isinstance(response, VoteResponse)
        assert response.error_code == ErrorCode.INCONSISTENT_CLUSTER_ID


async def test_noop_records_are_records() -> None:
    async with running() as node:
        listener = Recorder()
        node.driver.register(listener)
        node.driver.schedule_append(1, [(NoOpRecord(), 0)])
        await until(lambda: any(batch.base_offset == 3 for batch in listener.batches))


async def test_large_backlog_does_not_hold_up_the_loop() -> None:
    disk = formatted_disk()
    async with running(disk) as node:
        for _ in range(20):
            node.driver.schedule_append(1, [feature("x" * 20)] * 500)
        await until(lambda: node.driver.high_watermark == node.driver.log_end_offset)
    async with running(disk) as node:
        listener = Recorder()
        node.driver.register(listener)
        await until(lambda: (1, 2) in listener.told)
        assert len(listener.names) == 10_000
