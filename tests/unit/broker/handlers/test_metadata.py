"""Metadata, DescribeTopicPartitions, DescribeCluster: the image as clients see it; topics made by asking for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.handlers import metadata
from broker.handlers.authorized_operations import CLUSTER_OPERATIONS, TOPIC_OPERATIONS
from protocol.errors import ErrorCode
from protocol.ids import Uuid
from protocol.messages.create_topics import CreateTopicsRequest
from protocol.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
)
from protocol.messages.metadata import MetadataRequest, MetadataResponse
from protocol.metadata.brokers import RegisterBrokerRecord
from tests.unit.broker.mini_node import MiniNode, WireClient, connected, mini_node

NOT_REQUESTED = -(2**31)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path) as running:
        for name, partitions in (("b", 2), ("a", 1), ("c", 3)):
            await running.create_topic(name, partitions)
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


def named(*names: str | None) -> list[MetadataRequest.MetadataRequestTopic]:
    return [MetadataRequest.MetadataRequestTopic(name=name) for name in names]


async def ask(client: WireClient, version: int = 12, **fields: object) -> MetadataResponse:
    return await client.ask(MetadataRequest(**fields), version, MetadataResponse)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", range(14))
async def test_all_topics(node: MiniNode, client: WireClient, version: int) -> None:
    response = await ask(client, version, topics=[] if version == 0 else None)
    assert {topic.name: len(topic.partitions) for topic in response.topics} == {"a": 1, "b": 2, "c": 3}
    assert [(broker.node_id, broker.host, broker.port) for broker in response.brokers] == [(1, "127.0.0.1", node.port)]
    for topic in response.topics:
        for partition in topic.partitions:
            assert (partition.error_code, partition.leader_id, partition.replica_nodes) == (0, 1, [1])
    if version >= 2:
        assert response.cluster_id == node.services.cluster_id
    if version >= 1:
        assert response.controller_id == 1


async def test_large_answers_are_made_in_slices(
    node: MiniNode, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "PARTITIONS_AT_ONCE", 2)
    response = await ask(client, topics=[*named("c", "missing", "a", "b")])
    assert {topic.name: len(topic.partitions) for topic in response.topics} == {"a": 1, "b": 2, "c": 3, "missing": 0}


async def test_an_empty_list_is_no_topic(client: WireClient) -> None:
    assert (await ask(client, 1, topics=[])).topics == []


async def test_by_id(node: MiniNode, client: WireClient) -> None:
    topic_id, unknown = node.metadata.image.topics.by_name["b"].id, Uuid(b"u" * 16)
    topics = [MetadataRequest.MetadataRequestTopic(name=None, topic_id=each) for each in (topic_id, unknown)]
    found, missing = (await ask(client, topics=topics)).topics
    assert (found.name, found.topic_id, found.error_code) == ("b", topic_id, 0)
    assert (missing.name, missing.topic_id, missing.error_code) == (None, unknown, ErrorCode.UNKNOWN_TOPIC_ID)
    for version in (10, 11):
        topics = [MetadataRequest.MetadataRequestTopic(name="", topic_id=topic_id)]
        (refused,) = (await ask(client, version, topics=topics)).topics
        assert refused.error_code == ErrorCode.INVALID_REQUEST


async def test_authorized_operations(client: WireClient) -> None:
    response = await ask(client, 8, topics=named("a"))
    assert response.cluster_authorized_operations == NOT_REQUESTED
    assert response.topics[0].topic_authorized_operations == NOT_REQUESTED
    response = await ask(
        client,
        8,
        topics=named("a"),
        include_cluster_authorized_operations=True,
        include_topic_authorized_operations=True,
    )
    assert response.cluster_authorized_operations == CLUSTER_OPERATIONS == 8096
    assert response.topics[0].topic_authorized_operations == TOPIC_OPERATIONS == 3576


async def test_a_missing_topic_is_made_if_that_is_allowed(node: MiniNode, client: WireClient) -> None:
    (missing,) = (await ask(client, topics=named("new"), allow_auto_topic_creation=False)).topics
    assert missing.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await asyncio.sleep(0.01)
    assert node.sent == []
    for _ in range(3):
        client.send(MetadataRequest(topics=named("new", "bad/name")), 12)
    codes = set()
    for _ in range(3):
        codes |= {(each.name, each.error_code) for each in (await client.receive(MetadataResponse, 12)).topics}
    assert ("new", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) in codes
    assert ("bad/name", ErrorCode.INVALID_TOPIC_EXCEPTION) in codes
    async with asyncio.timeout(5):
        while (await ask(client, topics=named("new"))).topics[0].error_code:
            await asyncio.sleep(0.01)
    assert len([request for request in node.sent if isinstance(request, CreateTopicsRequest)]) == 1


async def test_internal_topics_come_with_their_settings(node: MiniNode, client: WireClient) -> None:
    await ask(client, topics=named("__consumer_offsets"))
    async with asyncio.timeout(5):
        while not (await ask(client, topics=named("__consumer_offsets"))).topics[0].is_internal:
            await asyncio.sleep(0.01)
        while "__consumer_offsets" not in node.metadata.image.topics.by_name:
            await asyncio.sleep(0.01)
    configs = node.metadata.image.configs.of_topic("__consumer_offsets")
    assert configs["cleanup.policy"] == "compact"
    assert configs["segment.bytes"] == "104857600"
    assert len(node.metadata.image.topics.by_name["__consumer_offsets"].partitions) == 50


async def test_nothing_is_made_where_that_is_switched_off(tmp_path: Path) -> None:
    async with mini_node(tmp_path, {"auto.create.topics.enable": "false"}) as node, connected(node) as client:
        await ask(client, topics=named("new"))
        await asyncio.sleep(0.01)
        assert node.sent == []


async def test_leaders_out_of_reach(node: MiniNode, client: WireClient) -> None:
    await node.create_topic("leaderless", replicas=[1, 2], isr=[2], leader=-1, directories=[bytes(16)] * 2)
    await node.create_topic("elsewhere", replicas=[1, 2], isr=[2], leader=2, directories=[bytes(16)] * 2)
    await node.publish(
        RegisterBrokerRecord(
            broker_id=2,
            broker_epoch=9,
            fenced=True,
            end_points=[RegisterBrokerRecord.BrokerEndpoint(name="OTHER", host="h", port=1, security_protocol=0)],
        )
    )
    expected = {
        ("leaderless", 12): ErrorCode.LEADER_NOT_AVAILABLE,
        ("elsewhere", 12): ErrorCode.LISTENER_NOT_FOUND,
        ("elsewhere", 5): ErrorCode.LEADER_NOT_AVAILABLE,
    }
    for (name, version), code in expected.items():
        response = await ask(client, version, topics=named(name))
        (partition,) = response.topics[0].partitions
        assert (partition.error_code, partition.leader_id) == (code, -1)
        assert partition.replica_nodes == [1, 2]
        assert partition.offline_replicas == [2]
        assert [broker.node_id for broker in response.brokers] == [1]
    (partition,) = (await ask(client, 0, topics=named("elsewhere"))).topics[0].partitions
    assert partition.replica_nodes == [1]


async def test_describing_partitions_page_by_page(client: WireClient) -> None:
    async def page(**fields: object) -> DescribeTopicPartitionsResponse:
        asked = DescribeTopicPartitionsRequest(**fields)  # type: ignore[arg-type]
        return await client.ask(asked, 0, DescribeTopicPartitionsResponse)

    seen: list[tuple[str | None, int]] = []
    cursor, pages = None, 0
    while True:
        response = await page(response_partition_limit=2, cursor=cursor)
        pages += 1
        seen += [(topic.name, each.partition_index) for topic in response.topics for each in topic.partitions]
        if response.next_cursor is None:
            break
        cursor = DescribeTopicPartitionsRequest.Cursor(
            topic_name=response.next_cursor.topic_name, partition_index=response.next_cursor.partition_index
        )
    assert seen == [("a", 0), ("b", 0), ("b", 1), ("c", 0), ("c", 1), ("c", 2)]
    assert pages == 3
    topics = [DescribeTopicPartitionsRequest.TopicRequest(name=name) for name in ("zz", "b", "no/name")]
    response = await page(topics=topics)
    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        ("b", 0),
        ("no/name", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("zz", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    bad = DescribeTopicPartitionsRequest.Cursor(topic_name="b", partition_index=-1)
    refused = await page(topics=topics, cursor=bad)
    assert {topic.error_code for topic in refused.topics} == {ErrorCode.INVALID_REQUEST}


@pytest.mark.parametrize("version", range(3))
async def test_describing_the_cluster(node: MiniNode, client: WireClient, version: int) -> None:
    await node.publish(
        RegisterBrokerRecord(
            broker_id=2,
            broker_epoch=9,
            fenced=True,
            end_points=[RegisterBrokerRecord.BrokerEndpoint(name="PLAINTEXT", host="h", port=1, security_protocol=0)],
        )
    )
    asked = DescribeClusterRequest(include_cluster_authorized_operations=True, include_fenced_brokers=version == 2)
    response = await client.ask(asked, version, DescribeClusterResponse)
    fenced = {broker.broker_id: broker.is_fenced for broker in response.brokers}
    assert fenced == ({1: False, 2: True} if version == 2 else {1: False})
    assert response.cluster_id == node.services.cluster_id
    assert response.controller_id == 1
    assert response.cluster_authorized_operations == CLUSTER_OPERATIONS
    if version:
        asked.endpoint_type = 2
        refused = await client.ask(asked, version, DescribeClusterResponse)
        assert refused.error_code == ErrorCode.MISMATCHED_ENDPOINT_TYPE
        asked.endpoint_type = 9
        refused = await client.ask(asked, version, DescribeClusterResponse)
        assert refused.error_code == ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
