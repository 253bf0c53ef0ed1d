"""What is measured: a table of rows, each a job that stock clients do against one server, and the figures it yields.

A row's `measure` does the job once and returns its figures by name; `figures` says in which unit they are, which way
is better, and the bar: the ratio ours / Kafka's that is accepted. Rows that are not `shared` get servers of their own,
made anew; the others run one after the other against the same two.

CPU is what the server's process tree spent while the job ran.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench.client import Client
from bench.servers import Server, cpu_seconds, resident_megabytes, wait_until_answering

KILOBYTE_RECORDS: Final = 100_000
"""A round of 1 KB records: 100 MB."""
SMALL_RECORDS: Final = 400_000
"""A round of 100 B records: 40 MB."""
SINGLE_RECORDS: Final = 12_000
LATENCY_RECORDS: Final = 3000
LATENCY_RATE: Final = 1000
TOPICS: Final = 2000
METADATA_TIMES: Final = 10
RESTART_PARTITIONS: Final = 200
RESTART_GIGABYTES: Final = 5
IDLE_S: Final = 5.0

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Figure:
    unit: str
    bar: float
    higher_is_better: bool = False
    limit: float | None = None
    """Ours must also be below this, whatever Kafka's is."""


@dataclass(frozen=True)
class Job:
    """What a round is given; `scale` is the fraction of the full amount of data."""

    client: Client
    server: Server
    number: int
    scale: float


@dataclass(frozen=True)
class Row:
    name: str
    figures: Mapping[str, Figure]
    measure: Callable[[Job], Figures]
    prepare: Callable[[Job], None] | None = None
    shared: bool = True
    warm_up_rounds: int = 1


PRODUCERS: Final[Mapping[str, Mapping[str, str]]] = {
    "default producer": {},
    "acks=1": {"acks": "1"},
    "128 KB batches": {"batch.size": "131072", "linger.ms": "5"},
    "lz4": {"compression.type": "lz4"},
}
SIZES: Final = {"1 KB": (1000, KILOBYTE_RECORDS), "100 B": (100, SMALL_RECORDS)}
PARTITIONS: Final = (1, 12, 100)


def _timed(job: Job, name: str, *arguments: object) -> tuple[float, float]:
    """(seconds, CPU seconds of the server)"""
    before = cpu_seconds(job.server.pid)
    seconds = job.client.do(name, job.server.bootstrap, *arguments)["seconds"]
    return seconds, cpu_seconds(job.server.pid) - before


def _throughput_row(size_name: str, producer: str, partitions: int) -> Row:
    """A new topic is filled and then read once from its beginning."""
    size, count = SIZES[size_name]
    settings = [f"{key}={value}" for key, value in PRODUCERS[producer].items()]
    cpu_bar = 0.9 if producer == "lz4" else 0.7

    def measure(job: Job) -> Figures:
        records = int(count * job.scale)
        megabytes = records * size / 1e6
        topic = f"t-{time.monotonic_ns()}"
        do, bootstrap = job.client.do, job.server.bootstrap
        do("create", bootstrap, topic, partitions)
        produce_s, produce_cpu = _timed(job, "produce", topic, records, size, 1, *settings)
        consume_s, consume_cpu = _timed(job, "consume", topic, records)
        do("delete", bootstrap, topic)
        return {
            "produce": megabytes / produce_s,
            "produce, CPU": produce_cpu / megabytes * 1000,
            "consume": megabytes / consume_s,
            "consume, CPU": consume_cpu / megabytes * 1000,
        }

    figures = {
        "produce": Figure("MB/s", 1.0, higher_is_better=True),
        "produce, CPU": Figure("s/GB", cpu_bar),
        "consume": Figure("MB/s", 1.0, higher_is_better=True),
        "consume, CPU": Figure("s/GB", 0.6),
    }
    return Row(f"{size_name}, {producer}, {partitions} partition{'s' if partitions > 1 else ''}", figures, measure)


def _produce_and_consume(job: Job) -> Figures:
    records, topic = int(KILOBYTE_RECORDS * job.scale), f"t-{time.monotonic_ns()}"
    job.client.do("create", job.server.bootstrap, topic, 12)
    seconds, cpu = _timed(job, "both", topic, records, 1000)
    job.client.do("delete", job.server.bootstrap, topic)
    return {"through": records / 1000 / seconds, "CPU": cpu / records * 1e6}


def _latency(job: Job) -> Figures:
    topic = f"t-{time.monotonic_ns()}"
    job.client.do("create", job.server.bootstrap, topic, 1)
    before = cpu_seconds(job.server.pid)
    found = job.client.do("latency", job.server.bootstrap, topic, LATENCY_RECORDS, LATENCY_RATE)
    cpu = cpu_seconds(job.server.pid) - before
    job.client.do("delete", job.server.bootstrap, topic)
    return {"p50": found["p50_ms"], "p99": found["p99_ms"], "CPU": cpu / LATENCY_RECORDS * 1e6}


def _single_row(connections: int) -> Row:
    def measure(job: Job) -> Figures:
        records, topic = int(SINGLE_RECORDS * job.scale), f"t-{time.monotonic_ns()}"
        job.client.do("create", job.server.bootstrap, topic, 1)
        settings = ("batch.size=1", "linger.ms=0")
        seconds, cpu = _timed(job, "produce", topic, records, 100, connections, *settings)
        job.client.do("delete", job.server.bootstrap, topic)
        return {"rate": records / seconds, "CPU": cpu / records * 1e6}

    figures = {"rate": Figure("records/s", 1.2, higher_is_better=True), "CPU": Figure("µs a record", 0.5)}
    return Row(f"one record a request, {connections} connection{'s' if connections > 1 else ''}", figures, measure)


def _topics(job: Job) -> Figures:
    prefix, bootstrap = f"t-{time.monotonic_ns()}-", job.server.bootstrap
    count = int(TOPICS * job.scale)
    seconds, cpu = _timed(job, "topics", prefix, count)
    metadata_s, metadata_cpu = _timed(job, "metadata", METADATA_TIMES)
    job.client.do("delete", bootstrap, ",".join(f"{prefix}{i}" for i in range(count)))
    return {
        "create": seconds,
        "create, CPU": cpu,
        "metadata": metadata_s / METADATA_TIMES * 1000,
        "metadata, CPU": metadata_cpu / METADATA_TIMES * 1000,
    }


def _start(job: Job) -> Figures:
    """From spawning the process on formatted, empty storage to the first answer; then memory at rest."""
    job.server.stop()
    began = time.monotonic()
    job.server.spawn()
    wait_until_answering(job.server.bootstrap)
    seconds = time.monotonic() - began
    time.sleep(IDLE_S)
    return {"start": seconds * 1000, "memory": resident_megabytes(job.server.pid)}


RESTART_TOPIC: Final = "restart"


def _restart_records(scale: float) -> int:
    return int(RESTART_GIGABYTES * 1_000_000 * scale)


def _fill(job: Job) -> None:
    job.client.do("create", job.server.bootstrap, RESTART_TOPIC, RESTART_PARTITIONS)
    records = _restart_records(job.scale)
    settings = ("batch.size=131072", "linger.ms=20", "buffer.memory=134217728")
    job.client.do("produce", job.server.bootstrap, RESTART_TOPIC, records, 1000, 1, *settings)


def _restart(job: Job) -> Figures:
    """kill -9, then from spawning the process until every partition tells its end."""
    job.server.kill()
    began = time.monotonic()
    job.server.spawn()
    wait_until_answering(job.server.bootstrap)
    found = job.client.do("offsets", job.server.bootstrap, RESTART_TOPIC)
    seconds = time.monotonic() - began
    assert found["records"] == _restart_records(job.scale), found
    return {"restart": seconds, "CPU": cpu_seconds(job.server.pid)}


MEMORY_AFTER: Final = Row(
    "memory after the runs",
    {"memory": Figure("MB", 0.5)},
    lambda job: {"memory": resident_megabytes(job.server.pid)},
    warm_up_rounds=0,
)
"""Measured once, when all shared rows have run."""


def rows() -> Iterator[Row]:
    for size_name in SIZES:
        for producer in PRODUCERS:
            for partitions in PARTITIONS:
                yield _throughput_row(size_name, producer, partitions)
    yield Row(
        "produce and consume at once, 1 KB, 12 partitions",
        {"through": Figure("MB/s", 1.0, higher_is_better=True), "CPU": Figure("s/GB", 0.7)},
        _produce_and_consume,
    )
    yield Row(
        "end to end at 1,000/s, acks=all",
        {"p50": Figure("ms", 1.0), "p99": Figure("ms", 1.0), "CPU": Figure("µs a record", 0.5)},
        _latency,
    )
    yield _single_row(1)
    yield _single_row(50)
    yield Row(
        "2,000 topics",
        {
            "create": Figure("s", 1.0),
            "create, CPU": Figure("s", 0.7),
            "metadata": Figure("ms for all", 1.0),
            "metadata, CPU": Figure("ms for all", 1.0),
        },
        _topics,
        shared=False,
    )
    yield Row(
        "start, cold",
        {"start": Figure("ms", 0.15, limit=500), "memory": Figure("MB idle", 0.15, limit=60)},
        _start,
        shared=False,
    )
    yield Row(
        "restart after kill -9, 5 GB in 200 partitions",
        {"restart": Figure("s", 0.5), "CPU": Figure("s", 0.7)},
        _restart,
        prepare=_fill,
        shared=False,
        warm_up_rounds=0,
    )
