"""What connections of a node share: how many there may be, memory for their requests, and the time they may stay
silent.

`ConnectionQuota` counts connections (`max.connections`, also of a listener, `max.connections.per.ip` and its overrides)
and says how long one too many in a second has to wait (`max.connection.creation.rate`). `RequestMemory`
is Kafka's `queued.max.request.bytes`: the sum of what partly received and waiting requests hold; who passes it stops
reading until there is room. `IdleWheel` finds connections that were silent for `connections.max.idle.ms`, and senders
that trickle, without a timer a connection.

Counterpart: ConnectionQuotas, MemoryPool, Selector.IdleExpiryManager. Kafka's request memory is unlimited by default
and its idle timeout does not see a peer that sends a byte now and then; both have a finite limit here.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

SLOW_SENDER_GRACE_S = 30.0
SLOW_SENDER_MIN_BYTES_PER_S = 4096
"""A frame in progress for longer than the grace must have come, since then, at this rate at least."""


TURN_WAIT_MAX_S = 30.0
"""As long as clients wait for an answer (`request.timeout.ms`)."""

NO_LIMIT = -1


class ListenerLimits(NamedTuple):
    """What one listener may have of the node's connections; -1 stands for no limit of its own."""

    max_connections: int = NO_LIMIT
    max_creation_rate: int = NO_LIMIT


class ConnectionLimits(NamedTuple):
    """Limits are inclusive; -1 stands for none."""

    max_connections: int = NO_LIMIT
    max_per_ip: int = NO_LIMIT
    per_ip_overrides: Mapping[str, int] = MappingProxyType({})
    max_creation_rate: int = NO_LIMIT
    of_listeners: Mapping[str, ListenerLimits] = MappingProxyType({})


class ConnectionQuota:
    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._by_ip: Counter[str] = Counter()
        self._by_listener: Counter[str] = Counter()
        self._paces: dict[str, Pace] = {}
        self.count = 0
        self.refused = 0

    def acquire(self, listener_name: str, host: str) -> str | None:
        """Counts a new connection, or tells why there may be no more; each that was counted must be released."""
        limits = self.limits
        of_listener = limits.of_listeners.get(listener_name, _UNLIMITED)
        per_ip = limits.per_ip_overrides.get(host, limits.max_per_ip)
        for count, limit, what in (
            (self.count, limits.max_connections, "are open, no more are allowed (max.connections)"),
            (
                self._by_listener[listener_name],
                of_listener.max_connections,
                f"of {listener_name} are open, no more are allowed (max.connections of the listener)",
            ),
            (self._by_ip[host], per_ip, f"of {host} are open, no more are allowed (max.connections.per.ip)"),
        ):
            if count >= limit >= 0:
                self.refused += 1
                return f"{count} connections {what}"
        self.count += 1
        self._by_ip[host] += 1
        self._by_listener[listener_name] += 1
        return None

    def release(self, listener_name: str, host: str) -> None:
        self.count -= 1
        self._by_listener[listener_name] -= 1
        self._by_ip[host] -= 1
        if not self._by_ip[host]:
            del self._by_ip[host]

    def delay_s(self, listener_name: str, now_s: float) -> float:
        """How long a new connection has to wait for its turn (`max.connection.creation.rate`); infinite if it would be
        so long that nobody waits: then it takes no turn from those who come later."""
        of_listener = self.limits.of_listeners.get(listener_name, _UNLIMITED)
        return max(
            self._paces.setdefault(name, Pace()).delay_s(rate, now_s) if rate > 0 else 0.0
            for name, rate in (("", self.limits.max_creation_rate), (listener_name, of_listener.max_creation_rate))
        )

    def excess(self, listener_name: str) -> int:
        """How many connections a listener has above the limits, which may have become lower."""
        limits = self.limits
        of_listener = limits.of_listeners.get(listener_name, _UNLIMITED).max_connections
        return max(
            self.count - limits.max_connections if limits.max_connections >= 0 else 0,
            self._by_listener[listener_name] - of_listener if of_listener >= 0 else 0,
            0,
        )


class Pace:
    """Turns at a rate: as many at once as there are in a second, then one after the other."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def delay_s(self, rate: int, now_s: float) -> float:
        turn_s = max(self._next_s, now_s - 1.0 + 1.0 / rate)
        if turn_s - now_s > TURN_WAIT_MAX_S:
            return math.inf
        self._next_s = turn_s + 1.0 / rate
        return max(turn_s - now_s, 0.0)


_UNLIMITED = ListenerLimits()


class MemoryWaiter(Protocol):
    def memory_available(self) -> None: ...


class RequestMemory:
    """Bytes held for requests. The first waiter may always go on, else requests half received could block each other
    for good; so the true bound is the limit and one request."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._waiters: deque[MemoryWaiter] = deque()
        self._favoured: MemoryWaiter | None = None

    @property
    def is_exhausted(self) -> bool:
        return self.used_bytes > self.limit_bytes

    def must_wait(self, waiter: MemoryWaiter) -> bool:
        """Whether `waiter` has to stop reading; `memory_available` is called on it when it may go on."""
        if self.used_bytes <= self.limit_bytes or waiter is self._favoured:
            return False
        if self._favoured is None:
            self._favoured = waiter
            return False
        self._waiters.append(waiter)
        return True

    def change(self, bytes_more: int) -> None:
        self.used_bytes += bytes_more
        if bytes_more < 0 and self._waiters and self.used_bytes <= self.limit_bytes:
            waiters, self._waiters = self._waiters, deque()
            for waiter in waiters:
                waiter.memory_available()

    def request_finished(self, waiter: MemoryWaiter) -> None:
        """`waiter` holds no request any more, nor a part of one; if it was favoured, the next in line is."""
        if waiter is not self._favoured:
            return
        self._favoured = self._waiters.popleft() if self._waiters else None
        if self._favoured is not None:
            self._favoured.memory_available()

    def stop_waiting(self, waiter: MemoryWaiter) -> None:
        """`waiter` has gone; what it still holds counts until it says otherwise."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)


class Watched(Protocol):
    """What the wheel needs of a connection; times are those of the wheel."""

    last_active_s: float
    receiving_since_s: float

    @property
    def is_waiting_for_peer(self) -> bool:
        """No request is under way, or its answer is not read: silence is the peer's."""
        ...

    @property
    def received_of_frame_bytes(self) -> int: ...

    def close_for(self, reason: str) -> None: ...


class IdleWheel:
    """Each connection sits in the bucket of the second in which it might have been idle for too long; when that comes,
    it is closed or moved to the bucket of its true deadline. A tick costs what is due, not what is open."""

    def __init__(self, max_idle_s: float, now_s: float) -> None:
        self._max_idle_s = max_idle_s
        self._buckets: dict[int, dict[Watched, None]] = {}
        self._bucket_of: dict[Watched, int] = {}
        self._receiving: dict[Watched, None] = {}
        self._next_bucket = int(now_s)
        self.now_s = now_s
        """The time of the last tick: precise enough for what the wheel decides, and free to read."""
        self.idle_closed = 0
        self.slow_closed = 0

    def __len__(self) -> int:
        return len(self._bucket_of)

    def add(self, connection: Watched) -> None:
        connection.last_active_s = self.now_s
        self._place(connection)

    def remove(self, connection: Watched) -> None:
        bucket = self._bucket_of.pop(connection, None)
        if bucket is not None and bucket in self._buckets:
            del self._buckets[bucket][connection]
        self._receiving.pop(connection, None)

    def started_receiving(self, connection: Watched) -> None:
        connection.receiving_since_s = self.now_s
        self._receiving[connection] = None

    def finished_receiving(self, connection: Watched) -> None:
        self._receiving.pop(connection, None)

    def tick(self, now_s: float) -> None:
        self.now_s = now_s
        while self._next_bucket <= now_s:
            due = self._buckets.pop(self._next_bucket, {})
            self._next_bucket += 1
            for connection in due:
                del self._bucket_of[connection]
                self._check(connection)
        for connection in [each for each in self._receiving if self._is_slow(each)]:
            self.slow_closed += 1
            connection.close_for("a request came too slowly")

    def _check(self, connection: Watched) -> None:
        if not connection.is_waiting_for_peer:
            connection.last_active_s = self.now_s
        if self.now_s - connection.last_active_s >= self._max_idle_s:
            self.idle_closed += 1
            connection.close_for("idle for connections.max.idle.ms")
        else:
            self._place(connection)

    def _place(self, connection: Watched) -> None:
        bucket = max(int(connection.last_active_s + self._max_idle_s) + 1, self._next_bucket)
        self._buckets.setdefault(bucket, {})[connection] = None
        self._bucket_of[connection] = bucket

    def _is_slow(self, connection: Watched) -> bool:
        late_s = self.now_s - connection.receiving_since_s - SLOW_SENDER_GRACE_S
        return late_s > 0 and connection.received_of_frame_bytes < late_s * SLOW_SENDER_MIN_BYTES_PER_S
