"""Bad peers of a running node: it sheds them, keeps serving the others, and keeps its memory."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from tests.fuzz.mutations import damaged_frames, recorded
from tests.support.node import BarnabasNode, running_node
from tests.support.wire import ask, frame

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BarnabasNode]:
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running
        assert "Traceback" not in running.log_text()


def connect(node: BarnabasNode) -> socket.socket:
    return socket.create_connection(("127.0.0.1", node.port), timeout=20)


def assert_serving(node: BarnabasNode) -> None:
    answer = ask(
        node.bootstrap,
        ApiVersionsRequest(client_software_name="test", client_software_version="1"),
        3,
        ApiVersionsResponse,
    )
    assert answer.error_code == 0


def resident_bytes(node: BarnabasNode) -> int:
    return int(psutil.Process(node.pid).memory_info().rss)


def is_closed(connection: socket.socket) -> bool:
    """Reads until the other side hangs up."""
    try:
        while connection.recv(65536):
            continue
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(frames=st.lists(damaged_frames(), min_size=1, max_size=5), lie=st.sampled_from([0, 0, 0, 1, -1, 1000]))
def test_damaged_frames(node: BarnabasNode, frames: list[bytes], lie: int) -> None:
    with connect(node) as connection, contextlib.suppress(ConnectionError):
        for each in frames:
            connection.sendall(struct.pack(">i", max(len(each) + lie, 0)) + each)
    assert_serving(node)


@pytest.mark.parametrize("size", [-1, -(2**31), 100 * MEGABYTE + 1, 2**31 - 1])
def test_impossible_sizes_are_closed_at_once(node: BarnabasNode, size: int) -> None:
    with connect(node) as connection:
        connection.sendall(struct.pack(">i", size) + b"x" * 100)
        assert is_closed(connection)
    assert_serving(node)


def test_announced_bytes_cost_nothing(node: BarnabasNode) -> None:
    before = resident_bytes(node)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(connect(node))
            connection.sendall(struct.pack(">i", 100 * MEGABYTE) + b"x")
        assert_serving(node)
        assert resident_bytes(node) - before < 20 * MEGABYTE


def test_idle_connections_cost_little(node: BarnabasNode) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(node))
        assert_serving(node)
        before = resident_bytes(node)
        for _ in range(1000):
            stack.enter_context(connect(node))
        assert_serving(node)
        assert (resident_bytes(node) - before) / 1000 < 16 * 1024
    assert_serving(node)


def test_half_a_request_and_gone(node: BarnabasNode) -> None:
    for each in recorded():
        with connect(node) as connection:
            connection.sendall((struct.pack(">i", len(each)) + each)[: len(each) // 2])
    assert_serving(node)


def test_many_requests_and_no_reading(node: BarnabasNode) -> None:
    """A client that only sends: the node stops reading from it, and keeps nothing for it."""
    request = frame(ApiVersionsRequest(client_software_name="test", client_software_version="1"), 3)
    before = resident_bytes(node)
    with connect(node) as connection:
        connection.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 256 * MEGABYTE:
                sent += connection.send(request * 1000)
        assert sent < 256 * MEGABYTE
        assert_serving(node)
        assert resident_bytes(node) - before < 32 * MEGABYTE


def test_noise(node: BarnabasNode) -> None:
    for prefix in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", os.urandom(1000)):
        with connect(node) as connection:
            connection.sendall(prefix)
            connection.shutdown(socket.SHUT_WR)
            assert is_closed(connection)
    assert_serving(node)


def test_connections_above_the_limit_are_refused_and_the_others_stay(tmp_path: Path) -> None:
    with running_node(tmp_path, {"max.connections": "50"}) as node, contextlib.ExitStack() as stack:
        first = stack.enter_context(connect(node))
        for _ in range(80):
            stack.enter_context(connect(node))
        first.sendall(frame(ApiVersionsRequest(client_software_name="test", client_software_version="1"), 3))
        assert len(first.recv(4)) == 4
