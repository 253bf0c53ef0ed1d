"""The way to the active controller, wherever it is: for the broker's own needs, and for what handlers forward.

Where the active controller is in this process, a request starts at once, so requests of a connection keep their order.
Else it goes to the node that leads the quorum as far as this one knows. An election in between is waited out, and
requests that it caught half done are sent again: as in Kafka, their first attempt may have succeeded. What was sent to
a leader that has been deposed is not waited for.

There are three connections, so that a heartbeat never waits behind a client's request, nor the state of replicas behind
either: answers come in order. What clients asked for travels in an Envelope, with who they are, and what the controller
answers them is theirs; what the broker itself asks for fails as ApiError. What clients could ask for, brokers ask for
in the same way: a controller that is not active then says so on the envelope.

Counterpart: NodeToControllerChannelManager, RaftControllerNodeProvider, ForwardingManager, EnvelopeUtils (KIP-590).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Final, Protocol, TypeAlias

from broker.controller.envelope import FORWARDABLE, Origin, read_response, wrap
from broker.environment import Clock, Random
from broker.network.peer import Peer, PeerSettings, TooManyWaiting
from protocol.errors import ApiError, ErrorCode
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from protocol.messages.broker_registration import BrokerRegistrationRequest
from protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse
from protocol.schema import Message, UnsupportedVersionError
from raft.voters import Node

log = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[Node], Coroutine[None, None, Message]]
"""Puts the request to a node."""

ANONYMOUS: Final = "User:ANONYMOUS"
LOOPBACK: Final = "127.0.0.1"
IN_FLIGHT_MAX: Final = 20
WAITING_MAX: Final = 1000
RETRY_S: Final = 0.05
"""How long until it is looked again who leads, where nobody tells."""


class ControllerChannel(Protocol):
    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        """`version` is that of the request, where the answer depends on it; the newest if None. REQUEST_TIMED_OUT when
        no active controller was found in time, or it did not answer: then the request may still succeed."""
        ...


class ForwardingChannel(ControllerChannel, Protocol):
    def forward(self, request: Message, version: int, origin: Origin) -> asyncio.Future[Message]:
        """A client's request; the response is in the same version."""
        ...


class LocalController(Protocol):
    @property
    def is_active(self) -> bool: ...

    def handle(self, request: Message, version: int) -> asyncio.Future[Message]: ...

    def add_leadership_listener(self, listener: Callable[[], None]) -> None: ...


class Purpose(Enum):
    LIFECYCLE = "heartbeat"
    REPLICAS = "replicas"
    FORWARDING = "forwarding"


class ClusterControllerChannel:
    def __init__(
        self,
        node_id: int,
        local: LocalController | None,
        leader: Callable[[], Node | None],
        clock: Clock,
        random: Random,
        timeout_s: float,
    ) -> None:
        """`local`: the controller of this process, if it has one. `leader`: where the quorum's leader listens."""
        self._node_id = node_id
        self._local = local
        self._leader = leader
        self._clock = clock
        self._random = random
        self._timeout_s = timeout_s
        self._address: Node | None = None
        self._peers: dict[Purpose, Peer] = {}
        self._waiting: set[asyncio.Task[Message]] = set()
        self._changed = asyncio.Event()
        self._origin = Origin(0, f"{node_id}-{Purpose.FORWARDING.value}", ANONYMOUS, LOOPBACK)
        if local is not None:
            local.add_leadership_listener(self.on_change)

    def on_change(self) -> None:
        """Another node leads, or nobody; whoever waits looks again."""
        if self._leader() != self._address:
            self._drop_peers()
        self._changed.set()

    def close(self) -> None:
        for task in self._waiting:
            task.cancel()
        self._drop_peers()

    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        newest = request.SPEC.versions.highest if version is None else version
        if request.SPEC.key in FORWARDABLE:
            return self._forward(request, newest, self._origin, self._timeout_s if timeout_s is None else timeout_s)
        is_lifecycle = isinstance(request, BrokerHeartbeatRequest | BrokerRegistrationRequest)
        purpose = Purpose.LIFECYCLE if is_lifecycle else Purpose.REPLICAS

        async def ask(node: Node) -> Message:
            response = await self._peer(node, purpose).send(request, version=version)
            code, message = getattr(response, "error_code", 0), getattr(response, "error_message", None)
            if code:
                raise ApiError(ErrorCode(code), message)
            return response

        return self._start(request, newest, ask, self._timeout_s if timeout_s is None else timeout_s)

    def forward(self, request: Message, version: int, origin: Origin) -> asyncio.Future[Message]:
        return self._forward(request, version, origin, self._timeout_s)

    def _forward(self, request: Message, version: int, origin: Origin, timeout_s: float) -> asyncio.Future[Message]:
        async def ask(node: Node) -> Message:
            envelope: EnvelopeRequest = wrap(request, version, origin)
            response = await self._peer(node, Purpose.FORWARDING).send(envelope)
            assert isinstance(response, EnvelopeResponse)
            return read_response(response, request, version)

        return self._start(request, version, ask, timeout_s)

    def _start(self, request: Message, version: int, ask: Ask, timeout_s: float) -> asyncio.Future[Message]:
        loop = asyncio.get_running_loop()
        first = None
        if self._local is not None and self._local.is_active:
            first = self._local.handle(request, version)
            if first.done() and first.exception() is None:
                return first
        if len(self._waiting) >= WAITING_MAX:
            refused: asyncio.Future[Message] = loop.create_future()
            refused.set_exception(ApiError(ErrorCode.REQUEST_TIMED_OUT, "Too many requests wait for the controller."))
            return refused
        task = loop.create_task(self._in_time(first, request, version, ask, timeout_s))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        return task

    async def _in_time(
        self, first: asyncio.Future[Message] | None, request: Message, version: int, ask: Ask, timeout_s: float
    ) -> Message:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._finish(first, request, version, ask)
        except TimeoutError:
            is_known = self._leader() is not None or (self._local is not None and self._local.is_active)
            what = "The active controller did not answer" if is_known else "No controller was active"
            raise ApiError(ErrorCode.REQUEST_TIMED_OUT, f"{what} in time.") from None

    async def _finish(self, first: asyncio.Future[Message] | None, request: Message, version: int, ask: Ask) -> Message:
        attempt = first
        while True:
            try:
                if attempt is None and self._local is not None and self._local.is_active:
                    attempt = self._local.handle(request, version)
                if attempt is not None:
                    return await attempt
                node = self._leader()
                if node is not None and node.id != self._node_id:
                    return await ask(node)
            except ApiError as error:
                if error.code != ErrorCode.NOT_CONTROLLER:
                    raise
            except UnsupportedVersionError as error:
                raise ApiError(ErrorCode.UNSUPPORTED_VERSION, str(error)) from None
            except TooManyWaiting as error:
                raise ApiError(ErrorCode.REQUEST_TIMED_OUT, str(error)) from None
            except OSError as error:
                log.debug("the active controller did not answer: %s", error)
            attempt = None
            await self._wait_for_controller()

    async def _wait_for_controller(self) -> None:
        """Until somebody says that it has changed, or until it is time to look."""
        self._changed.clear()
        try:
            async with asyncio.timeout(RETRY_S):
                await self._changed.wait()
        except TimeoutError:
            pass

    # Connections, all to the same node.

    def _peer(self, node: Node, purpose: Purpose) -> Peer:
        if node != self._address:
            self._drop_peers()
            self._address = node
        peer = self._peers.get(purpose)
        if peer is None:
            settings = PeerSettings(
                client_id=f"{self._node_id}-{purpose.value}",
                request_timeout_s=self._timeout_s,
                backoff_s=RETRY_S,
                backoff_max_s=RETRY_S,
                in_flight_max=1 if purpose is Purpose.LIFECYCLE else IN_FLIGHT_MAX,
                waiting_max=WAITING_MAX,
            )
            peer = self._peers[purpose] = Peer(node.host, node.port, settings, self._clock, self._random)
        return peer

    def _drop_peers(self) -> None:
        self._address = None
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
