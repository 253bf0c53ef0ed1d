"""A directory whose writes take long: its appends move to a thread, in order, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from broker.coordinator_log import CoordinatorLog
from broker.replication.slow_writes import SLOW_FOR_S, SUSPECT_FOR_S, SlowDirectories
from protocol.errors import ApiError, ErrorCode
from protocol.messages.produce import ProduceResponse
from protocol.metadata.topics import PartitionChangeRecord
from protocol.wire import Buffer
from storage.files import DiskFile
from tests.unit.broker.mini_node import (
    MiniNode,
    batch,
    connected,
    fetch,
    mini_node,
    produce,
    produce_request,
    values_of,
)

GIVEN_UP_S = 30.0


class SlowDisk:
    """Makes every write below a directory take its time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.path = ""
        self.go_on: threading.Event | None = None
        """If set, what writes wait for."""
        self.was_given_up = False
        """A write waited longer than anybody should."""

    def wait(self) -> None:
        time.sleep(self.seconds)
        if self.go_on is not None:
            self.was_given_up |= not self.go_on.wait(GIVEN_UP_S)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    made, pwritev = SlowDisk(), DiskFile.pwritev

    def slow(file: DiskFile, buffers: Sequence[Buffer], offset: int) -> int:
        if made.seconds and file.path.startswith(made.path):
            made.wait()
        return pwritev(file, buffers, offset)

    monkeypatch.setattr(DiskFile, "pwritev", slow)
    return made


@pytest.fixture
async def node(tmp_path: Path, disk: SlowDisk) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path, log_dirs=2) as running:
        await running.create_topic("slow")
        await running.create_topic("fast")
        disk.path = running.replicas.replica("slow", 0).log.log_dir
        assert running.replicas.replica("fast", 0).log.log_dir != disk.path
        yield running


def test_a_directory_is_suspected_first() -> None:
    directories = SlowDirectories()
    directories.took_long("d", 100.0, has_waited=False)
    assert directories.is_suspect("d", 100.0)
    assert not directories.is_slow("d", 100.0)
    assert not directories.is_suspect("d", 100.0 + SUSPECT_FOR_S)
    assert not directories.suspects
    directories.took_long("d", 200.0, has_waited=True)
    assert directories.is_slow("d", 200.0)
    assert not directories.is_slow("other", 200.0)
    assert directories.is_slow("d", 200.0 + SLOW_FOR_S - 1)
    assert not directories.is_slow("d", 200.0 + SLOW_FOR_S)
    assert not directories.slow


async def test_order_is_kept_and_others_are_not_held_up(node: MiniNode, disk: SlowDisk) -> None:
    disk.seconds = 0.05
    async with connected(node) as client, connected(node) as other:
        for number in range(12):
            client.send(produce_request({("slow", 0): batch(b"%d" % number)}), 12)
        await asyncio.sleep(0.12)
        assert node.replicas.is_slow(disk.path)
        disk.go_on = threading.Event()
        for _ in range(10):
            assert (await produce(other, "fast", batch(b"x"))).error_code == ErrorCode.NONE
        assert not disk.was_given_up, "the others waited for the slow disk"
        disk.go_on.set()
        for number in range(12):
            answer = (await client.receive(ProduceResponse, 12)).responses[0].partition_responses[0]
            assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, number)
        assert values_of(await fetch(client, "slow", 0)) == [b"%d" % number for number in range(12)]


async def test_it_recovers(node: MiniNode, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.seconds = 0.03
    replica = node.replicas.replica("slow", 0)
    async with connected(node) as client:
        for _ in range(3):
            await produce(client, "slow", batch(b"x"))
        assert replica.writes is not None
        disk.seconds = 0.0
        node.replicas.slow_directories.slow.clear()
        await produce(client, "slow", batch(b"x"))
        assert replica.writes is None
        assert values_of(await fetch(client, "slow", 0)) == [b"x"] * 4


async def test_errors_and_duplicates_come_through(node: MiniNode, disk: SlowDisk) -> None:
    disk.seconds = 0.03
    async with connected(node) as client:
        for _ in range(2):
            await produce(client, "slow", batch(b"x"))
        for sequence in (0, 1, 1, 5):
            records = batch(b"y", producer_id=3, producer_epoch=0, base_sequence=sequence)
            client.send(produce_request({("slow", 0): records}), 12)
        answers = [(await client.receive(ProduceResponse, 12)).responses[0].partition_responses[0] for _ in range(4)]
        assert [answer.base_offset for answer in answers] == [2, 3, 3, -1]
        assert answers[3].error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


async def test_leadership_lost_meanwhile(node: MiniNode, disk: SlowDisk) -> None:
    topic_id = node.metadata.image.topics.by_name["slow"].id
    disk.seconds = 0.05
    async with connected(node) as client:
        for _ in range(2):
            await produce(client, "slow", batch(b"x"))
        for number in range(5):
            client.send(produce_request({("slow", 0): batch(b"%d" % number)}, acks=1), 12)
        await asyncio.sleep(0.01)
        replica = node.replicas.replica("slow", 0)
        assert replica.is_writing
        change = PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=2, replicas=[1, 2])
        change.directories = [bytes(16), bytes(16)]  # type: ignore[list-item]
        await node.publish(change)
        codes = []
        for _ in range(5):
            codes.append((await client.receive(ProduceResponse, 12)).responses[0].partition_responses[0].error_code)
        assert set(codes) <= {ErrorCode.NONE, ErrorCode.NOT_LEADER_OR_FOLLOWER}
        assert not replica.state.is_leader
        assert replica.log.log_end_offset == 2 + codes.count(ErrorCode.NONE)
        assert sorted(codes) == codes, "those that were written came first"


async def test_a_topic_deleted_meanwhile(node: MiniNode, disk: SlowDisk) -> None:
    disk.seconds = 0.05
    async with connected(node) as client:
        for _ in range(2):
            await produce(client, "slow", batch(b"x"))
        for number in range(3):
            client.send(produce_request({("slow", 0): batch(b"%d" % number)}), 12)
        await asyncio.sleep(0.01)
        await node.delete_topic("slow")
        for _ in range(3):
            await client.receive(ProduceResponse, 12)
        assert node.failed_directories == []
        assert (await produce(client, "fast", batch(b"x"))).error_code == ErrorCode.NONE


async def test_syncs_and_slow_writes_take_turns(node: MiniNode, disk: SlowDisk) -> None:
    from protocol.metadata.configs import ConfigRecord

    await node.publish(ConfigRecord(resource_type=2, resource_name="slow", name="flush.messages", value="1"))
    disk.seconds = 0.03
    async with connected(node) as client:
        for number in range(10):
            client.send(produce_request({("slow", 0): batch(b"%d" % number)}), 12)
        for number in range(10):
            answer = (await client.receive(ProduceResponse, 12)).responses[0].partition_responses[0]
            assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, number)
        log = node.replicas.replica("slow", 0).log
        assert log.recovery_point == log.high_watermark == 10


async def test_a_coordinator_does_not_append_beside_a_queued_write(node: MiniNode, disk: SlowDisk) -> None:
    coordinator_log = CoordinatorLog(node.replicas, node.clock, node.executor)
    replica = node.replicas.replica("slow", 0)
    disk.seconds = 0.05
    async with connected(node) as client:
        for _ in range(2):
            await produce(client, "slow", batch(b"x"))
        client.send(produce_request({("slow", 0): batch(b"queued")}), 12)
        async with asyncio.timeout(10):
            while not replica.is_writing:
                await asyncio.sleep(0.001)
        name, epoch = replica.topic_partition, replica.state.leader_epoch
        with pytest.raises(ApiError) as refusal:
            coordinator_log.append(name, batch(b"y"), epoch)
        assert refusal.value.code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        await client.receive(ProduceResponse, 12)
        assert coordinator_log.append(name, batch(b"y"), epoch) == 3
