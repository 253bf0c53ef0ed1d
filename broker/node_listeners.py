"""The listeners of a node: bound before anything is told of them, opened when the node can serve, and changed while it
runs.

What is in `listeners` and new is opened at once, and what is gone is closed with its connections; a listener that
stays keeps its address until the node starts anew. The limits of connections change at once, too. Controllers'
listeners stay as they were. Counterpart: SocketServer, DynamicListenerConfig.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator

from broker.server.limits import NO_LIMIT, ConnectionLimits, ListenerLimits
from broker.server.listeners import Server, ServerLimits
from broker.sockets import bind, connections_max, raise_descriptor_limit
from config.definition import as_int
from config.dynamic import ConfigLayers
from config.listeners import Endpoint
from config.node_config import NodeConfig

_logger = logging.getLogger("broker.node")


class NodeListeners:
    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._bound: dict[str, socket.socket] = {}
        self._broker_server: Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.endpoints: list[Endpoint] = []
        """With their real ports."""

    def bind(self) -> None:
        """OSError, naming the address."""
        for endpoint in self._config.listeners:
            self._bind(endpoint)

    async def open_of_controller(self, server: Server) -> None:
        await self._open(server, is_controller=True)

    async def open_of_broker(self, server: Server) -> None:
        self._broker_server = server
        await self._open(server, is_controller=False)
        self._apply(server)

    async def _open(self, server: Server, *, is_controller: bool) -> None:
        for endpoint in self.endpoints:
            if self._config.is_controller_listener(endpoint.listener_name) is is_controller:
                await server.listen(endpoint.listener_name, self._bound[endpoint.listener_name])

    def reconfigure(self, layers: ConfigLayers) -> None:
        self._config = layers.effective
        if self._broker_server is not None:
            self._apply(self._broker_server)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for bound in self._bound.values():
            bound.close()

    def _bind(self, endpoint: Endpoint) -> None:
        bound = bind(endpoint.host, endpoint.port)
        _set_buffers(bound, self._config)
        self._bound[endpoint.listener_name] = bound
        self.endpoints.append(endpoint._replace(port=bound.getsockname()[1]))

    def _apply(self, server: Server) -> None:
        server.limit_connections(connection_limits(self._config))
        wanted = {endpoint.listener_name: endpoint for endpoint in self._config.listeners}
        for name in [name for name in self._bound if name not in wanted]:
            server.close_listener(name)
            self._bound.pop(name).close()
            self.endpoints = [endpoint for endpoint in self.endpoints if endpoint.listener_name != name]
            _logger.info("listener %s is closed", name)
        for name in [name for name in wanted if name not in self._bound]:
            try:
                self._bind(wanted[name])
            except OSError as error:
                _logger.error("listener %s cannot be opened: %s", wanted[name], error)
                continue
            # From now on the kernel takes connections; the server finds them in a moment.
            self._bound[name].listen(server.backlog)
            task = asyncio.get_running_loop().create_task(server.listen(name, self._bound[name]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            _logger.info("listener %s is open", self.endpoints[-1])


def server_limits(config: NodeConfig) -> ServerLimits:
    return ServerLimits(
        max_frame_bytes=config.socket_request_max_bytes,
        **({"request_memory_bytes": config.queued_max_request_bytes} if config.queued_max_request_bytes > 0 else {}),
        connections=connection_limits(config),
        max_idle_s=config.connections_max_idle_ms / 1000,
        **({"backlog": config.socket_listen_backlog_size} if "socket.listen.backlog.size" in config.original else {}),
        in_flight_max=config.barnabas_connection_max_queued_requests,
        write_buffer_bytes=config.barnabas_connection_max_queued_bytes,
    )


def connection_limits(config: NodeConfig) -> ConnectionLimits:
    return ConnectionLimits(
        max_connections=min(config.max_connections, connections_max(raise_descriptor_limit())),
        max_per_ip=config.max_connections_per_ip,
        per_ip_overrides=config.max_connections_per_ip_overrides,
        max_creation_rate=config.max_connection_creation_rate,
        of_listeners=dict(_listener_limits(config)),
    )


def _listener_limits(config: NodeConfig) -> Iterator[tuple[str, ListenerLimits]]:
    """Of listeners with limits of their own: listener.name.NAME.max.connections, ...max.connection.creation.rate."""
    for endpoint in config.listeners:
        limits = [
            as_int(config.listener_value(endpoint.listener_name, name))
            if f"listener.name.{endpoint.listener_name.lower()}.{name}" in config.original
            else NO_LIMIT
            for name in ("max.connections", "max.connection.creation.rate")
        ]
        yield endpoint.listener_name, ListenerLimits(*limits)


def _set_buffers(bound: socket.socket, config: NodeConfig) -> None:
    """Accepted connections inherit the sizes. Where nothing is set the kernel's own tuning does better than Kafka's
    default of 100 KB."""
    for key, option, size in (
        ("socket.receive.buffer.bytes", socket.SO_RCVBUF, config.socket_receive_buffer_bytes),
        ("socket.send.buffer.bytes", socket.SO_SNDBUF, config.socket_send_buffer_bytes),
    ):
        if key in config.original and size > 0:
            bound.setsockopt(socket.SOL_SOCKET, option, size)
