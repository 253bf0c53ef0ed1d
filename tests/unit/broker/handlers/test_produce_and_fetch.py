"""Produce and Fetch over sockets, logs and all: errors by partition, waiting, limits."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.handlers import produce as produce_handler
from broker.replication.topic_settings import DECOMPRESSED_ON_LOOP_BYTES_MAX
from protocol.errors import ErrorCode, StorageError
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.metadata.topics import PartitionChangeRecord
from protocol.records.batch import iter_batches
from protocol.records.compression import CompressionType
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


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path) as running:
        await running.create_topic("t", partitions=2)
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


@pytest.mark.parametrize("acks", [1, -1])
@pytest.mark.parametrize("version", range(3, 13))
async def test_what_is_produced_is_fetched(client: WireClient, acks: int, version: int) -> None:
    response = await produce(client, "t", batch(b"a", b"b"), acks=acks, version=version)
    assert (response.error_code, response.base_offset) == (0, 0)
    response = await produce(client, "t", batch(b"c"), acks=acks, version=version)
    assert (response.error_code, response.base_offset) == (0, 2)
    assert values_of(await fetch(client, "t", 0)) == [b"a", b"b", b"c"]
    data = await fetch(client, "t", 2)
    assert values_of(data) == [b"c"]
    assert data.high_watermark == data.last_stable_offset == 3


@pytest.mark.parametrize("version", range(4, 19))
async def test_every_version_of_fetch(node: MiniNode, client: WireClient, version: int) -> None:
    await produce(client, "t", batch(b"a"))
    asked = fetch_request("t", 0)
    asked.topics[0].topic_id = node.metadata.image.topics.by_name["t"].id
    response = await client.ask(asked, version, FetchResponse)
    assert response.error_code == 0
    assert values_of(response.responses[0].partitions[0]) == [b"a"]


async def test_topic_ids(node: MiniNode, client: WireClient) -> None:
    topic_id = node.metadata.image.topics.by_name["t"].id
    for asked_id, code in ((topic_id, ErrorCode.NONE), (node.random.uuid(), ErrorCode.UNKNOWN_TOPIC_ID)):
        data = ProduceRequest.PartitionProduceData(index=0, records=batch(b"x"))
        topic = ProduceRequest.TopicProduceData(topic_id=asked_id, partition_data=[data])
        response = await client.ask(ProduceRequest(acks=1, topic_data=[topic]), 13, ProduceResponse)
        assert response.responses[0].topic_id == asked_id
        assert response.responses[0].partition_responses[0].error_code == code


async def test_each_partition_has_its_own_outcome(client: WireClient) -> None:
    asked = produce_request(
        {
            ("t", 0): batch(b"good"),
            ("t", 1): b"rubbish",
            ("t", 9): batch(b"no such partition"),
            ("missing", 0): batch(b"no such topic"),
            ("__consumer_offsets", 0): batch(b"none either"),
        }
    )
    response = await client.ask(asked, 12, ProduceResponse)
    codes = {
        (topic.name, each.index): each.error_code for topic in response.responses for each in topic.partition_responses
    }
    assert codes == {
        ("t", 0): ErrorCode.NONE,
        ("t", 1): ErrorCode.INVALID_RECORD,
        ("t", 9): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("missing", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("__consumer_offsets", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
    for topic in response.responses:
        for each in topic.partition_responses:
            assert (each.base_offset == -1) == (each.error_code != 0)


async def test_refusals(node: MiniNode, client: WireClient) -> None:
    assert (await produce(client, "t", batch(b"x"), acks=2)).error_code == ErrorCode.INVALID_REQUIRED_ACKS
    assert (await produce(client, "t", None)).error_code == ErrorCode.INVALID_RECORD
    corrupt = bytearray(batch(b"x"))
    corrupt[-1] ^= 1
    assert (await produce(client, "t", bytes(corrupt))).error_code == ErrorCode.CORRUPT_MESSAGE
    huge = await produce(client, "t", batch(bytes(1_100_000)))
    assert huge.error_code == ErrorCode.MESSAGE_TOO_LARGE
    transactional = batch(b"x", producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True)
    assert (await produce(client, "t", transactional)).error_code == ErrorCode.INVALID_TXN_STATE
    await node.create_topic("__consumer_offsets")
    refused = await produce(client, "__consumer_offsets", batch(b"x"))
    assert refused.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    allowed = await produce(client, "__consumer_offsets", batch(b"x"), client_id="__admin_client")
    assert allowed.error_code == ErrorCode.NONE


async def test_record_errors_name_the_records(node: MiniNode, client: WireClient) -> None:
    response = await produce(client, "t", batch(b"x", b"y", timestamp=node.clock.wall_ms() + 10 * 3_600_000))
    assert response.error_code == ErrorCode.INVALID_TIMESTAMP
    assert [each.batch_index for each in response.record_errors] == [0, 1]
    assert response.error_message


async def test_zstd_needs_version_7(client: WireClient) -> None:
    records = batch(b"x", compression=CompressionType.ZSTD)
    assert (await produce(client, "t", records, version=6)).error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert (await produce(client, "t", records, version=7)).error_code == ErrorCode.NONE


async def test_idempotent_producing(client: WireClient) -> None:
    def numbered(sequence: int, epoch: int = 0) -> bytes:
        return batch(b"%d" % sequence, producer_id=7, producer_epoch=epoch, base_sequence=sequence)

    for sequence in range(6):
        assert (await produce(client, "t", numbered(sequence))).base_offset == sequence
    again = await produce(client, "t", numbered(4))
    assert (again.error_code, again.base_offset) == (ErrorCode.NONE, 4)
    gap = await produce(client, "t", numbered(8))
    assert gap.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert (await produce(client, "t", numbered(0, epoch=1))).base_offset == 6
    assert (await produce(client, "t", numbered(6))).error_code == ErrorCode.INVALID_PRODUCER_EPOCH


@pytest.mark.parametrize("acks", [1, -1, 2])
async def test_a_plain_batch_is_answered_as_by_all_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acks: int
) -> None:
    def numbered(sequence: int, epoch: int = 0, **options: Any) -> bytes:
        return batch(b"x", producer_id=7, producer_epoch=epoch, base_sequence=sequence, **options)

    broken = bytearray(numbered(9))
    broken[-1] ^= 1
    sent = [numbered(0), numbered(1), numbered(1), numbered(7), numbered(0, 1), numbered(3), bytes(broken), batch(b"y")]
    answers: list[list[ProduceResponse.PartitionProduceResponse]] = []
    for is_short in (True, False):
        if not is_short:
            monkeypatch.setattr(produce_handler, "_handle_plain", lambda *_: None)
        directory = tmp_path / str(is_short)
        directory.mkdir()
        async with mini_node(directory) as running:
            await running.create_topic("t")
            async with connected(running) as made:
                answers.append([await produce(made, "t", each, acks=acks) for each in sent])
    assert answers[0] == answers[1]


async def test_acks_0_is_not_answered_and_an_error_closes(client: WireClient, node: MiniNode) -> None:
    client.send(produce_request({("t", 0): batch(b"x")}, acks=0), 12)
    assert values_of(await fetch(client, "t", 0)) == [b"x"]
    client.send(produce_request({("missing", 0): batch(b"x")}, acks=0), 12)
    assert await client.is_closed()


async def test_a_follower_says_who_leads(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("other", replicas=[1, 2], isr=[1, 2], leader=2, leader_epoch=4, directories=[bytes(16)] * 2)
    response = await client.ask(produce_request({("other", 0): batch(b"x")}), 12, ProduceResponse)
    refused = response.responses[0].partition_responses[0]
    assert refused.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert (refused.current_leader.leader_id, refused.current_leader.leader_epoch) == (2, 4)
    data = await fetch(client, "other", 0)
    assert data.error_code == ErrorCode.NONE, "a consumer may read from a follower"
    old = await client.ask(fetch_request("other", 0), 10, FetchResponse)
    assert old.responses[0].partitions[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_what_is_forbidden_is_refused_wherever_the_partition_is(node: MiniNode, client: WireClient) -> None:
    for name in ("elsewhere", "__consumer_offsets"):
        await node.create_topic(name, replicas=[9], isr=[9], leader=9)
    for name, acks, code in (
        ("elsewhere", 1, ErrorCode.NOT_LEADER_OR_FOLLOWER),
        ("elsewhere", 2, ErrorCode.INVALID_REQUIRED_ACKS),
        ("__consumer_offsets", 1, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("missing", 2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ):
        assert (await produce(client, name, batch(b"x"), acks=acks)).error_code == code, (name, acks)
    admin = await produce(client, "__consumer_offsets", batch(b"x"), client_id="__admin_client")
    assert admin.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_too_few_in_sync(node: MiniNode, client: WireClient) -> None:
    configs = {"min.insync.replicas": "2"}
    await node.create_topic("two", replicas=[1, 2], isr=[1], directories=[bytes(16)] * 2, configs=configs)
    assert (await produce(client, "two", batch(b"x"))).error_code == ErrorCode.NOT_ENOUGH_REPLICAS
    assert (await produce(client, "two", batch(b"x"), acks=1)).error_code == ErrorCode.NONE
    assert (await fetch(client, "two", 0)).high_watermark == 0, "it stands still below the minimum"


async def test_acks_all_waits_for_a_follower_and_for_no_longer_than_its_time(
    node: MiniNode, client: WireClient
) -> None:
    await node.create_topic("two", replicas=[1, 2], isr=[1, 2], directories=[bytes(16)] * 2)
    assert (await produce(client, "two", batch(b"x"), timeout_ms=20)).error_code == ErrorCode.REQUEST_TIMED_OUT
    client.send(produce_request({("two", 0): batch(b"y")}), 12)
    async with connected(node) as follower:
        for offset in (0, 2):
            asked = fetch_request("two", offset)
            asked.replica_id = 2
            response = await follower.ask(asked, 12, FetchResponse)
            assert response.responses[0].partitions[0].error_code == ErrorCode.NONE
    answer = await client.receive(ProduceResponse, 12)
    assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE
    assert (await fetch(client, "two", 0)).high_watermark == 2


async def test_losing_leadership_fails_what_waits(node: MiniNode, client: WireClient) -> None:
    topic_id = await node.create_topic("two", replicas=[1, 2], isr=[1, 2], directories=[bytes(16)] * 2)
    client.send(produce_request({("two", 0): batch(b"y")}), 12)
    async with connected(node) as reader:
        reader.send(fetch_request("two", 0, max_wait_ms=60_000, current_leader_epoch=0), 12)
        await asyncio.sleep(0.05)
        await node.publish(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=2))
        answer = await client.receive(ProduceResponse, 12)
        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        told = await reader.receive(FetchResponse, 12)
        assert told.responses[0].partitions[0].error_code == ErrorCode.FENCED_LEADER_EPOCH


async def test_deleting_a_topic_tells_who_waits(node: MiniNode, client: WireClient) -> None:
    client.send(fetch_request("t", 0, max_wait_ms=60_000), 12)
    await asyncio.sleep(0.05)
    await node.delete_topic("t")
    told = await client.receive(FetchResponse, 12)
    assert told.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_fetch_waits_for_data_and_is_woken(node: MiniNode, client: WireClient) -> None:
    client.send(fetch_request("t", 0, max_wait_ms=60_000), 12)
    async with connected(node) as producer:
        await asyncio.sleep(0.02)
        await produce(producer, "t", batch(b"late"))
    woken = await client.receive(FetchResponse, 12)
    assert values_of(woken.responses[0].partitions[0]) == [b"late"]


async def test_a_fetch_waits_for_enough(node: MiniNode, client: WireClient) -> None:
    size = len(batch(b"x"))
    client.send(fetch_request("t", 0, max_wait_ms=60_000, min_bytes=3 * size), 12)
    async with connected(node) as producer:
        for _ in range(3):
            await asyncio.sleep(0.02)
            await produce(producer, "t", batch(b"x"))
    woken = await client.receive(FetchResponse, 12)
    assert values_of(woken.responses[0].partitions[0]) == [b"x"] * 3


async def test_a_fetch_without_data_ends_in_time(client: WireClient) -> None:
    async with asyncio.timeout(5):
        assert values_of(await fetch(client, "t", 0, max_wait_ms=30)) == []


async def test_offsets_out_of_range(client: WireClient) -> None:
    await produce(client, "t", batch(b"a"))
    for offset in (-1, 2):
        assert (await fetch(client, "t", offset)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert (await fetch(client, "t", 1)).error_code == ErrorCode.NONE


async def test_epochs_of_clients(client: WireClient) -> None:
    assert (await fetch(client, "t", 0, current_leader_epoch=5)).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
    assert (await fetch(client, "t", 0, current_leader_epoch=0)).error_code == ErrorCode.NONE


async def test_logs_that_part_are_told_where(node: MiniNode, client: WireClient) -> None:
    topic = node.metadata.image.topics.by_name["t"]
    await produce(client, "t", batch(b"epoch 0"))
    await node.publish(PartitionChangeRecord(topic_id=topic.id, partition_id=0, leader=1))
    await produce(client, "t", batch(b"epoch 1"))
    data = await fetch(client, "t", 2, last_fetched_epoch=0)
    assert data.error_code == ErrorCode.NONE
    assert (data.diverging_epoch.epoch, data.diverging_epoch.end_offset) == (0, 1)
    assert values_of(data) == []
    assert (await fetch(client, "t", 1, last_fetched_epoch=0)).diverging_epoch.epoch == -1


async def test_the_first_batch_comes_whatever_the_limits(client: WireClient) -> None:
    await produce(client, "t", batch(bytes(100_000)))
    await produce(client, "t", batch(b"second"))
    await produce(client, "t", batch(b"other"), partition=1)
    asked = fetch_request("t", 0, max_bytes=10, partition_max_bytes=10)
    asked.topics[0].partitions.append(FetchRequest.FetchPartition(partition=1, partition_max_bytes=10))
    response = await client.ask(asked, 12, FetchResponse)
    first, second = response.responses[0].partitions
    assert [len(value or b"") for value in values_of(first)] == [100_000]
    assert values_of(second) == []


async def test_large_answers_come_whole(client: WireClient) -> None:
    value = bytes(range(256)) * 3500
    for _ in range(6):
        assert (await produce(client, "t", batch(value))).error_code == ErrorCode.NONE
    data = await fetch(client, "t", 0, max_bytes=1 << 26, partition_max_bytes=1 << 26)
    assert values_of(data) == [value] * 6


async def test_sessions(client: WireClient) -> None:
    await produce(client, "t", batch(b"a"))
    full = await client.ask(fetch_request("t", 0, session_epoch=0), 12, FetchResponse)
    assert full.session_id > 0
    again = FetchRequest(session_id=full.session_id, session_epoch=1, min_bytes=1, max_bytes=1000)
    response = await client.ask(again, 12, FetchResponse)
    assert values_of(response.responses[0].partitions[0]) == [b"a"]
    asked = fetch_request("t", 1, session_id=full.session_id, session_epoch=2)
    assert (await client.ask(asked, 12, FetchResponse)).responses == []
    again.session_epoch = 9
    assert (await client.ask(again, 12, FetchResponse)).error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH


async def test_a_recreated_topic_is_another_one(node: MiniNode, client: WireClient) -> None:
    asked = fetch_request("t", 0)
    asked.topics[0].topic_id = node.metadata.image.topics.by_name["t"].id
    await produce(client, "t", batch(b"old"))
    await node.delete_topic("t")
    await node.create_topic("t")
    response = await client.ask(asked, 13, FetchResponse)
    assert response.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID
    assert values_of(await fetch(client, "t", 0)) == []


async def test_large_batches_leave_the_threads_of_others_alone(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("zipped", configs={"compression.type": "gzip"})
    may_go_on = threading.Event()
    busy = [node.executor.run(may_go_on.wait) for _ in range(8)]
    try:
        async with asyncio.timeout(10):
            assert (await produce(client, "zipped", batch(b"a"))).error_code == 0
    finally:
        may_go_on.set()
        await asyncio.gather(*busy)


async def test_recompression_is_done_off_the_loop_and_keeps_the_order(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("zipped", configs={"compression.type": "gzip"})
    for number in range(20):
        client.send(produce_request({("zipped", 0): batch(b"%d" % number)}), 12)
    for number in range(20):
        answer = await client.receive(ProduceResponse, 12)
        assert answer.responses[0].partition_responses[0].base_offset == number
    data = await fetch(client, "zipped", 0)
    assert values_of(data) == [b"%d" % number for number in range(20)]
    assert isinstance(data.records, memoryview | bytes)
    assert {each.compression for each in iter_batches(data.records)} == {CompressionType.GZIP}


async def test_a_batch_that_grows_a_lot_is_checked_off_the_loop(client: WireClient) -> None:
    size = DECOMPRESSED_ON_LOOP_BYTES_MAX + 1000
    assert len(gzip.compress(bytes(size))) < 1_000_000
    records = batch(bytes(size), compression=CompressionType.GZIP)
    assert (await produce(client, "t", records)).error_code == ErrorCode.NONE


async def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    limit = {"barnabas.decompressed.batch.max.bytes": "8000000"}
    async with mini_node(tmp_path, limit) as node, connected(node) as client:
        await node.create_topic("t")
        records = batch(bytes(9_000_000), compression=CompressionType.ZSTD)
        assert len(records) < 10_000
        assert (await produce(client, "t", records)).error_code == ErrorCode.INVALID_RECORD


async def test_flush_messages_1_acknowledges_what_is_on_disk(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("synced", configs={"flush.messages": "1"})
    log = node.replicas.replica("synced", 0).log
    for number in range(3):
        for acks in (1, -1):
            response = await produce(client, "synced", batch(b"%d" % number), acks=acks)
            assert response.error_code == ErrorCode.NONE
            assert log.recovery_point > response.base_offset
    assert values_of(await fetch(client, "synced", 0)) == [b"0", b"0", b"1", b"1", b"2", b"2"]


async def test_one_sync_serves_all_that_wait(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("synced", configs={"flush.messages": "1"})
    before = node.replicas.flush_durations.count
    for number in range(50):
        client.send(produce_request({("synced", 0): batch(b"%d" % number)}), 12)
    for number in range(50):
        answer = await client.receive(ProduceResponse, 12)
        assert answer.responses[0].partition_responses[0].base_offset == number
    assert node.replicas.flush_durations.count - before < 50


async def test_a_changed_configuration_counts_at_once(node: MiniNode, client: WireClient) -> None:
    from protocol.metadata.configs import ConfigRecord

    assert (await produce(client, "t", batch(bytes(5000)))).error_code == ErrorCode.NONE
    await node.publish(ConfigRecord(resource_type=2, resource_name="t", name="max.message.bytes", value="1000"))
    assert (await produce(client, "t", batch(bytes(5000)))).error_code == ErrorCode.MESSAGE_TOO_LARGE
    await node.publish(ConfigRecord(resource_type=2, resource_name="t", name="max.message.bytes", value=None))
    await node.publish(ConfigRecord(resource_type=4, resource_name="", name="message.max.bytes", value="500"))
    assert (await produce(client, "t", batch(bytes(600)))).error_code == ErrorCode.MESSAGE_TOO_LARGE


async def test_what_is_not_in_memory_is_looked_up_off_the_loop(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await produce(client, "t", batch(b"%d" % number))
    log = node.replicas.replica("t", 0).log
    read, cold, on_executor = log.read, [3], []

    def reads_cold(*arguments: Any, wait: bool = True, **fields: Any) -> Any:
        if not wait and cold[0]:
            cold[0] -= 1
            raise BlockingIOError
        if wait:
            on_executor.append(threading.current_thread() is not threading.main_thread())
        return read(*arguments, wait=wait, **fields)

    monkeypatch.setattr(log, "locate_recent", lambda *_: None)
    monkeypatch.setattr(log, "read", reads_cold)
    assert values_of(await fetch(client, "t", 1)) == [b"1", b"2"]
    assert on_executor == [True] * 3
    cold[0] = 1000
    assert values_of(await fetch(client, "t", 1)) == [b"1", b"2"], "also if it never stays warm"
    assert all(on_executor)


async def test_a_disk_that_fails_a_lookup_off_the_loop_is_reported_on_it(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await produce(client, "t", batch(b"0"))
    log, reported_by = node.replicas.replica("t", 0).log, []

    def fails(*_: Any, wait: bool = True, **__: Any) -> Any:
        raise StorageError(log.log_dir, "a test") if wait else BlockingIOError

    fail = node.directories.fail

    def note(path: str, failure: StorageError) -> Any:
        reported_by.append(threading.current_thread())
        return fail(path, failure)

    monkeypatch.setattr(log, "read", fails)
    monkeypatch.setattr(node.directories, "fail", note)
    assert (await fetch(client, "t", 0)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert reported_by == [threading.main_thread()]
