"""Where the time of a request goes inside the node: the jobs of bench.requests, fed to a connection in this process.

    python -m bench.stages [--jobs TEXT ...]

Nothing is sent or received: the frames are put where a socket would have put them, and the answers are taken where it
would have taken them; everything between is the real node. Told are the CPU time a request (the lowest and the 10th
percentile of short slices, which other work on the machine hardly touches), and how it divides among the stages, by
Python's profiler. The profiler makes calls look dearer than they are, system calls cheaper.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench.requests import Job, Jobs
from broker.environment import real_environment
from broker.format_command import format_new_directories
from broker.node import Node
from broker.replication import replica
from broker.server.connection import Connection
from config.properties import load_node_config

ROUNDS = 8
SLICE_REQUESTS = 40
STAGES = (
    ("broker/server/receiver.py", "frames"),
    ("broker/server", "connection"),
    ("<DecoderSource", "decode"),
    ("<EncoderSource", "encode"),
    ("broker/dispatch.py", "dispatch"),
    ("broker/handlers", "handler"),
    ("broker/replication", "replica"),
    ("storage/producer", "producer's state"),
    ("storage/validation.py", "validation"),
    ("protocol/records", "validation"),
    ("storage/files.py", "file system"),
    ("storage", "log"),
    ("protocol", "decode, encode"),
)


class Transport:
    """Takes answers and forgets them."""

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return "127.0.0.1", 1

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: object) -> None: ...

    def writelines(self, parts: Sequence[object]) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def feed(connection: Connection, frames: Sequence[bytes]) -> None:
    for frame in frames:
        position = 0
        while position < len(frame):
            place = connection.get_buffer(-1)
            count = min(len(place), len(frame) - position)
            place[:count] = frame[position : position + count]
            connection.buffer_updated(count)
            position += count


def slices(connection: Connection, frames: Sequence[bytes]) -> Iterator[float]:
    """CPU microseconds a request."""
    size = max(1, min(SLICE_REQUESTS, len(frames) // 20))
    for start in range(0, len(frames), size):
        some = frames[start : start + size]
        before = time.thread_time()
        feed(connection, some)
        yield (time.thread_time() - before) / len(some) * 1e6


def shares(profile: cProfile.Profile) -> Counter[str]:
    """Percent by stage; what is built in counts for whoever called it."""
    seconds: Counter[str] = Counter()
    found: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (path, _, _), (_, _, own, _, callers) in found.items():
        if path == "~":
            for (caller, _, _), (_, _, of_caller, _) in callers.items():
                seconds[_stage(caller)] += of_caller
        else:
            seconds[_stage(path)] += own
    seconds.pop("", None)
    total = sum(seconds.values())
    return Counter({stage: 100 * value / total for stage, value in seconds.items()})


def _stage(path: str) -> str:
    return next((stage for part, stage in STAGES if part in path), "")


async def measure(texts: Sequence[str], directory: Path) -> None:
    # Else a busy disk might send appends another way.
    replica.SLOW_WRITE_S = float("inf")  # type: ignore[attr-defined]
    listeners = "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"
    config = load_node_config(overrides=[f"log.dirs={directory}", listeners]).config
    environment = real_environment()
    format_new_directories(config, environment, None)
    node = Node(config, environment)
    await node.start()
    run = asyncio.get_running_loop().run_in_executor
    port = next(iter(node.endpoints)).port
    jobs: Jobs = await run(None, Jobs, f"127.0.0.1:{port}")
    for name, make in jobs.table().items():
        if "waiting" in name or not any(text in name for text in texts):
            continue
        job: Job = await run(None, make, name)
        connection = Connection(node.server, "PLAINTEXT")
        connection.connection_made(Transport())  # type: ignore[arg-type]
        costs: list[float] = []
        for _ in range(ROUNDS):
            costs += slices(connection, await run(None, job.prepare))
        frames = await run(None, job.prepare)
        profile = cProfile.Profile(time.thread_time)
        profile.runcall(feed, connection, frames)
        connection.connection_lost(None)
        costs.sort()
        divided = ", ".join(f"{stage} {share:.0f} %" for stage, share in shares(profile).most_common())
        sys.stdout.write(f"{name}: {costs[0]:.1f} µs, 10th percentile {costs[len(costs) // 10]:.1f}\n    {divided}\n")
    await node.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="*", default=[""], help="only jobs whose name contains one of these texts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barnabas-bench-") as directory:
        uvloop.run(measure(options.jobs, Path(directory) / "data"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
