"""The way to a controller in another process, over real sockets: requests of the broker's own, and clients' in
envelopes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from broker.api import ListenerKind
from broker.controller.broker_watch import BrokerWatch
from broker.controller.channel import ClusterControllerChannel
from broker.controller.envelope import read_response, unwrap, wrap
from broker.controller.origin import Origin
from broker.controller.requests import ControllerRequests
from broker.dispatch import Dispatcher
from broker.dynamic_config import DynamicConfig
from broker.environment import SystemClock, SystemRandom, ThreadExecutor
from broker.handlers.context import ControllerServices
from broker.server.listeners import Server, ServerLimits
from broker.sockets import bind
from config.properties import load_node_config
from protocol.errors import ApiError, ErrorCode
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse
from protocol.messages.heartbeat import HeartbeatRequest
from raft.voters import Node as RaftNode
from tests.unit.broker.controller.test_controller import Node, creation, heartbeat, registration

ORIGIN = Origin(77, "a-client", "User:ANONYMOUS", "127.0.0.1")


class RemoteController:
    """A controller behind a listener, over a quorum that commits when told to."""

    def __init__(self, node_id: int) -> None:
        self.node = Node()
        self.id = node_id
        self.port = 0
        watch = BrokerWatch(self.node.controller, "PLAINTEXT", self._never_refused)
        # Raft's own requests are tried elsewhere.
        self.requests = ControllerRequests(self.node.controller, cast(Any, None), watch)
        self.server: Server | None = None

    async def _never_refused(self, host: str, port: int, timeout_s: float) -> bool:
        return False

    async def start(self, executor: ThreadExecutor) -> None:
        services = ControllerServices(
            dynamic_config=DynamicConfig(load_node_config().config),
            clock=SystemClock(),
            executor=executor,
            metadata=self.node.cache,
            cluster_id="cluster",
            requests=self.requests,
        )
        dispatcher = Dispatcher(services, ListenerKind.CONTROLLER)
        self.server = Server(dispatcher.start, ServerLimits(), SystemClock(), executor)
        bound = bind("127.0.0.1", 0)
        self.port = bound.getsockname()[1]
        await self.server.listen("CONTROLLER", bound)

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(0.0)
            self.server = None

    @property
    def address(self) -> RaftNode:
        return RaftNode(self.id, "127.0.0.1", self.port)


class Bench:
    """A broker, node 9, and two controllers; `leader` is what Raft tells it."""

    def __init__(self) -> None:
        self.controllers = [RemoteController(1), RemoteController(2)]
        self.leader: RaftNode | None = None
        self.channel = ClusterControllerChannel(9, None, lambda: self.leader, SystemClock(), SystemRandom(), 20.0)

    def lead(self, controller: RemoteController) -> None:
        self.leader = controller.address
        self.channel.on_change()


@asynccontextmanager
async def benched() -> AsyncIterator[Bench]:
    bench, executor = Bench(), ThreadExecutor(1)
    try:
        for controller in bench.controllers:
            await controller.start(executor)
        yield bench
    finally:
        bench.channel.close()
        for controller in bench.controllers:
            await controller.stop()
        executor.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with benched() as made:
        yield made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def code_of(response: object) -> int:
    assert isinstance(response, CreateTopicsResponse)
    return response.topics[0].error_code


async def test_requests_reach_the_leader(bench: Bench) -> None:
    first, _ = bench.controllers
    first.node.quorum.elect()
    bench.lead(first)
    epoch = (await bench.channel.send(registration(9, incarnation=9))).broker_epoch  # type: ignore[attr-defined]
    response = await bench.channel.send(heartbeat(9, epoch, first.node.loader.published_offset))
    assert isinstance(response, BrokerHeartbeatResponse) and not response.is_fenced


async def test_a_refusal_of_the_controller_is_an_error(bench: Bench) -> None:
    first, _ = bench.controllers
    first.node.quorum.elect()
    bench.lead(first)
    with pytest.raises(ApiError) as refusal:
        await bench.channel.send(BrokerHeartbeatRequest(broker_id=9, broker_epoch=1))
    assert refusal.value.code == ErrorCode.STALE_BROKER_EPOCH


async def test_what_a_client_asked_for_is_answered_in_its_version(bench: Bench) -> None:
    first, _ = bench.controllers
    first.node.quorum.elect()
    bench.lead(first)
    await bench.channel.send(registration(9, incarnation=9))
    no_broker = await bench.channel.forward(creation("t"), 2, ORIGIN)
    assert code_of(no_broker) == ErrorCode.INVALID_REPLICATION_FACTOR
    assert isinstance(no_broker, CreateTopicsResponse) and "fenced" in (no_broker.topics[0].error_message or "")


async def test_an_election_is_waited_out(bench: Bench) -> None:
    first, second = bench.controllers
    asked = bench.channel.forward(creation("t"), 7, ORIGIN)
    bench.lead(first)  # who is not active yet, and says so
    await asyncio.sleep(0.06)
    assert not asked.done()
    second.node.quorum.elect()
    bench.lead(second)
    assert code_of(await asked) == ErrorCode.INVALID_REPLICATION_FACTOR
    await second.node.register(9, incarnation=9)
    own = bench.channel.send(creation("t"))
    assert code_of(await own) == 0


async def test_what_hangs_at_a_deposed_leader_goes_to_the_next(bench: Bench) -> None:
    first, second = bench.controllers
    first.node.quorum.elect()
    await first.node.register(9, incarnation=9)
    first.node.quorum.commits_at_once = False
    bench.lead(first)
    asked = bench.channel.forward(creation("t"), 7, ORIGIN)
    await until(lambda: "t" in first.node.controller.image.topics.by_name)
    second.node.quorum.elect()
    await second.node.register(9, incarnation=9)
    bench.lead(second)
    assert code_of(await asked) == 0
    assert "t" in second.node.cache.image.topics.by_name


async def test_a_leader_whose_process_is_gone_is_asked_until_there_is_another(bench: Bench) -> None:
    first, second = bench.controllers
    bench.lead(first)
    await first.stop()
    asked = bench.channel.forward(creation("t"), 7, ORIGIN)
    await asyncio.sleep(0.06)
    assert not asked.done()
    second.node.quorum.elect()
    bench.lead(second)
    assert code_of(await asked) == ErrorCode.INVALID_REPLICATION_FACTOR


async def test_without_a_leader_time_runs_out(bench: Bench) -> None:
    with pytest.raises(ApiError) as refusal:
        await bench.channel.send(heartbeat(9, 1, 1), timeout_s=0.01)
    assert refusal.value.code == ErrorCode.REQUEST_TIMED_OUT


async def envelope_of(bench: Bench, envelope: EnvelopeRequest) -> EnvelopeResponse:
    """As the first controller answers it."""
    first, _ = bench.controllers
    bench.lead(first)

    response = await bench.channel.send(envelope)
    assert isinstance(response, EnvelopeResponse)
    return response


async def test_envelopes_that_are_none_are_refused(bench: Bench) -> None:
    bench.controllers[0].node.quorum.elect()
    good = wrap(creation("t"), 7, ORIGIN)
    for damaged in (
        EnvelopeRequest(request_data=b"", request_principal=good.request_principal, client_host_address=b"\0" * 4),
        EnvelopeRequest(request_data=good.request_data, request_principal=None, client_host_address=b"\0" * 4),
        EnvelopeRequest(request_data=good.request_data, request_principal=good.request_principal),
        EnvelopeRequest(
            request_data=good.request_data[:9],
            request_principal=good.request_principal,
            client_host_address=good.client_host_address,
        ),
        wrap(HeartbeatRequest(group_id="g", member_id="m"), 4, ORIGIN),
    ):
        with pytest.raises(ApiError) as refusal:
            await envelope_of(bench, damaged)
        assert refusal.value.code == ErrorCode.INVALID_REQUEST, damaged


async def test_an_envelope_is_answered_as_its_request_would_be(bench: Bench) -> None:
    bench.controllers[0].node.quorum.elect()
    response = await envelope_of(bench, wrap(creation("t"), 5, ORIGIN))
    assert response.response_data is not None and response.response_data[:4] == (77).to_bytes(4, "big")
    assert code_of(read_response(response, creation("t"), 5)) == ErrorCode.INVALID_REPLICATION_FACTOR


def test_who_asked_comes_through() -> None:
    origin = Origin(5, None, "User:with:colons", "::1")
    request = CreateTopicsRequest(timeout_ms=7)
    forwarded = unwrap(wrap(request, 7, origin))
    assert forwarded == (request, 7, 5, None, "User:with:colons", "::1")
