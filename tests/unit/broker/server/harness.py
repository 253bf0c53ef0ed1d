"""A server with a toy protocol: the first byte of a frame says what becomes of it, and how it is answered."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from broker.environment import SystemClock, ThreadExecutor
from broker.server.connection import CloseConnection, Connection, Frame, Held, Outcome, Parked, Parts
from broker.server.listeners import Server, ServerLimits
from broker.sockets import bind


class Toy:
    """`a`: answered at once. `p`: parked under the rest of the frame. `h`: held. `n`: no answer. `x`: refused.
    `b`: an error of ours."""

    def __init__(self) -> None:
        self.started: list[bytes] = []
        self.futures: dict[bytes, asyncio.Future[bytes]] = {}
        self.parts: dict[bytes, Parts] = {}

    def future(self, name: bytes) -> asyncio.Future[bytes]:
        return self.futures.setdefault(name, asyncio.get_running_loop().create_future())

    def start(self, frame: Frame, connection: Connection) -> Outcome:
        kind, name = bytes(frame[:1]), bytes(frame[1:])
        self.started.append(bytes(frame))
        match kind:
            case b"a":
                return answer(self.parts.get(name, [name]))
            case b"p":
                return Parked(self.future(name), lambda future: answer([future.result()]), cancel_when_gone=True)
            case b"h":
                return Held(self._held(name))
            case b"n":
                return None
            case b"x":
                raise CloseConnection("refused")
            case _:
                raise ValueError("an error of ours")

    async def _held(self, name: bytes) -> Parts:
        return answer([await self.future(name)])


def answer(parts: Parts) -> list[Any]:
    return [struct.pack(">i", sum(len(part) for part in parts)), *parts]


def frame(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *bodies: bytes) -> None:
        self.writer.write(b"".join(frame(body) for body in bodies))

    async def receive(self) -> bytes:
        async with asyncio.timeout(10):
            (size,) = struct.unpack(">i", await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(10):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


class Harness:
    def __init__(self, toy: Toy, server: Server, port: int) -> None:
        self.toy = toy
        self.server = server
        self.port = port
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return Client(reader, writer)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(limits: ServerLimits | None = None) -> AsyncIterator[Harness]:
    toy, executor = Toy(), ThreadExecutor()
    server = Server(toy.start, limits or ServerLimits(), SystemClock(), executor)
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    await server.listen("PLAINTEXT", bound)
    harness = Harness(toy, server, port)
    try:
        yield harness
    finally:
        for writer in harness.writers:
            writer.close()
        await server.stop(0.0)
        executor.close()
