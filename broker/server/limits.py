"""What connections of a node share: how many there may be, memory for their requests, and the time they may stay
silent.

`ConnectionQuota` counts connections (`max.connections`, `max.connections.per.ip` and its overrides). `RequestMemory`
is Kafka's `queued.max.request.bytes`: the sum of what partly received and waiting requests hold; who passes it stops
reading until there is room. `IdleWheel` finds connections that were silent for `connections.max.idle.ms`, and senders
that trickle, without a timer a connection.

Counterpart: ConnectionQuotas, MemoryPool, Selector.IdleExpiryManager. Kafka's request memory is unlimited by default
and its idle timeout does not see a peer that sends a byte now and then; both have a finite limit here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Protocol

SLOW_SENDER_GRACE_S = 30.0
SLOW_SENDER_MIN_BYTES_PER_S = 4096
"""A frame in progress for longer than the grace must have come, since then, at this rate at least."""


class ConnectionQuota:
    """Limits are inclusive; -1 stands for none."""

    def __init__(self, max_connections: int, max_per_ip: int, per_ip_overrides: Mapping[str, int]) -> None:
        self._max_connections = max_connections
        self._max_per_ip = max_per_ip
        self._overrides = per_ip_overrides
        self._by_ip: Counter[str] = Counter()
        self.count = 0
        self.refused = 0

    def acquire(self, host: str) -> str | None:
        """Counts a new connection, or tells why there may be no more; each that was counted must be released."""
        limit = self._overrides.get(host, self._max_per_ip)
        reason = None
        if self.count >= self._max_connections >= 0:
            reason = f"{self.count} connections are open, no more are allowed (max.connections)"
        elif self._by_ip[host] >= limit >= 0:
            reason = f"{self._by_ip[host]} connections of {host} are open, no more are allowed (max.connections.per.ip)"
        if reason is not None:
            self.refused += 1
            return reason
        self.count += 1
        self._by_ip[host] += 1
        return None

    def release(self, host: str) -> None:
        self.count -= 1
        self._by_ip[host] -= 1
        if not self._by_ip[host]:
            del self._by_ip[host]


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
