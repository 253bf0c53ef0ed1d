"""Brokers whose process has died, noticed at once instead of at the end of their session.

A broker keeps a connection to the active controller, over which its heartbeats come. When the last one breaks, and when
a controller has just become active and has heard of nobody yet, the controller tries the broker's own listener: refused
means that the process is gone, and it is fenced now. Whoever hangs, or is cut off, does not refuse, and has its whole
session as before; who is heard of meanwhile is alive. The kernel closes what a dead process had one after the other, so
it is tried a few times. A false alarm costs a broker that a heartbeat unfences again, never safety.

Apache Kafka has no counterpart: there every broker that is killed is missed for `broker.session.timeout.ms`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from broker.controller.heartbeats import BrokerIncarnation
from broker.metadata.registrations import Endpoint

log = logging.getLogger(__name__)

TRIES_S: Final = (0.0, 0.02, 0.1, 0.3, 1.0, 3.0)
"""The pauses before each try."""
CONNECT_TIMEOUT_S: Final = 1.0

IsRefused = Callable[[str, int, float], Awaitable[bool]]
"""(host, port, timeout in seconds)"""


class WatchedConnection(Protocol):
    on_lost: Callable[[], None] | None


class WatchingController(Protocol):
    def unfenced_brokers(self) -> list[BrokerIncarnation]:
        """Those of other processes; none while it is not active."""
        ...

    def endpoint_of(self, incarnation: BrokerIncarnation, listener_name: str) -> Endpoint | None:
        """Where the broker listens; None if it is not unfenced in this incarnation, or has no such listener."""
        ...

    def last_heard_s(self, incarnation: BrokerIncarnation) -> float | None: ...

    def on_connection_lost(self, incarnation: BrokerIncarnation) -> None: ...

    def fence_dead(self, incarnation: BrokerIncarnation) -> None: ...

    def add_leadership_listener(self, listener: Callable[[], None]) -> None: ...


class BrokerWatch:
    def __init__(self, controller: WatchingController, listener_name: str, is_refused: IsRefused) -> None:
        """`listener_name`: the one that brokers reach each other on."""
        self._controller = controller
        self._listener_name = listener_name
        self._is_refused = is_refused
        self._connections: dict[BrokerIncarnation, dict[WatchedConnection, None]] = {}
        self._checks: dict[BrokerIncarnation, asyncio.Task[None]] = {}
        controller.add_leadership_listener(self._on_leadership)

    def heard(self, incarnation: BrokerIncarnation, connection: WatchedConnection) -> None:
        """A heartbeat came over the connection."""
        known = self._connections.setdefault(incarnation, {})
        if connection not in known:
            known[connection] = None
            connection.on_lost = lambda: self._on_lost(incarnation, connection)

    def close(self) -> None:
        for check in self._checks.values():
            check.cancel()

    def _on_lost(self, incarnation: BrokerIncarnation, connection: WatchedConnection) -> None:
        known = self._connections.get(incarnation, {})
        known.pop(connection, None)
        if not known:
            self._connections.pop(incarnation, None)
            self._controller.on_connection_lost(incarnation)
            self._check(incarnation)

    def _on_leadership(self) -> None:
        for incarnation in self._controller.unfenced_brokers():
            self._check(incarnation)

    def _check(self, incarnation: BrokerIncarnation) -> None:
        if incarnation not in self._checks:
            check = asyncio.get_running_loop().create_task(self._try(incarnation))
            self._checks[incarnation] = check
            check.add_done_callback(lambda _: self._checks.pop(incarnation, None))

    async def _try(self, incarnation: BrokerIncarnation) -> None:
        heard_s = self._controller.last_heard_s(incarnation)
        for pause_s in TRIES_S:
            await asyncio.sleep(pause_s)
            where = self._controller.endpoint_of(incarnation, self._listener_name)
            if where is None or self._controller.last_heard_s(incarnation) != heard_s:
                return
            if await self._is_refused(where.host, where.port, CONNECT_TIMEOUT_S):
                if self._controller.last_heard_s(incarnation) == heard_s:
                    self._controller.fence_dead(incarnation)
                return
