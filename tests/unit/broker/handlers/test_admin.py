"""Configurations, loggers, forwarding and producer ids."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broker import logs
from protocol.errors import ErrorCode
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResponse
from protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tests.unit.broker.mini_node import MiniNode, WireClient, connected, mini_node

TOPIC, BROKER, LOGGER, GROUP = 2, 4, 8, 32
DYNAMIC_TOPIC, STATIC_BROKER, DEFAULT = 1, 4, 5


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path, {"log.retention.hours": "5"}) as running:
        await running.create_topic("t", configs={"cleanup.policy": "compact"})
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


@pytest.fixture
def server_level() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    yield
    logs.set_level("server", None)
    logs.set_level(logs.ROOT, before)


async def describe(
    client: WireClient, kind: int, name: str, keys: list[str] | None = None, version: int = 4
) -> DescribeConfigsResponse.DescribeConfigsResult:
    resource = DescribeConfigsRequest.DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=keys
    )
    request = DescribeConfigsRequest(resources=[resource], include_synonyms=True, include_documentation=version >= 3)
    return (await client.ask(request, version, DescribeConfigsResponse)).results[0]


@pytest.mark.parametrize("version", range(1, 5))
async def test_a_topics_configuration(client: WireClient, version: int) -> None:
    result = await describe(client, TOPIC, "t", version=version)
    assert result.error_code == ErrorCode.NONE
    configs = {config.name: config for config in result.configs}
    assert configs["cleanup.policy"].value == "compact"
    assert configs["cleanup.policy"].config_source == DYNAMIC_TOPIC
    assert configs["retention.ms"].value == str(5 * 3_600_000)
    assert configs["segment.bytes"].config_source == DEFAULT
    assert [each.source for each in configs["cleanup.policy"].synonyms] == [DYNAMIC_TOPIC, DEFAULT]
    if version >= 3:
        assert configs["segment.bytes"].documentation
        assert configs["segment.bytes"].config_type == 3


async def test_a_brokers_configuration(client: WireClient) -> None:
    result = await describe(client, BROKER, "1", ["log.retention.hours", "num.partitions", "node.id"])
    configs = {config.name: config for config in result.configs}
    assert set(configs) == {"log.retention.hours", "num.partitions", "node.id"}
    assert configs["log.retention.hours"].value == "5"
    assert configs["node.id"].config_source == STATIC_BROKER
    assert configs["node.id"].read_only
    assert len((await describe(client, BROKER, "1")).configs) > 300
    assert (await describe(client, BROKER, "")).configs == []


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (TOPIC, "missing", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a/b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "2", ErrorCode.INVALID_REQUEST),
        (BROKER, "x", ErrorCode.INVALID_REQUEST),
        (LOGGER, "", ErrorCode.INVALID_REQUEST),
        (GROUP, "", ErrorCode.INVALID_REQUEST),
        (99, "x", ErrorCode.INVALID_REQUEST),
    ],
)
async def test_what_has_no_configuration_here(client: WireClient, kind: int, name: str, code: ErrorCode) -> None:
    result = await describe(client, kind, name)
    assert (result.error_code, result.configs) == (code, [])
    assert result.error_message


@pytest.mark.usefixtures("server_level")
async def test_levels_of_logs(client: WireClient) -> None:
    async def alter(name: str, operation: int, value: str | None, broker: str = "1") -> int:
        config = IncrementalAlterConfigsRequest.AlterableConfig(name=name, config_operation=operation, value=value)
        resource = IncrementalAlterConfigsRequest.AlterConfigsResource(
            resource_type=LOGGER, resource_name=broker, configs=[config]
        )
        request = IncrementalAlterConfigsRequest(resources=[resource])
        return (await client.ask(request, 1, IncrementalAlterConfigsResponse)).responses[0].error_code

    assert await alter("server", 0, "DEBUG") == ErrorCode.NONE
    assert logging.getLogger("broker.server").level == logging.DEBUG
    (shown,) = (await describe(client, LOGGER, "1", ["server"])).configs
    assert (shown.name, shown.value) == ("server", "DEBUG")
    assert await alter("server", 0, "LOUD") == ErrorCode.INVALID_CONFIG
    assert await alter("nobody", 0, "INFO") == ErrorCode.INVALID_CONFIG
    assert await alter("server", 2, "INFO") == ErrorCode.INVALID_REQUEST
    assert await alter("root", 1, None) == ErrorCode.INVALID_REQUEST
    assert await alter("server", 0, "INFO", broker="2") == ErrorCode.INVALID_REQUEST
    assert logging.getLogger("broker.server").level == logging.DEBUG
    # What has no level of its own follows the root.
    assert await alter("root", 0, "ERROR") == ErrorCode.NONE
    assert logging.getLogger("broker.server").level == logging.DEBUG
    assert logging.getLogger("raft").level == logging.ERROR
    assert await alter("server", 1, None) == ErrorCode.NONE
    assert logging.getLogger("broker.server").level == logging.ERROR


async def test_forwarding(node: MiniNode, client: WireClient) -> None:
    topic = CreateTopicsRequest.CreatableTopic(name="made", num_partitions=3, replication_factor=1)
    response = await client.ask(CreateTopicsRequest(topics=[topic]), 7, CreateTopicsResponse)
    assert response.topics[0].error_code == ErrorCode.NONE
    assert len(node.replicas) == 4


@pytest.mark.parametrize("version", range(6))
async def test_producer_ids_are_new(client: WireClient, version: int) -> None:
    seen = set()
    for _ in range(10):
        response = await client.ask(InitProducerIdRequest(transactional_id=None), version, InitProducerIdResponse)
        assert (response.error_code, response.producer_epoch) == (ErrorCode.NONE, 0)
        seen.add(response.producer_id)
    assert len(seen) == 10


async def test_blocks_are_asked_for_in_time(node: MiniNode) -> None:
    ids = node.services.producer_ids
    taken = {await ids.wait() for _ in range(2500)}
    assert len(taken) == 2500
    assert max(taken) < 4000
    waits = 0
    for _ in range(5000):
        if ids.take() is None:
            waits += 1
        await asyncio.sleep(0)
    assert waits == 0, "the next block came before the last was used up"


async def test_requests_for_producer_ids_that_are_refused(client: WireClient) -> None:
    for request, code in (
        (InitProducerIdRequest(transactional_id="x"), ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        (InitProducerIdRequest(transactional_id=""), ErrorCode.INVALID_REQUEST),
        (InitProducerIdRequest(transactional_id=None, producer_id=5), ErrorCode.INVALID_REQUEST),
    ):
        response = await client.ask(request, 5, InitProducerIdResponse)
        assert (response.error_code, response.producer_id, response.producer_epoch) == (code, -1, -1)
