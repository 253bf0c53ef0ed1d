"""Kafka's command line tools, many in one JVM (KafkaTools.java): a JVM for each call would take a second of it."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.kafka_peer import compile_java, kafka_libs

SOURCE = Path(__file__).with_name("KafkaTools.java")


class Printed(NamedTuple):
    code: int
    """-1 for a tool that did not end."""
    text: str
    """Standard output and error, as they came."""


class KafkaTools:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, main: str, arguments: Sequence[str], stdin: str = "", *, mode: str = "") -> Printed:
        """`mode`: "+" loads the class anew, "&" does and returns at once, "~" waits for what comes after the end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        words = [mode + main, base64.b64encode(stdin.encode()).decode(), *arguments]
        self._process.stdin.write(("\t".join(words) + "\n").encode())
        self._process.stdin.flush()
        code, _, printed = self._process.stdout.readline().decode().strip().partition(" ")
        return Printed(int(code), base64.b64decode(printed).decode())


@contextmanager
def kafka_tools(directory: Path, heap: str = "512m") -> Iterator[KafkaTools]:
    """A JVM with the driver, compiled into a directory."""
    classes = compile_java([SOURCE], directory)
    jars = ":".join(str(path) for path in sorted(kafka_libs().glob("*.jar")))
    options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dtools.path={jars}"]
    line = ["java", *options, "-cp", str(classes), "KafkaTools"]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield KafkaTools(process)
    finally:
        process.kill()
        process.wait()
