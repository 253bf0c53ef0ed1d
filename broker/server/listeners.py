"""The listening sockets of a node, and what all its connections share.

A `Server` opens the endpoints, hands accepted sockets to `Connection`s, and keeps the limits among them: how many,
how much memory, how long silent. It knows nothing of Kafka's requests: `start_request` is given each frame.

Stopping is graceful: sockets close first, requests under way are answered, then connections close. Counterpart:
SocketServer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from broker.environment import Clock, Executor
from broker.server.connection import Connection, Frame, Outcome
from broker.server.limits import ConnectionLimits, ConnectionQuota, IdleWheel, RequestMemory

log = logging.getLogger(__name__)

SCRATCH_BYTES = 256 * 1024
TICK_S = 1.0
CLOSES_LOGGED_PER_TICK = 20
"""A flood of bad peers must not become a flood of log lines."""
STOP_CHECK_S = 0.01

StartRequest = Callable[[Frame, Connection], Outcome]


@dataclass(frozen=True, slots=True)
class ServerLimits:
    max_frame_bytes: int = 100 * 1024 * 1024
    request_memory_bytes: int = 1024 * 1024 * 1024
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    max_idle_s: float = 600.0
    backlog: int = 4096
    """Connections that wait to be accepted. Beyond it the kernel drops them, and clients try again after a second; for
    a thread that does more than accept, Kafka's default of 50 is too few."""
    in_flight_max: int = 100
    """Requests of one connection whose answers are outstanding."""
    write_buffer_bytes: int = 256 * 1024
    """Above this much unsent data, no further request of the connection starts."""


class Server:
    def __init__(self, start_request: StartRequest, limits: ServerLimits, clock: Clock, executor: Executor) -> None:
        self.start_request = start_request
        self.executor = executor
        self.max_frame_bytes = limits.max_frame_bytes
        self.in_flight_max = limits.in_flight_max
        self.write_buffer_bytes = limits.write_buffer_bytes
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self.memory = RequestMemory(limits.request_memory_bytes)
        self.quota = ConnectionQuota(limits.connections)
        self.wheel = IdleWheel(limits.max_idle_s, clock.monotonic())
        self.loop = asyncio.get_running_loop()
        self.clock = clock
        self.monotonic = clock.monotonic
        self.accepted: Counter[str] = Counter()
        """Connections since the start, by listener."""
        self.closed_count: Counter[str] = Counter()
        self.backlog = limits.backlog
        self._connections: dict[Connection, None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listeners: dict[str, asyncio.Server] = {}
        self._closes_in_tick = 0
        self._ticker: asyncio.TimerHandle | None = self.loop.call_later(TICK_S, self._tick)

    @property
    def connections(self) -> Iterable[Connection]:
        return self._connections

    @property
    def connection_count(self) -> int:
        return self.quota.count

    async def listen(self, listener_name: str, bound: socket.socket) -> None:
        """Accepts connections on a socket that is bound; it belongs to the server from now on."""
        self._listeners[listener_name] = await self.loop.create_server(
            lambda: Connection(self, listener_name), sock=bound, backlog=self.backlog
        )

    def close_listener(self, listener_name: str) -> None:
        """Accepts nothing more there, and closes the connections of the listener."""
        listener = self._listeners.pop(listener_name, None)
        if listener is not None:
            listener.close()
        for connection in self._connections_of(listener_name):
            connection.close_for(f"listener {listener_name} is closed")

    def limit_connections(self, limits: ConnectionLimits) -> None:
        """New limits; connections above them are closed at once, those that did nothing for longest first."""
        self.quota.limits = limits
        for listener_name in self._listeners:
            excess = self.quota.excess(listener_name)
            if excess:
                by_use = sorted(
                    self._connections_of(listener_name), key=lambda each: (not each.is_idle, each.last_active_s)
                )
                for connection in by_use[:excess]:
                    connection.close_for("more connections than max.connections now allows")

    def _connections_of(self, listener_name: str) -> list[Connection]:
        return [each for each in self._connections if each.listener_name == listener_name]

    async def stop(self, grace_s: float) -> None:
        """Refuses new connections, lets what was begun be answered for at most `grace_s`, and closes all."""
        for listener in self._listeners.values():
            listener.close()
        for connection in list(self._connections):
            connection.stop_requests()
        deadline = self.clock.monotonic() + grace_s
        while any(not each.is_idle for each in self._connections) and self.clock.monotonic() < deadline:
            await asyncio.sleep(STOP_CHECK_S)
        for connection in list(self._connections):
            connection.close_for("the node stops")
        for task in list(self._tasks):
            task.cancel()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        await asyncio.sleep(0)

    # From connections.

    def opened(self, connection: Connection) -> bool:
        self.accepted[connection.listener_name] += 1
        refusal = self.quota.acquire(connection.listener_name, connection.client_host)
        if refusal is not None:
            self.report_closed(connection, refusal)
            return False
        delay_s = self.quota.delay_s(connection.listener_name, self.clock.monotonic())
        if math.isinf(delay_s):
            self.quota.release(connection.listener_name, connection.client_host)
            self.quota.refused += 1
            self.report_closed(connection, "too many came before it (max.connection.creation.rate)")
            return False
        self._connections[connection] = None
        self.wheel.add(connection)
        if delay_s:
            connection.wait_for_turn()
            self.loop.call_later(delay_s, connection.turn_came)
        return True

    def closed(self, connection: Connection) -> None:
        del self._connections[connection]
        self.closed_count[connection.listener_name] += 1
        self.quota.release(connection.listener_name, connection.client_host)
        self.wheel.remove(connection)
        self.memory.stop_waiting(connection)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """The loop itself holds tasks weakly."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def report_closed(self, connection: Connection, reason: str) -> None:
        self._closes_in_tick += 1
        if self._closes_in_tick <= CLOSES_LOGGED_PER_TICK:
            log.info("closing the connection of %s: %s", connection.client_host, reason)

    def _tick(self) -> None:
        self._ticker = self.loop.call_later(TICK_S, self._tick)
        if self._closes_in_tick > CLOSES_LOGGED_PER_TICK:
            log.info("%d more connections were closed", self._closes_in_tick - CLOSES_LOGGED_PER_TICK)
        self._closes_in_tick = 0
        self.wheel.tick(self.clock.monotonic())
