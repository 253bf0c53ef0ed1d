"""The Java clients and tools of Kafka 4.3.1 and 3.6, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.corpus import write_json_lines
from tests.support.java_tools import VERSIONS, attempt, command, run
from tests.support.kcat import kcat_command
from tests.support.node import BarnabasNode

versions = pytest.mark.parametrize("version", VERSIONS)
# The main job on real input.
LINES = 300_000


@pytest.fixture(scope="module")
def json_lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_json_lines(tmp_path_factory.mktemp("corpus") / "lines.json", LINES)


def test_json_lines_in_through_java_and_out_through_a_group_of_librdkafka(
    node: BarnabasNode, unique: Callable[[str], str], json_lines: Path, tmp_path: Path
) -> None:
    topic, group, out = unique("t"), unique("g"), tmp_path / "out.json"
    boot = ("--bootstrap-server", node.bootstrap)
    run("4.3.1", "console-producer", *boot, "--topic", topic, stdin=json_lines)
    # -e ends when the group's consumer has reached the ends of its partitions.
    _pipe(kcat_command(node, "-G", group, "-X", "auto.offset.reset=earliest", "-u", "-e", topic), None, out)
    assert out.read_bytes() == json_lines.read_bytes()
    assert _described(node, "4.3.1", group, topic) == [group, topic, "0", str(LINES), str(LINES), "0"]


@versions
def test_json_lines_in_through_librdkafka_and_out_through_a_group_of_java(
    node: BarnabasNode, unique: Callable[[str], str], json_lines: Path, tmp_path: Path, version: str
) -> None:
    topic, group, out = unique("t"), unique("g"), tmp_path / "out.json"
    _pipe(kcat_command(node, "-P", "-t", topic, "-z", "lz4"), json_lines, None)
    consumer = command(
        version,
        "console-consumer",
        *("--bootstrap-server", node.bootstrap, "--topic", topic, "--group", group, "--from-beginning"),
        *("--max-messages", str(LINES), "--timeout-ms", "60000"),
    )
    _pipe(consumer, None, out)
    assert out.read_bytes() == json_lines.read_bytes()
    assert _described(node, version, group, topic) == [group, topic, "0", str(LINES), str(LINES), "0"]


def _pipe(line: list[str], source: Path | None, sink: Path | None) -> None:
    with (source or Path(os.devnull)).open("rb") as stdin, (sink or Path(os.devnull)).open("wb") as stdout:
        subprocess.run(line, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, timeout=300, check=True)


def _described(node: BarnabasNode, version: str, group: str, topic: str) -> list[str]:
    """Group, topic, partition, committed offset, end offset and lag, as the consumer groups' tool tells them."""
    text = run(version, "groups", "--bootstrap-server", node.bootstrap, "--describe", "--group", group)
    (row,) = [line.split() for line in text.splitlines() if topic in line]
    return row[:6]


@versions
def test_topics(node: BarnabasNode, unique: Callable[[str], str], version: str) -> None:
    topic = unique("t")
    boot = ("--bootstrap-server", node.bootstrap)
    run(version, "topics", *boot, "--create", "--topic", topic, "--partitions", "3", "--config", "retention.ms=1000")
    assert topic in run(version, "topics", *boot, "--list").split()
    described = run(version, "topics", *boot, "--describe", "--topic", topic)
    assert "PartitionCount: 3" in described
    assert "retention.ms=1000" in described
    run(version, "topics", *boot, "--alter", "--topic", topic, "--partitions", "4")
    assert "PartitionCount: 4" in run(version, "topics", *boot, "--describe", "--topic", topic)
    again = attempt(version, "topics", *boot, "--create", "--topic", topic)
    assert again.returncode == 1
    assert b"already exists" in again.stdout + again.stderr
    run(version, "topics", *boot, "--delete", "--topic", topic)
    assert topic not in run(version, "topics", *boot, "--list").split()


@versions
def test_get_offsets(node: BarnabasNode, unique: Callable[[str], str], version: str) -> None:
    topic = unique("t")
    boot = ("--bootstrap-server", node.bootstrap)
    run(version, "console-producer", *boot, "--topic", topic, stdin=b"a\nb\nc\n")
    for special, offset in [("-1", 3), ("-2", 0), ("-3", None)]:
        answer = run(version, "get-offsets", *boot, "--topic", topic, "--time", special).strip()
        name, partition, found = answer.split(":")
        assert (name, partition) == (topic, "0")
        assert offset is None or int(found) == offset


@versions
def test_consumer_groups_tool(node: BarnabasNode, unique: Callable[[str], str], version: str) -> None:
    topic, group = unique("t"), unique("g")
    boot = ("--bootstrap-server", node.bootstrap)
    run(version, "console-producer", *boot, "--topic", topic, stdin=b"a\nb\nc\n")
    arguments = (*boot, "--topic", topic, "--group", group, "--from-beginning", "--max-messages", "3")
    assert run(version, "console-consumer", *arguments).split() == ["a", "b", "c"]
    assert group in run(version, "groups", *boot, "--list").split()
    state = run(version, "groups", *boot, "--describe", "--group", group, "--state")
    assert "Empty" in state
    reset = (*boot, "--group", group, "--topic", topic, "--reset-offsets", "--to-offset", "1", "--execute")
    assert topic in run(version, "groups", *reset)
    rest = (*boot, "--topic", topic, "--group", group, "--max-messages", "2")
    assert run(version, "console-consumer", *rest).split() == ["b", "c"]
    run(version, "groups", *boot, "--delete-offsets", "--group", group, "--topic", topic)
    run(version, "groups", *boot, "--delete", "--group", group)
    assert group not in run(version, "groups", *boot, "--list").split()


@versions
def test_verifiable_producer_and_consumer(node: BarnabasNode, unique: Callable[[str], str], version: str) -> None:
    topic, group, count = unique("t"), unique("g"), 2000
    boot = ("--bootstrap-server", node.bootstrap)
    run(version, "topics", *boot, "--create", "--topic", topic, "--partitions", "2")
    output = run(version, "verifiable-producer", *boot, "--topic", topic, "--max-messages", str(count), "--acks", "-1")
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert sum(event["name"] == "producer_send_success" for event in events) == count
    assert events[-1]["name"] == "tool_data" or events[-1]["name"] == "shutdown_complete"
    consumed = _verifiable_consume(node, version, topic, group, count)
    assert consumed == count


def _verifiable_consume(node: BarnabasNode, version: str, topic: str, group: str, count: int) -> int:
    """Runs the verifiable consumer until it has read `count` records; returns how many it committed."""
    line = command(
        version,
        "verifiable-consumer",
        *("--bootstrap-server", node.bootstrap, "--topic", topic, "--group-id", group),
        *("--max-messages", str(count), "--reset-policy", "earliest"),
    )
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        # An event tells only of the partitions that were committed with it.
        offsets: dict[int, int] = {}
        committed = 0
        deadline = time.monotonic() + 120
        for text in process.stdout:
            event = json.loads(text) if text.startswith("{") else {}
            if event.get("name") == "offsets_committed":
                assert event["success"], event
                offsets.update({each["partition"]: each["offset"] for each in event["offsets"]})
                committed = sum(offsets.values())
                if committed == count:
                    process.send_signal(signal.SIGTERM)
                    break
            assert time.monotonic() < deadline, committed
        process.wait(60)
    return committed


@versions
def test_configs_tool(node: BarnabasNode, unique: Callable[[str], str], version: str) -> None:
    topic = unique("t")
    boot = ("--bootstrap-server", node.bootstrap)
    entity = ("--entity-type", "topics", "--entity-name", topic)
    run(version, "topics", *boot, "--create", "--topic", topic)
    run(version, "configs", *boot, *entity, "--alter", "--add-config", "retention.ms=123456")
    assert "retention.ms=123456" in run(version, "configs", *boot, *entity, "--describe")
    run(version, "configs", *boot, *entity, "--alter", "--delete-config", "retention.ms")
    assert "retention.ms=123456" not in run(version, "configs", *boot, *entity, "--describe")


def test_api_versions_tool_finds_nothing_unknown(node: BarnabasNode) -> None:
    answer = run("4.3.1", "api-versions", "--bootstrap-server", node.bootstrap)
    assert "Produce(0)" in answer
    assert "UNKNOWN" not in answer
