"""Runs the commands against one broker, and makes what two brokers print comparable."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.conformance.brokers import LEVELS, warm_up
from tests.conformance.client import Client
from tests.support.apache_kafka import ApacheKafka
from tests.support.kafka_tools import KafkaTools, Printed, kafka_tools
from tests.support.node import running_node
from tests.tools.commands import FILES, TOOLS, Tool

PROPERTIES = {
    "node.id": "1",
    "offsets.topic.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
}
STABLE_DEADLINE_S = 60
STABLE = "Stable"
BACKGROUND = "&"
METADATA = "__cluster_metadata-0"


class Row(NamedTuple):
    tool: Tool
    command: str

    @property
    def shown(self) -> str:
        return self.command.removeprefix(BACKGROUND)

    @property
    def line(self) -> str:
        return f"{self.tool.name} {self.shown}"


ROWS = tuple(Row(tool, command) for tool in TOOLS for command in tool.lines())


@dataclass(frozen=True)
class Target:
    """A broker of which tools are asked."""

    broker: int
    controller: int
    data: Path
    files: Path

    def arguments(self, command: str) -> list[str]:
        broker, controller = f"127.0.0.1:{self.broker}", f"127.0.0.1:{self.controller}"
        words = {
            "$B": f"--bootstrap-server {broker}",
            "$C": f"--bootstrap-controller {controller}",
            "$broker": broker,
            "$controller": controller,
            "$data": str(self.data),
            "$copy": str(self.files / "copy"),
            "$files": str(self.files),
        }
        if "$copy" in command:
            shutil.copytree(self.data / METADATA, self.files / "copy" / METADATA, dirs_exist_ok=True)
        return shlex.split(re.sub(r"\$[A-Za-z]+", lambda word: words[word.group()], command.removeprefix(BACKGROUND)))

    def run(self, tools: KafkaTools, row: Row) -> Printed:
        background = row.command.startswith(BACKGROUND)
        mode = BACKGROUND if background else "+" if row.tool.anew else "~" if row.tool.lingers else ""
        printed = tools.run(row.tool.main, self.arguments(row.command), row.tool.stdin, mode=mode)
        if background and "--group" in row.command:
            self._await_member(row.command.split("--group ")[1].split()[0])
        text = self.normal(printed.text)
        if printed.code == 0 and row.line.startswith(_UNORDERED):
            text = "\n".join(sorted(text.splitlines()))
        return Printed(printed.code, text)

    def _await_member(self, group: str) -> None:
        client = Client(self.broker, "tools")
        deadline = time.monotonic() + STABLE_DEADLINE_S
        while client.quietly("DescribeGroups", groups=[group])["groups"][0]["group_state"] != STABLE:
            assert time.monotonic() < deadline, f"{group} has no member"
            time.sleep(0.05)
        client.close()

    def normal(self, text: str) -> str:
        """Without addresses, paths, ids, times and measures; the words of errors and stack traces are left out."""
        for value, name in (
            (str(self.data), "$data"),
            (str(self.files), "$files"),
            (f"127.0.0.1:{self.broker}", "$broker"),
            (f"127.0.0.1:{self.controller}", "$controller"),
        ):
            text = text.replace(value, name)
        text = re.sub(rf"\b({self.broker}|{self.controller})\b", "PORT", text)
        for pattern, name in _PATTERNS:
            text = re.sub(pattern, name, text)
        lines = (line.rstrip() for line in text.splitlines())
        return "\n".join(line for line in lines if line and not re.match(_NOISE, line))


_NOISE = r"\s+at |\s+\.\.\. \d+ more|exit \d+$|KafkaTools\$Ended"
_PATTERNS = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z0-9])(?!console-)[\w-]{22}(?![\w-])", "ID"),
    (r"console-consumer-\d+ *", "console-consumer-N "),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,:]\d+)?Z?", "TIME"),
    (r"\b1[6-9]\d{11}\b", "TIME"),
    (r"\b\d+ ms ago *", "N ms ago"),
    (r"(Epoch|HighWatermark|size|crc|position|CurrentLeaderEpoch)(\"?): *\d+", r"\1\2: N"),
    (r"\b(ID\t)\d+ +(\t0)", r"\1N\2"),
    (r"Valid states are: .*", "Valid states are: ..."),
    (r"[\d.]+( MB/sec| ms\b| records/sec)", r"N\1"),
    (r"= \d+", "= N"),
    (r"0\t[\d.]+\n", "0\tN\n"),
    (r"(TIME, TIME)(, [\d.]+)+", r"\1, ..."),
    (r"deadlineMs=.*|Timed out waiting for a node assignment.*", "timed out"),
)
"""Ids, times, and what is measured: also the sizes of records, whose times take one byte or two."""
_UNORDERED = ("kafka-groups", "kafka-consumer-groups $B --list", "kafka-consumer-groups $B --describe --all")
"""Commands that print in the order of a hash."""


@contextmanager
def targets(directory: Path) -> Iterator[tuple[Target, Target]]:
    """Apache Kafka and a node of ours, with files that tools read beside each."""
    kafka = ApacheKafka(directory / "kafka", properties=PROPERTIES, heap="256m")
    levels = [flag for feature in LEVELS for flag in ("--feature", f"{feature}.version=0")]
    kafka.format("--standalone", *levels)
    try:
        kafka.start()
        with running_node(directory / "ours", PROPERTIES) as node:
            yield (
                _target(kafka.port, kafka.data, directory / "kafka-files"),
                _target(node.port, node.data, directory / "our-files"),
            )
    finally:
        kafka.kill()


def _target(port: int, data: Path, files: Path) -> Target:
    ports = warm_up(port)
    files.mkdir()
    for name, text in FILES.items():
        (files / name).write_text(text)
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports.controller}",
        "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
    }
    (files / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return Target(ports.broker, ports.controller, data, files)


Result = tuple[Printed, Printed]


def results(directory: Path, rows: Iterable[Row] = ROWS) -> list[tuple[Row, Result]]:
    """What Apache Kafka's node and ours have each tool print."""
    wanted = list(rows)

    def printed(target: Target, number: int) -> list[Printed]:
        with kafka_tools(directory / f"classes{number}") as tools:
            return [target.run(tools, row) for row in wanted]

    with targets(directory) as both, ThreadPoolExecutor(2) as threads:
        theirs, ours = threads.map(printed, both, (0, 1))
    return list(zip(wanted, zip(theirs, ours, strict=True), strict=True))


def says_the_same(theirs: Printed, ours: Printed) -> bool:
    """But for the words of errors."""
    return theirs.code == ours.code and _without_words(theirs.text) == _without_words(ours.text)


def _without_words(text: str) -> str:
    return re.sub(_WORDS, r"\1: ...", text)


_WORDS = r"((?:Error|[\w.]+Exception|Could not|Can not|Failed)[^:\n]*?)[:.] .*"
