"""What a handler is given beside its request, and what it may return.

A handler is `handle(request, context)` in the module of its API. Its kind of return value says when the connection
may start the next request:

    a response       the request is done
    a Future, or a Deferred
                     its effect (append, state change, refusal) is made, and only the answer waits: the next
                     request starts, answers still leave in order
    a coroutine      (`async def handle`) nothing may start before it has ended: for what awaits *before* its effect.
                     It may end in a Future, which is then waited for as above
    None             done, and the client expects no answer (Produce with acks=0)

Refusals of the whole request are raised as ApiError and become the error response of that API; so does any other
exception, as UNKNOWN_SERVER_ERROR, logged and counted. A Future may be cancelled when the client has gone and the
API's row says so. `then()` turns the result of a Future into a response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from broker.controller.origin import Origin
from broker.told_once import ToldOnce
from protocol.schema import Message

if TYPE_CHECKING:
    from broker.auto_topics import AutoTopics
    from broker.controller.channel import ForwardingChannel
    from broker.controller.requests import ControllerRequests
    from broker.coordinator.group.group_coordinator import GroupCoordinator
    from broker.deferred import Deferred
    from broker.dynamic_config import DynamicConfig
    from broker.environment import Clock, Executor
    from broker.metadata.cache import MetadataCache
    from broker.producer_ids import ProducerIds
    from broker.replication.fetch_session import FetchSessions
    from broker.replication.replica_manager import ReplicaManager
    from broker.server.connection import Connection
    from config.node_config import NodeConfig

T = TypeVar("T")
R = TypeVar("R")

Answer: TypeAlias = "Message | None"
HandlerResult: TypeAlias = "Message | Deferred[Any] | asyncio.Future[Any] | Coroutine[Any, Any, Any] | None"


@dataclass(slots=True, kw_only=True)
class Services:
    """The parts of a node that handlers call, on whichever listener; made once, in node.py."""

    dynamic_config: DynamicConfig
    clock: Clock
    executor: Executor
    metadata: MetadataCache
    cluster_id: str
    quorum_leader: Callable[[], int | None] = lambda: None
    """Who leads the metadata quorum, as far as this node knows."""
    apis: tuple[tuple[int, int, int], ...] = ()
    """(api key, lowest, highest version) of every API that is answered; set by the dispatcher."""

    @property
    def config(self) -> NodeConfig:
        """The configuration in force now."""
        return self.dynamic_config.config


@dataclass(slots=True, kw_only=True)
class NodeServices(Services):
    """What only brokers have."""

    controller: ForwardingChannel
    replicas: ReplicaManager
    fetch_sessions: FetchSessions
    producer_ids: ProducerIds
    auto_topics: AutoTopics
    groups: GroupCoordinator
    refused_transactional_ids: ToldOnce = field(default_factory=ToldOnce)


@dataclass(slots=True, kw_only=True)
class ControllerServices(Services):
    """What only controllers have."""

    requests: ControllerRequests


S_co = TypeVar("S_co", bound=Services, covariant=True)


class Context(Generic[S_co]):
    __slots__ = ("api_key", "api_version", "client_id", "connection", "correlation_id", "node", "retains_request")

    def __init__(
        self,
        node: S_co,
        connection: Connection,
        api_key: int,
        api_version: int,
        correlation_id: int,
        client_id: str | None,
    ) -> None:
        self.node = node
        self.connection = connection
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.retains_request = False
        """To be set by a handler whose Future needs the request's bytes: they count as memory until it is done."""

    @property
    def listener_name(self) -> str:
        return self.connection.listener_name

    @property
    def client_host(self) -> str:
        """As text, without the slash that Kafka's messages put in front."""
        return self.connection.client_host

    @property
    def principal(self) -> str:
        return self.connection.principal

    def forward(self: RequestContext, request: Message) -> asyncio.Future[Any]:
        """Gives the request to the active controller; its response, or ApiError."""
        origin = Origin(self.correlation_id, self.client_id, self.principal, self.client_host)
        return self.node.controller.forward(request, self.api_version, origin)


RequestContext: TypeAlias = Context[NodeServices]
ControllerContext: TypeAlias = Context[ControllerServices]
AnyContext: TypeAlias = Context[Services]


def then(future: asyncio.Future[T], make: Callable[[T], R]) -> asyncio.Future[R]:
    """A future of `make(result)`; an exception of `future`, or of `make`, becomes its exception.

    Cancelling the returned future cancels `future`."""
    result: asyncio.Future[R] = future.get_loop().create_future()

    def complete(done: asyncio.Future[T]) -> None:
        if result.done():
            return
        if done.cancelled():
            result.cancel()
            return
        error = done.exception()
        if error is not None:
            result.set_exception(error)
            return
        try:
            result.set_result(make(done.result()))
        except Exception as failure:
            result.set_exception(failure)

    def forward_cancel(outer: asyncio.Future[R]) -> None:
        if outer.cancelled() and not future.done():
            future.cancel()

    if future.done():
        complete(future)
    else:
        future.add_done_callback(complete)
        result.add_done_callback(forward_cancel)
    return result
