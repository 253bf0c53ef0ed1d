"""A node in this process, and what metrics.port says of it from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.environment import real_environment, thread_cpu_s
from broker.errors import StartupError
from broker.format_command import format_new_directories
from broker.metrics import listener
from broker.metrics.node_samples import NodeSamples
from broker.metrics.page import Samples, Slices
from broker.node import Node
from config.properties import load_node_config
from tests.support.metrics_page import samples_of
from tests.support.node import ROOT

DEADLINE_S = 60.0
PROPERTIES = {
    "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
    "metrics.port": "0",
    "offsets.topic.num.partitions": "2",
}


def made(directory: Path, **properties: str) -> Node:
    wanted = {**PROPERTIES, **{key.replace("_", "."): value for key, value in properties.items()}}
    config = load_node_config(
        overrides=[f"{key}={value}" for key, value in wanted.items()], data_dir=directory / "data"
    ).config
    environment = real_environment(2)
    format_new_directories(config, environment, None)
    return Node(config, environment)


@asynccontextmanager
async def running(directory: Path, **properties: str) -> AsyncIterator[Node]:
    node = made(directory, **properties)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


async def get(node: Node, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.metrics.port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), DEADLINE_S)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def test_a_running_node_is_alive_and_ready(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        assert await get(node, "/healthz") == (200, b"ok\n")
        assert await get(node, "/readyz") == (200, b"ready\n")
        assert await get(node, "/v1/status/ready") == (200, b"ready\n")
        status, page = await get(node, "/metrics")
        assert status == 200
        states = [each.value for each in samples_of(page) if each.name == "kafka_server_kafkaserver_brokerstate"]
        assert states == [3.0]


async def test_while_it_starts_and_stops_a_node_is_alive_and_not_ready(tmp_path: Path) -> None:
    node = made(tmp_path)
    goes_on = asyncio.Event()
    load = node._load_logs

    async def held() -> None:
        await goes_on.wait()
        await load()

    node._load_logs = held  # type: ignore[method-assign]
    starting = asyncio.create_task(node.start())
    async with asyncio.timeout(DEADLINE_S):
        while node.metrics.port < 0:
            await asyncio.sleep(0.01)
        assert await get(node, "/healthz") == (200, b"ok\n")
        status, reason = await get(node, "/readyz")
        assert (status, reason) == (503, b"the node is starting: metadata and logs are being loaded\n")
        goes_on.set()
        await starting
        assert await get(node, "/readyz") == (200, b"ready\n")
    hand_over = node.lifecycle.controlled_shutdown
    answers: list[tuple[int, bytes]] = []

    async def noted(timeout_s: float) -> None:
        answers.append(await get(node, "/healthz"))
        answers.append(await get(node, "/readyz"))
        await hand_over(timeout_s)

    node.lifecycle.controlled_shutdown = noted  # type: ignore[method-assign]
    await node.stop()
    assert answers == [(200, b"ok\n"), (503, b"the node stops\n")]


async def test_a_node_that_is_fenced_or_has_failed_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        image = node.quorum.cache.image
        broker = image.cluster.brokers[1]
        fenced = _with(image, cluster=_with(image.cluster, brokers={1: _with(broker, fenced=True)}))
        node.quorum.cache.image = fenced
        assert await get(node, "/readyz") == (503, b"the broker is fenced\n")
        node.quorum.cache.image = image
        node._on_fault(ValueError("a fault"))
        assert await get(node, "/readyz") == (503, b"the node has failed: a fault\n")
        assert await get(node, "/healthz") == (503, b"the node has failed and stops\n")


def _with(struct: Any, **changes: Any) -> Any:
    from msgspec.structs import replace

    return replace(struct, **changes)


async def test_many_scrapes_at_once_get_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as node:
        await get(node, "/metrics")
        goes_on, pages = asyncio.Event(), 0
        page = node.metrics._gatherer.page

        async def held() -> tuple[bytes, float]:
            nonlocal pages
            pages += 1
            await goes_on.wait()
            found: tuple[bytes, float] = await page()
            return found

        node.metrics._gatherer.page = held
        scrapes = [asyncio.create_task(get(node, "/metrics")) for _ in range(listener.WAITING_MAX)]
        async with asyncio.timeout(DEADLINE_S):
            while node.metrics._waiting < listener.WAITING_MAX:
                await asyncio.sleep(0.01)
        assert await get(node, "/metrics") == (503, b"too many scrapes at once\n")
        assert (await get(node, "/healthz"))[0] == 200
        goes_on.set()
        answers = await asyncio.gather(*scrapes)
        assert pages == 1
        assert {status for status, _ in answers} == {200}
        assert len({body for _, body in answers}) == 1
        monkeypatch.setattr(listener, "UNSENT_BYTES_MAX", -1)
        assert (await get(node, "/metrics"))[0] == 503


async def test_pages_take_a_share_of_the_time(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        await get(node, "/metrics")
        metrics, clock = node.metrics, node._environment.clock

        async def dear() -> tuple[bytes, float]:
            return b"", 0.05

        metrics._gatherer.page = dear
        await get(node, "/metrics")
        ended_s = clock.monotonic()
        await get(node, "/metrics")
        assert clock.monotonic() - ended_s >= 0.05 * (listener.SHARE_OF_TIME - 1) * 0.9


async def test_work_between_two_pauses_is_small(tmp_path: Path) -> None:
    """Whatever there are many of, the page takes one after the other."""
    async with running(tmp_path, num_partitions="300") as node:
        await _create_topic(node, "many", 300)
        for shard in node.groups.active_shards():
            for partition in range(300):
                _commit(shard, f"group-{shard.topic_partition.partition}", partition)
        steps: list[int] = []

        class Counted(Samples):
            added = 0

            def add(self, name: str, value: float, *labels: str) -> None:
                self.added += 1
                super().add(name, value, *labels)

        class Stepping(Slices):
            async def pause(self) -> None:
                steps.append(samples.added)
                samples.added = 0

        samples = Counted()
        await NodeSamples(node, node._environment)._gather(samples, Stepping(node._environment.clock, thread_cpu_s), {})
        assert sum(steps) > 300 * 17
        assert max(steps) < 150


async def _create_topic(node: Node, name: str, partitions: int) -> None:
    from protocol.messages.create_topics import CreateTopicsRequest

    topic = CreateTopicsRequest.CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)
    await node.quorum.channel.send(CreateTopicsRequest(topics=[topic], timeout_ms=60_000), 7)
    offsets = CreateTopicsRequest.CreatableTopic(name="__consumer_offsets", num_partitions=2, replication_factor=1)
    await node.quorum.channel.send(CreateTopicsRequest(topics=[offsets], timeout_ms=60_000), 7)
    async with asyncio.timeout(DEADLINE_S):
        while len(node.groups.active_shards()) < 2:
            await asyncio.sleep(0.01)


def _commit(shard: Any, group_id: str, partition: int) -> None:
    from broker.coordinator.group.offsets import OffsetAndMetadata

    shard.store.replay(group_id, "many", partition, OffsetAndMetadata(partition))


# The port.


async def test_a_port_in_use_that_was_asked_for_refuses_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node = made(tmp_path, metrics_port=str(port))
        with pytest.raises(StartupError, match=rf"metrics\.port: cannot listen on 127\.0\.0\.1:{port}"):
            await node.start()


async def test_the_default_port_in_use_costs_the_metrics_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = made(tmp_path)
        del node._config.original["metrics.port"]
        node._config.metrics_port = taken.getsockname()[1]
        with caplog.at_level(logging.WARNING):
            await node.start()
        assert node.why_not_ready() is None
        assert node.metrics.port == -1
        await node.stop()
    assert re.search(r"no metrics and no health are served: cannot listen on .*; set metrics\.port", caplog.text)


@pytest.mark.parametrize("text", ["-1", "", "  "])
async def test_the_port_can_be_switched_off(tmp_path: Path, text: str) -> None:
    async with running(tmp_path, metrics_port=text) as node:
        assert node.metrics.port == -1


def test_loopback_is_the_default_and_an_empty_host_is_no_address() -> None:
    from config.definition import ConfigError

    config = load_node_config().config
    assert (config.metrics_host, config.metrics_port) == ("127.0.0.1", 9404)
    with pytest.raises(ConfigError, match=r"metrics\.host"):
        load_node_config(overrides=["metrics.host="])
    with pytest.raises(ConfigError, match=r"metrics\.port"):
        load_node_config(overrides=["metrics.port=65536"])


def test_nothing_is_imported_before_it_is_asked_for(tmp_path: Path) -> None:
    code = _LAZY.format(directory=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False", "True", "False", "True", "True"]


_LAZY = """
import asyncio, sys

from broker.environment import real_environment
from broker.format_command import format_new_directories
from broker.node import Node
from config.properties import load_node_config


def told():
    print("h11" in sys.modules, "prometheus_client" in sys.modules)


async def get(node, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", node.metrics.port)
    writer.write(f"GET {{path}} HTTP/1.0\\r\\n\\r\\n".encode())
    assert b" 200 " in await reader.read()


async def main():
    wanted = ["listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0", "metrics.port=0", "log.dirs={directory}/d"]
    config = load_node_config(overrides=wanted).config
    environment = real_environment(2)
    format_new_directories(config, environment, None)
    node = Node(config, environment)
    await node.start()
    told()
    await get(node, "/readyz")
    told()
    await get(node, "/metrics")
    told()
    await node.stop()


asyncio.run(main())
"""
