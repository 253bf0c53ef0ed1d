"""Brokers whose connection breaks: fenced at once if their listener refuses, left alone if anything says they live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from broker.controller import broker_watch
from broker.controller.broker_watch import BrokerWatch
from broker.controller.heartbeats import BrokerIncarnation
from protocol.errors import ErrorCode
from tests.unit.broker.controller.test_controller import Node, heartbeat, registration


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_watch, "TRIES_S", (0.0, 0.0, 0.0))


class Connection:
    def __init__(self) -> None:
        self.on_lost: Callable[[], None] | None = None

    def break_off(self) -> None:
        assert self.on_lost is not None
        self.on_lost()


class Bench:
    """Brokers 1 (of this process) and 2, both unfenced; `refuses` says what the listener of 2 does."""

    def __init__(self) -> None:
        self.node = Node(local_incarnation=1)
        self.tries: list[tuple[str, int]] = []
        self.refuses: Callable[[], bool] = lambda: True
        self.watch = BrokerWatch(self.node.controller, "PLAINTEXT", self._is_refused)
        self.broker = BrokerIncarnation(2, -1)

    async def _is_refused(self, host: str, port: int, timeout_s: float) -> bool:
        self.tries.append((host, port))
        return self.refuses()

    async def start(self) -> Connection:
        self.node.quorum.elect()
        await self.node.register(1, incarnation=1)
        self.broker = BrokerIncarnation(2, await self.node.register(2, incarnation=2))
        return self.heard()

    def heard(self) -> Connection:
        connection = Connection()
        self.watch.heard(self.broker, connection)
        return connection

    @property
    def is_fenced(self) -> bool:
        return self.node.cache.image.cluster.brokers[2].fenced

    async def rest(self) -> None:
        async with asyncio.timeout(10):
            while self.watch._checks:
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)


async def test_a_broken_connection_and_a_refusal_mean_death() -> None:
    bench = Bench()
    connection = await bench.start()
    connection.break_off()
    await bench.rest()
    assert bench.is_fenced and bench.tries == [("h", 9092)]
    assert not bench.node.cache.image.cluster.brokers[1].fenced


async def test_the_kernel_closes_one_thing_after_the_other() -> None:
    bench = Bench()
    connection = await bench.start()
    answers = iter([False, True])
    bench.refuses = lambda: next(answers)
    connection.break_off()
    await bench.rest()
    assert bench.is_fenced and len(bench.tries) == 2


async def test_whoever_still_listens_has_its_session() -> None:
    bench = Bench()
    connection = await bench.start()
    bench.refuses = lambda: False
    connection.break_off()
    await bench.rest()
    assert not bench.is_fenced and len(bench.tries) == 3


async def test_the_last_connection_counts() -> None:
    bench = Bench()
    first = await bench.start()
    second = bench.heard()
    first.break_off()
    await bench.rest()
    assert not bench.tries
    second.break_off()
    await bench.rest()
    assert bench.is_fenced


async def test_whoever_is_heard_of_meanwhile_lives() -> None:
    bench = Bench()
    connection = await bench.start()

    def refuses() -> bool:
        bench.node.clock.now_s += 1
        bench.node.controller.handle(heartbeat(*bench.broker, bench.node.loader.published_offset), 2)
        return True

    bench.refuses = refuses
    connection.break_off()
    await bench.rest()
    assert bench.tries and not bench.is_fenced


async def test_a_new_controller_looks_for_all_it_has_not_heard_of() -> None:
    bench = Bench()
    await bench.start()
    bench.node.quorum.depose()
    await bench.rest()
    assert not bench.tries
    bench.node.quorum.elect()
    await bench.rest()
    assert bench.is_fenced and len(bench.tries) == 1


async def test_a_broken_connection_to_one_that_is_no_controller_any_more_means_nothing() -> None:
    bench = Bench()
    connection = await bench.start()
    bench.node.quorum.depose()
    connection.break_off()
    await bench.rest()
    assert not bench.tries and not bench.is_fenced


async def test_a_restart_need_not_wait_for_the_session_of_the_dead() -> None:
    """Whoever holds the same log directories, which are locked, has outlived whoever held them before."""
    bench = Bench()
    connection = await bench.start()
    assert await bench.node.refused(registration(2, incarnation=3)) == ErrorCode.DUPLICATE_BROKER_REGISTRATION
    bench.refuses = lambda: False
    connection.break_off()
    await bench.rest()
    elsewhere = registration(2, incarnation=3)
    elsewhere.log_dirs = registration(5).log_dirs
    assert await bench.node.refused(elsewhere) == ErrorCode.DUPLICATE_BROKER_REGISTRATION
    assert await bench.node.register(2, incarnation=3) > bench.broker.epoch
