"""Starting a node: what is refused, with the reason in one line and no traceback, and what is ready when it says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.servers import answers
from tests.support.node import BarnabasNode, NodeFailed, running_node


def refusal(node: BarnabasNode, environment: dict[str, str] | None = None) -> str:
    """What the node says when it does not start."""
    with pytest.raises(NodeFailed) as failure:
        node.start(environment)
    text = str(failure.value)
    assert "Traceback" not in text, text
    return text


def test_the_first_request_after_the_ready_line_is_answered(tmp_path: Path) -> None:
    for _ in range(3):
        with running_node(tmp_path / "node") as node:
            assert answers(node.bootstrap)


# What costs a start time and a node memory, and is loaded by those alone who use it.
LOADED_ON_DEMAND = {
    *("cramjam", "lz4", "zstandard"),  # codecs
    *("prometheus_client", "kazoo"),
    *("difflib", "encodings.idna"),
    *("broker.dump_log", "config.document"),
}
COMMON_TO_HANDLERS = {"broker.handlers.context", "broker.handlers.errors"}


def test_a_node_that_is_ready_has_loaded_what_every_node_needs(tmp_path: Path) -> None:
    node = BarnabasNode(tmp_path / "node")
    try:
        node.start({"PYTHONPROFILEIMPORTTIME": "1"})
        loaded = set(re.findall(r"^import time:[ \d|]+\| +(\S+)$", node.log_text(), re.MULTILINE))
    finally:
        node.kill()
    assert "broker.node" in loaded
    assert not loaded & LOADED_ON_DEMAND
    assert {name for name in loaded if name.startswith("broker.handlers.")} == COMMON_TO_HANDLERS


def test_a_second_start_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with running_node(tmp_path / "node") as node:
        second = BarnabasNode(tmp_path / "second")
        second.data = node.data
        assert "in use" in refusal(second)
        assert answers(node.bootstrap)


def test_a_directory_of_another_node_or_cluster_is_refused(tmp_path: Path) -> None:
    with running_node(tmp_path / "node") as node:
        assert node.stop() == 0
        other = BarnabasNode(tmp_path / "other", {"node.id": "7"})
        other.data = node.data
        assert "belongs to node 1" in refusal(other)
        stranger = BarnabasNode(tmp_path / "stranger")
        stranger.data = node.data
        assert "CLUSTER_ID" in refusal(stranger, {"CLUSTER_ID": "AAAAAAAAAAAAAAAAAAAAAA"})
        node.start()


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with running_node(tmp_path / "node") as node:
        second = BarnabasNode(tmp_path / "second")
        second.port = node.port
        assert f"127.0.0.1:{node.port}" in refusal(second)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("ssl.keystore.location", "/some/where.jks"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("create.topic.policy.class.name", "com.example.Policy"),
        ("remote.log.storage.system.enable", "true"),
    ],
)
def test_what_would_weaken_security_or_durability_is_refused(tmp_path: Path, key: str, value: str) -> None:
    said = refusal(BarnabasNode(tmp_path / "node", {key: value}))
    assert key in said
    assert "--insecure-ignore" in said
