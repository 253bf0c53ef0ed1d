"""One JVM with Apache Kafka's message classes, for all tests of this directory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.support.kafka_peer import compile_java, java_command

_SOURCE = Path(__file__).with_name("MessageOracle.java")


class MessageOracle:
    """Asks lines, gets lines; see MessageOracle.java for what may be asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, questions: list[str]) -> list[str]:
        """One answer a question, in order."""
        writer = Thread(target=self._write, args=(questions,))
        writer.start()
        answers = [self._read() for _ in questions]
        writer.join()
        return answers

    def table(self, question: str) -> list[str]:
        self._write([question])
        return list(iter(self._read, "end"))

    def _write(self, lines: Iterable[str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.writelines(line + "\n" for line in lines)
        self._process.stdin.write("flush\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the JVM ended"
        return line.rstrip("\n")


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MessageOracle]:
    classes = compile_java([_SOURCE], tmp_path_factory.mktemp("message-oracle"))
    command = java_command("MessageOracle", classes=classes)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as jvm:
        yield MessageOracle(jvm)
        assert jvm.stdin is not None
        jvm.stdin.close()
