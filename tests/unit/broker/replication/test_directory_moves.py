"""Moves between log directories: under load, given up, turned round, interrupted, with disks that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from broker.replication import directory_moves
from broker.replication.replica import Replica
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import TopicPartition, Uuid
from protocol.messages.alter_replica_log_dirs import AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse
from protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsResponse
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord, TopicRecord
from storage.checkpoints import LOG_START_OFFSET_CHECKPOINT, MetaProperties, decode_offsets
from storage.directory import CheckpointJob, write_meta_properties
from storage.files import DiskFiles
from storage.log import Log
from tests.unit.broker.mini_node import MiniNode, WireClient, batch, connected, fetch, mini_node, produce, values_of

T0 = TopicPartition("t", 0)


def give_ids(tmp_path: Path, count: int) -> None:
    """To directories that a node is about to use."""
    for number in range(count):
        path = tmp_path / f"data-{number}"
        path.mkdir()
        properties = MetaProperties("cluster", 1, Uuid((1000 + number).to_bytes(16, "big")))
        write_meta_properties(DiskFiles(), str(path), properties)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    give_ids(tmp_path, 3)
    async with mini_node(tmp_path, log_dirs=3) as running:
        await running.create_topic("t")
        yield running
        await running.replicas.moves.stop()


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


def replica_of(node: MiniNode) -> Replica:
    return node.replicas.replica(*T0)


def elsewhere(node: MiniNode) -> list[str]:
    """Directories in which the partition does not lie."""
    return [path for path in node.directories.directories if path != replica_of(node).log.log_dir]


async def ask(client: WireClient, path: str, topic: str = "t", partition: int = 0, version: int = 2) -> int:
    asked = AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic(name=topic, partitions=[partition])
    directory = AlterReplicaLogDirsRequest.AlterReplicaLogDir(path=path, topics=[asked])
    response = await client.ask(AlterReplicaLogDirsRequest(dirs=[directory]), version, AlterReplicaLogDirsResponse)
    ((answer,),) = [result.partitions for result in response.results]
    return answer.error_code


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def done(node: MiniNode) -> None:
    """No move is under way or being cleaned up."""
    await until(lambda: not node.replicas.moves._tasks)


def entries(path: str) -> list[str]:
    """Directories of partition t-0 there."""
    return sorted(each.name for each in Path(path).iterdir() if each.name.startswith("t-0"))


def stored(node: MiniNode) -> bytes:
    directory = Path(replica_of(node).log.directory)
    return b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))


async def fill(client: WireClient, count: int = 5, start: int = 0) -> None:
    for number in range(start, start + count):
        assert (await produce(client, "t", batch(b"%d" % number))).error_code == ErrorCode.NONE


async def all_values(client: WireClient, offset: int = 0) -> list[bytes | None]:
    values: list[bytes | None] = []
    while True:
        data = await fetch(client, "t", offset + len(values))
        found = values_of(data)
        if not found:
            return values
        values += found


@pytest.mark.parametrize("version", [1, 2])
async def test_a_partition_moves(node: MiniNode, client: WireClient, version: int) -> None:
    await fill(client)
    await produce(client, "t", batch(b"i", producer_id=7, producer_epoch=0, base_sequence=0))
    before, source, target = stored(node), replica_of(node).log.log_dir, elsewhere(node)[0]
    assert await ask(client, target, version=version) == ErrorCode.NONE
    await done(node)
    log = replica_of(node).log
    assert (log.directory, log.high_watermark) == (f"{target}/t-0", 6)
    assert stored(node) == before
    assert log.recovery_point == 6, "what was copied is on disk"
    assert entries(target) == ["t-0"]
    (left,) = entries(source)
    assert left.endswith("-delete")
    assert node.assigned[-1] == (log.topic_id, 0, node.directories.directories[target].id)
    again = await produce(client, "t", batch(b"i", producer_id=7, producer_epoch=0, base_sequence=0))
    assert again.base_offset == 5, "the producer is still known"
    await fill(client, 1, start=6)
    assert await all_values(client) == [b"0", b"1", b"2", b"3", b"4", b"i", b"6"]


async def test_while_it_is_written_and_read(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_moves, "COPY_BYTES", 500)
    monkeypatch.setattr(directory_moves, "LAST_BYTES_MAX", 2000)
    moves, count = node.replicas.moves, 0
    async with connected(node) as reader:
        for _ in range(6):
            assert await ask(client, elsewhere(node)[0]) == ErrorCode.NONE
            while len(moves):
                await fill(client, 3, start=count)
                count += 3
                assert (await fetch(reader, "t", 0)).error_code == ErrorCode.NONE
    assert await all_values(client) == [b"%d" % number for number in range(count)]
    assert replica_of(node).log.high_watermark == count


async def test_several_segments(node: MiniNode, client: WireClient) -> None:
    for part in range(3):
        await fill(client, 3, start=3 * part)
        replica_of(node).log.roll(0)
    before = stored(node)
    assert await ask(client, elsewhere(node)[0]) == ErrorCode.NONE
    await done(node)
    assert stored(node) == before


async def test_from_where_it_begins(node: MiniNode, client: WireClient) -> None:
    """In the middle of a batch."""
    await produce(client, "t", batch(b"0", b"1", b"2"))
    await produce(client, "t", batch(b"3", b"4", b"5"))
    partition = DeleteRecordsRequest.DeleteRecordsPartition(partition_index=0, offset=4)
    topics = [DeleteRecordsRequest.DeleteRecordsTopic(name="t", partitions=[partition])]
    await client.ask(DeleteRecordsRequest(topics=topics, timeout_ms=1000), 2, DeleteRecordsResponse)
    assert await ask(client, elsewhere(node)[0]) == ErrorCode.NONE
    await done(node)
    log = replica_of(node).log
    assert (log.log_start_offset, log.segments[0].base_offset, log.log_end_offset) == (4, 3, 6)
    assert values_of(await fetch(client, "t", 4)) == [b"3", b"4", b"5"]
    assert (await fetch(client, "t", 3)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_an_empty_partition(node: MiniNode, client: WireClient) -> None:
    target = elsewhere(node)[0]
    assert await ask(client, target) == ErrorCode.NONE
    await done(node)
    assert replica_of(node).log.log_dir == target
    await fill(client, 2)
    assert await all_values(client) == [b"0", b"1"]


async def test_what_was_synced_is_synced(node: MiniNode, client: WireClient) -> None:
    await node.publish(ConfigRecord(resource_type=2, resource_name="t", name="flush.messages", value="1"))
    count = 0
    assert await ask(client, elsewhere(node)[0]) == ErrorCode.NONE
    while len(node.replicas.moves):
        await fill(client, 1, start=count)
        count += 1
        log = replica_of(node).log
        assert log.recovery_point >= log.high_watermark == count
    await fill(client, 2, start=count)
    assert await all_values(client) == [b"%d" % number for number in range(count + 2)]


# Given up.


class Held:
    """Keeps copies from being made until they may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_held = True
        self.copies = 0
        real = directory_moves._copy_some

        def copy_some(current: Log, future: Log, leader_epoch: int, now_ms: int) -> directory_moves._Turn:
            self.copies += 1
            if self.is_held:
                return directory_moves._Turn.MORE
            return real(current, future, leader_epoch, now_ms)

        monkeypatch.setattr(directory_moves, "_copy_some", copy_some)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


async def begun(node: MiniNode, client: WireClient, held: Held, target: str) -> None:
    assert await ask(client, target) == ErrorCode.NONE
    await until(lambda: any(each.endswith("-future") for each in entries(target)))
    # A copy that was under way elsewhere may still be counted.
    before = held.copies
    await until(lambda: held.copies > before + 1)


async def test_turned_elsewhere_and_back(node: MiniNode, client: WireClient, held: Held) -> None:
    await fill(client)
    first, second = elsewhere(node)
    await begun(node, client, held, first)
    assert await ask(client, first) == ErrorCode.NONE, "it is on its way there"
    await begun(node, client, held, second)
    assert not any(each.endswith("-future") for each in entries(first))
    assert await ask(client, replica_of(node).log.log_dir) == ErrorCode.NONE
    await done(node)
    assert not any(each.endswith("-future") for each in entries(second))
    assert node.directories.future_logs == {}
    held.is_held = False
    assert await ask(client, second) == ErrorCode.NONE
    await done(node)
    assert (replica_of(node).log.log_dir, await all_values(client)) == (second, [b"0", b"1", b"2", b"3", b"4"])


async def test_the_topic_is_deleted_meanwhile(node: MiniNode, client: WireClient, held: Held) -> None:
    target = elsewhere(node)[0]
    await begun(node, client, held, target)
    await node.delete_topic("t")
    await done(node)
    assert node.directories.future_logs == {}
    assert all(each.endswith("-delete") for each in entries(target))
    await node.create_topic("t")
    await fill(client, 1)


async def test_the_log_is_cut_back_meanwhile(node: MiniNode, client: WireClient, held: Held) -> None:
    """As a follower's is; what was copied is then worth nothing."""
    await fill(client)
    await begun(node, client, held, elsewhere(node)[0])
    future = node.directories.future_logs[T0]
    current = replica_of(node).log
    directory_moves._copy(current, future, 0, 0, 1 << 20, wait=True)
    current.truncate_to(2, 0)
    held.is_held = False
    await done(node)
    assert replica_of(node).log.log_end_offset == 2
    assert replica_of(node).log is not current
    assert replica_of(node).log is not future


async def test_leader_epochs_go_along(node: MiniNode, client: WireClient) -> None:
    await fill(client)
    topic_id = node.metadata.image.topics.by_name["t"].id
    await node.publish(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=1))
    entries_before = list(replica_of(node).log.leader_epochs.entries)
    assert await ask(client, elsewhere(node)[0]) == ErrorCode.NONE
    await done(node)
    assert list(replica_of(node).log.leader_epochs.entries) == entries_before


@pytest.mark.parametrize("is_source", [True, False])
async def test_a_directory_fails_meanwhile(node: MiniNode, client: WireClient, held: Held, is_source: bool) -> None:
    await fill(client)
    source, (target, third) = replica_of(node).log.log_dir, elsewhere(node)
    await begun(node, client, held, target)
    path = source if is_source else target
    node.replicas.storage_failed(StorageError(path, "as if"))
    await done(node)
    assert node.directories.future_logs == {}
    assert (node.replicas.find(*T0) is None) is is_source
    if not is_source:
        assert await all_values(client) == [b"0", b"1", b"2", b"3", b"4"]
    assert await ask(client, third) == ErrorCode.KAFKA_STORAGE_ERROR
    assert await ask(client, path) == ErrorCode.KAFKA_STORAGE_ERROR


# Refusals.


async def test_what_cannot_be(node: MiniNode, client: WireClient) -> None:
    target = elsewhere(node)[0]
    assert await ask(client, "/nowhere") == ErrorCode.LOG_DIR_NOT_FOUND
    assert await ask(client, target, "missing") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await ask(client, target, "t", 1) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await ask(client, target, "x" * 249) == ErrorCode.INVALID_TOPIC_EXCEPTION
    await node.create_topic("far", replicas=[9], isr=[9], leader=9)
    assert await ask(client, target, "far") == ErrorCode.REPLICA_NOT_AVAILABLE


async def test_a_partition_to_come_is_made_where_it_was_asked_for(node: MiniNode, client: WireClient) -> None:
    for path in node.directories.directories:
        name = f"new-{Path(path).name}"
        assert await ask(client, path, name) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        await node.create_topic(name)
        assert node.replicas.replica(name, 0).log.log_dir == path


async def test_cordoned_directories_take_nothing(tmp_path: Path) -> None:
    cordoned = {"cordoned.log.dirs": str(tmp_path / "data-1")}
    async with mini_node(tmp_path, cordoned, log_dirs=2) as node, connected(node) as client:
        node.directories.cordoned = frozenset({str(tmp_path / "data-1")})
        await node.create_topic("t")
        assert await ask(client, str(tmp_path / "data-1")) == ErrorCode.INVALID_REPLICA_ASSIGNMENT


def test_only_so_many_wishes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_moves, "PREFERRED_MAX", 2)

    class Manager:
        directories = None

    moves = directory_moves.DirectoryMoves(Manager())  # type: ignore[arg-type]
    for index in range(3):
        moves._prefer(TopicPartition("t", index), "/d")
    assert [moves.take_preferred(TopicPartition("t", index)) for index in range(3)] == [None, "/d", "/d"]


# Interrupted.


def known(node: MiniNode) -> list[TopicRecord | PartitionRecord]:
    """The metadata of the topic, for a node that starts with it; the partition is assigned to where it lies."""
    topic = node.metadata.image.topics.by_name["t"]
    directory_id = node.directories.of(replica_of(node).log).id
    assert directory_id is not None
    partition = PartitionRecord(
        topic_id=topic.id,
        partition_id=0,
        replicas=[1],
        isr=[1],
        leader=1,
        leader_epoch=0,
        partition_epoch=0,
        directories=[directory_id],
    )
    return [TopicRecord(name="t", topic_id=topic.id), partition]


async def interrupted(tmp_path: Path, held: Held) -> tuple[str, list[TopicRecord | PartitionRecord]]:
    """A node that stopped with a move under way: where to, and what the metadata says."""
    give_ids(tmp_path, 2)
    async with mini_node(tmp_path, log_dirs=2) as node, connected(node) as client:
        await node.create_topic("t")
        await fill(client)
        target = elsewhere(node)[0]
        await begun(node, client, held, target)
        directory_moves._copy(replica_of(node).log, node.directories.future_logs[T0], 0, 0, 1 << 20, wait=True)
        await node.replicas.moves.stop()
        return target, known(node)


async def test_it_goes_on_after_a_restart(tmp_path: Path, held: Held) -> None:
    target, metadata = await interrupted(tmp_path, held)
    held.is_held = False
    async with mini_node(tmp_path, log_dirs=2, known=metadata) as node, connected(node) as client:
        await done(node)
        assert replica_of(node).log.log_dir == target
        assert await all_values(client) == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_future_log_of_no_partition_is_deleted(tmp_path: Path, held: Held) -> None:
    target, _ = await interrupted(tmp_path, held)
    async with mini_node(tmp_path, log_dirs=2) as node:
        assert node.directories.future_logs == {}
        assert all(each.endswith("-delete") for each in entries(target))


async def test_a_future_log_of_another_topic_is_deleted(tmp_path: Path, held: Held) -> None:
    target, metadata = await interrupted(tmp_path, held)
    for record in metadata:
        record.topic_id = Uuid(b"another topic id")
    async with mini_node(tmp_path, log_dirs=2, known=metadata) as node:
        assert node.directories.future_logs == {}
        assert all(each.endswith("-delete") for each in entries(target))
        assert replica_of(node).log.log_end_offset == 0


async def test_the_last_step_is_finished(tmp_path: Path, held: Held) -> None:
    """A node that died between the two renames: the old log is aside, and the new one has not its name yet."""
    target, metadata = await interrupted(tmp_path, held)
    (source,) = [path for path in tmp_path.glob("data-*") if str(path) != target]
    (source / "t-0").rename(source / "t-0.0123456789abcdef0123456789abcdef-delete")
    async with mini_node(tmp_path, log_dirs=2, known=metadata) as node, connected(node) as client:
        assert replica_of(node).log.directory == f"{target}/t-0"
        assert await all_values(client) == [b"0", b"1", b"2", b"3", b"4"]
        assert node.assigned[-1][2] == node.directories.directories[target].id


async def test_a_copy_is_not_taken_for_the_log_of_a_directory_that_is_gone(tmp_path: Path, held: Held) -> None:
    target, metadata = await interrupted(tmp_path, held)
    (source,) = [path for path in tmp_path.glob("data-*") if str(path) != target]
    properties = source / "meta.properties"
    properties.write_text(properties.read_text().replace("directory.id=", "directory.id=B"))
    (source / "t-0").rename(tmp_path / "elsewhere")
    async with mini_node(tmp_path, log_dirs=2, known=metadata) as node:
        assert node.replicas.why_missing(*T0) == ErrorCode.KAFKA_STORAGE_ERROR
        assert any(each.endswith("-future") for each in entries(target))


async def test_a_rename_that_fails_leaves_the_partition_as_it_was(node: MiniNode, client: WireClient) -> None:
    await fill(client)
    source, target = replica_of(node).log.log_dir, elsewhere(node)[0]
    (Path(target) / "t-0" / "in the way").mkdir(parents=True)
    assert await ask(client, target) == ErrorCode.NONE
    await done(node)
    assert node.failed_directories == [target]
    assert replica_of(node).log.directory == f"{source}/t-0"
    assert entries(source) == ["t-0"]
    await fill(client, 1, start=5)
    assert await all_values(client) == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_asking_is_refused_with_a_reason(node: MiniNode) -> None:
    with pytest.raises(ApiError) as refused:
        node.replicas.moves.move(T0, "/nowhere")
    assert refused.value.code == ErrorCode.LOG_DIR_NOT_FOUND
    assert "log.dirs" in (refused.value.message or "")


async def test_an_emptied_partition(node: MiniNode, client: WireClient) -> None:
    """Whose records were deleted: it has none, and does not begin at 0."""
    await fill(client)
    log = replica_of(node).log
    log.roll(0)
    log.advance_log_start_offset(5)
    assert log.delete_old_segments(0) == 1
    target = elsewhere(node)[0]
    assert await ask(client, target) == ErrorCode.NONE
    await done(node)
    log = replica_of(node).log
    assert (log.log_dir, log.log_start_offset, log.log_end_offset) == (target, 5, 5)
    await fill(client, 1, start=5)
    assert await all_values(client, 5) == [b"5"]


async def test_offsets_that_are_missing(node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As compaction leaves them, here between two copies."""
    monkeypatch.setattr(directory_moves, "COPY_BYTES", 1)
    await fill(client, 2)
    log = replica_of(node).log
    log.roll(0)
    await fill(client, 1, start=2)
    log.roll(0)
    await fill(client, 2, start=3)
    (hole,) = [segment for segment in log.segments if segment.base_offset == 2]
    log.segments = [segment for segment in log.segments if segment is not hole]
    assert await ask(client, elsewhere(node)[0]) == ErrorCode.NONE
    await done(node)
    log = replica_of(node).log
    assert (log.segments[0].base_offset, log.log_start_offset, log.log_end_offset) == (0, 0, 5)
    assert values_of(await fetch(client, "t", 0)) == [b"0", b"1", b"3", b"4"]


async def test_a_hole_before_the_end(node: MiniNode, client: WireClient) -> None:
    """As compaction leaves it where the last segment is empty yet."""
    await fill(client, 2)
    log = replica_of(node).log
    log.skip_to(5, 0)
    log.advance_high_watermark(5)
    assert await ask(client, elsewhere(node)[0]) == ErrorCode.NONE
    await done(node)
    log = replica_of(node).log
    assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (0, 5, 5)
    await fill(client, 1, start=5)
    assert values_of(await fetch(client, "t", 0)) == [b"0", b"1"]
    assert values_of(await fetch(client, "t", 2)) == [b"5"]


async def test_records_that_were_deleted_meanwhile_are_gone_for_good(
    node: MiniNode, client: WireClient, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the log begins is on disk before it lies there, so that a crash does not bring them back."""
    await fill(client)
    target = elsewhere(node)[0]
    await begun(node, client, held, target)
    directory_moves._copy(replica_of(node).log, node.directories.future_logs[T0], 0, 0, 1 << 20, wait=True)
    partition = DeleteRecordsRequest.DeleteRecordsPartition(partition_index=0, offset=3)
    topics = [DeleteRecordsRequest.DeleteRecordsTopic(name="t", partitions=[partition])]
    await client.ask(DeleteRecordsRequest(topics=topics, timeout_ms=1000), 2, DeleteRecordsResponse)
    stored: list[dict[TopicPartition, int]] = []
    replace = node.directories.replace_with_future

    def replace_with_future(topic_partition: TopicPartition, now_ms: int) -> list[CheckpointJob]:
        data = (Path(target) / LOG_START_OFFSET_CHECKPOINT).read_bytes()
        stored.append(decode_offsets(data))
        return replace(topic_partition, now_ms)

    monkeypatch.setattr(node.directories, "replace_with_future", replace_with_future)
    held.is_held = False
    await done(node)
    assert stored == [{T0: 3}]
    assert (replica_of(node).log.log_dir, replica_of(node).log.log_start_offset) == (target, 3)
    assert await all_values(client, 3) == [b"3", b"4"]


async def test_a_topic_made_anew_can_be_moved_where_the_old_one_was_on_its_way(
    node: MiniNode, client: WireClient, held: Held
) -> None:
    target = elsewhere(node)[0]
    await begun(node, client, held, target)
    old = node.replicas.moves._moves[T0]
    await node.delete_topic("t")
    await node.create_topic("t")
    # As if the copying thread had not come back yet.
    node.replicas.moves._moves[T0] = old
    held.is_held = False
    if replica_of(node).log.log_dir == target:
        target = elsewhere(node)[0]
        old.path = target
    assert await ask(client, target) == ErrorCode.NONE
    await done(node)
    assert replica_of(node).log.log_dir == target


async def test_a_sync_of_the_log_before_that_fails_leaves_nobody_waiting(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was under way when its log was replaced; what was appended meanwhile is to be synced where it lies now."""
    replica, flusher = replica_of(node), node.replicas._flusher
    requested: list[Replica] = []
    monkeypatch.setattr(flusher, "request", requested.append)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(StorageError("/before", "as if"))
    await fill(client, 1)
    job = replica.log.flush_begin()
    assert job is not None
    flusher._again.add(replica)
    flusher._done(replica, job, failed, 0.0)
    assert requested == [replica]


async def test_what_was_to_be_copied_is_deleted_on_the_way_to_it(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(client)
    real, refusals = directory_moves._copy, 2

    def copy(current: Log, future: Log, leader_epoch: int, now_ms: int, max_bytes: int, *, wait: bool) -> bool:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE)
        return real(current, future, leader_epoch, now_ms, max_bytes, wait=wait)

    monkeypatch.setattr(directory_moves, "_copy", copy)
    target = elsewhere(node)[0]
    assert await ask(client, target) == ErrorCode.NONE
    await done(node)
    assert (replica_of(node).log.log_dir, await all_values(client)) == (target, [b"0", b"1", b"2", b"3", b"4"])
