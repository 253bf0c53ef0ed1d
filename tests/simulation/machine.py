"""A machine of a simulation: a disk in memory, a clock that drifts, and at most one process, which is a whole node."""

from __future__ import annotations

import asyncio
import posixpath
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from broker.environment import Environment, Executor
from broker.errors import StartupError
from broker.formatting import FormatOptions, format_directories
from broker.node import Node
from config.properties import load_node_config
from protocol.errors import StorageError
from protocol.ids import Uuid
from tests.simulation.loop import WALL_START_MS, Life, LifeClock, VirtualLoop
from tests.simulation.network import Network
from tests.support.node_in_memory import Disk

T = TypeVar("T")

POOL: Final = 4
BUGS: Final = (AssertionError, AttributeError, KeyError, IndexError, TypeError)
"""Faults of a node that no disk and no network can bring about."""


class DrawnRandom:
    """A node's Random; it goes on over the lives of a machine."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def uuid(self) -> Uuid:
        raw = bytearray(self._rng.randbytes(16))
        raw[0] = raw[0] & 0x7F | 0x01
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        return Uuid(bytes(raw))

    def randrange(self, start: int, stop: int) -> int:
        return self._rng.randrange(start, stop)

    def random(self) -> float:
        return self._rng.random()


class Slowness:
    """How long the calls of an executor take, at most; a slow disk is a larger number."""

    def __init__(self, delay_s_max: float) -> None:
        self.usual_s = delay_s_max
        self.delay_s_max = delay_s_max


class DrawnExecutor:
    """Calls on the loop, up to `width` at a time under way, each done after a delay drawn by chance."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, slowness: Slowness, width: int = POOL) -> None:
        self._loop = loop
        self._rng = rng
        self._slowness = slowness
        self._width = width
        self._under_way = 0
        self._calls: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        self._lanes: dict[str, DrawnExecutor] = {}

    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        self._calls.append((future, lambda: function(*arguments)))
        self._begin()
        return future

    def lane(self, name: str, threads: int = 1) -> Executor:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = DrawnExecutor(self._loop, self._rng, self._slowness, threads)
        return lane

    def close(self) -> None:
        for each in (self, *self._lanes.values()):
            each._calls.clear()

    def _begin(self) -> None:
        if self._calls and self._under_way < self._width:
            self._under_way += 1
            self._loop.call_later(self._rng.uniform(0, self._slowness.delay_s_max), self._perform)

    def _perform(self) -> None:
        self._under_way -= 1
        if not self._calls:
            return
        future, call = self._calls.popleft()
        if not future.cancelled():
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
        self._begin()


class Machine:
    def __init__(
        self,
        loop: VirtualLoop,
        network: Network,
        node_id: int,
        properties: Mapping[str, str],
        rng: random.Random,
        on_bug: Callable[[str], None],
    ) -> None:
        """`on_bug` is told of exceptions that no fault explains."""
        self.id = node_id
        self.properties = dict(properties)
        self.host = f"10.0.0.{node_id}"
        self.disk = Disk(seed=rng.randrange(1 << 30))
        self._mount(properties["log.dirs"])
        self.life: Life | None = None
        self.node: Node | None = None
        self.is_started = False
        """The node of this life serves."""
        self.slowness = Slowness(0.002)
        self.rate = 1.0
        self.lives = 0
        self._loop = loop
        self._network = network
        self._rng = rng
        self._random = DrawnRandom(rng)
        self._on_bug = on_bug
        self._stopping: asyncio.Event | None = None
        self.start_failures: list[str] = []
        self.lost_writes = 0
        """Power cuts that came before something was synced."""

    def __repr__(self) -> str:
        return f"node {self.id}"

    @property
    def is_alive(self) -> bool:
        return self.life is not None and not self.life.is_dead

    def format(self, cluster_id: str, initial_controllers: str | None) -> None:
        config = load_node_config(overrides=self._overrides()).config
        options = FormatOptions(cluster_id=cluster_id, initial_controllers=initial_controllers)
        format_directories(config, options, self.disk, self._random, WALL_START_MS)

    def _overrides(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.properties.items()]

    def _mount(self, directory: str) -> None:
        """The directory is there for good, as a mount point is."""
        self.disk.make_dirs(directory)
        while directory != "/":
            directory = posixpath.dirname(directory)
            self.disk.sync_dir(directory)

    # Lives.

    def start(self) -> None:
        """Begins a life; the node comes up by itself."""
        assert not self.is_alive
        self.lives += 1
        self._network.host(self.host).is_up = True
        life = self.life = Life(f"node-{self.id}.{self.lives}", self.host, self.rate, self._rng.randrange(-2000, 2000))
        self.disk.on_death = lambda: self._died(with_power=True)
        self.is_started = False
        self._loop.live(life, self._run(life))

    async def _run(self, life: Life) -> None:
        clock = LifeClock(self._loop, life)
        self.disk.now_ms = clock.wall_ms()
        executor = DrawnExecutor(self._loop, self._rng, self.slowness)
        config = load_node_config(overrides=self._overrides()).config
        node = Node(config, Environment(clock, self._random, self.disk, executor))
        self._stopping = stopping = asyncio.Event()
        self.node = node
        try:
            await node.start()
            self.is_started = True
            waits = [asyncio.ensure_future(each.wait()) for each in (stopping, node.failed)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if isinstance(node._fault, BUGS):
                self._on_bug(f"{life.name} has given up: {node._fault!r}")
            await node.stop()
        except Exception as error:
            if not isinstance(error, StartupError | StorageError | OSError) and not life.is_dead:
                self._on_bug(f"{life.name} fails: {error!r}")
            self.start_failures.append(f"{life.name}: {error!r}")
        self.is_started = False
        self.end(with_power=True)

    def ask_to_stop(self) -> None:
        if self._stopping is not None and self.is_started:
            self._stopping.set()

    def end(self, *, with_power: bool) -> None:
        """The process is gone, by itself or by force; what was not synced stays in the page cache unless the power
        went, too."""
        self._died(with_power=with_power)

    def _died(self, *, with_power: bool) -> None:
        life = self.life
        if life is None or life.is_dead:
            return
        life.is_dead = True
        self.is_started = False
        self.node = None
        self.disk.on_death = None
        self._network.process_died(life, with_power=with_power)
        self.lost_writes += not with_power and self.disk.has_unsynced
        # Should the node be in the middle of something, every step on the way out fails.
        self.disk.crash_at_step = 0
        self._loop.at(self._loop.now, self.disk.kill if with_power else self.disk.power_cut)
