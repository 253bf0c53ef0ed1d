"""Apache Kafka itself as a process on loopback: the oracle for directories, answers and measurements."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.kafka_peer import kafka_libs

START_DEADLINE_S = 120.0
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
# As Kafka's own start script: the measured peer must run with the collector and heap that its users run.
JVM = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
]


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


class ApacheKafka:
    """A combined broker and controller; `data` may be a directory that another broker wrote."""

    def __init__(
        self,
        directory: Path,
        *,
        data: Path | None = None,
        properties: Mapping[str, str] | None = None,
        version: str = "4.3.1",
        heap: str = "512m",
        node_id: int = 1,
    ) -> None:
        self.directory = directory
        self.data = data or directory / "data"
        self.version = version
        self.heap = heap
        self.node_id = node_id
        self.port, self.controller_port = free_ports(2)
        self.properties = dict(properties or {})
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def _write_properties(self) -> Path:
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "3",
            **self.properties,
        }
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return path

    def _java(self) -> list[str]:
        return ["java", f"-Xms{self.heap}", f"-Xmx{self.heap}", *JVM, "-cp", f"{kafka_libs(self.version)}/*"]

    def format(self, *flags: str) -> None:
        subprocess.run(
            [
                *(*self._java(), "kafka.tools.StorageTool", "format"),
                *("-t", CLUSTER_ID, "-c", str(self._write_properties())),
                *(flags or ("--standalone",)),
            ],
            check=True,
            capture_output=True,
            timeout=START_DEADLINE_S,
        )

    def spawn(self) -> None:
        """The process alone, ready or not."""
        properties = self._write_properties()
        with (self.directory / "kafka.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._java(), "kafka.Kafka", str(properties)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start(self) -> ApacheKafka:
        self.spawn()
        assert self.process is not None
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"Apache Kafka ended with {self.process.returncode}\n{self.log_text()[-4000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"Apache Kafka is not ready\n{self.log_text()[-4000:]}")

    def log_text(self) -> str:
        return (self.directory / "kafka.log").read_text(errors="replace")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(120)
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running_kafka(directory: Path, properties: Mapping[str, str] | None = None) -> Iterator[ApacheKafka]:
    kafka = ApacheKafka(directory, properties=properties)
    kafka.format()
    try:
        yield kafka.start()
    finally:
        kafka.kill()
