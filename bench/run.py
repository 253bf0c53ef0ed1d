"""Side by side with Apache Kafka: rounds alternate, both servers are warm, medians and spread are reported.

    python -m bench.run [--rows TEXT ...] [--rounds N] [--scale F] [--resume] [--write] [--list]

Each row is kept in bench/results.json as soon as it is measured, and bench/RESULTS.md is written anew (both with
`--write` only); so a long run may be broken off, and gone on with by `--resume`, which leaves out the rows that were
measured at this commit. The exit code is 0 also where a bar is missed: figures are for reading, and the table marks
what misses.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.client import Client
from bench.results import PAGE, Conditions, Results, median_and_spread
from bench.rows import MEMORY_AFTER, Job, Row, rows
from bench.servers import Barnabas, Kafka, Server

WARM_UPS = 3
WARM_UP_RECORDS = 300_000


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


@contextmanager
def running_servers(directory: Path) -> Iterator[list[Server]]:
    servers: list[Server] = [Barnabas(directory / "barnabas"), Kafka(directory / "kafka")]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(directory, ignore_errors=True)


def warm_up(client: Client, servers: Sequence[Server]) -> None:
    """A JVM's first minute is its compiler's; neither the client's nor Kafka's shall count."""
    for number in range(WARM_UPS):
        # Never one name twice: Kafka's clients may go on with what they know of the topic that was deleted.
        topic = f"warm-up-{number}"
        for server in servers:
            client.do("create", server.bootstrap, topic, 12)
            client.do("produce", server.bootstrap, topic, WARM_UP_RECORDS, 500, 4)
            client.do("consume", server.bootstrap, topic, WARM_UP_RECORDS)
            client.do("delete", server.bootstrap, topic)


def measure(
    row: Row, client: Client, servers: Sequence[Server], rounds: int, scale: float
) -> dict[str, dict[str, list[float]]]:
    """Server to figure to values; the first rounds warm both servers up and are not counted."""
    measured: dict[str, dict[str, list[float]]] = {
        server.name: {name: [] for name in row.figures} for server in servers
    }
    if row.prepare is not None:
        for server in servers:
            row.prepare(Job(client, server, 0, scale))
    for number in range(rounds + row.warm_up_rounds):
        for server in servers if number % 2 else reversed(servers):
            figures = row.measure(Job(client, server, number, scale))
            shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
            say(f"{row.name} [{number}] {server.name}: {shown}")
            if number >= row.warm_up_rounds:
                for name, value in figures.items():
                    measured[server.name][name].append(value)
    for name in row.figures:
        ours, theirs = measured["barnabas"][name], measured["kafka"][name]
        say(f"{row.name}: {name}: {median_and_spread(ours)} beside {median_and_spread(theirs)}")
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=[], help="only rows whose name contains one of these texts")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full amount of data a round")
    parser.add_argument("--resume", action="store_true", help="leave out rows that were measured at this commit")
    parser.add_argument("--write", action="store_true", help="keep what is measured")
    parser.add_argument("--list", action="store_true", help="print the names of the rows, and measure nothing")
    parser.add_argument("--directory", type=Path, help="where the servers' data go, by default in a temporary one")
    options = parser.parse_args()
    results = Results()
    chosen = [row for row in rows() if not options.rows or any(text in row.name for text in options.rows)]
    if options.list:
        sys.stdout.writelines(f"{row.name}\n" for row in chosen)
        return 0
    if options.resume:
        chosen = [row for row in chosen if not results.has(row, options.rounds, options.scale)]

    def run(row: Row, servers: Sequence[Server], rounds: int) -> None:
        conditions = Conditions.now(rounds, options.scale)
        measured = measure(row, client, servers, rounds, options.scale)
        if options.write:
            results.put(row, conditions, measured)
            PAGE.write_text(results.page([*rows(), MEMORY_AFTER]))

    with tempfile.TemporaryDirectory(prefix="barnabas-bench-", dir=options.directory) as name:
        directory = Path(name)
        client = Client(directory)
        try:
            shared = [row for row in chosen if row.shared]
            if shared:
                with running_servers(directory / "shared") as servers:
                    warm_up(client, servers)
                    for row in shared:
                        run(row, servers, options.rounds)
                    if not options.rows:
                        run(MEMORY_AFTER, servers, 1)
            for number, row in enumerate(row for row in chosen if not row.shared):
                with running_servers(directory / f"own-{number}") as servers:
                    run(row, servers, options.rounds)
        finally:
            client.close()
    if options.write:
        sys.stdout.write(PAGE.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
