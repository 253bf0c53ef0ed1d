"""The paths of metrics.port: `/metrics`, `/healthz`, `/readyz`. Answers from the moment the node has its directories.

One page is made at a time, whoever asks meanwhile gets the same; the next one waits until making pages has taken no
more than a fifth of the time. What a page needs, prometheus_client above all, is imported with the first scrape, off
the loop. `/healthz` says that the process is alive and its loop turns; `/readyz` whether this node serves its clients.
Counterpart: the JMX exporter's agent; the health endpoints are those that Kubernetes probes are used to.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import TYPE_CHECKING, Any, Final

from broker.environment import Environment
from broker.errors import StartupError
from broker.metrics.http import Answer, Handler, HttpServer
from broker.sockets import bind
from config.node_config import METRICS_PORT, NodeConfig

if TYPE_CHECKING:
    import socket

    from broker.node import Node

log = logging.getLogger(__name__)

SHARE_OF_TIME: Final = 5
"""Making pages takes one part in so many of the time, at most."""
WAITING_MAX: Final = 16
UNSENT_BYTES_MAX: Final = 128 * 1024 * 1024

_NOT_YET: Final = "the node is starting"


class MetricsListener:
    def __init__(self, node: Node, config: NodeConfig, environment: Environment) -> None:
        self._node = node
        self._config = config
        self._environment = environment
        self._clock, self._executor = environment.clock, environment.executor
        handlers: dict[str, Handler] = {
            "/metrics": self._metrics,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/v1/status/ready": self._readyz,
        }
        self.http = HttpServer(handlers, environment.clock, environment.executor)
        self._bound: socket.socket | None = None
        self._gatherer: Any = None
        self._page: asyncio.Task[bytes] | None = None
        self._waiting = 0
        self._next_page_s = 0.0

    @property
    def port(self) -> int:
        """-1 while nothing listens."""
        return -1 if self._bound is None else int(self._bound.getsockname()[1])

    async def start(self) -> None:
        """Listens. A port that is taken stops the start only if it was asked for: otherwise a second node on a host
        would need a setting that Apache Kafka does not know."""
        host, port = self._config.metrics_host, self._config.metrics_port
        if port < 0:
            return
        try:
            self._bound = bind(host, port)
        except OSError as error:
            if METRICS_PORT in self._config.original:
                raise StartupError(f"{METRICS_PORT}: {error.strerror}") from error
            log.warning("no metrics and no health are served: %s; set %s to another port", error.strerror, METRICS_PORT)
            return
        await self.http.listen(self._bound)
        log.info("metrics are served on http://%s:%d/metrics", host, self.port)

    def close(self) -> None:
        self.http.close()
        if self._page is not None:
            self._page.cancel()
        if self._bound is not None:
            self._bound.close()

    # Health.

    def _healthz(self) -> Answer:
        return Answer(503, b"the node has failed and stops\n") if self._node.has_fault else Answer(200, b"ok\n")

    def _readyz(self) -> Answer:
        reason = self._node.why_not_ready()
        return Answer(200, b"ready\n") if reason is None else Answer(503, f"{reason}\n".encode())

    # The page.

    async def _metrics(self) -> Answer:
        if not self._node.is_wired:
            return Answer(503, f"{_NOT_YET}\n".encode())
        if self._waiting >= WAITING_MAX or self.http.unsent_bytes > UNSENT_BYTES_MAX:
            return Answer(503, b"too many scrapes at once\n")
        if self._page is None or self._page.done():
            self._page = asyncio.get_running_loop().create_task(self._make_page())
        self._waiting += 1
        try:
            body = await asyncio.shield(self._page)
        finally:
            self._waiting -= 1
        return Answer(200, body, "text/plain; version=0.0.4; charset=utf-8")

    async def _make_page(self) -> bytes:
        if self._gatherer is None:
            module = await self._executor.run(importlib.import_module, "broker.metrics.node_samples")
            self._gatherer = module.NodeSamples(self._node, self._environment)
        await asyncio.sleep(max(0.0, self._next_page_s - self._clock.monotonic()))
        page, worked_s = await self._gatherer.page()
        self._next_page_s = self._clock.monotonic() + worked_s * (SHARE_OF_TIME - 1)
        return bytes(page)
