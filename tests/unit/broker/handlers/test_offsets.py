"""ListOffsets and OffsetForLeaderEpoch: the special timestamps, times, epochs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import ErrorCode
from protocol.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
from protocol.messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse
from protocol.metadata.topics import PartitionChangeRecord
from tests.unit.broker.mini_node import MiniNode, WireClient, batch, connected, mini_node, produce

LATEST, EARLIEST, MAX_TIMESTAMP, LOCAL, TIERED, PENDING = -1, -2, -3, -4, -5, -6


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path) as running:
        await running.create_topic("t")
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        for timestamp in (1000, 3000, 2000):
            await produce(made, "t", batch(b"a", b"b", timestamp=timestamp))
        yield made


async def look_up(
    client: WireClient, timestamp: int, version: int = 11, current_leader_epoch: int = -1
) -> ListOffsetsResponse.ListOffsetsPartitionResponse:
    asked = ListOffsetsRequest.ListOffsetsPartition(timestamp=timestamp, current_leader_epoch=current_leader_epoch)
    topics = [ListOffsetsRequest.ListOffsetsTopic(name="t", partitions=[asked])]
    request = ListOffsetsRequest(replica_id=-1, topics=topics)
    response = await client.ask(request, version, ListOffsetsResponse)
    return response.topics[0].partitions[0]


@pytest.mark.parametrize(
    ("timestamp", "offset"),
    [(LATEST, 6), (EARLIEST, 0), (LOCAL, 0), (TIERED, -1), (PENDING, -1), (0, 0), (1001, 2), (3000, 2), (3001, -1)],
)
async def test_offsets(client: WireClient, timestamp: int, offset: int) -> None:
    found = await look_up(client, timestamp)
    assert (found.error_code, found.offset) == (ErrorCode.NONE, offset)


async def test_the_largest_timestamp(client: WireClient) -> None:
    found = await look_up(client, MAX_TIMESTAMP)
    assert (found.timestamp, found.offset, found.leader_epoch) == (3000, 2, 0)
    found = await look_up(client, 1500)
    assert (found.timestamp, found.offset) == (3000, 2)


@pytest.mark.parametrize("version", range(1, 12))
async def test_versions(client: WireClient, version: int) -> None:
    assert (await look_up(client, LATEST, version)).offset == 6
    since = {MAX_TIMESTAMP: 7, LOCAL: 8, TIERED: 9, PENDING: 11, -7: 99}
    for timestamp, first in since.items():
        code = (await look_up(client, timestamp, version)).error_code
        assert code == (ErrorCode.NONE if version >= first else ErrorCode.UNSUPPORTED_VERSION)


async def test_consumers_see_no_further_than_the_high_watermark(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("u", replicas=[1, 2], isr=[1, 2], directories=[bytes(16)] * 2)
    await produce(client, "u", batch(b"x", timestamp=5000), acks=1)
    partition = ListOffsetsRequest.ListOffsetsPartition(timestamp=LATEST)
    by_time = ListOffsetsRequest.ListOffsetsPartition(timestamp=4000)
    for asked, replica_id, offset in (
        (partition, -1, 0),
        (partition, -2, 1),
        (partition, 2, 1),
        (by_time, -1, -1),
        (by_time, -2, 0),
    ):
        topics = [ListOffsetsRequest.ListOffsetsTopic(name="u", partitions=[asked])]
        response = await client.ask(ListOffsetsRequest(replica_id=replica_id, topics=topics), 7, ListOffsetsResponse)
        assert response.topics[0].partitions[0].offset == offset


async def test_the_end_is_not_told_before_it_is_known(node: MiniNode, client: WireClient) -> None:
    """KIP-207: a new leader's high watermark may lie behind what its predecessor announced."""
    topic_id = await node.create_topic("u", replicas=[1, 2], isr=[1, 2], directories=[bytes(16)] * 2)
    await produce(client, "u", batch(b"x", timestamp=5000), acks=1)
    await node.publish(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=1))
    for timestamp, version, code in (
        (LATEST, 5, ErrorCode.OFFSET_NOT_AVAILABLE),
        (LATEST, 4, ErrorCode.LEADER_NOT_AVAILABLE),
        (4000, 5, ErrorCode.OFFSET_NOT_AVAILABLE),
        (EARLIEST, 5, ErrorCode.NONE),
    ):
        asked = ListOffsetsRequest.ListOffsetsPartition(timestamp=timestamp)
        topics = [ListOffsetsRequest.ListOffsetsTopic(name="u", partitions=[asked])]
        response = await client.ask(ListOffsetsRequest(replica_id=-1, topics=topics), version, ListOffsetsResponse)
        assert response.topics[0].partitions[0].error_code == code


async def test_errors(client: WireClient) -> None:
    assert (await look_up(client, LATEST, current_leader_epoch=3)).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
    partition = ListOffsetsRequest.ListOffsetsPartition(timestamp=LATEST)
    topics = [
        ListOffsetsRequest.ListOffsetsTopic(name="t", partitions=[partition, partition]),
        ListOffsetsRequest.ListOffsetsTopic(name="missing", partitions=[partition]),
        ListOffsetsRequest.ListOffsetsTopic(name="t2", partitions=[]),
    ]
    response = await client.ask(ListOffsetsRequest(replica_id=-1, topics=topics), 7, ListOffsetsResponse)
    codes = [[each.error_code for each in topic.partitions] for topic in response.topics]
    assert codes == [[ErrorCode.INVALID_REQUEST], [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]]


@pytest.mark.parametrize("version", range(2, 5))
async def test_where_epochs_ended(node: MiniNode, client: WireClient, version: int) -> None:
    topic_id = node.metadata.image.topics.by_name["t"].id
    await node.publish(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=1))
    await produce(client, "t", batch(b"x"))

    async def end_of(epoch: int, current: int = 1) -> tuple[int, int, int]:
        asked = OffsetForLeaderEpochRequest.OffsetForLeaderPartition(leader_epoch=epoch, current_leader_epoch=current)
        topics = [OffsetForLeaderEpochRequest.OffsetForLeaderTopic(topic="t", partitions=[asked])]
        response = await client.ask(OffsetForLeaderEpochRequest(topics=topics), version, OffsetForLeaderEpochResponse)
        (answer,) = response.topics[0].partitions
        return answer.error_code, answer.leader_epoch, answer.end_offset

    assert await end_of(0) == (0, 0, 6)
    assert await end_of(1) == (0, 1, 7)
    assert await end_of(2) == (0, -1, -1)
    assert await end_of(0, current=0) == (ErrorCode.FENCED_LEADER_EPOCH, -1, -1)
