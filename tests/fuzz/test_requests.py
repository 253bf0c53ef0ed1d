"""Damaged requests, given to a whole node in this process: each is answered, refused or closes its connection, and none
meets an exception that nobody expected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings

from broker.dispatch import Dispatcher
from broker.environment import real_environment
from broker.format_command import format_new_directories
from broker.node import Node
from broker.server.connection import CloseConnection, Connection, Held, Outcome, Parked
from config.properties import load_node_config
from tests.fuzz.mutations import damaged_frames, nonsense, recorded, synthetic

EXAMPLES = 1500
ANSWER_S = 10.0
SLOWEST_ON_LOOP_S = 0.5
"""Of this thread's own time: what the machine gives to others is not counted."""


class Fuzzed:
    """A node that runs whenever the test lets it."""

    def __init__(self, directory: Path) -> None:
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.loop = self.runner.get_loop()
        self.node = self.runner.run(self._start(directory))
        start = self.node.server.start_request
        dispatcher = getattr(start, "__self__", None)
        assert isinstance(dispatcher, Dispatcher)
        self.dispatcher = dispatcher

    async def _start(self, directory: Path) -> Node:
        overrides = [
            "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
            "group.initial.rebalance.delay.ms=0",
            "offsets.topic.num.partitions=2",
            "metrics.port=0",
        ]
        config = load_node_config(overrides=overrides, data_dir=directory).config
        environment = real_environment()
        format_new_directories(config, environment, None)
        node = Node(config, environment)
        await node.start()
        return node

    def close(self) -> None:
        assert not self.node.failed.is_set()
        self.runner.run(self.node.stop())
        self.runner.close()

    def give(self, frame: bytes) -> None:
        self.runner.run(self._give(frame))

    async def _give(self, frame: bytes) -> None:
        connection = Connection(self.node.server, "PLAINTEXT")
        began = time.thread_time()
        try:
            outcome: Outcome = self.dispatcher.start(frame, connection)
        except CloseConnection:
            return
        assert time.thread_time() - began < SLOWEST_ON_LOOP_S
        if isinstance(outcome, Held):
            try:
                outcome = await asyncio.wait_for(outcome.coroutine, ANSWER_S)
            except CloseConnection:
                return
        if isinstance(outcome, Parked):
            await asyncio.sleep(0)
            if not outcome.future.done():
                outcome.future.cancel()  # Waiting is as good as an answer.
                return
            try:
                outcome = outcome.finish(outcome.future)
            except CloseConnection:
                return
        assert outcome is None or (isinstance(outcome, list) and len(outcome[0]) >= 8)

    @property
    def unexpected(self) -> dict[str, int]:
        apis = self.dispatcher.served.values()
        return {served.api.name: served.unexpected_errors for served in apis if served.unexpected_errors}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    made = Fuzzed(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.close()


@pytest.mark.parametrize("frames", [recorded, synthetic])
def test_sound_requests(fuzzed: Fuzzed, frames: Any, caplog: pytest.LogCaptureFixture) -> None:
    for frame in frames():
        fuzzed.give(frame)
        assert fuzzed.unexpected == {}, caplog.text


LIMITS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@LIMITS
@given(frame=damaged_frames())
def test_damaged_requests(fuzzed: Fuzzed, frame: bytes, caplog: pytest.LogCaptureFixture) -> None:
    fuzzed.give(frame)
    assert fuzzed.unexpected == {}, caplog.text


@LIMITS
@given(frame=nonsense())
def test_requests_that_make_no_sense(fuzzed: Fuzzed, frame: bytes, caplog: pytest.LogCaptureFixture) -> None:
    fuzzed.give(frame)
    assert fuzzed.unexpected == {}, caplog.text
