"""Starts an empty broker for one test of Kafka's, in place of the one before: `launcher STATE BROKER HOST:PORT FILE`.

`STATE` is a directory that holds the broker's data, its log and its process id; `BROKER` is `barnabas` or `kafka`;
`FILE` holds the properties that the test wants on top of the broker's defaults. The exit code is 0 once it serves.
Both brokers get the same properties file: one node, number 0, with one replica of every internal topic.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Set by the runner: the address of the controller; for Apache Kafka a formatted directory, and the command line up to
# the class.
CONTROLLER, FORMATTED, JAVA = "KAFKA_SUITE_CONTROLLER", "KAFKA_SUITE_FORMATTED", "KAFKA_SUITE_JAVA"
START_DEADLINE_S = 80.0  # the harness gives up after 90

# What Kafka's own harness sets for its clusters, and what one node needs whatever a test expects of several.
DEFAULTS = {
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
    "log.cleaner.dedupe.buffer.size": "2097152",
}
ONE_NODE = {
    "node.id": "0",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}

# Keys of what is not served that a test sets only to see how they are described.
ONLY_SHOWN = ("ssl.truststore.password",)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def read_properties(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key: value for key, _, value in pairs}


def write_properties(path: Path, wanted: Mapping[str, str], bootstrap: str, data: Path) -> None:
    controller = os.environ.get(CONTROLLER) or f"127.0.0.1:{free_port()}"
    settings = {
        **DEFAULTS,
        **wanted,
        **ONE_NODE,
        "controller.quorum.voters": f"0@{controller}",
        "listeners": f"PLAINTEXT://{bootstrap},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{bootstrap}",
        "log.dirs": str(data),
    }
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


def stop(state: Path) -> None:
    """Kills the broker that was started last, if the process of that number is still the one."""
    pid_file = state / "pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    pid_file.unlink()
    if _is_ours(pid, state):
        os.killpg(pid, signal.SIGKILL)
        while _is_ours(pid, state):
            time.sleep(0.01)


def _is_ours(pid: int, state: Path) -> bool:
    """A process that has ended has no command line any more, also where nobody has collected it yet."""
    try:
        return str(state / "server.properties").encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def start(state: Path, broker: str, bootstrap: str, wanted: Mapping[str, str]) -> bool:
    data, properties, log = state / "data", state / "server.properties", state / "broker.log"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    write_properties(properties, wanted, bootstrap, data)
    command = {"barnabas": _barnabas, "kafka": _kafka}[broker](data, properties)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
    (state / "pid").write_text(str(process.pid))
    return serves(process, log)


def serves(process: subprocess.Popen[bytes], log: Path) -> bool:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        if "Kafka Server started" in log.read_text(errors="replace"):
            return True
        time.sleep(0.02)
    return False


def _barnabas(data: Path, properties: Path) -> list[str]:
    ignored = [f"--insecure-ignore={key}" for key in ONLY_SHOWN]
    return [sys.executable, "-m", "broker", "serve", "--no-environment", *ignored, str(properties)]


def _kafka(data: Path, properties: Path) -> list[str]:
    """Kafka's formatting is a file or two, which one run of the storage tool made for all tests."""
    shutil.copytree(os.environ[FORMATTED], data, dirs_exist_ok=True)
    return [*shlex.split(os.environ[JAVA]), "kafka.Kafka", str(properties)]


def main(arguments: list[str]) -> int:
    state, broker, bootstrap, wanted = arguments
    stop(Path(state))
    return 0 if start(Path(state), broker, bootstrap, read_properties(Path(wanted))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
