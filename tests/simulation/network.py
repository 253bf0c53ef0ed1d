"""The network between the machines of a simulation: TCP as processes see it.

What is written on one connection arrives in order and unharmed or not at all; what is written on two has no order.
Links have delays, and directions can be cut: then bytes wait, as they do where TCP sends them again, until the link is
whole or somebody gives up. A process that dies has its connections reset by its kernel; a machine without power says
nothing, and resets whatever is sent to it once it is up again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final

from tests.simulation.loop import LIFE, Life, VirtualLoop

SYN_RETRY_S: Final = 1.0
SYN_TRIES: Final = 60
FIN: Final = "fin"
RST: Final = "rst"
PIECE_BYTES: Final = 64 * 1024


class Host:
    def __init__(self, address: str) -> None:
        self.address = address
        self.is_up = True
        self.listeners: dict[int, _Listener] = {}
        self.next_port = 20_000


class BoundSocket:
    """As much of a socket as a server needs that is bound and does not listen yet."""

    def __init__(self, host: Host, port: int) -> None:
        self.host = host
        self.port = port

    def getsockname(self) -> tuple[str, int]:
        return self.host.address, self.port

    def setblocking(self, _: bool) -> None:
        pass

    def listen(self, _: int) -> None:
        pass

    def close(self) -> None:
        self.host.listeners.pop(self.port, None)


class _Listener:
    def __init__(self, bound: BoundSocket, factory: Callable[[], Any], life: Life) -> None:
        self._bound = bound
        self.factory = factory
        self.life = life
        self.context = copy_context()

    def close(self) -> None:
        if self._bound.host.listeners.get(self._bound.port) is self:
            del self._bound.host.listeners[self._bound.port]

    async def wait_closed(self) -> None:
        pass


class Network:
    def __init__(self, loop: VirtualLoop, rng: random.Random, trace: Callable[[str], None]) -> None:
        self.loop = loop
        self.rng = rng
        self.trace = trace
        self.hosts: dict[str, Host] = {}
        self.cuts: dict[tuple[str, str], None] = {}
        """Directions in which nothing arrives."""
        self.delay_s = (0.0002, 0.002)
        self.slow: dict[tuple[str, str], float] = {}
        """Additional seconds at most, by direction."""
        self.ends: dict[End, None] = {}
        self._ports = 40_000

    def host(self, address: str) -> Host:
        return self.hosts.setdefault(address, Host(address))

    def delay(self, source: str, target: str) -> float:
        delay = self.rng.uniform(*self.delay_s)
        extra = self.slow.get((source, target))
        return delay if extra is None else delay + self.rng.uniform(0, extra)

    # For the machines.

    def bind(self, address: str | None, port: int) -> BoundSocket:
        assert address is not None
        host = self.host(address)
        if port in host.listeners:
            raise OSError(98, f"cannot listen on {address}:{port}: Address already in use")
        if port == 0:
            host.next_port += 1
            port = host.next_port
        return BoundSocket(host, port)

    async def serve(self, factory: Callable[[], Any], bound: BoundSocket) -> _Listener:
        life = LIFE.get()
        assert life is not None
        listener = bound.host.listeners[bound.port] = _Listener(bound, factory, life)
        return listener

    async def connect(self, factory: Callable[[], Any], address: str, port: int) -> tuple[End, Any]:
        life = LIFE.get()
        assert life is not None
        host = self.host(address)
        for _ in range(SYN_TRIES):
            await asyncio.sleep(self.delay(life.host, address))
            if host.is_up and (life.host, address) not in self.cuts and (address, life.host) not in self.cuts:
                break
            await asyncio.sleep(SYN_RETRY_S)
        else:
            raise TimeoutError(f"no answer from {address}:{port}")
        listener = host.listeners.get(port)
        if listener is None or listener.life.is_dead:
            await asyncio.sleep(self.delay(address, life.host))
            raise ConnectionRefusedError(111, f"{address}:{port} refused the connection")
        self._ports += 1
        there = End(self, listener.life, address, life.host, self._ports, listener.context.copy())
        here = End(self, life, life.host, address, port, copy_context())
        there.peer, here.peer = here, there
        self.ends[there] = self.ends[here] = None
        self.loop.call_soon(there.begin, listener.factory, context=there.context)
        try:
            await asyncio.sleep(self.delay(address, life.host))
        except BaseException:
            here.abort()
            raise
        if here.is_closed:
            raise ConnectionResetError(104, f"{address}:{port} reset the connection")
        protocol = factory()
        here.protocol = protocol
        protocol.connection_made(here)
        here.resume_reading()
        return here, protocol

    # Faults.

    def cut(self, source: str, target: str) -> None:
        self.cuts[source, target] = None

    def heal(self) -> None:
        self.cuts.clear()
        self.slow.clear()
        for end in list(self.ends):
            end.schedule()

    def mend(self, source: str, target: str) -> None:
        self.cuts.pop((source, target), None)
        for end in list(self.ends):
            end.schedule()

    def process_died(self, life: Life, *, with_power: bool) -> None:
        """After its life was marked dead. Without power nobody hears of it."""
        host = self.host(life.host)
        host.is_up = with_power
        for port in [port for port, each in host.listeners.items() if each.life is life]:
            del host.listeners[port]
        for end in [end for end in self.ends if end.life is life]:
            end.vanish(tells=with_power)

    def reset(self, end: End) -> None:
        """A connection breaks, for both sides."""
        if end.peer is not None:
            end.peer.put(RST, urgent=True)
        end.put(RST, urgent=True)


class End(asyncio.Transport):
    """One side of a connection, and the pipe from it to the other."""

    def __init__(self, network: Network, life: Life, host: str, peer_host: str, peer_port: int, context: Any) -> None:
        super().__init__({"peername": (peer_host, peer_port), "sockname": (host, 0)})
        self._network = network
        self.life = life
        self.host = host
        self.context = context
        self.protocol: Any = None
        self.peer: End | None = None
        self._peer_host = peer_host
        self._queue: deque[tuple[float, bytes | str]] = deque()
        self._queued_bytes = 0
        self._last_due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_reading = False
        self._is_paused = False
        self._high = 64 * 1024
        self.is_closed = False
        """For the process of this side."""

    def begin(self, factory: Callable[[], Any]) -> None:
        """The server's side is accepted."""
        if self.is_closed:
            return
        self.protocol = factory()
        self.protocol.connection_made(self)
        self.resume_reading()

    # As a transport.

    def write(self, data: Any) -> None:
        if not self.is_closed and not self.life.is_dead and data:
            self.put(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self.put(FIN)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._queued_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 * 1024 if high is None else high

    def is_closing(self) -> bool:
        return self.is_closed

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        if self.peer is not None:
            self.peer.schedule()

    def close(self) -> None:
        if not self.is_closed:
            self.put(FIN)
            self._close(None)

    def abort(self) -> None:
        if not self.is_closed:
            self.put(RST, urgent=True)
            self._close(None)

    def _close(self, error: Exception | None) -> None:
        self.is_closed = True
        if self.protocol is not None:
            self._network.loop.call_soon(self.protocol.connection_lost, error, context=self.context)

    def vanish(self, *, tells: bool) -> None:
        """The process is gone."""
        if not self.is_closed:
            self.is_closed = True
            if tells:
                self.put(RST, urgent=True)
        if not tells:
            self._queue.clear()

    # The pipe.

    def put(self, item: bytes | str, *, urgent: bool = False) -> None:
        network = self._network
        if urgent:
            self._queue.clear()
            self._queued_bytes = 0
        due = max(self._last_due, network.loop.now + network.delay(self.host, self._peer_host))
        self._last_due = due
        self._queue.append((due, item))
        if isinstance(item, bytes):
            self._queued_bytes += len(item)
            if self._queued_bytes > self._high and not self._is_paused and self.protocol is not None:
                self._is_paused = True
                self.protocol.pause_writing()
        self.schedule()

    def schedule(self) -> None:
        if self._queue and self._timer is None and (self.host, self._peer_host) not in self._network.cuts:
            self._timer = self._network.loop.at(self._queue[0][0], self._pump)

    def _pump(self) -> None:
        self._timer = None
        network, peer = self._network, self.peer
        assert peer is not None
        while self._queue and self._queue[0][0] <= network.loop.now:
            if (self.host, self._peer_host) in network.cuts:
                return  # `mend` goes on.
            is_open = not peer.is_closed and not peer.life.is_dead
            if is_open and not peer._is_reading and self._queue[0][1] != RST:
                return  # `resume_reading` goes on.
            _, item = self._queue.popleft()
            self._sent(item)
            if is_open:
                network.trace(f"{self.host}>{peer.host} {item if isinstance(item, str) else len(item)}")
                network.loop.current = peer.life
                peer.context.run(peer.arrived, item)
            elif isinstance(item, bytes) and network.host(peer.host).is_up and not self.is_closed:
                peer.put(RST, urgent=True)
            if item in (FIN, RST):
                network.ends.pop(self, None)
        self.schedule()

    def _sent(self, item: bytes | str) -> None:
        if isinstance(item, bytes):
            self._queued_bytes -= len(item)
        if self._is_paused and self._queued_bytes <= self._high // 4 and not self.is_closed and not self.life.is_dead:
            self._is_paused = False
            self._network.loop.call_soon(self.protocol.resume_writing, context=self.context)

    def arrived(self, item: bytes | str) -> None:
        """At this side, within its context."""
        try:
            if item == RST:
                self._close(ConnectionResetError(104, "Connection reset by peer"))
            elif item == FIN:
                if self.protocol is None or not self.protocol.eof_received():
                    self.close()
            else:
                assert isinstance(item, bytes)
                self._take(item)
        except Exception as error:
            self._network.loop.call_exception_handler({"message": "a protocol failed", "exception": error})
            self.abort()

    def _take(self, data: bytes) -> None:
        if not isinstance(self.protocol, asyncio.BufferedProtocol):
            self.protocol.data_received(data)
            return
        view = memoryview(data)
        while view and not self.is_closed:
            with memoryview(self.protocol.get_buffer(-1)) as buffer:
                size = min(len(buffer), len(view), PIECE_BYTES)
                buffer[:size] = view[:size]
            view = view[size:]
            self.protocol.buffer_updated(size)
