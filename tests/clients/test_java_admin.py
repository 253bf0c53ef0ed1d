"""Kafka's own tools for whoever runs a cluster, of 4.3.1: each asks a node of ours what it asks Apache Kafka."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.java_tools import attempt, run
from tests.support.node import BarnabasNode, running_node

KAFKA = "4.3.1"


@pytest.fixture
def topic(node: BarnabasNode, unique: Callable[[str], str]) -> str:
    """With the records a, b and c in its one partition."""
    name = unique("t")
    run(KAFKA, "console-producer", "--bootstrap-server", node.bootstrap, "--topic", name, stdin=b"a\nb\nc\n")
    return name


def tool(node: BarnabasNode, name: str, *arguments: str) -> str:
    return run(KAFKA, name, "--bootstrap-server", node.bootstrap, *arguments)


def refused(node: BarnabasNode, name: str, *arguments: str) -> str:
    """What the tool says; it must fail."""
    done = attempt(KAFKA, name, "--bootstrap-server", node.bootstrap, *arguments)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0 or "Error" in text, text
    return text


def test_delete_records(node: BarnabasNode, topic: str, tmp_path: Path) -> None:
    def wanted(offset: int) -> tuple[str, str]:
        partitions = [{"topic": topic, "partition": 0, "offset": offset}]
        path = tmp_path / f"{offset}.json"
        path.write_text(json.dumps({"version": 1, "partitions": partitions}))
        return "--offset-json-file", str(path)

    assert f"partition: {topic}-0\tlow_watermark: 2" in tool(node, "delete-records", *wanted(2))
    assert tool(node, "get-offsets", "--topic", topic, "--time", "-2").strip() == f"{topic}:0:2"
    arguments = ("--topic", topic, "--from-beginning", "--max-messages", "1")
    assert tool(node, "console-consumer", *arguments).split() == ["c"]
    assert "OffsetOutOfRangeException" in tool(node, "delete-records", *wanted(9))


def test_log_dirs(node: BarnabasNode, topic: str) -> None:
    text = tool(node, "log-dirs", "--describe", "--topic-list", topic)
    (broker,) = json.loads(text.splitlines()[-1])["brokers"]
    (directory,) = broker["logDirs"]
    assert (directory["logDir"], directory["error"]) == (str(node.data), None)
    (partition,) = directory["partitions"]
    size = sum(path.stat().st_size for path in (node.data / f"{topic}-0").glob("*.log"))
    assert partition == {"partition": f"{topic}-0", "size": size, "offsetLag": 0, "isFuture": False}


def test_the_quorum_and_its_controllers(node: BarnabasNode) -> None:
    status = tool(node, "metadata-quorum", "describe", "--status")
    fields = dict(re.findall(r"^(\w+):\s+(.*)$", status, re.MULTILINE))
    assert (fields["LeaderId"], fields["MaxFollowerLag"], fields["CurrentObservers"]) == ("1", "0", "[]")
    assert int(fields["HighWatermark"]) > 0
    (voter,) = json.loads(fields["CurrentVoters"])
    (endpoint,) = voter["endpoints"]
    replication = tool(node, "metadata-quorum", "describe", "--replication")
    (row,) = [line.split() for line in replication.splitlines() if line.startswith("1")]
    assert (row[1], row[3], row[-1]) == (voter["directoryId"], "0", "Leader")

    # The same of the controller, and what else is asked of it.
    controller = ("--bootstrap-controller", endpoint.removeprefix("CONTROLLER://"))
    assert "LeaderId:               1" in run(KAFKA, "metadata-quorum", *controller, "describe", "--status")
    assert "metadata.version" in run(KAFKA, "features", *controller, "describe")
    assert controller[1].split(":") == run(KAFKA, "cluster", "list-endpoints", *controller).splitlines()[1].split()[1:3]


def test_features(node: BarnabasNode) -> None:
    described = tool(node, "features", "describe")
    levels = dict(re.findall(r"Feature: (\S+).*FinalizedVersionLevel: (\S+)", described))
    assert levels == {"kraft.version": "1", "metadata.version": "4.3-IV0"}
    assert "metadata.version can be upgraded to 30" in tool(
        node, "features", "upgrade", "--feature", "metadata.version=30", "--dry-run"
    )
    assert "cannot be lowered" in refused(node, "features", "downgrade", "--feature", "metadata.version=20")
    assert "no such feature" in refused(node, "features", "upgrade", "--feature", "unknown=1")


def test_leader_election(node: BarnabasNode, topic: str) -> None:
    one = ("--topic", topic, "--partition", "0")
    assert "already elected" in tool(node, "leader-election", "--election-type", "preferred", *one)
    tool(node, "leader-election", "--election-type", "unclean", "--all-topic-partitions")


def test_reassignment(node: BarnabasNode, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "moves.json"
    path.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [1]}]}))
    plan = ("--reassignment-json-file", str(path))
    assert "Successfully started partition reassignment" in tool(node, "reassign", "--execute", *plan)
    assert f"Reassignment of partition {topic}-0 is completed." in tool(node, "reassign", "--verify", *plan)
    assert "No partition reassignments found." in tool(node, "reassign", "--list")
    path.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [7]}]}))
    assert "7" in refused(node, "reassign", "--execute", *plan)


def test_moving_between_log_directories(tmp_path: Path) -> None:
    directories = [tmp_path / "a", tmp_path / "b"]
    with running_node(tmp_path, {"log.dirs": ",".join(map(str, directories))}) as node:
        run(KAFKA, "console-producer", "--bootstrap-server", node.bootstrap, "--topic", "moved", stdin=b"a\nb\nc\n")
        source, target = sorted(directories, key=lambda path: not (path / "moved-0").exists())
        move = {"topic": "moved", "partition": 0, "replicas": [1], "log_dirs": [str(target)]}
        path = tmp_path / "moves.json"
        path.write_text(json.dumps({"version": 1, "partitions": [move]}))
        plan = ("--reassignment-json-file", str(path))
        tool(node, "reassign", "--execute", *plan)
        deadline = time.monotonic() + 60
        while "replica moved-0-1 completed successfully" not in (text := tool(node, "reassign", "--verify", *plan)):
            assert time.monotonic() < deadline, text
        assert not (source / "moved-0").exists()
        arguments = ("--topic", "moved", "--from-beginning", "--max-messages", "3")
        assert tool(node, "console-consumer", *arguments).split() == ["a", "b", "c"]


def test_producers(node: BarnabasNode, topic: str) -> None:
    text = tool(node, "transactions", "describe-producers", "--topic", topic, "--partition", "0")
    header, row = text.splitlines()
    described = dict(zip(header.split(), row.split(), strict=True))
    assert (described["ProducerEpoch"], described["LastSequence"]) == ("0", "2")
    assert described["CurrentTransactionStartOffset"] == "None"


def test_what_is_refused(node: BarnabasNode) -> None:
    assert "SecurityDisabledException" in refused(node, "acls", "--list")
    done = attempt(KAFKA, "cluster", "unregister", "--bootstrap-server", node.bootstrap, "--id", "7")
    assert b"BrokerIdNotRegisteredException" in done.stdout + done.stderr
    assert tool(node, "client-metrics", "--list").strip() == ""
