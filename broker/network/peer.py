"""Requests of this node to a listener of another: one connection, versions agreed on it, answers in order.

`Peer.send` connects when there is no connection, and picks the newest version of the request that both sides know. At
most `in_flight_max` requests are on the wire; a bounded number waits for its turn, in order. Whatever goes wrong with
the connection fails all that is on it, and nothing is sent twice: whether to ask again is for the caller to know. A
request that is not answered in time costs the connection, since answers come in order and nobody knows what became of
it. Between attempts to connect lies a back-off that doubles up to a limit, a fifth more or less by chance; a request
that comes meanwhile waits it out.

What a caller has to expect: OSError (TimeoutError is one) if there was no answer, UnsupportedVersionError if the peer
knows no version that could carry the request. Error codes in responses are not looked at here.

Counterpart: NetworkClient, ClusterConnectionStates, InFlightRequests, NodeApiVersions.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from barnabas import __version__
from broker.environment import Clock, Random
from broker.network.connecting import connect
from broker.server.receiver import Receiver
from protocol.apis import API_VERSIONS, APIS, request_header_version, response_class, response_header_version
from protocol.errors import DecodeError, ErrorCode
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.schema import Buffer, Message, UnsupportedVersionError, decode, decode_prefix, encode, encode_parts

log = logging.getLogger(__name__)

SCRATCH_BYTES: Final = 64 * 1024
JITTER: Final = 0.2
SOFTWARE_NAME: Final = "barnabas"
OLDEST_API_VERSIONS: Final = 0
NEWEST_API_VERSIONS: Final = 4


class PeerSettings(NamedTuple):
    """Times in seconds. `request_timeout_s` counts from `send`, connecting included; `setup_timeout_s` is for one
    attempt to connect."""

    client_id: str
    request_timeout_s: float = 30.0
    setup_timeout_s: float = 10.0
    backoff_s: float = 0.05
    backoff_max_s: float = 0.5
    in_flight_max: int = 1
    waiting_max: int = 1000
    max_frame_bytes: int = 100 * 1024 * 1024


class TooManyWaiting(OSError):
    """The peer is so far behind that no further request is kept for it."""


class Peer:
    """Everything sent to one address by one part of the node."""

    def __init__(self, host: str, port: int, settings: PeerSettings, clock: Clock, random: Random) -> None:
        self.host = host
        self.port = port
        self._settings = settings
        self._clock = clock
        self._random = random
        self._turns = asyncio.Semaphore(settings.in_flight_max)
        self._waiting = 0
        self._link: _Link | None = None
        self._connecting: asyncio.Task[_Link] | None = None
        self._failures = 0
        self._next_attempt_s = 0.0
        self._is_closed = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_connected(self) -> bool:
        return self._link is not None and self._link.is_open

    async def send(self, request: Message, *, version: int | None = None, timeout_s: float | None = None) -> Message:
        """The response. `version`: no newer one than this is used, and with an older one the peer must do."""
        self._check_open()
        if self._waiting >= self._settings.waiting_max:
            raise TooManyWaiting(f"{self._waiting} requests wait for {self}")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.request_timeout_s if timeout_s is None else timeout_s):
                async with self._turns:
                    self._check_open()
                    link = self._link
                    if link is None or not link.is_open:
                        link = await self._connected()
                    return await link.ask(request, version)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Whoever waits is told that there will be no answer."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._link is not None:
            self._link.close("the connection was given up")

    def _check_open(self) -> None:
        if self._is_closed:
            raise ConnectionError(f"the connection to {self} was given up")

    async def _connected(self) -> _Link:
        """The connection; one attempt serves all that wait for it."""
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add_done_callback(self._on_attempt)
        try:
            return await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            self._check_open()
            raise

    def _on_attempt(self, attempt: asyncio.Task[_Link]) -> None:
        self._connecting = None
        if attempt.cancelled():
            return
        error = attempt.exception()
        if error is None:
            self._failures = 0
            self._link = attempt.result()
        else:
            self._back_off()

    def _back_off(self) -> None:
        self._failures += 1
        settings = self._settings
        backoff_s = min(settings.backoff_s * 2.0 ** min(self._failures - 1, 30), settings.backoff_max_s)
        backoff_s *= 1 + JITTER * (2 * self._random.random() - 1)
        self._next_attempt_s = self._clock.monotonic() + backoff_s

    def _on_lost(self) -> None:
        # A peer that accepts and hangs up must not be asked in a circle.
        self._next_attempt_s = self._clock.monotonic() + self._settings.backoff_s

    async def _connect(self) -> _Link:
        delay_s = self._next_attempt_s - self._clock.monotonic()
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        async with asyncio.timeout(self._settings.setup_timeout_s):
            link = await connect(lambda: _Link(self._settings, self._on_lost), self.host, self.port)
            try:
                await link.agree_on_versions()
            except BaseException:
                link.close("no versions could be agreed on")
                raise
        return link


class _Asked(NamedTuple):
    correlation_id: int
    api_key: int
    version: int
    answer: asyncio.Future[Message]


class _Link(asyncio.BufferedProtocol):
    """One connection, from its beginning to its end."""

    def __init__(self, settings: PeerSettings, on_lost: Callable[[], None]) -> None:
        self._settings = settings
        self._on_lost = on_lost
        self._receiver = Receiver(memoryview(bytearray(SCRATCH_BYTES)), settings.max_frame_bytes)
        self._transport: asyncio.Transport | None = None
        self._asked: deque[_Asked] = deque()
        self._last_correlation_id = 0
        self._ranges: dict[int, tuple[int, int]] = {API_VERSIONS: (OLDEST_API_VERSIONS, NEWEST_API_VERSIONS)}

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"the connection was lost: {exc}" if exc is not None else "the peer closed the connection")

    def eof_received(self) -> bool:
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._receiver.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        for frame in self._receiver.received(nbytes):
            self._on_answer(frame)
        if self._receiver.failure is not None:
            self.close(f"the peer sent what is no answer: {self._receiver.failure}")

    # Requests.

    async def agree_on_versions(self) -> None:
        response = await self._api_versions(NEWEST_API_VERSIONS)
        if response.error_code == ErrorCode.UNSUPPORTED_VERSION:
            response = await self._api_versions(OLDEST_API_VERSIONS)
        if response.error_code:
            raise ConnectionError(f"the peer refused to tell its versions: error {response.error_code}")
        self._ranges = {each.api_key: (each.min_version, each.max_version) for each in response.api_keys}

    async def _api_versions(self, version: int) -> ApiVersionsResponse:
        request = ApiVersionsRequest(client_software_name=SOFTWARE_NAME, client_software_version=__version__)
        response = await self._send(request, version)
        assert isinstance(response, ApiVersionsResponse)
        return response

    async def ask(self, request: Message, newest: int | None) -> Message:
        return await self._send(request, self._version(request, newest))

    def _version(self, request: Message, newest: int | None) -> int:
        key = request.SPEC.key
        assert key is not None, request
        spec = APIS[key]
        lowest, highest = self._ranges.get(key, (0, -1))
        highest = min(highest, spec.highest_stable if newest is None else newest)
        if highest < max(lowest, spec.lowest):
            raise UnsupportedVersionError(f"the peer knows no version of {spec.name} that this node knows")
        return highest

    async def _send(self, request: Message, version: int) -> Message:
        transport = self._transport
        if transport is None:
            raise ConnectionError("the connection was lost")
        key = request.SPEC.key
        assert key is not None, request
        body = encode_parts(request, version)
        self._last_correlation_id = (self._last_correlation_id + 1) & 0x7FFFFFFF
        correlation_id = self._last_correlation_id
        transport.writelines(_framed(key, version, correlation_id, self._settings.client_id, body))
        asked = _Asked(correlation_id, key, version, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        try:
            return await asked.answer
        except asyncio.CancelledError:
            # Whoever asked has given up, most likely because it took too long; later answers would have to wait for it.
            self.close("a request was given up")
            raise

    def _on_answer(self, frame: bytes | bytearray) -> None:
        if not self._asked:
            self.close("an answer to nothing that was asked")
            return
        asked = self._asked.popleft()
        try:
            header_version = response_header_version(asked.api_key, asked.version)
            header, position = decode_prefix(ResponseHeader, header_version, frame, 0)
            if header.correlation_id != asked.correlation_id:
                raise DecodeError(f"answer {header.correlation_id} came where {asked.correlation_id} was due")
            response = self._decoded(asked, frame, position)
        except DecodeError as error:
            if not asked.answer.done():
                asked.answer.set_exception(ConnectionError(f"the answer cannot be read: {error}"))
            self.close(f"an answer cannot be read: {error}")
            return
        if not asked.answer.done():
            asked.answer.set_result(response)

    def _decoded(self, asked: _Asked, frame: bytes | bytearray, position: int) -> Message:
        response = decode_api_versions_refusal(frame, position) if asked.api_key == API_VERSIONS else None
        return response or decode(response_class(asked.api_key), asked.version, frame, position)

    def close(self, reason: str) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._end(reason)

    def _end(self, reason: str) -> None:
        if self._transport is None:
            return
        self._transport = None
        asked, self._asked = self._asked, deque()
        for each in asked:
            if not each.answer.done():
                each.answer.set_exception(ConnectionError(reason))
        self._on_lost()


_SIZE: Final = struct.Struct(">i")


def _framed(key: int, version: int, correlation_id: int, client_id: str, body: list[Buffer]) -> list[Buffer]:
    head = encode(
        RequestHeader(
            request_api_key=key, request_api_version=version, correlation_id=correlation_id, client_id=client_id
        ),
        request_header_version(key, version),
    )
    size = len(head) + sum(map(len, body))
    return [_SIZE.pack(size) + head, *body]


def decode_api_versions_refusal(frame: Buffer, position: int) -> ApiVersionsResponse | None:
    """A peer that does not know the version of ApiVersions answers in version 0 (KIP-511)."""
    if bytes(frame[position : position + 2]) != int(ErrorCode.UNSUPPORTED_VERSION).to_bytes(2, "big"):
        return None
    return decode(ApiVersionsResponse, OLDEST_API_VERSIONS, frame, position)
