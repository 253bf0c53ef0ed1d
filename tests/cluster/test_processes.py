"""`barnabas serve --processes`: several nodes on one host, started again where one dies, and stopped together."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from config.processes import PORTS_APART
from tests.support.cluster import CLUSTER_PROPERTIES, until
from tests.support.node import ROOT, STOP_DEADLINE_S

PROCESSES = 4
IDS = {7, 1007, 2007, 3007}


def free_base() -> int:
    """A port that is free, as are those of the other processes."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            base = int(probe.getsockname()[1])
        if all(_is_free(base + PORTS_APART * number) for number in range(PROCESSES)):
            return base


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


class Host:
    """What `serve FILE --processes N` makes of one host."""

    def __init__(self, directory: Path, count: int = PROCESSES) -> None:
        self.directory = directory
        self.log_file = directory / "log"
        self.file = directory / "server.properties"
        self.port, self.metrics_port, controller_port = self._bases()
        settings = {
            "process.roles": "broker,controller",
            "node.id": "7",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
            "log.dirs": str(directory / "data"),
            "metrics.port": str(self.metrics_port),
            "offsets.topic.replication.factor": "3",
            **CLUSTER_PROPERTIES,
        }
        self.file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        self.count = count

    @staticmethod
    def _bases() -> tuple[int, int, int]:
        while True:
            bases = free_base(), free_base(), free_base()
            if len({base % PORTS_APART for base in bases}) == 3:
                return bases

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            line = [sys.executable, "-m", "broker", "serve", "--no-environment", str(self.file)]
            self.process = psutil.Popen(
                [*line, "--processes", str(self.count)],
                cwd=ROOT,
                env={**os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log_text(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def nodes(self) -> list[psutil.Process]:
        return [child for child in self.process.children() if "serve" in child.cmdline()]

    def node(self, node_id: int) -> psutil.Process:
        [found] = [child for child in self.nodes() if f"--override=node.id={node_id}" in child.cmdline()]
        return found

    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{self.port + PORTS_APART * number}" for number in range(self.count))

    def brokers(self) -> set[int]:
        return set(AdminClient({"bootstrap.servers": self.bootstrap()}).list_topics(timeout=30).brokers)

    def is_ready(self, number: int) -> bool:
        url = f"http://127.0.0.1:{self.metrics_port + PORTS_APART * number}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def await_ready(self) -> None:
        def all_ready() -> bool:
            assert self.process.poll() is None, self.log_text()[-4000:]
            return all(self.is_ready(number) for number in range(self.count))

        until(all_ready, "all nodes are ready")


@contextmanager
def running(host: Host) -> Iterator[Host]:
    host.start()
    nodes: list[psutil.Process] = []
    try:
        host.await_ready()
        nodes = host.nodes()
        yield host
    finally:
        nodes += host.nodes() if host.process.is_running() else []
        for process in (host.process, *nodes):
            if process.is_running():
                process.kill()
        host.process.wait(STOP_DEADLINE_S)


def produced(host: Host, count: int) -> None:
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({"bootstrap.servers": host.bootstrap(), "acks": "all", "enable.idempotence": True})
    for number in range(count):
        producer.produce("t", str(number).encode(), on_delivery=delivered)
    assert producer.flush(60) == 0
    assert failed == []


def consumed(host: Host, count: int) -> int:
    consumer = Consumer({"bootstrap.servers": host.bootstrap(), "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["t"])
    found = 0
    deadline = time.monotonic() + 60
    while found < count and time.monotonic() < deadline:
        found += sum(message.error() is None for message in consumer.consume(100, 0.5))
    consumer.close()
    return found


def test_one_of_four_that_is_killed_returns_by_itself_and_a_signal_stops_all(tmp_path: Path) -> None:
    with running(Host(tmp_path)) as host:
        assert host.brokers() == IDS
        admin = AdminClient({"bootstrap.servers": host.bootstrap()})
        for future in admin.create_topics([NewTopic("t", 8, 3)]).values():
            future.result(60)
        produced(host, 100)
        victim = host.node(2007)
        victim.kill()
        until(lambda: "node 2007  was killed by SIGKILL; it is started again at once" in host.log_text(), "it is seen")
        produced(host, 100)
        until(lambda: host.is_ready(2), "the node is back")
        assert host.node(2007).pid != victim.pid
        until(lambda: host.brokers() == IDS, "the cluster knows it")
        assert consumed(host, 200) == 200
        nodes = host.nodes()
        assert len(nodes) == 4
        host.process.terminate()
        assert host.process.wait(STOP_DEADLINE_S) == 0
        assert [node for node in nodes if node.is_running()] == []
        for node_id in IDS:
            assert re.search(rf"^node {node_id}  .* stopped$", host.log_text(), re.MULTILINE)
    # Each has directories of its own, of one cluster; the first alone votes.
    written = {path.parent.name: path.read_text() for path in tmp_path.glob("data/*/meta.properties")}
    assert set(written) == {f"node{node_id}" for node_id in IDS}
    assert len({re.search("cluster.id=(.*)", text)[1] for text in written.values()}) == 1  # type: ignore[index]
    with running(host):
        assert host.brokers() == IDS
        assert consumed(host, 0) == 0


def test_nodes_stop_where_the_process_above_them_is_killed(tmp_path: Path) -> None:
    with running(Host(tmp_path, 2)) as host:
        nodes = host.nodes()
        assert len(nodes) == 2
        host.process.send_signal(signal.SIGKILL)
        _, left = psutil.wait_procs(nodes, STOP_DEADLINE_S)
        assert left == []


def test_a_node_that_cannot_start_stops_all(tmp_path: Path) -> None:
    host = Host(tmp_path, 2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", host.port + PORTS_APART))
        taken.listen()
        host.start()
        assert host.process.wait(STOP_DEADLINE_S) == 1
    assert "node 1007  has ended with 1 and has never served: all nodes are stopped" in host.log_text()
    assert "cannot start" in host.log_text()
