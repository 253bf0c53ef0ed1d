"""A whole node in this process over a disk in memory, for crashes that no real disk can be talked into.

A `Machine` has the disk, the randomness and the configuration; each `run` is one life of the node on it: a new event
loop, real sockets on the loopback, and executor calls made on that loop, each after a delay drawn from the seed, so
that everything a life does ends with its loop. A life ends well (work done, node stopped), or in death: by `die`, or
by the disk's `crash_at_step`. What the disk then forgets is for the caller to say (`power_cut`, `kill`).

Whatever reaches the loop's exception handler in a life is a failure of the test, and so is a node that gives up.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from broker.environment import Environment, Executor, SystemClock
from broker.format_command import format_new_directories
from broker.node import Node
from config.properties import load_node_config
from protocol.apis import response_header_version
from protocol.messages.header import ResponseHeader
from protocol.schema import Message, decode, decode_prefix
from tests.support.controller import SeededRandom
from tests.support.memory_files import Crash, MemoryFiles
from tests.support.wire import api_key, frame

T = TypeVar("T")
R = TypeVar("R", bound=Message)

DATA = "/barnabas-in-memory/data"
LIFE_S_MAX = 60.0
POOL = 4

# What cuts short no test: many small segments and snapshots, no waiting for company.
PROPERTIES = {
    "log.dirs": DATA,
    "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
    "group.initial.rebalance.delay.ms": "0",
    "metrics.port": "-1",
    "offsets.topic.num.partitions": "2",
    "log.index.interval.bytes": "256",
    "metadata.log.max.record.bytes.between.snapshots": "1500",
}


class Died(Exception):
    """The machine went down; also what a client is told whose node is gone."""


class Disk(MemoryFiles):
    """Tells the moment of the crash."""

    on_death: Callable[[], None] | None = None
    is_dead = False

    def step(self, operation: str, path: str, *, changes: bool = True) -> None:
        try:
            super().step(operation, path, changes=changes)
        except Crash:
            self._die()
            raise

    def die(self) -> None:
        """Now: nothing more is written."""
        self.crash_at_step = 0
        self._die()

    def _die(self) -> None:
        if not self.is_dead:
            self.is_dead = True
            if self.on_death is not None:
                self.on_death()

    def kill(self) -> None:
        super().kill()
        self.is_dead = False


class LoopExecutor:
    """Calls on the loop, up to `width` at a time under way, each begun a little later than it was given."""

    def __init__(self, rng: random.Random, delay_s_max: float, width: int = POOL) -> None:
        self._rng = rng
        self._delay_s_max = delay_s_max
        self._width = width
        self._under_way = 0
        self._calls: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        self._lanes: dict[str, LoopExecutor] = {}

    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.append((future, lambda: function(*arguments)))
        self._begin()
        return future

    def lane(self, name: str, threads: int = 1) -> Executor:
        return self._lanes.setdefault(name, LoopExecutor(self._rng, self._delay_s_max, threads))

    def close(self) -> None:
        for each in (self, *self._lanes.values()):
            each._calls.clear()

    def _begin(self) -> None:
        if self._calls and self._under_way < self._width:
            self._under_way += 1
            loop = asyncio.get_running_loop()
            if self._delay_s_max:
                loop.call_later(self._rng.uniform(0, self._delay_s_max), self._perform)
            else:
                loop.call_soon(self._perform)

    def _perform(self) -> None:
        self._under_way -= 1
        if not self._calls:
            return
        future, call = self._calls.popleft()
        if not future.cancelled():
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
        self._begin()


class Client:
    """One connection; requests may overlap, answers come in their order."""

    def __init__(self, is_dead: Callable[[], bool], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._is_dead = is_dead
        self._reader = reader
        self._writer = writer
        self._correlation_id = 0
        self._turn: asyncio.Future[None] | None = None

    async def ask(self, request: Message, version: int, answer: type[R]) -> R:
        """The request is on its way when this first waits."""
        self._correlation_id += 1
        correlation_id = self._correlation_id
        before, self._turn = self._turn, asyncio.get_running_loop().create_future()
        mine = self._turn
        self._writer.write(frame(request, version, correlation_id))
        if before is not None:
            await before
        try:
            (size,) = struct.unpack(">i", await self._reader.readexactly(4))
            body = await self._reader.readexactly(size)
        except (OSError, EOFError) as error:
            if self._is_dead():
                raise Died from error
            raise
        mine.set_result(None)
        if self._is_dead():
            raise Died  # It was sent before, but nobody can be sure of that.
        key = api_key(request)
        header, position = decode_prefix(ResponseHeader, response_header_version(key, version), body, 0)
        assert header.correlation_id == correlation_id
        return decode(answer, version, body, position)

    def close(self) -> None:
        self._writer.close()


async def connect(port: int, is_dead: Callable[[], bool] = lambda: False) -> Client:
    return Client(is_dead, *await asyncio.open_connection("127.0.0.1", port, limit=1 << 24))


class Life:
    """The node as it runs, and how to reach it."""

    def __init__(self, node: Node, disk: Disk) -> None:
        self.node = node
        self.disk = disk
        self.port = node.endpoints[0].port

    async def connect(self) -> Client:
        return await connect(self.port, lambda: self.disk.is_dead)


Work = Callable[[Life], Awaitable[T]]


class Machine:
    def __init__(
        self, seed: int, properties: Mapping[str, str] | None = None, *, is_torn: bool = True, delay_s_max: float = 0.0
    ) -> None:
        """`is_torn`: some of what was not synced survives a power cut, drawn from the seed; else nothing of it does."""
        self.disk = Disk(seed=seed if is_torn else None)
        self.rng = random.Random(seed)
        self.properties = {**PROPERTIES, **(properties or {})}
        self._random = SeededRandom(seed)
        self._delay_s_max = delay_s_max

    def run(self, work: Work[T]) -> T:
        """One life. Died if the disk crashed meanwhile."""
        errors: list[str] = []
        with asyncio.Runner() as runner:
            result = runner.run(self._run(work, errors))
        assert not errors, errors
        return result

    async def _run(self, work: Work[T], errors: list[str]) -> T:
        loop = asyncio.get_running_loop()
        death: asyncio.Future[None] = loop.create_future()

        def on_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if not death.done():
                errors.append(f"{context['message']}: {context.get('exception')!r}")

        loop.set_exception_handler(on_error)
        self.disk.on_death = lambda: None if death.done() else death.set_result(None)
        life = asyncio.ensure_future(self._live(work))
        try:
            done, _ = await asyncio.wait((life, death), return_when=asyncio.FIRST_COMPLETED, timeout=LIFE_S_MAX)
            if death.done():
                raise Died
            assert done, f"the life did not end within {LIFE_S_MAX} s"
            return await life
        finally:
            self.disk.on_death = None
            await _cancel_all()

    async def _live(self, work: Work[T]) -> T:
        self.disk.now_ms = SystemClock().wall_ms()
        executor = LoopExecutor(self.rng, self._delay_s_max)
        environment = Environment(SystemClock(), self._random, self.disk, executor)
        overrides = [f"{key}={value}" for key, value in self.properties.items()]
        config = load_node_config(overrides=overrides).config
        format_new_directories(config, environment, None)
        node = Node(config, environment)
        try:
            await node.start()
            result = await work(Life(node, self.disk))
            assert not node.failed.is_set(), "the node has given up"
            await node.stop()
        finally:
            if self.disk.is_dead and hasattr(node, "server"):
                await node.server.stop(0)
            if self.disk.is_dead and node.controller_server is not None:
                await node.controller_server.stop(0)
        return result


async def _cancel_all() -> None:
    """What is left of a node that died; twice, for what only a cancellation sets going."""
    for _ in range(3):
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
