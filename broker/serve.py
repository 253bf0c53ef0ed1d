"""`barnabas serve`: from a checked configuration to a running node, and down again.

Formats new directories of a single node, runs the node on uvloop, says in one line when it is ready, and turns signals
into a clean shutdown. That line is printed once every listener accepts and the first request will be answered; it holds
the phrases that tools of Apache Kafka's image wait for. Counterpart: `Kafka.scala`, `KafkaRaftServer`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING

from broker.environment import Environment, real_environment
from broker.errors import StartupError
from broker.format_command import format_new_directories
from broker.importing import without_collection
from config.definition import ConfigError
from config.listeners import Endpoint
from config.node_config import NodeConfig
from config.single_node import is_single_node
from protocol.errors import StorageError

OK, FAILED = 0, 1
COLLECTION_THRESHOLDS = 20_000, 20, 20
"""Requests leave next to no cycles behind; by default, one for 100 partitions has them looked for twice."""

if TYPE_CHECKING:
    from broker.node import Node

logger = logging.getLogger(__name__)


def serve(config: NodeConfig, warnings: Iterable[str], environ: Mapping[str, str]) -> int:
    """Runs the node until a signal or a failure that it cannot survive; the exit code."""
    for warning in warnings:
        logger.warning("%s", warning)
    environment = real_environment(config.barnabas_executor_threads)
    try:
        format_new_directories(config, environment, environ.get("CLUSTER_ID"))
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            return runner.run(_run(config, environment))
    except (StartupError, ConfigError, StorageError, OSError) as error:
        sys.stderr.write(f"barnabas: cannot start: {error}\n")
    return FAILED


async def _run(config: NodeConfig, environment: Environment) -> int:
    clock = environment.clock
    started_s = clock.monotonic()
    stop_asked = asyncio.Event()
    _on_signals(stop_asked)
    node = _make_node(config, environment)
    if not await _start(node, config, stop_asked):
        return OK
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    if not stop_asked.is_set():
        _announce(config, node.endpoints, clock.monotonic() - started_s)
        await _first_of(stop_asked.wait(), node.failed.wait())
    has_failed = node.failed.is_set()
    logger.info("stopping%s", " after a failure" if has_failed else "")
    await node.stop()
    logger.info("stopped")
    return FAILED if has_failed else OK


async def _start(node: Node, config: NodeConfig, stop_asked: asyncio.Event) -> bool:
    """False if it was given up, and the node is down again: a start that waits for other nodes may last for ever."""
    starting = asyncio.ensure_future(node.start())
    if not is_single_node(config):
        stopping = asyncio.ensure_future(stop_asked.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        logger.info("stopped")
        return False
    return True


def _make_node(config: NodeConfig, environment: Environment) -> Node:
    with without_collection():
        from broker.node import Node  # most of the program: not before the configuration is known to be good

    return Node(config, environment)


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _on_signals(stop_asked: asyncio.Event) -> None:
    def on_signal(number: signal.Signals) -> None:
        if stop_asked.is_set():
            logger.warning("%s again: leaving at once; the next start recovers the logs", number.name)
            os._exit(FAILED)
        logger.info("%s: stopping; a second signal leaves at once", number.name)
        stop_asked.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal, number)


def _announce(config: NodeConfig, endpoints: Iterable[Endpoint], took_s: float) -> None:
    ours = [endpoint for endpoint in endpoints if not config.is_controller_listener(endpoint.listener_name)]
    where = ", ".join(str(endpoint) for endpoint in ours or endpoints)
    sys.stdout.write(
        f"[KafkaRaftServer nodeId={config.node_id}] Kafka Server started, listening on {where} "
        f"(Transitioning from RECOVERY to RUNNING took {took_s * 1000:.0f} ms)\n"
    )
    sys.stdout.flush()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
