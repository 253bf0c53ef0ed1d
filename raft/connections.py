"""Which peers may be sent a request now: at most one in flight to each, a back-off after a failure, bootstrap servers
in turn.

Counterpart in Kafka: RequestManager. A connection that is not listed is ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from raft.voters import Node

INFINITY = float("inf")


class Random(Protocol):
    def randrange(self, start: int, stop: int) -> int: ...


class _State(Enum):
    AWAITING_RESPONSE = 1
    BACKING_OFF = 2


@dataclass(slots=True)
class _Connection:
    """Until `until_ms` the request may still be answered, or the back-off lasts."""

    state: _State
    until_ms: float
    correlation_id: int | None

    def is_over(self, now_ms: float) -> bool:
        return now_ms >= self.until_ms


class Connections:
    def __init__(
        self, bootstrap_servers: Sequence[Node], retry_backoff_ms: int, request_timeout_ms: int, random: Random
    ) -> None:
        self._bootstrap_servers = list(bootstrap_servers)
        self._retry_backoff_ms = retry_backoff_ms
        self._request_timeout_ms = request_timeout_ms
        self._random = random
        self._connections: dict[int, _Connection] = {}
        self._last_correlation_id = 0

    def on_sent(self, node: Node, now_ms: float) -> int:
        """The correlation id that the request is to carry."""
        self._last_correlation_id += 1
        self._connections[node.id] = _Connection(
            _State.AWAITING_RESPONSE, now_ms + self._request_timeout_ms, self._last_correlation_id
        )
        return self._last_correlation_id

    def is_expected(self, node: Node, correlation_id: int) -> bool:
        connection = self._connections.get(node.id)
        return connection is not None and connection.correlation_id == correlation_id

    def on_response(self, node: Node, correlation_id: int, success: bool, now_ms: float) -> None:
        if not self.is_expected(node, correlation_id):
            return  # handling it changed state, which reset the connections
        if success:
            del self._connections[node.id]
        else:
            self._connections[node.id] = _Connection(_State.BACKING_OFF, now_ms + self._retry_backoff_ms, None)

    def is_ready(self, node: Node, now_ms: float) -> bool:
        connection = self._connections.get(node.id)
        return connection is None or connection.is_over(now_ms)

    def is_backing_off(self, node: Node, now_ms: float) -> bool:
        connection = self._connections.get(node.id)
        return connection is not None and connection.state is _State.BACKING_OFF and not connection.is_over(now_ms)

    def has_timed_out(self, node: Node, now_ms: float) -> bool:
        connection = self._connections.get(node.id)
        return connection is not None and connection.state is _State.AWAITING_RESPONSE and connection.is_over(now_ms)

    def ready_at(self, node: Node, now_ms: float) -> float:
        """When the next request may go to the node, if nothing happens before."""
        connection = self._connections.get(node.id)
        return now_ms if connection is None else max(now_ms, connection.until_ms)

    def has_request_in_flight(self, now_ms: float) -> bool:
        return any(
            connection.state is _State.AWAITING_RESPONSE and not connection.is_over(now_ms)
            for connection in self._connections.values()
        )

    def ready_bootstrap_server(self, now_ms: float) -> Node | None:
        """One that can be asked now, from a random start; None while any request is in flight or all back off."""
        if not self._bootstrap_servers or self.has_request_in_flight(now_ms):
            return None
        start = self._random.randrange(0, len(self._bootstrap_servers))
        servers = self._bootstrap_servers[start:] + self._bootstrap_servers[:start]
        return next((node for node in servers if self.is_ready(node, now_ms)), None)

    def bootstrap_server_at(self, now_ms: float) -> float:
        """When a bootstrap server can be asked, if nothing happens before."""
        if not self._bootstrap_servers:
            return INFINITY
        in_flight = [
            connection.until_ms
            for connection in self._connections.values()
            if connection.state is _State.AWAITING_RESPONSE and not connection.is_over(now_ms)
        ]
        if in_flight:
            return min(in_flight)
        return min(self.ready_at(node, now_ms) for node in self._bootstrap_servers)

    def reset(self, node: Node) -> None:
        self._connections.pop(node.id, None)

    def reset_all(self) -> None:
        self._connections.clear()
