"""What scrapers, browsers and strangers may do to the HTTP listener."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from broker.environment import SystemClock, ThreadExecutor
from broker.metrics import http
from broker.metrics.http import Answer, Handler, HttpServer
from broker.sockets import bind

DEADLINE_S = 30.0


class Served:
    def __init__(self, server: HttpServer, port: int) -> None:
        self.server = server
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, data: bytes) -> bytes:
        """All that comes back until the server hangs up."""
        reader, writer = await self.connect()
        writer.write(data)
        answer = await asyncio.wait_for(_until_the_end(reader), DEADLINE_S)
        writer.close()
        return answer


async def _until_the_end(reader: asyncio.StreamReader) -> bytes:
    got = b""
    try:
        while piece := await reader.read(1 << 16):
            got += piece
    except ConnectionError:
        pass  # it hung up before it had read all
    return got


async def _read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(size)


async def fail() -> Answer:
    raise ValueError("an error of ours")


@asynccontextmanager
async def serving(**more: Handler) -> AsyncIterator[Served]:
    executor = ThreadExecutor(1)
    handlers: dict[str, Handler] = {"/ok": lambda: Answer(200, b"fine\n"), "/fails": fail}
    handlers.update({f"/{path}": handler for path, handler in more.items()})
    server = HttpServer(handlers, SystemClock(), executor)
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    await server.listen(bound)
    try:
        yield Served(server, port)
    finally:
        server.close()
        await asyncio.sleep(0)
        executor.close()


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        (b"GET /ok HTTP/1.1", b"200", b"fine\n"),
        (b"GET /ok?x=1 HTTP/1.1", b"200", b"fine\n"),
        (b"GET /ok HTTP/1.0", b"200", b"fine\n"),
        (b"HEAD /ok HTTP/1.1", b"200", b""),
        (b"GET /no HTTP/1.1", b"404", b"there is: /ok, /fails\n"),
        (b"GET /fails HTTP/1.1", b"500", b"an error in the server; its log tells more\n"),
        (b"POST /ok HTTP/1.1", b"405", b"only GET and HEAD\n"),
        (b"DELETE /ok HTTP/1.1", b"405", b"only GET and HEAD\n"),
    ],
)
async def test_answers(request_line: bytes, status: bytes, body: bytes) -> None:
    async with serving() as served:
        answer = await served.say(request_line + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
        head, _, got = answer.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == status
        assert got == body


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),  # TLS
        (b"\x00\x00\x00\x2a\x00\x12\x00\x03\x00\x00\x00\x01\xff\xff\r\n\r\n", b"400"),  # Kafka
        (b"GET /ok HTTP/1.1\r\n\r\n", b"400"),  # no host
        (b"GET /ok HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", b"400"),
        (b"GET /ok HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello", b"413"),
        (b"GET /ok HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n", b"413"),
        (b"GET /ok HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"413"),
        (b"GET /ok HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n", b"413"),
    ],
)
async def test_what_is_no_request_for_a_page_is_refused_and_closed(data: bytes, status: bytes) -> None:
    async with serving() as served:
        answer = await served.say(data)
        assert answer.split(b" ")[1] == status


async def test_a_head_without_end_is_cut_off() -> None:
    async with serving() as served:
        endless = b"GET /ok HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 100_000
        answer = await served.say(endless)
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"431")
        assert b"200" in await served.say(b"GET /ok HTTP/1.0\r\n\r\n")


async def test_requests_of_a_connection_are_answered_one_after_the_other() -> None:
    order: list[int] = []

    async def slow() -> Answer:
        order.append(1)
        await asyncio.sleep(0.02)
        order.append(2)
        return Answer(200, b"slow\n")

    async with serving(slow=slow) as served:
        reader, writer = await served.connect()
        writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" * 2 + b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n")
        bodies = [(await _read_answer(reader))[1] for _ in range(3)]
        assert bodies == [b"slow\n", b"slow\n", b"fine\n"]
        assert order == [1, 2, 1, 2]
        writer.close()


async def test_who_says_nothing_or_trickles_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_S", 0.1)
    async with serving() as served:
        assert await served.say(b"") == b""

        reader, writer = await served.connect()

        async def trickle() -> None:
            for byte in b"GET /ok HTTP/1.1\r\n" + b"x: y\r\n" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        assert await asyncio.wait_for(_until_the_end(reader), DEADLINE_S) == b""
        trickling.cancel()


async def test_who_does_not_read_the_answer_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_S", 0.1)
    large = bytes(64 * 1024 * 1024)
    async with serving(large=lambda: Answer(200, large)) as served:
        _, writer = await served.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(DEADLINE_S):
            while not served.server.unsent_bytes:
                await asyncio.sleep(0.005)
            while served.server._connections:
                await asyncio.sleep(0.005)
        assert served.server.unsent_bytes == 0
        writer.close()


async def test_one_connection_too_many_costs_the_one_that_was_silent_for_longest() -> None:
    async with serving() as served:
        connections = [await served.connect() for _ in range(http.CONNECTIONS_MAX)]
        for reader, writer in connections:
            writer.write(b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await _read_answer(reader))[1] == b"fine\n"
        assert b"200" in await served.say(b"GET /ok HTTP/1.0\r\n\r\n")
        assert await asyncio.wait_for(connections[0][0].read(), DEADLINE_S) == b""
        reader, writer = connections[-1]
        writer.write(b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await _read_answer(reader))[1] == b"fine\n"
        assert served.server.refused == 1
        for _, each in connections:
            each.close()


async def test_while_all_are_busy_one_more_is_refused() -> None:
    release = asyncio.Event()

    async def wait() -> Answer:
        await release.wait()
        return Answer(200, b"late\n")

    async with serving(wait=wait) as served:
        connections = [await served.connect() for _ in range(http.CONNECTIONS_MAX)]
        for _, writer in connections:
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(DEADLINE_S):
            while any(each.is_idle for each in served.server._connections):
                await asyncio.sleep(0.005)
        assert await served.say(b"GET /ok HTTP/1.0\r\n\r\n") == b""
        release.set()
        for reader, writer in connections:
            assert (await _read_answer(reader))[1] == b"late\n"
            writer.close()
