"""What the simulated world promises to those who live in it: clocks, the network, deaths."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tests.simulation.loop import Life, LifeClock, Stuck, VirtualLoop
from tests.simulation.network import Network

SERVER, CLIENT = "10.0.0.1", "10.0.1.1"
PORT = 9092


class Collector(asyncio.Protocol):
    """Keeps what comes, and says what became of the connection."""

    def __init__(self) -> None:
        self.received = b""
        self.transport: Any = None
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class Stage:
    """A server that collects, and a client."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.network = self.loop.network = Network(self.loop, random.Random(1), lambda text: None)
        self.server = Life("server", SERVER)
        self.client = Life("client", CLIENT)
        self.accepted: list[Collector] = []
        self.run(self.server, self._serve())

    def run(self, life: Life, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(self.loop.live(life, coroutine))

    def wait(self, seconds: float) -> None:
        self.run(Life("waiting", "10.0.9.9"), asyncio.sleep(seconds))

    def connect(self) -> Collector:
        _, protocol = self.run(self.client, self.loop.create_connection(Collector, SERVER, PORT))
        assert isinstance(protocol, Collector)
        return protocol

    async def _serve(self) -> None:
        def accept() -> Collector:
            self.accepted.append(Collector())
            return self.accepted[-1]

        await self.loop.create_server(accept, sock=self.network.bind(SERVER, PORT))


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.loop.end()


def test_time_passes_at_once(stage: Stage) -> None:
    before = stage.loop.now
    stage.wait(86_400)
    assert stage.loop.now - before == pytest.approx(86_400)


def test_clocks_drift_and_timers_with_them(stage: Stage) -> None:
    hasty = Life("hasty", "10.0.0.2", rate=1.25)
    clock, before = LifeClock(stage.loop, hasty), stage.loop.now
    began = clock.monotonic()
    stage.run(hasty, asyncio.sleep(10))
    assert clock.monotonic() - began == pytest.approx(10, abs=1e-3)
    assert stage.loop.now - before == pytest.approx(8, abs=1e-3)


def test_who_looks_at_the_clock_when_a_timer_rings_finds_it_due(stage: Stage) -> None:
    life = Life("drifting", "10.0.0.2", rate=1.0137)
    clock = LifeClock(stage.loop, life)

    async def ring() -> None:
        for _ in range(200):
            due = clock.monotonic() + 0.1234567
            await asyncio.sleep(0.1234567)
            assert clock.monotonic() >= due

    stage.run(life, ring())


def test_nobody_to_wait_for_is_an_error(stage: Stage) -> None:
    with pytest.raises(Stuck):
        stage.run(stage.client, asyncio.Event().wait())


def test_the_dead_do_nothing_any_more(stage: Stage) -> None:
    done: list[int] = []

    async def work() -> None:
        try:
            while True:
                done.append(1)
                await asyncio.sleep(1)
        finally:
            done.append(2)

    life = Life("mortal", "10.0.0.2")
    stage.loop.live(life, work())
    stage.wait(5.5)
    life.is_dead = True
    stage.wait(5)
    assert done == [1] * 6


def test_bytes_of_one_connection_keep_their_order(stage: Stage) -> None:
    connection = stage.connect()
    for number in range(100):
        connection.transport.write(b"%03d" % number)
    stage.wait(1)
    assert stage.accepted[0].received == b"".join(b"%03d" % number for number in range(100))


def test_connections_overtake_each_other(stage: Stage) -> None:
    order: list[int] = []
    connections = [stage.connect() for _ in range(20)]
    stage.wait(1)
    for number, accepted in enumerate(stage.accepted):
        accepted.data_received = lambda data, number=number: order.append(number)  # type: ignore[method-assign, misc]
    for connection in connections:
        connection.transport.write(b"x")
    stage.wait(1)
    assert sorted(order) == list(range(20))
    assert order != sorted(order)


def test_a_cut_of_one_direction_holds_bytes_until_it_is_mended(stage: Stage) -> None:
    connection = stage.connect()
    stage.wait(1)
    stage.network.cut(CLIENT, SERVER)
    connection.transport.write(b"there")
    stage.accepted[0].transport.write(b"back")
    stage.wait(1)
    assert (stage.accepted[0].received, connection.received) == (b"", b"back")
    stage.network.mend(CLIENT, SERVER)
    stage.wait(1)
    assert stage.accepted[0].received == b"there"


def test_nobody_listens_and_nobody_answers_are_told_apart(stage: Stage) -> None:
    with pytest.raises(ConnectionRefusedError):
        stage.run(stage.client, stage.loop.create_connection(Collector, SERVER, PORT + 1))
    stage.network.cut(SERVER, CLIENT)
    with pytest.raises(TimeoutError):
        stage.run(stage.client, stage.loop.create_connection(Collector, SERVER, PORT))


def test_a_process_that_dies_resets_its_connections(stage: Stage) -> None:
    connection = stage.connect()
    stage.server.is_dead = True
    stage.network.process_died(stage.server, with_power=True)
    stage.wait(1)
    assert isinstance(connection.lost[0], ConnectionResetError)


def test_a_machine_without_power_says_nothing_until_it_is_up_and_asked(stage: Stage) -> None:
    connection = stage.connect()
    stage.server.is_dead = True
    stage.network.process_died(stage.server, with_power=False)
    connection.transport.write(b"anybody?")
    stage.wait(5)
    assert connection.lost == []
    stage.network.host(SERVER).is_up = True
    connection.transport.write(b"and now?")
    stage.wait(1)
    assert isinstance(connection.lost[0], ConnectionResetError)


def test_closing_lets_what_was_written_arrive(stage: Stage) -> None:
    connection = stage.connect()
    connection.transport.write(b"last words")
    connection.transport.close()
    stage.wait(1)
    assert stage.accepted[0].received == b"last words"
    assert stage.accepted[0].lost == [None]
    assert connection.lost == [None]


def test_who_does_not_read_holds_up_the_writer(stage: Stage) -> None:
    connection = stage.connect()
    stage.wait(1)
    paused: list[str] = []
    connection.pause_writing = lambda: paused.append("paused")  # type: ignore[method-assign]
    connection.resume_writing = lambda: paused.append("resumed")  # type: ignore[method-assign]
    stage.accepted[0].transport.pause_reading()
    connection.transport.write(bytes(200_000))
    stage.wait(1)
    assert (paused, stage.accepted[0].received) == (["paused"], b"")
    stage.accepted[0].transport.resume_reading()
    stage.wait(1)
    assert (paused, len(stage.accepted[0].received)) == (["paused", "resumed"], 200_000)
