"""The way to the active controller, wherever it is: for the broker's own needs, and for what handlers forward.

Where the active controller is in this process, a request starts at once, so requests of a connection keep their order.
Else it goes to the node that leads the quorum as far as this one knows. An election in between is waited out, and
requests that it caught half done are sent again: as in Kafka, their first attempt may have succeeded. What was sent to
a leader that has been deposed is not waited for.

What clients could ask for, brokers ask for as they forward it: a controller that is not active then says so on the
envelope. Counterpart: NodeToControllerChannelManager, RaftControllerNodeProvider, ForwardingManager (KIP-590).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from broker.controller.origin import FORWARDABLE, Origin
from broker.environment import Clock, Random
from protocol.errors import ApiError, ErrorCode
from protocol.schema import Message
from raft.voters import Node

if TYPE_CHECKING:
    from broker.network.controller_peers import ControllerPeers

log = logging.getLogger(__name__)

Ask: TypeAlias = "Callable[[ControllerPeers], Coroutine[None, None, Message]]"

ANONYMOUS: Final = "User:ANONYMOUS"
LOOPBACK: Final = "127.0.0.1"
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
        self._peers: ControllerPeers | None = None
        self._waiting: set[asyncio.Task[Message]] = set()
        self._changed = asyncio.Event()
        self._origin = Origin(0, f"{node_id}-forwarding", ANONYMOUS, LOOPBACK)
        if local is not None:
            local.add_leadership_listener(self.on_change)

    def on_change(self) -> None:
        """Another node leads, or nobody; whoever waits looks again."""
        if self._peers is not None and self._leader() != self._peers.address:
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
        left_s = self._timeout_s if timeout_s is None else timeout_s
        return self._start(request, newest, lambda peers: peers.ask(request, newest), left_s)

    def forward(self, request: Message, version: int, origin: Origin) -> asyncio.Future[Message]:
        return self._forward(request, version, origin, self._timeout_s)

    def _forward(self, request: Message, version: int, origin: Origin, timeout_s: float) -> asyncio.Future[Message]:
        return self._start(request, version, lambda peers: peers.forward(request, version, origin), timeout_s)

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
                    return await ask(self._peers_at(node))
            except ApiError as error:
                if error.code != ErrorCode.NOT_CONTROLLER:
                    raise
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

    def _peers_at(self, node: Node) -> ControllerPeers:
        if self._peers is None or self._peers.address != node:
            from broker.network.controller_peers import ControllerPeers  # a node by itself never needs it

            self._drop_peers()
            self._peers = ControllerPeers(self._node_id, node, self._timeout_s, self._clock, self._random)
        return self._peers

    def _drop_peers(self) -> None:
        if self._peers is not None:
            self._peers.close()
            self._peers = None
