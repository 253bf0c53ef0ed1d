"""The load generator (BenchClient.java) as a child process: one JVM for all rounds and both servers."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.kafka_peer import compile_java, kafka_libs

SOURCE = Path(__file__).with_name("BenchClient.java")


class Client:
    """Give it jobs of BenchClient.java one at a time; what a job measured comes back by name."""

    def __init__(self, directory: Path) -> None:
        classes = compile_java([SOURCE], directory / "client")
        command = ["java", "-Xms1g", "-Xmx1g", "-cp", f"{classes}:{kafka_libs()}/*", "BenchClient"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def do(self, job: str, bootstrap: str, *arguments: object) -> Mapping[str, float]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\t".join([job, bootstrap, *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        status, *words = self._process.stdout.readline().strip().split("\t")
        if status != "ok":
            raise RuntimeError(f"{job} {arguments}: {status} {' '.join(words)}")
        return {name: float(value) for name, value in (word.split("=") for word in words)}

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
