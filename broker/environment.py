"""The world as a node sees it: clock, randomness, files and threads, each behind a small Protocol.

Nothing else in the project reads a clock, draws a random number or starts a thread: parts receive an `Environment`,
so the simulator can replace all of it and a run from a seed replays exactly. The event loop is the network and owns
timers.

Durations come from `monotonic()`, in seconds; only what is stored or shown (record timestamps, checkpoints of wall
time) comes from `wall_ms()`. What may block (sync, cold reads, opening and deleting files) goes through an
`Executor`; calls given to one of its lanes run one after the other, in order, on a thread of their own, so a disk
that hangs holds up nothing but its own lane.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

from protocol.ids import METADATA_TOPIC_ID, ZERO_UUID, Uuid
from storage.files import DiskFiles, Files

T = TypeVar("T")

EXECUTOR_THREADS = 4


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def wall_ms(self) -> int:
        """Milliseconds since 1970, as the host believes; may jump."""
        ...


class Random(Protocol):
    def uuid(self) -> Uuid:
        """A new id, never one of the reserved ones."""
        ...

    def randrange(self, start: int, stop: int) -> int: ...

    def random(self) -> float: ...


class Executor(Protocol):
    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Runs the call off the event loop; the future belongs to the running loop."""
        ...

    def lane(self, name: str, threads: int = 1) -> Executor:
        """An executor with threads of its own, the same for the same name. With one thread, its calls run one after the
        other, in the order given."""
        ...

    def close(self) -> None:
        """Waits for what runs, and drops what has not begun."""
        ...


class Environment(NamedTuple):
    clock: Clock
    random: Random
    files: Files
    executor: Executor


class SystemClock:
    monotonic = staticmethod(time.monotonic)

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000


def thread_cpu_s() -> float:
    """Seconds of processor time that this thread has used."""
    return time.thread_time()


def disk_bytes() -> dict[str, int]:
    """What this process has had read from and written to disks since it started (`read_bytes`, `write_bytes`); empty
    where the system does not say."""
    try:
        with open("/proc/self/io", encoding="ascii") as lines:
            counts = dict(line.split(": ") for line in lines)
        return {name: int(counts[name]) for name in ("read_bytes", "write_bytes")}
    except (OSError, KeyError, ValueError):
        return {}


def thread_waits() -> int:
    """How often this thread has waited for something, such as a disk. One that merely lost the processor has not: this
    tells a slow disk from a busy host."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


class SystemRandom:
    """Ids come from the operating system, everything else from a generator seeded by it."""

    def __init__(self) -> None:
        self._generator = random.Random()

    def uuid(self) -> Uuid:
        while True:
            # Version 4, as java.util.UUID makes them; a text form beginning with a dash would look like a flag.
            raw = bytearray(os.urandom(16))
            raw[6] = raw[6] & 0x0F | 0x40
            raw[8] = raw[8] & 0x3F | 0x80
            uuid = Uuid(bytes(raw))
            if uuid not in (ZERO_UUID, METADATA_TOPIC_ID) and raw[0] >> 2 != 0x3E:
                return uuid

    def randrange(self, start: int, stop: int) -> int:
        return self._generator.randrange(start, stop)

    def random(self) -> float:
        return self._generator.random()


class ThreadExecutor:
    """A small pool of threads, and a thread for each lane that was ever used."""

    def __init__(self, threads: int = EXECUTOR_THREADS, name: str = "executor") -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lanes: dict[str, ThreadExecutor] = {}

    def run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def lane(self, name: str, threads: int = 1) -> Executor:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = ThreadExecutor(threads, name)
        return lane

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.close()
        self._pool.shutdown(wait=True, cancel_futures=True)


def real_environment(threads: int = EXECUTOR_THREADS) -> Environment:
    return Environment(SystemClock(), SystemRandom(), DiskFiles(), ThreadExecutor(threads))
