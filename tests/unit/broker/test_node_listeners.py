"""Listeners that open and close while connections are served, with a toy protocol on them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from broker.environment import SystemClock, ThreadExecutor
from broker.node_listeners import NodeListeners, connection_limits, server_limits
from broker.server.limits import NO_LIMIT, ListenerLimits
from broker.server.listeners import Server
from broker.sockets import bind
from config.dynamic import ConfigLayers
from config.properties import load_node_config
from tests.unit.broker.server.harness import Client, Toy

LISTENERS = "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"
STATIC = [
    f"listeners={LISTENERS}",
    "advertised.listeners=PLAINTEXT://127.0.0.1:9092",
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTRA:PLAINTEXT",
]


class Bench:
    def __init__(self, listeners: NodeListeners, layers: ConfigLayers) -> None:
        self.listeners = listeners
        self.layers = layers

    def set(self, settings: Mapping[str, str]) -> None:
        self.layers = self.layers.with_dynamic({}, settings)
        self.listeners.reconfigure(self.layers)

    @property
    def ports(self) -> dict[str, int]:
        return {endpoint.listener_name: endpoint.port for endpoint in self.listeners.endpoints}

    async def connect(self, name: str) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.ports[name]))


@asynccontextmanager
async def opened(settings: Mapping[str, str] | None = None) -> AsyncIterator[Bench]:
    """`settings` are in force before the listeners open, as those in the metadata at a start."""
    layers = ConfigLayers(load_node_config(overrides=STATIC).config)
    listeners, executor = NodeListeners(layers.static), ThreadExecutor()
    limits = server_limits(layers.static)
    servers = [Server(Toy().start, limits, SystemClock(), executor) for _ in range(2)]
    bench = Bench(listeners, layers)
    try:
        listeners.bind()
        if settings:
            bench.set(settings)
        await listeners.open_of_controller(servers[1])
        await listeners.open_of_broker(servers[0])
        yield bench
    finally:
        for server in servers:
            await server.stop(0.0)
        listeners.close()
        executor.close()


async def answers(client: Client) -> bool:
    client.send(b"ahello")
    return await client.receive() == b"hello"


async def test_a_listener_opens_and_closes_with_its_connections() -> None:
    async with opened() as bench:
        before = bench.ports
        bench.set({"listeners": f"{LISTENERS},EXTRA://127.0.0.1:0"})
        extra, plain = await bench.connect("EXTRA"), await bench.connect("PLAINTEXT")
        assert await answers(extra) and await answers(plain)
        bench.set({})
        assert await extra.is_closed()
        assert await answers(plain)
        assert bench.ports == before


async def test_a_listener_that_stays_keeps_its_address() -> None:
    async with opened() as bench:
        before = bench.ports
        bench.set({"listeners": "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"})
        assert bench.ports == before


async def test_what_is_set_before_the_start_holds_from_the_start() -> None:
    async with opened({"listeners": f"{LISTENERS},EXTRA://127.0.0.1:0", "max.connections": "1"}) as bench:
        assert await answers(await bench.connect("EXTRA"))
        assert await (await bench.connect("PLAINTEXT")).is_closed()


async def test_an_address_that_is_taken_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    taken = bind("127.0.0.1", 0)
    taken.listen()
    async with opened() as bench:
        with caplog.at_level(logging.ERROR):
            bench.set({"listeners": f"{LISTENERS},EXTRA://127.0.0.1:{taken.getsockname()[1]}"})
        assert "EXTRA" not in bench.ports
        assert "cannot be opened" in caplog.text
        assert await answers(await bench.connect("PLAINTEXT"))
    taken.close()


def test_limits_of_a_listener() -> None:
    settings = {"listener.name.plaintext.max.connections": "5", "max.connection.creation.rate": "7"}
    layers = ConfigLayers(load_node_config(overrides=STATIC).config, {}, settings)
    limits = connection_limits(layers.effective)
    assert limits.max_creation_rate == 7
    assert limits.of_listeners["PLAINTEXT"] == ListenerLimits(5, NO_LIMIT)
    assert limits.of_listeners["CONTROLLER"] == ListenerLimits()
