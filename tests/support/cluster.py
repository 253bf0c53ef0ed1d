"""Clusters of real `barnabas serve` processes: three combined nodes, or controllers and brokers apart."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from protocol.ids import uuid_to_string
from tests.support.apache_kafka import CLUSTER_ID, free_ports
from tests.support.node import ROOT, START_DEADLINE_S, STOP_DEADLINE_S, NodeFailed
from tests.support.raft_simulation import directory_id

COMBINED, CONTROLLER, BROKER = "broker,controller", "controller", "broker"

# Quick elections; a broker that is cut off is fenced soon, and one that is slow is not.
CLUSTER_PROPERTIES = {
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "3",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    "controller.quorum.election.backoff.max.ms": "200",
}


class ClusterNode:
    """A process with a properties file of its own; it is addressed by its id."""

    def __init__(self, cluster: Cluster, node_id: int, roles: str, extra: Mapping[str, str]) -> None:
        self.cluster = cluster
        self.id = node_id
        self.roles = roles
        self.directory = cluster.directory / f"node{node_id}"
        self.data = self.directory / "data"
        self.log_file = self.directory / "node.log"
        self.port, self.controller_port = free_ports(2)
        self.extra = dict(extra)
        self.process: subprocess.Popen[bytes] | None = None
        self._is_asked_to_stop = False

    @property
    def is_controller(self) -> bool:
        return CONTROLLER in self.roles

    @property
    def is_broker(self) -> bool:
        return BROKER in self.roles

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def controller_address(self) -> str:
        return f"127.0.0.1:{self.controller_port}"

    @property
    def properties_file(self) -> Path:
        return self.directory / "server.properties"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def write_properties(self) -> None:
        listeners = [f"PLAINTEXT://{self.bootstrap}"] if self.is_broker else []
        listeners += [f"CONTROLLER://{self.controller_address}"] if self.is_controller else []
        settings = {
            "process.roles": self.roles,
            "node.id": str(self.id),
            "listeners": ",".join(listeners),
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            **self.cluster.quorum_settings(),
            **CLUSTER_PROPERTIES,
            **self.cluster.properties,
            **self.extra,
        }
        self.directory.mkdir(parents=True, exist_ok=True)
        self.properties_file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def format(self, *flags: str) -> None:
        self.write_properties()
        line = [sys.executable, "-m", "broker", "format", "-t", CLUSTER_ID, "-c", str(self.properties_file), *flags]
        subprocess.run(line, cwd=ROOT, check=True, capture_output=True, timeout=START_DEADLINE_S)

    def launch(self) -> None:
        """Starts the process; `await_ready` says when it serves."""
        with self.log_file.open("ab") as log:
            self._offset = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "broker", "serve", "--no-environment", str(self.properties_file)],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ},
                start_new_session=True,
            )

    def await_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            text = self.log_text()[self._offset :]
            if re.search(r"Kafka Server started", text):
                return
            if self.process is not None and self.process.poll() is not None:
                raise NodeFailed(f"node {self.id}: exit code {self.process.returncode}\n{text[-4000:]}")
            time.sleep(0.01)
        raise NodeFailed(f"node {self.id} is not ready after {START_DEADLINE_S} s\n{self.log_text()[-4000:]}")

    def start(self) -> None:
        self.launch()
        self.await_ready()

    def log_text(self) -> str:
        return self.log_file.read_bytes().decode(errors="replace") if self.log_file.exists() else ""

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ask_to_stop(self) -> None:
        """`stop` then waits."""
        self._is_asked_to_stop = True
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        code = self._end(signal.SIGTERM)
        assert code == 0, f"node {self.id}: exit code {code}\n{self.log_text()[-4000:]}"

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        was_asked, self._is_asked_to_stop = self._is_asked_to_stop, False
        if process.poll() is None and not (was_asked and number is signal.SIGTERM):
            process.send_signal(number)
        try:
            return process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NodeFailed(f"node {self.id} did not stop\n{self.log_text()[-4000:]}") from None


class Cluster:
    """`is_static`: the voters stand in controller.quorum.voters; else the first formatting names them."""

    def __init__(
        self,
        directory: Path,
        roles: Sequence[str] = (COMBINED, COMBINED, COMBINED),
        properties: Mapping[str, str] | None = None,
        *,
        racks: Sequence[str] = (),
        is_static: bool = False,
    ) -> None:
        self.directory = directory
        self.properties = dict(properties or {})
        self.is_static = is_static
        self.nodes: dict[int, ClusterNode] = {}
        for index, of_node in enumerate(roles):
            extra = {"broker.rack": racks[index]} if racks and BROKER in of_node else {}
            self.nodes[index + 1] = ClusterNode(self, index + 1, of_node, extra)
        self._first_controllers = [node for node in self.nodes.values() if node.is_controller]

    @property
    def controllers(self) -> list[ClusterNode]:
        return [node for node in self.nodes.values() if node.is_controller]

    @property
    def brokers(self) -> list[ClusterNode]:
        return [node for node in self.nodes.values() if node.is_broker]

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.brokers)

    @property
    def bootstrap_controllers(self) -> str:
        return ",".join(node.controller_address for node in self.controllers)

    def quorum_settings(self) -> dict[str, str]:
        if self.is_static:
            voters = ",".join(f"{node.id}@{node.controller_address}" for node in self._first_controllers)
            return {"controller.quorum.voters": voters}
        return {
            "controller.quorum.bootstrap.servers": ",".join(node.controller_address for node in self._first_controllers)
        }

    def initial_controllers(self) -> str:
        return ",".join(
            f"{node.id}@{node.controller_address}:{uuid_to_string(directory_id(node.id))}"
            for node in self._first_controllers
        )

    def format(self) -> None:
        for node in self.nodes.values():
            flags: tuple[str, ...] = ()
            if not self.is_static and node.is_controller:
                flags = ("--initial-controllers", self.initial_controllers())
            node.format(*flags)

    def start(self) -> Cluster:
        self.format()
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.await_ready()
        return self

    def add(self, node_id: int, roles: str, *, extra: Mapping[str, str] | None = None) -> ClusterNode:
        """A node that joins later: formatted, not started."""
        node = self.nodes[node_id] = ClusterNode(self, node_id, roles, extra or {})
        node.format(*(("--no-initial-controllers",) if node.is_controller and not self.is_static else ()))
        return node

    def kill(self) -> None:
        for node in self.nodes.values():
            node.kill()


def until(condition: Callable[[], object], what: str, deadline_s: float = 60.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.05)


@contextmanager
def running_cluster(cluster: Cluster) -> Iterator[Cluster]:
    try:
        yield cluster.start()
    finally:
        cluster.kill()
