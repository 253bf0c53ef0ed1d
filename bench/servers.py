"""The two servers under measurement, behind one face: start, address, the CPU and memory of their own process tree.

Each knows its port before it starts, so that what is waited for after `spawn` is the same for both.
"""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path
from typing import Protocol

import psutil

from tests.support.apache_kafka import ApacheKafka, free_ports
from tests.support.node import BarnabasNode

# A quiet comparison: the same number of partitions of the internal topics, nothing else off its default.
INTERNAL_TOPICS = {"offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0"}


class Server(Protocol):
    name: str

    @property
    def bootstrap(self) -> str: ...
    @property
    def pid(self) -> int: ...
    def spawn(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class Barnabas:
    name = "barnabas"

    def __init__(self, directory: Path) -> None:
        self._node = BarnabasNode(directory, INTERNAL_TOPICS)
        self._node.port = free_ports(1)[0]

    @property
    def bootstrap(self) -> str:
        return self._node.bootstrap

    @property
    def pid(self) -> int:
        return self._node.pid

    def spawn(self) -> None:
        self._node.spawn()

    def start(self) -> None:
        self._node.start()

    def stop(self) -> None:
        self._node.stop()

    def kill(self) -> None:
        self._node.kill()


class Kafka:
    name = "kafka"

    def __init__(self, directory: Path) -> None:
        self._kafka = ApacheKafka(directory, properties=INTERNAL_TOPICS, heap="1g")
        self._kafka.format()

    @property
    def bootstrap(self) -> str:
        return self._kafka.bootstrap

    @property
    def pid(self) -> int:
        return self._kafka.pid

    def spawn(self) -> None:
        self._kafka.spawn()

    def start(self) -> None:
        self._kafka.start()

    def stop(self) -> None:
        self._kafka.stop()

    def kill(self) -> None:
        self._kafka.kill()


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its living children, as the kernel accounts it: to the nanosecond, where
    /proc has ticks of 10 ms."""
    process = psutil.Process(pid)
    return sum(_cpu_clock_s(each.pid) for each in [process, *process.children(recursive=True)])


def _cpu_clock_s(pid: int) -> float:
    # What clock_getcpuclockid(3) makes of a pid: the clock of a whole process, with the threads that have ended.
    return time.clock_gettime(~pid << 3 | 2)


def resident_megabytes(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / 1e6


def answers(bootstrap: str) -> bool:
    """Whether the server answers Metadata (v0, all topics): the first request of a client that knows nothing."""
    host, port = bootstrap.rsplit(":", 1)
    header = struct.pack(">hhih", 3, 0, 1, -1)
    request = header + struct.pack(">i", 0)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            size = connection.recv(4, socket.MSG_WAITALL)
            if len(size) < 4:
                return False
            body = connection.recv(struct.unpack(">i", size)[0], socket.MSG_WAITALL)
            brokers: int = struct.unpack_from(">i", body, 4)[0]
            return brokers > 0
    except OSError:
        return False


def wait_until_answering(bootstrap: str, deadline_s: float = 120) -> None:
    deadline = time.monotonic() + deadline_s
    while not answers(bootstrap):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer from {bootstrap}")
        time.sleep(0.002)
