"""What metadata does to replicas and their logs on disk: created, found again, set aside, deleted, offline."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.metadata.registrations import LOST_DIRECTORY, MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY
from broker.replication.maintenance import Maintenance
from protocol.errors import ErrorCode, StorageError
from protocol.ids import TopicPartition, Uuid
from protocol.metadata.topics import PartitionRecord, TopicRecord
from protocol.schema import Message
from storage import checkpoints
from storage.checkpoints import MetaProperties
from storage.directory import write_meta_properties
from storage.files import DiskFiles
from tests.unit.broker.mini_node import batch, connected, fetch, mini_node, produce, values_of


def names(path: Path) -> set[str]:
    return {each.name for each in path.iterdir() if each.is_dir()}


def topic_records(topic: str, topic_id: Uuid, partitions: int = 1) -> list[Message]:
    return [
        TopicRecord(name=topic, topic_id=topic_id),
        *(
            PartitionRecord(
                topic_id=topic_id, partition_id=index, replicas=[1], isr=[1], leader=1, directories=[Uuid(bytes(16))]
            )
            for index in range(partitions)
        ),
    ]


async def test_many_topics_are_created_while_the_loop_goes_on(tmp_path: Path) -> None:
    async with mini_node(tmp_path) as node:
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                before = len(node.replicas)
                await asyncio.sleep(0)
                most = max(most, len(node.replicas) - before)

        watcher = asyncio.create_task(watch())
        await node.create_topic("many", 300)
        watcher.cancel()
        assert len(node.replicas) == 300
        assert len(names(tmp_path / "data-0")) == 300
        assert 0 < most <= 150, "so many in one turn of the loop"


async def test_deleted_logs_make_room_at_once_and_are_removed_later(tmp_path: Path) -> None:
    async with mini_node(tmp_path) as node, connected(node) as client:
        data = tmp_path / "data-0"
        await node.create_topic("t", configs={"file.delete.delay.ms": "1"})
        await produce(client, "t", batch(b"old"))
        await node.delete_topic("t")
        assert len(node.replicas) == 0
        assert all(name.endswith("-delete") for name in names(data))
        await node.create_topic("t")
        assert values_of(await fetch(client, "t", 0)) == []
        maintenance = Maintenance(node.replicas, node.clock, node.executor)
        await asyncio.sleep(0.005)
        await maintenance.remove_files()
        assert names(data) == {"t-0"}


async def test_logs_are_found_again(tmp_path: Path) -> None:
    async with mini_node(tmp_path) as node, connected(node) as client:
        topic_id = await node.create_topic("t", 2)
        await produce(client, "t", batch(b"kept"))
        maintenance = Maintenance(node.replicas, node.clock, node.executor)
        await maintenance.checkpoint_high_watermarks()
        offsets = (tmp_path / "data-0" / checkpoints.REPLICATION_OFFSET_CHECKPOINT).read_bytes()
        assert checkpoints.decode_offsets(offsets) == {TopicPartition("t", 0): 1, TopicPartition("t", 1): 0}
    async with mini_node(tmp_path, known=topic_records("t", topic_id, 2)) as node, connected(node) as client:
        assert values_of(await fetch(client, "t", 0)) == [b"kept"]
        assert names(tmp_path / "data-0") == {"t-0", "t-1"}


async def test_logs_nobody_knows_are_set_aside(tmp_path: Path) -> None:
    data = tmp_path / "data-0"
    async with mini_node(tmp_path) as node:
        await node.create_topic("gone")
        await node.create_topic("again")
    async with mini_node(tmp_path) as node:
        assert all(name.endswith("-stray") for name in names(data)), "the first image has no topics"
    async with mini_node(tmp_path) as node:
        await node.create_topic("again")
        assert sum(name.endswith("-stray") for name in names(data)) == 2
        assert "again-0" in names(data)


async def test_a_log_of_another_topic_of_the_name_is_never_served(tmp_path: Path) -> None:
    async with mini_node(tmp_path) as node, connected(node) as client:
        await node.create_topic("t")
        await produce(client, "t", batch(b"another topic's"))
    async with mini_node(tmp_path, known=topic_records("t", Uuid(b"n" * 16))) as node, connected(node) as client:
        assert values_of(await fetch(client, "t", 0)) == []
        assert sum(name.endswith("-stray") for name in names(tmp_path / "data-0")) == 1


async def test_a_failed_directory_takes_only_its_partitions(tmp_path: Path) -> None:
    async with mini_node(tmp_path, log_dirs=2) as node, connected(node) as client:
        await node.create_topic("t", 4)
        by_directory: dict[str, list[int]] = {}
        for index in range(4):
            by_directory.setdefault(node.replicas.replica("t", index).log.log_dir, []).append(index)
        (lost_path, lost), (_, kept) = by_directory.items()
        assert len(lost) == len(kept) == 2
        node.replicas.storage_failed(StorageError(lost_path, "a test"))
        assert node.failed_directories == [lost_path]
        for index in lost:
            assert (
                await produce(client, "t", batch(b"x"), partition=index)
            ).error_code == ErrorCode.KAFKA_STORAGE_ERROR
            assert (await fetch(client, "t", 0, partition=index)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        for index in kept:
            assert (await produce(client, "t", batch(b"x"), partition=index)).error_code == ErrorCode.NONE
        assert node.fatal == []
        kept_path = node.replicas.replica("t", kept[0]).log.log_dir
        node.replicas.storage_failed(StorageError(kept_path, "a test"))
        assert len(node.fatal) == 1


async def test_replicas_go_to_the_directory_that_the_metadata_names(tmp_path: Path) -> None:
    ids = [Uuid(bytes([65 + number]) * 16) for number in range(2)]
    for number, directory_id in enumerate(ids):
        path = tmp_path / f"data-{number}"
        path.mkdir()
        write_meta_properties(DiskFiles(), str(path), MetaProperties("AAAAAAAAAAAAAAAAAAAAAQ", 1, directory_id))
    async with mini_node(tmp_path, log_dirs=2) as node:
        await node.create_topic("named", 3, directories=[ids[1]])
        await node.create_topic("free", 2)
        assert {name for name in names(tmp_path / "data-1") if name.startswith("named")} == {
            "named-0",
            "named-1",
            "named-2",
        }
        free = node.metadata.image.topics.by_name["free"].id
        assert {(topic_id, index) for topic_id, index, _ in node.assigned} == {(free, 0), (free, 1)}
        assert {directory_id for _, _, directory_id in node.assigned} == {ids[0]}


@pytest.mark.parametrize(
    ("directory", "isr", "is_created"),
    [
        (Uuid(b"g" * 16), [1], False),
        (LOST_DIRECTORY, [1], False),
        (Uuid(b"g" * 16), [1, 2], True),
        (Uuid(b"g" * 16), [2], True),
        (MIGRATING_DIRECTORY, [1], True),
        (UNASSIGNED_DIRECTORY, [1], True),
    ],
)
async def test_only_a_log_that_others_hold_is_begun_anew_when_its_directory_is_gone(
    tmp_path: Path, directory: Uuid, isr: list[int], is_created: bool
) -> None:
    topic_id = Uuid(b"t" * 16)
    known: list[Message] = [
        TopicRecord(name="t", topic_id=topic_id),
        PartitionRecord(
            topic_id=topic_id, partition_id=0, replicas=[1, 2], isr=isr, leader=-1, directories=[directory, directory]
        ),
    ]
    async with mini_node(tmp_path, known=known) as node, connected(node) as client:
        assert names(tmp_path / "data-0") == ({"t-0"} if is_created else set())
        refusal = ErrorCode.NOT_LEADER_OR_FOLLOWER if is_created else ErrorCode.KAFKA_STORAGE_ERROR
        assert (await produce(client, "t", batch(b"x"))).error_code == refusal
        await node.delete_topic("t")
        await node.create_topic("t")
        assert (await produce(client, "t", batch(b"x"))).error_code == ErrorCode.NONE


@pytest.mark.parametrize("directory", [LOST_DIRECTORY, MIGRATING_DIRECTORY])
async def test_nothing_is_created_that_an_offline_directory_may_hold(tmp_path: Path, directory: Uuid) -> None:
    async with mini_node(tmp_path, log_dirs=2) as node:
        node.replicas.storage_failed(StorageError(str(tmp_path / "data-1"), "a test"))
        await node.create_topic("t", directories=[directory])
        assert names(tmp_path / "data-0") == set()
        await node.create_topic("new", directories=[UNASSIGNED_DIRECTORY])
        assert names(tmp_path / "data-0") == {"new-0"}


async def test_retention_and_expiry(tmp_path: Path) -> None:
    async with mini_node(tmp_path) as node, connected(node) as client:
        await node.create_topic("t", configs={"retention.bytes": "100", "segment.bytes": "1048576"})
        for number in range(3):
            records = batch(bytes(900_000), producer_id=5, producer_epoch=0, base_sequence=number)
            assert (await produce(client, "t", records)).error_code == ErrorCode.NONE
        log = node.replicas.replica("t", 0).log
        log.roll(node.clock.wall_ms())
        maintenance = Maintenance(node.replicas, node.clock, node.executor)
        await maintenance.apply_retention()
        assert (log.log_start_offset, log.log_end_offset) == (2, 3), "what remains must not be less than wanted"
        maintenance.checkpoint_offsets()
        await maintenance.expire_producers()
        assert list(log.producer_state.producers) == [5]


@pytest.mark.parametrize("flush_ms", ["1", "9223372036854775807"])
async def test_flushing_by_time(tmp_path: Path, flush_ms: str) -> None:
    async with mini_node(tmp_path) as node, connected(node) as client:
        await node.create_topic("t", configs={"flush.ms": flush_ms})
        await produce(client, "t", batch(b"x"))
        replica = node.replicas.replica("t", 0)
        await asyncio.sleep(0.01)
        await Maintenance(node.replicas, node.clock, node.executor).flush_due()
        async with asyncio.timeout(5):
            while replica.log.is_flushing:
                await asyncio.sleep(0.001)
        assert replica.log.recovery_point == (1 if flush_ms == "1" else 0)
