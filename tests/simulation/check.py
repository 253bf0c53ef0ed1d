"""What the checkers share: looking into the nodes that run, and reading their logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from broker.node import Node
from broker.replication.replica import Replica
from protocol.records.batch import RecordBatch, iter_batches
from raft.driver import RaftDriver
from storage.log import Log
from tests.simulation.clients import TOPIC
from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.world import World


class Check:
    """`watch` is called again and again while the simulation runs, `finish` when the cluster is healthy again."""

    def __init__(self, world: World) -> None:
        self.world = world

    def watch(self) -> None:
        pass

    def finish(self) -> None:
        pass

    def violation(self, text: str) -> None:
        self.world.violation(f"{type(self).__name__}: {text}")


def running(machines: list[Machine]) -> Iterator[tuple[Machine, Node]]:
    for machine in machines:
        if machine.is_alive and machine.node is not None and not machine.disk.is_dead:
            yield machine, machine.node


def raft_of(node: Node) -> RaftDriver | None:
    member = getattr(node, "quorum", None)
    raft = getattr(member, "raft", None)
    return raft if raft is not None and raft._quorum is not None and raft._fault is None else None


def replicas_of(node: Node) -> Iterator[Replica]:
    manager = getattr(node, "replicas", None)
    if manager is None or not node._is_loaded or node._is_stopping:
        return
    for partition in range(16):
        replica = manager.find(TOPIC, partition)
        if replica is not None and not replica.is_stopped:
            yield replica


def whole_log(log: Log) -> bytes:
    return b"".join(segment.file().pread(segment.size, 0) for segment in log.segments)


class LogReader:
    """Reads on in logs from where it was."""

    def __init__(self) -> None:
        self._read: dict[tuple[object, int], tuple[int, bytes]] = {}
        """By owner and segment: how far, and the last batch that was read, to see that it is still there."""

    def batches(self, owner: object, log: Log, end_offset: int) -> list[RecordBatch]:
        """What is new since the last call with this owner, up to the offset; more where the log was cut meanwhile."""
        found: list[RecordBatch] = []
        for segment in log.segments:
            key = (owner, segment.base_offset)
            position, last = self._read.get(key, (0, b""))
            if position == segment.size and segment is not log.active:
                continue
            data = b""
            if position <= segment.size:
                data = segment.file().pread(segment.size - position + len(last), position - len(last))
            if position > segment.size or not data.startswith(last):
                position, last = 0, b""
                data = segment.file().pread(segment.size, 0)
            for batch in iter_batches(data[len(last) :], partial_tail=True):
                if batch.next_offset > end_offset:
                    break
                found.append(batch)
                last = bytes(batch.buffer)
                position += len(last)
            self._read[key] = position, last
        return found
