"""A real `barnabas serve` process for tests: its own directory, a free port, started, stopped and killed by pid.

The port is chosen by the node itself (port 0) and read back from the ready line, so that tests run in parallel.
A restart keeps the port of the first start: clients that ride over the restart must find the node again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 60.0

# One partition of each internal topic is enough for a test, and a group need not wait for its first members.
TEST_PROPERTIES = {
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "3",
    "metrics.port": "0",
}


class NodeFailed(Exception):
    """The process ended, or did not get ready; the text carries the end of its log."""


class BarnabasNode:
    """One node, addressed as 127.0.0.1:PORT; `directory` holds its data, its properties and its log."""

    def __init__(self, directory: Path, properties: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log_file = directory / "node.log"
        self.properties = {**TEST_PROPERTIES, **(properties or {})}
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def command(self) -> list[str]:
        overrides = {"listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:0", **self.properties}
        arguments = [f"--override={key}={value}" for key, value in overrides.items()]
        data = [] if "log.dirs" in self.properties else ["--data", str(self.data)]
        return [sys.executable, "-m", "broker", "serve", *data, *arguments]

    @property
    def metrics_port(self) -> int:
        """Of this start: what the log says."""
        ports = re.findall(r"metrics are served on http://127\.0\.0\.1:(\d+)/", self.log_text())
        return int(ports[-1])

    def start(self, extra_environment: Mapping[str, str] | None = None) -> BarnabasNode:
        offset = self.log_file.stat().st_size if self.log_file.exists() else 0
        self.spawn(extra_environment)
        self._await_ready(offset)
        return self

    def spawn(self, extra_environment: Mapping[str, str] | None = None) -> None:
        """The process alone, ready or not."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(extra_environment or {})},
                start_new_session=True,
            )

    def _await_ready(self, offset: int) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            text = self._log_from(offset)
            ready = re.search(r"Kafka Server started.*?127\.0\.0\.1:(\d+)", text)
            if ready:
                self.port = int(ready.group(1))
                return
            if self.process is not None and self.process.poll() is not None:
                raise NodeFailed(f"exit code {self.process.returncode}\n{text[-4000:]}")
            time.sleep(0.01)
        self.kill()
        raise NodeFailed(f"not ready after {START_DEADLINE_S} s\n{self._log_from(offset)[-4000:]}")

    def _log_from(self, offset: int) -> str:
        with self.log_file.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def log_text(self) -> str:
        return self._log_from(0) if self.log_file.exists() else ""

    def stop(self) -> int:
        """A graceful stop (SIGTERM); returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """kill -9."""
        return self._end(signal.SIGKILL)

    def _end(self, signal_number: int) -> int:
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal_number)
        try:
            code = process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NodeFailed(f"did not stop\n{self.log_text()[-4000:]}") from None
        self.process = None
        return code

    def restart(self) -> None:
        assert self.stop() == 0, self.log_text()[-4000:]
        self.start()


@contextmanager
def running_node(directory: Path, properties: Mapping[str, str] | None = None) -> Iterator[BarnabasNode]:
    node = BarnabasNode(directory, properties)
    try:
        yield node.start()
    finally:
        node.kill()
