"""Side by side with Apache Kafka, in one run: rounds alternate, both servers are warm, medians and spread are reported.

    python -m bench.run [--rounds N] [--scale F] [--rows TEXT] [--write]

`--write` puts the table into bench/RESULTS.md. The exit code is 0 also where a bar is missed: figures are for reading;
the table marks each row that misses its bar.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.rows import Figures, Row, throughput_rows
from bench.servers import Barnabas, Kafka, Server, resident_megabytes, wait_until_answering

RESULTS = Path(__file__).with_name("RESULTS.md")
IDLE_S = 5.0


def median_and_spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.4g} ({min(values):.4g}–{max(values):.4g})"


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def line(name: str, ours: Sequence[float], theirs: Sequence[float], bar: float, *, higher_is_better: bool) -> str:
    """One table line: both medians with their spread, the ratio of the medians, the bar, and whether it holds."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    holds = ratio >= bar if higher_is_better else ratio <= bar
    sign = "≥" if higher_is_better else "≤"
    verdict = "yes" if holds else "**no**"
    columns = [name, median_and_spread(ours), median_and_spread(theirs), f"{ratio:.2f}", f"{sign} {bar}", verdict]
    return "| " + " | ".join(columns) + " |"


def measure(row: Row, servers: Sequence[Server], rounds: int) -> list[str]:
    """Round 0 warms both servers up (and fills the topic of a consume row) and is not counted."""
    figures: dict[str, list[Figures]] = {server.name: [] for server in servers}
    for number in range(rounds + 1):
        order = servers if number % 2 else list(reversed(servers))
        for server in order:
            result = row.run(server, number)
            say(f"{row.name} round {number} {server.name}: {result.rate:.1f}, cpu {result.cpu_s:.2f} s")
            if number:
                figures[server.name].append(result)
    unit, cpu_unit = ("records/s", "CPU µs a record") if row.per_record else ("MB/s", "CPU s/GB")

    def cpu(each: Figures) -> float:
        return each.cpu_per_record_us if row.per_record else each.cpu_per_gb

    def rates(name: str) -> list[float]:
        return [each.rate for each in figures[name]]

    def costs(name: str) -> list[float]:
        return [cpu(each) for each in figures[name]]

    return [
        line(f"{row.name}: {unit}", rates("barnabas"), rates("kafka"), row.bars["rate"], higher_is_better=True),
        line(f"{row.name}: {cpu_unit}", costs("barnabas"), costs("kafka"), row.bars["cpu"], higher_is_better=False),
    ]


def measure_start(directory: Path, rounds: int) -> list[str]:
    """From spawning the process to the first answer, on empty storage and again on what that left; then idle memory.

    Kafka's storage is formatted before, not counted; ours is formatted by the first start itself.
    """
    rows = ("start to first answer, ms", "restart to first answer, ms", "resident memory idle, MB")
    figures: dict[str, dict[str, list[float]]] = {row: {"barnabas": [], "kafka": []} for row in rows}
    for number in range(rounds):
        for make in (Barnabas, Kafka) if number % 2 else (Kafka, Barnabas):
            server: Server = make(directory / f"start-{make.name}-{number}")
            measured = [_answering_after_ms(server)]
            server.stop()
            measured.append(_answering_after_ms(server))
            time.sleep(IDLE_S)
            measured.append(resident_megabytes(server.pid))
            server.stop()
            for row, figure in zip(rows, measured, strict=True):
                figures[row][server.name].append(figure)
                say(f"{row}, round {number} {server.name}: {figure:.0f}")
    return [line(row, of["barnabas"], of["kafka"], 0.15, higher_is_better=False) for row, of in figures.items()]


def _answering_after_ms(server: Server) -> float:
    began = time.monotonic()
    server.spawn()
    wait_until_answering(server.bootstrap)
    return (time.monotonic() - began) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full amount of data a round")
    parser.add_argument(
        "--rows", default="", help="only the rows whose name contains this text ('start' for start and memory)"
    )
    parser.add_argument("--write", action="store_true", help="write bench/RESULTS.md")
    options = parser.parse_args()
    lines = ["| what | Barnabas | Apache Kafka 4.3.1 | ratio | bar | holds |", "|---|---:|---:|---:|---:|---|"]
    with tempfile.TemporaryDirectory(prefix="barnabas-bench-") as name:
        directory = Path(name)
        if options.rows in "start":
            lines += measure_start(directory, options.rounds)
        rows = [row for row in throughput_rows(options.scale) if options.rows in row.name]
        if rows:
            servers: list[Server] = [Barnabas(directory / "barnabas"), Kafka(directory / "kafka")]
            try:
                for server in servers:
                    server.start()
                for row in rows:
                    lines += measure(row, servers, options.rounds)
            finally:
                for server in servers:
                    server.kill()
    table = "\n".join(lines)
    sys.stdout.write(table + "\n")
    if options.write:
        RESULTS.write_text(
            HEADER.format(rounds=options.rounds, scale=options.scale, python=platform.python_version()) + table + "\n"
        )
    return 0


HEADER = """# Measured beside Apache Kafka

Written by `make bench`: both servers on the same two cores in one run, warmed, {rounds} alternating rounds a row
(scale {scale}), Python {python}, Kafka's own performance tools as clients (acks=all), server CPU from the process
trees' own account.
Medians, with the lowest and highest round in parentheses; the ratio is ours over Kafka's.

"""

if __name__ == "__main__":
    sys.exit(main())
