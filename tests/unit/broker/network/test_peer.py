"""One node's requests to another: versions, order, limits, and what is left of a connection that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from broker.environment import SystemClock, SystemRandom
from broker.network.peer import Peer, PeerSettings, TooManyWaiting
from broker.sockets import bind
from protocol.apis import API_VERSIONS, request_class, request_header_version, response_header_version
from protocol.errors import ErrorCode
from protocol.messages.api_versions import ApiVersionsResponse
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from protocol.messages.vote import VoteRequest
from protocol.schema import Message, UnsupportedVersionError, decode, decode_prefix, encode
from tests.support.raft_network import frame, read_frame

SETTINGS = PeerSettings("tester", request_timeout_s=20.0, backoff_s=0.001, backoff_max_s=0.002)

HEARTBEAT = 12


class Server:
    """Knows ApiVersions up to `api_versions_max` and Heartbeat in `heartbeats`; answers a heartbeat when `answer`
    says so, by whatever it returns: a response, or bytes of its own, or None for nothing at all."""

    def __init__(self) -> None:
        self.port = 0
        self.api_versions_max = 4
        self.heartbeats = (0, 3)
        self.connections = 0
        self.seen: list[tuple[int, HeartbeatRequest]] = []
        self.answer: Callable[[HeartbeatRequest], Message | bytes | None] = lambda request: HeartbeatResponse(
            throttle_time_ms=request.generation_id
        )
        self.is_hanging_up = False
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        bound = bind("127.0.0.1", self.port)
        self.port = bound.getsockname()[1]
        server = await asyncio.start_server(self._serve, sock=bound)
        try:
            yield self
        finally:
            server.close()
            self.hang_up()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while not self.is_hanging_up:
                answer = self._answered(await read_frame(reader))
                if answer is not None:
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answered(self, request: bytes) -> bytes | None:
        key, version = (int.from_bytes(request[i : i + 2], "big") for i in (0, 2))
        header, position = decode_prefix(RequestHeader, request_header_version(key, version), request, 0)
        answer: Message | bytes | None
        if key == API_VERSIONS:
            answer = self._api_versions()
            if version > self.api_versions_max:
                answer.error_code, version = ErrorCode.UNSUPPORTED_VERSION, 0
        else:
            message = decode(request_class(key), version, request, position)
            assert isinstance(message, HeartbeatRequest) and header.client_id == "tester"
            self.seen.append((version, message))
            answer = self.answer(message)
        if not isinstance(answer, Message):
            return answer
        head = ResponseHeader(correlation_id=header.correlation_id)
        return frame(encode(head, response_header_version(key, version)), encode(answer, version))

    def _api_versions(self) -> ApiVersionsResponse:
        make = ApiVersionsResponse.ApiVersion
        low, high = self.heartbeats
        return ApiVersionsResponse(
            api_keys=[
                make(api_key=API_VERSIONS, min_version=0, max_version=self.api_versions_max),
                make(api_key=HEARTBEAT, min_version=low, max_version=high),
            ]
        )


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server().running() as running:
        yield running


@asynccontextmanager
async def peer_of(server: Server, settings: PeerSettings = SETTINGS) -> AsyncIterator[Peer]:
    peer = Peer("127.0.0.1", server.port, settings, SystemClock(), SystemRandom())
    try:
        yield peer
    finally:
        peer.close()


def heartbeat(number: int = 1) -> HeartbeatRequest:
    return HeartbeatRequest(group_id="g", generation_id=number, member_id="m")


async def ask(peer: Peer, number: int = 1) -> int:
    response = await peer.send(heartbeat(number))
    assert isinstance(response, HeartbeatResponse)
    return response.throttle_time_ms


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def test_the_newest_version_that_both_know(server: Server) -> None:
    async with peer_of(server) as peer:
        assert not peer.is_connected
        assert [await ask(peer, number) for number in (1, 2)] == [1, 2]
        assert peer.is_connected and server.connections == 1
        assert await peer.send(heartbeat(), version=2) == HeartbeatResponse(throttle_time_ms=1)
    assert [version for version, _ in server.seen] == [3, 3, 2]


async def test_a_peer_with_older_api_versions_is_asked_in_version_0(server: Server) -> None:
    server.api_versions_max = 2
    async with peer_of(server) as peer:
        assert await ask(peer) == 1


async def test_what_the_peer_does_not_know_is_not_sent(server: Server) -> None:
    async with peer_of(server) as peer:
        with pytest.raises(UnsupportedVersionError, match="Vote"):
            await peer.send(VoteRequest())
        assert await ask(peer) == 1, "nothing is wrong with the connection"
    server.heartbeats = (5, 6)
    async with peer_of(server) as peer:
        with pytest.raises(UnsupportedVersionError, match="Heartbeat"):
            await ask(peer)


async def test_requests_overlap_up_to_the_limit_and_are_answered_in_order(server: Server) -> None:
    server.answer = lambda request: None
    async with peer_of(server, SETTINGS._replace(in_flight_max=3, waiting_max=5)) as peer:
        asked = [asyncio.ensure_future(ask(peer, number)) for number in range(5)]
        await until(lambda: len(server.seen) == 3)
        with pytest.raises(TooManyWaiting):
            await ask(peer)
        server.answer = lambda request: HeartbeatResponse()
        assert len(server.seen) == 3, "the others wait for their turn"
        server.hang_up()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(each, ConnectionError) for each in outcomes] == [True, True, True, False, False]
    assert server.connections == 2


async def test_a_lost_connection_fails_what_is_on_it_and_is_made_anew(server: Server) -> None:
    async with peer_of(server) as peer:
        server.answer = lambda request: None
        asked = asyncio.ensure_future(ask(peer))
        await until(lambda: bool(server.seen))
        server.hang_up()
        with pytest.raises(ConnectionError):
            await asked
        server.answer = lambda request: HeartbeatResponse(throttle_time_ms=7)
        assert await ask(peer) == 7
    assert server.connections == 2


async def test_an_answer_that_takes_too_long_costs_the_connection(server: Server) -> None:
    async with peer_of(server) as peer:
        assert await ask(peer) == 1
        server.answer = lambda request: None
        with pytest.raises(TimeoutError):
            await peer.send(heartbeat(), timeout_s=0.01)
        assert not peer.is_connected
        server.answer = lambda request: HeartbeatResponse(throttle_time_ms=2)
        assert await ask(peer) == 2


async def test_whoever_waits_for_a_turn_too_long_costs_nobody_the_connection(server: Server) -> None:
    server.answer = lambda request: None
    async with peer_of(server) as peer:
        first = asyncio.ensure_future(ask(peer))
        await until(lambda: bool(server.seen))
        with pytest.raises(TimeoutError):
            await peer.send(heartbeat(), timeout_s=0.01)
        assert peer.is_connected and not first.done()
        first.cancel()


@pytest.mark.parametrize(
    "junk",
    [frame(b"\x00\x00\x00\x63\x00\x00"), frame(b""), frame(b"\x00\x00\x00\x02\x00"), b"\xff\xff\xff\xff"],
    ids=["another correlation id", "no header", "cut short", "a negative size"],
)
async def test_what_is_no_answer_ends_the_connection(server: Server, junk: bytes) -> None:
    server.answer = lambda request: junk
    async with peer_of(server) as peer:
        with pytest.raises(ConnectionError):
            await ask(peer)
        assert not peer.is_connected


async def test_more_answers_than_questions_end_the_connection(server: Server) -> None:
    server.heartbeats = (0, 0)
    answer = frame((2).to_bytes(4, "big"), encode(HeartbeatResponse(), 0))
    server.answer = lambda request: answer + answer
    async with peer_of(server) as peer:
        assert await peer.send(heartbeat()) == HeartbeatResponse()
        await until(lambda: not peer.is_connected)


async def test_nobody_there_is_told_to_all_who_wait_and_tried_again_after_a_while() -> None:
    server = Server()
    async with server.running():
        pass
    async with peer_of(server, SETTINGS._replace(in_flight_max=2)) as peer:
        outcomes = await asyncio.gather(ask(peer), ask(peer), return_exceptions=True)
        assert all(isinstance(each, ConnectionRefusedError) for each in outcomes)
        async with server.running():
            assert await ask(peer) == 1


async def test_a_peer_that_hangs_up_is_not_asked_in_a_circle(server: Server) -> None:
    server.is_hanging_up = True
    settings = SETTINGS._replace(backoff_s=60.0, backoff_max_s=60.0)
    async with peer_of(server, settings) as peer:
        with pytest.raises(ConnectionError):
            await ask(peer)
        with pytest.raises(TimeoutError):
            await peer.send(heartbeat(), timeout_s=0.05)
    assert server.connections == 1


async def test_closing_fails_whoever_waits(server: Server) -> None:
    server.answer = lambda request: None
    async with peer_of(server) as peer:
        asked = [asyncio.ensure_future(ask(peer)) for _ in range(2)]
        await until(lambda: bool(server.seen))
        peer.close()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, ConnectionError) for each in outcomes)
        with pytest.raises(ConnectionError):
            await ask(peer)
