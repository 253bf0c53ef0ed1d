"""What is measured: each row is a job done by a stock Kafka tool against one server, and the figures it yields.

The tools are Apache Kafka's own performance tools, in a JVM of their own, the same for both servers. Server CPU is
what the server's process tree spent while the job ran.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.servers import Server, cpu_seconds
from tests.support.kafka_peer import kafka_libs

TOOL_DEADLINE_S = 600


@dataclass(frozen=True)
class Figures:
    """One round of one row. `rate` is MB/s, or records/s where a row moves one record a request."""

    rate: float
    cpu_s: float
    gigabytes: float
    records: int
    p99_ms: float | None = None

    @property
    def cpu_per_gb(self) -> float:
        return self.cpu_s / self.gigabytes

    @property
    def cpu_per_record_us(self) -> float:
        return self.cpu_s / self.records * 1e6


def tool(class_name: str, *arguments: str) -> str:
    java = ["java", "-Xmx512m", "-cp", f"{kafka_libs('4.3.1')}/*"]
    command = [*java, f"org.apache.kafka.tools.{class_name}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_DEADLINE_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{class_name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def create_topic(server: Server, topic: str, partitions: int) -> None:
    tool(
        "TopicCommand",
        *("--bootstrap-server", server.bootstrap, "--create", "--topic", topic),
        *("--partitions", str(partitions), "--replication-factor", "1"),
    )


def delete_topic(server: Server, topic: str) -> None:
    tool("TopicCommand", "--bootstrap-server", server.bootstrap, "--delete", "--topic", topic)


def produce(server: Server, topic: str, records: int, size: int, properties: dict[str, str]) -> Figures:
    before = cpu_seconds(server.pid)
    output = tool(
        "ProducerPerformance",
        *("--bootstrap-server", server.bootstrap, "--topic", topic),
        *("--num-records", str(records), "--record-size", str(size), "--throughput", "-1"),
        *("--command-property", *(f"{key}={value}" for key, value in {"acks": "all", **properties}.items())),
    )
    cpu = cpu_seconds(server.pid) - before
    last = output.strip().splitlines()[-1]
    found = re.search(r"([\d.]+) records/sec \(([\d.]+) MB/sec\).*?(\d+) ms 99th", last)
    assert found, last
    return Figures(float(found[2]), cpu, records * size / 1e9, records, float(found[3]))


def consume(server: Server, topic: str, records: int, size: int) -> Figures:
    before = cpu_seconds(server.pid)
    output = tool(
        "ConsumerPerformance",
        *("--bootstrap-server", server.bootstrap, "--topic", topic),
        *("--num-records", str(records), "--hide-header", "--timeout", "60000"),
        *("--group", f"bench-{topic}-{time.monotonic_ns()}"),
    )
    cpu = cpu_seconds(server.pid) - before
    columns = [each.strip() for each in output.strip().splitlines()[-1].split(",")]
    # Columns: start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s.
    assert int(columns[4]) >= records, output
    return Figures(float(columns[8]), cpu, records * size / 1e9, records)


@dataclass(frozen=True)
class Row:
    """`run` does the job once; `bars` are the highest (or, for rate, lowest) ratio ours / Kafka's that is accepted."""

    name: str
    run: Callable[[Server, int], Figures]
    bars: dict[str, float] = field(default_factory=dict)
    per_record: bool = False


BATCH_128K = {"batch.size": "131072", "linger.ms": "5"}
ONE_A_REQUEST = {"batch.size": "1", "linger.ms": "0"}
THROUGHPUT_BARS = {"rate": 1.0, "cpu": 0.9}


def _produce_row(name: str, total: int, size: int, properties: dict[str, str], *, per_record: bool = False) -> Row:
    def run(server: Server, round_number: int) -> Figures:
        topic = f"p-{size}-{name.replace(' ', '-').replace(',', '')}-{round_number}"
        create_topic(server, topic, 1)
        try:
            figures = produce(server, topic, total // size, size, properties)
        finally:
            delete_topic(server, topic)
        if per_record:
            seconds = figures.gigabytes * 1e9 / 1048576 / figures.rate
            return Figures(figures.records / seconds, figures.cpu_s, 1, figures.records)
        return figures

    return Row(name, run, THROUGHPUT_BARS, per_record)


def _consume_row(name: str, total: int, size: int, properties: dict[str, str]) -> Row:
    def run(server: Server, round_number: int) -> Figures:
        topic = f"c-{name.replace(' ', '-').replace(',', '')}"
        if round_number == 0:
            create_topic(server, topic, 1)
            produce(server, topic, total // size, size, properties)
        return consume(server, topic, total // size, size)

    return Row(name, run, THROUGHPUT_BARS)


def throughput_rows(scale: float) -> list[Row]:
    """The rows; at scale 1 each moves 1 GB of 1 KB records, 300 MB of 100 B ones, or 100,000 requests."""
    large, small, single = int(1e9 * scale), int(3e8 * scale), int(1e7 * scale)
    return [
        _produce_row("produce 1 KB, default producer", large, 1000, {}),
        _produce_row("produce 1 KB, 128 KB batches", large, 1000, BATCH_128K),
        _produce_row("produce 100 B, default producer", small, 100, {}),
        _produce_row("produce 100 B, 128 KB batches", small, 100, BATCH_128K),
        _consume_row("consume 1 KB, default batches", large, 1000, {}),
        _consume_row("consume 1 KB, 128 KB batches", large, 1000, BATCH_128K),
        _consume_row("consume 100 B, default batches", small, 100, {}),
        _consume_row("consume 100 B, 128 KB batches", small, 100, BATCH_128K),
        _produce_row("one record a request", single, 100, ONE_A_REQUEST, per_record=True),
    ]
