"""Deleting records: here, on followers, on disk; and who has to wait."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ErrorCode
from protocol.ids import TopicPartition
from protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsResponse
from protocol.messages.fetch import FetchResponse
from protocol.messages.produce import ProduceResponse
from protocol.metadata.brokers import RegisterBrokerRecord
from protocol.metadata.topics import PartitionChangeRecord
from protocol.wire import Buffer
from storage import checkpoints
from storage.files import DiskFile, DiskFiles
from tests.unit.broker.mini_node import (
    MiniNode,
    WireClient,
    batch,
    connected,
    fetch,
    fetch_request,
    mini_node,
    produce,
    produce_request,
    values_of,
)

VERSION = 2
WITH_FOLLOWER: dict[str, Any] = {"replicas": [1, 2], "isr": [1], "directories": [bytes(16)] * 2}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path) as running:
        await running.create_topic("t")
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


def deletion(topic: str, offset: int, *, partition: int = 0, timeout_ms: int = 30_000) -> DeleteRecordsRequest:
    asked = DeleteRecordsRequest.DeleteRecordsPartition(partition_index=partition, offset=offset)
    topics = [DeleteRecordsRequest.DeleteRecordsTopic(name=topic, partitions=[asked])]
    return DeleteRecordsRequest(topics=topics, timeout_ms=timeout_ms)


def outcome(response: DeleteRecordsResponse) -> tuple[int, int]:
    ((partition,),) = [topic.partitions for topic in response.topics]
    return partition.error_code, partition.low_watermark


async def delete(client: WireClient, topic: str, offset: int, *, timeout_ms: int = 30_000) -> tuple[int, int]:
    request = deletion(topic, offset, timeout_ms=timeout_ms)
    return outcome(await client.ask(request, VERSION, DeleteRecordsResponse))


async def fill(client: WireClient, topic: str, count: int = 6) -> None:
    for number in range(count):
        assert (await produce(client, topic, batch(b"%d" % number), acks=1)).error_code == ErrorCode.NONE


def checkpointed(node: MiniNode) -> dict[TopicPartition, int]:
    (directory,) = node.directories.online
    return checkpoints.decode_offsets(Path(directory.file(checkpoints.LOG_START_OFFSET_CHECKPOINT)).read_bytes())


async def test_what_was_before_is_served_no_more(node: MiniNode, client: WireClient) -> None:
    await fill(client, "t")
    assert await delete(client, "t", 4) == (ErrorCode.NONE, 4)
    assert (await fetch(client, "t", 3)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    data = await fetch(client, "t", 4)
    assert (values_of(data), data.log_start_offset) == ([b"4", b"5"], 4)
    assert await delete(client, "t", 2) == (ErrorCode.NONE, 4)
    assert await delete(client, "t", 7) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert await delete(client, "t", -2) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert await delete(client, "t", -1) == (ErrorCode.NONE, 6)
    assert await delete(client, "missing", 0) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)


async def test_the_beginning_is_on_disk_when_it_is_told(node: MiniNode, client: WireClient) -> None:
    await fill(client, "t")
    for offset in (1, 2, 5):
        await delete(client, "t", offset)
        assert checkpointed(node) == {TopicPartition("t", 0): offset}
    # Many at once share the writing.
    await node.create_topic("u")
    await fill(client, "u")
    for offset in (1, 3, 2, 4):
        client.send(deletion("u", offset), VERSION)
    for _ in range(4):
        assert outcome(await client.receive(DeleteRecordsResponse, VERSION))[0] == ErrorCode.NONE
    assert checkpointed(node) == {TopicPartition("t", 0): 5, TopicPartition("u", 0): 4}


async def test_segments_below_go_with_retention(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("small", configs={"segment.bytes": "1048576"})
    await fill(client, "small", 3)
    log = node.replicas.replica("small", 0).log
    log.roll(0)
    await fill(client, "small", 3)
    await delete(client, "small", 2)
    assert log.delete_old_segments(0) == 0
    await delete(client, "small", 3)
    assert log.delete_old_segments(0) == 1


@pytest.mark.parametrize(
    ("policy", "code"), [("compact", ErrorCode.POLICY_VIOLATION), ("compact,delete", ErrorCode.NONE)]
)
async def test_compacted_topics(node: MiniNode, client: WireClient, policy: str, code: ErrorCode) -> None:
    await node.create_topic("c", configs={"cleanup.policy": policy})
    await fill(client, "c")
    assert (await delete(client, "c", 1))[0] == code


async def test_internal_topics_refuse(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("__consumer_offsets")
    assert await delete(client, "__consumer_offsets", 0) == (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)


# Followers.


async def follower_fetches(node: MiniNode, topic: str, offset: int, log_start_offset: int) -> None:
    async with connected(node) as follower:
        request = fetch_request(topic, offset, log_start_offset=log_start_offset)
        request.replica_id = 2
        response = await follower.ask(request, 12, FetchResponse)
        assert response.responses[0].partitions[0].error_code == ErrorCode.NONE


@pytest.fixture
async def followed(node: MiniNode, client: WireClient) -> MiniNode:
    """With a topic whose follower is alive and has six records."""
    await node.publish(RegisterBrokerRecord(broker_id=2, broker_epoch=5, fenced=False))
    await node.create_topic("two", **WITH_FOLLOWER)
    await fill(client, "two")
    await follower_fetches(node, "two", 6, 0)
    return node


async def test_it_waits_for_followers(followed: MiniNode, client: WireClient) -> None:
    async with connected(followed) as other:
        client.send(deletion("two", 4), VERSION)
        other.send(deletion("two", 2), VERSION)
        assert await _waiters(followed, 2)
        await follower_fetches(followed, "two", 6, 3)
        assert outcome(await other.receive(DeleteRecordsResponse, VERSION)) == (ErrorCode.NONE, 3)
        assert await _waiters(followed, 1)
        await follower_fetches(followed, "two", 6, 4)
        assert outcome(await client.receive(DeleteRecordsResponse, VERSION)) == (ErrorCode.NONE, 4)


async def _waiters(node: MiniNode, count: int) -> bool:
    replica = node.replicas.replica("two", 0)
    async with asyncio.timeout(10):
        while len(replica.low_watermark_waiters) != count:
            await asyncio.sleep(0.001)
    return True


async def test_it_waits_no_longer_than_it_may(followed: MiniNode, client: WireClient) -> None:
    assert await delete(client, "two", 4, timeout_ms=20) == (ErrorCode.REQUEST_TIMED_OUT, 0)
    assert len(followed.replicas.replica("two", 0).low_watermark_waiters) == 0
    assert (await fetch(client, "two", 3)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_it_does_not_wait_for_the_dead(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("two", **WITH_FOLLOWER)
    await fill(client, "two")
    assert await delete(client, "two", 4) == (ErrorCode.NONE, 4)


async def test_losing_leadership_ends_the_wait(followed: MiniNode, client: WireClient) -> None:
    topic_id = followed.metadata.image.topics.by_name["two"].id
    client.send(deletion("two", 4), VERSION)
    assert await _waiters(followed, 1)
    await followed.publish(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=2))
    assert outcome(await client.receive(DeleteRecordsResponse, VERSION)) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
    assert await delete(client, "two", 5) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)


# Disks.


async def test_a_slow_write_is_waited_for(node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = node.replicas.replica("t", 0)
    await fill(client, "t", 2)
    node.replicas.slow_directories.slow[replica.log.log_dir] = node.clock.monotonic() + 600
    may_write, pwritev = threading.Event(), DiskFile.pwritev

    def held_up(file: DiskFile, buffers: Sequence[Buffer], offset: int) -> int:
        may_write.wait(30)
        return pwritev(file, buffers, offset)

    monkeypatch.setattr(DiskFile, "pwritev", held_up)
    async with connected(node) as producer:
        producer.send(produce_request({("t", 0): batch(b"x")}), 12)
        async with asyncio.timeout(10):
            while not replica.is_writing:
                await asyncio.sleep(0.001)
        client.send(deletion("t", 2), VERSION)
        await asyncio.sleep(0.05)
        assert replica.log.log_start_offset == 0
        may_write.set()
        answer = await producer.receive(ProduceResponse, 12)
        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE
    assert outcome(await client.receive(DeleteRecordsResponse, VERSION)) == (ErrorCode.NONE, 2)


async def test_a_disk_that_fails(node: MiniNode, client: WireClient) -> None:
    await fill(client, "t")
    (directory,) = node.directories.online
    checkpoint = Path(directory.file(checkpoints.LOG_START_OFFSET_CHECKPOINT))
    checkpoint.unlink(missing_ok=True)
    (checkpoint / "in the way").mkdir(parents=True)
    assert await delete(client, "t", 4) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert node.fatal, "it was the last directory"


async def test_no_room_to_store_it(node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promise is that the beginning is on disk; and the next checkpoint makes it good."""
    await fill(client, "t")

    def write_atomically(files: DiskFiles, path: str, data: Buffer, *, sync_directory: bool = True) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as full:
        full.setattr(DiskFiles, "write_atomically", write_atomically)
        assert await delete(client, "t", 3) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert await delete(client, "t", 3) == (ErrorCode.NONE, 3)
    assert checkpointed(node) == {TopicPartition("t", 0): 3}
