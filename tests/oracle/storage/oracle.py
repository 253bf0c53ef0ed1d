"""Apache Kafka's own log, in one Java process that is told line by line what to do with it."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.support.kafka_peer import compile_java, java_command

SOURCE = Path(__file__).parent / "LogOracle.java"


class KafkaRefused(Exception):
    """Kafka's log threw; the name of its exception comes first."""


class KafkaLog:
    """One log at a time."""

    def __init__(self) -> None:
        classes = compile_java([SOURCE], Path(mkdtemp(prefix="log-oracle-")))
        self._process = subprocess.Popen(
            java_command("LogOracle", classes=classes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def close_process(self) -> None:
        self._process.kill()
        self._process.wait()

    def tell(self, *words: object) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        status, _, rest = answer.partition(" ")
        if status != "ok":
            raise KafkaRefused(rest)
        return rest

    def open(
        self,
        directory: Path,
        settings: Mapping[str, object],
        *,
        clean: bool = True,
        recovery_point: int = 0,
        log_start_offset: int = 0,
    ) -> None:
        pairs = ",".join(f"{key}={value}" for key, value in settings.items())
        self.tell("open", directory, "clean" if clean else "unclean", recovery_point, log_start_offset, pairs)

    def append(self, data: bytes, *, leader_epoch: int, origin: str = "client") -> tuple[int, int]:
        first, last = self.tell("append", leader_epoch, origin, b64encode(data).decode()).split()
        return int(first), int(last)

    def read(self, offset: int, max_bytes: int) -> bytes:
        return b64decode(self.tell("read", offset, max_bytes))

    def describe(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tell("describe"))
        return found

    def numbers(self, *words: object) -> tuple[int, ...]:
        return tuple(int(word) for word in self.tell(*words).split())
