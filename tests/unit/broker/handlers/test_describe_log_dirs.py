"""Log directories: what is in them, how much room there is, which of them failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import ErrorCode, StorageError
from protocol.ids import TopicPartition
from protocol.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse
from protocol.metadata.configs import FeatureLevelRecord
from tests.unit.broker.mini_node import MiniNode, WireClient, batch, connected, mini_node, produce

Result = DescribeLogDirsResponse.DescribeLogDirsResult


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    cordoned = {"cordoned.log.dirs": str(tmp_path / "data-1")}
    async with mini_node(tmp_path, cordoned, log_dirs=2) as running:
        await running.create_topic("t", partitions=4)
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


async def described(
    client: WireClient, topics: dict[str, list[int]] | None = None, version: int = 5
) -> dict[str, Result]:
    """By the last part of the path."""
    asked = None
    if topics is not None:
        asked = [
            DescribeLogDirsRequest.DescribableLogDirTopic(topic=name, partitions=partitions)
            for name, partitions in topics.items()
        ]
    response = await client.ask(DescribeLogDirsRequest(topics=asked), version, DescribeLogDirsResponse)
    assert response.error_code == ErrorCode.NONE
    return {Path(result.log_dir).name: result for result in response.results}


def partitions(results: dict[str, Result]) -> dict[TopicPartition, DescribeLogDirsResponse.DescribeLogDirsPartition]:
    return {
        TopicPartition(topic.name, partition.partition_index): partition
        for result in results.values()
        for topic in result.topics
        for partition in topic.partitions
    }


async def test_all_or_those_that_are_named(client: WireClient) -> None:
    assert sorted(partitions(await described(client))) == [TopicPartition("t", index) for index in range(4)]
    found = await described(client, {"t": [1, 7], "missing": [0]})
    assert sorted(found) == ["data-0", "data-1"]
    assert list(partitions(found)) == [TopicPartition("t", 1)]
    assert partitions(await described(client, {})) == {}


async def test_sizes(client: WireClient) -> None:
    data = batch(b"x" * 1000)
    await produce(client, "t", data, partition=2)
    found = partitions(await described(client))
    sizes = {index: partition.partition_size for (_, index), partition in found.items()}
    assert sizes == {0: 0, 1: 0, 2: len(data), 3: 0}
    assert {(each.offset_lag, each.is_future_key) for each in found.values()} == {(0, False)}


async def test_room(client: WireClient) -> None:
    for result in (await described(client, version=4)).values():
        assert result.total_bytes >= result.usable_bytes > 0
    for result in (await described(client, version=3)).values():
        assert (result.total_bytes, result.usable_bytes) == (-1, -1)


async def test_which_get_no_new_partitions(node: MiniNode, client: WireClient) -> None:
    level = FeatureLevelRecord(name="metadata.version", feature_level=30)
    assert not any(result.is_cordoned for result in (await described(client)).values()), "the level is too low"
    await node.publish(level)
    cordoned = {name: result.is_cordoned for name, result in (await described(client)).items()}
    assert cordoned == {"data-0": False, "data-1": True}


async def test_one_that_has_failed(node: MiniNode, client: WireClient) -> None:
    path = next(path for path in node.directories.directories if path.endswith("data-0"))
    here = [name for name, log in node.directories.logs.items() if log.log_dir == path]
    node.replicas.storage_failed(StorageError(path, "as if"))
    found = await described(client)
    failed = found["data-0"]
    assert (failed.error_code, failed.topics, failed.total_bytes) == (ErrorCode.KAFKA_STORAGE_ERROR, [], -1)
    assert found["data-1"].error_code == ErrorCode.NONE
    assert set(partitions(found)) == {TopicPartition("t", index) for index in range(4)} - set(here)


async def test_a_volume_that_does_not_answer(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str) -> tuple[int, int]:
        raise OSError(f"{path} is gone")

    monkeypatch.setattr(node.directories, "disk_usage", fails)
    for result in (await described(client)).values():
        assert (result.error_code, result.topics) == (ErrorCode.KAFKA_STORAGE_ERROR, [])
