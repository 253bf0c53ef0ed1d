"""A small HTTP server for pages that machines ask for: GET and HEAD, a few at a time, nothing kept in memory for long.

Requests are read by h11, which is imported, off the loop, with the first connection. What a stranger can do is bounded:

    connections        CONNECTIONS_MAX; one more closes the one that has been silent for longest, or is closed itself
    a request          HEAD_BYTES_MAX, no body, whole within REQUEST_S of the connection or of the answer before
    an answer          whoever has not taken it within ANSWER_S is disconnected
    garbage            a status of 4xx and the end of the connection

Requests of a connection are answered one after the other.
Counterpart: none; beside Apache Kafka, the JMX exporter's agent.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, cast

from broker.environment import Clock, Executor

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 32
HEAD_BYTES_MAX: Final = 8 * 1024
REQUEST_S: Final = 10.0
IDLE_S: Final = 330.0
"""A little longer than Prometheus keeps a connection that it does not use."""
ANSWER_S: Final = 30.0
PIECE_BYTES: Final = 256 * 1024
"""Of an answer, handed to the socket at a time."""

TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {200: "OK", 503: "Service Unavailable"}


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = TEXT


Handler = Callable[[], Answer | Awaitable[Answer]]


class HttpServer:
    def __init__(self, handlers: Mapping[str, Handler], clock: Clock, executor: Executor) -> None:
        """`handlers` by path."""
        self.handlers = handlers
        self.clock = clock
        self._executor = executor
        self._server: asyncio.Server | None = None
        self._importing: asyncio.Future[Any] | None = None
        self._connections: dict[_HttpConnection, None] = {}
        self.refused = 0
        self.unsent_bytes = 0
        """Of answers that are being sent."""

    async def listen(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _HttpConnection(self), sock=bound, backlog=CONNECTIONS_MAX)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()

    # From connections.

    def opened(self, connection: _HttpConnection) -> bool:
        if len(self._connections) >= CONNECTIONS_MAX:
            silent = [each for each in self._connections if each.is_idle]
            self.refused += 1
            if not silent:
                return False
            min(silent, key=lambda each: each.idle_since_s).abort()
        self._connections[connection] = None
        return True

    def closed(self, connection: _HttpConnection) -> None:
        self._connections.pop(connection, None)

    async def h11(self) -> Any:
        if self._importing is None:
            self._importing = self._executor.run(importlib.import_module, "h11")
        return await asyncio.shield(self._importing)


class _HttpConnection(asyncio.Protocol):
    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._h11: Any = None
        self._parser: Any = None
        self._early = bytearray()
        """What came before there was a parser."""
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None
        self._timer_s = 0.0
        self.idle_since_s = 0.0

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)
        if not self._server.opened(self):
            self.abort()
            return
        self._wait_for_request(REQUEST_S)
        self._task = asyncio.get_running_loop().create_task(self._prepare())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.closed(self)
        self._stop_timer()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._early += data
            if len(self._early) > HEAD_BYTES_MAX:
                self.abort()
            return
        if self.is_idle and self._timer_s != REQUEST_S:
            self._wait_for_request(REQUEST_S)
        self._parser.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # For the server.

    @property
    def is_idle(self) -> bool:
        """No request is under way."""
        return self._task is None or self._parser is None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # One request after the other.

    async def _prepare(self) -> None:
        self._h11 = await self._server.h11()
        self._parser = self._h11.Connection(self._h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._task = None
        if self._early:
            self._parser.receive_data(bytes(self._early))
            self._early.clear()
            self._read()

    def _read(self) -> None:
        """Begins to answer, once there is a whole request."""
        if self._task is not None or self._transport is None:
            if len(self._parser.trailing_data[0]) > HEAD_BYTES_MAX:
                self.abort()  # it sends on while it waits for an answer
            return
        try:
            event = self._parser.next_event()
        except self._h11.RemoteProtocolError as error:
            self._begin(self._refuse(error.error_status_hint, str(error)))
            return
        if isinstance(event, self._h11.Request):
            self._begin(self._answer(event))
        elif event is not self._h11.NEED_DATA:
            self.abort()

    def _begin(self, work: Any) -> None:
        self._stop_timer()
        self._task = asyncio.get_running_loop().create_task(work)

    async def _refuse(self, status: int, reason: str) -> None:
        await self._send(Answer(status, f"{reason}\n".encode()), is_last=True)

    async def _answer(self, request: Any) -> None:
        method, path = request.method, request.target.partition(b"?")[0].decode("latin-1")
        try:
            event = self._parser.next_event()
        except self._h11.RemoteProtocolError:
            event = None  # a body, and not even a good one
        if not isinstance(event, self._h11.EndOfMessage):
            await self._refuse(413, "a request here has no body")
            return
        if method not in (b"GET", b"HEAD"):
            await self._refuse(405, "only GET and HEAD")
            return
        handler = self._server.handlers.get(path)
        if handler is None:
            paths = ", ".join(self._server.handlers)
            answer = Answer(404, f"there is: {paths}\n".encode())
        else:
            answer = await self._ask(path, handler)
        await self._send(answer, with_body=method == b"GET")

    async def _ask(self, path: str, handler: Handler) -> Answer:
        try:
            answer = handler()
            return answer if isinstance(answer, Answer) else await answer
        except Exception:
            log.exception("%s could not be answered", path)
            return Answer(500, b"an error in the server; its log tells more\n")

    async def _send(self, answer: Answer, *, with_body: bool = True, is_last: bool = False) -> None:
        if self._transport is None:
            return
        body = memoryview(answer.body if with_body else b"")
        self._server.unsent_bytes += len(body)
        try:
            async with asyncio.timeout(ANSWER_S):
                self._write(self._head(answer, is_last=is_last))
                for start in range(0, len(body), PIECE_BYTES):
                    self._write(self._h11.Data(data=body[start : start + PIECE_BYTES]))
                    if self._drained is not None:
                        await self._drained
                self._write(self._h11.EndOfMessage())
        except TimeoutError:
            self.abort()
        finally:
            self._server.unsent_bytes -= len(body)
        self._finished()

    def _head(self, answer: Answer, *, is_last: bool) -> Any:
        headers = [("content-type", answer.content_type), ("content-length", str(len(answer.body)))]
        if is_last:
            headers.append(("connection", "close"))
        reason = _REASONS.get(answer.status, "")
        return self._h11.Response(status_code=answer.status, headers=headers, reason=reason)

    def _write(self, event: Any) -> None:
        parts = self._parser.send_with_data_passthrough(event) or []
        if self._transport is not None:
            self._transport.writelines([part for part in parts if part])

    def _finished(self) -> None:
        self._task = None
        if self._transport is None:
            return
        if self._parser.our_state is not self._h11.DONE or self._parser.their_state is not self._h11.DONE:
            self._transport.close()
            return
        self._parser.start_next_cycle()
        self._wait_for_request(IDLE_S)
        self._read()

    # Time.

    def _wait_for_request(self, timeout_s: float) -> None:
        self._stop_timer()
        self._timer_s = timeout_s
        self.idle_since_s = self._server.clock.monotonic()
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
