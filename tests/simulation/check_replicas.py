"""Partitions: one leader an epoch, and whatever any replica calls committed is the same everywhere, for ever. In the
end all replicas are equal, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.replication.replica import Replica
from tests.simulation.check import Check, LogReader, replicas_of, running, whole_log

if TYPE_CHECKING:
    from tests.simulation.world import World


class ReplicaCheck(Check):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._leaders: dict[tuple[int, int], int] = {}
        self._committed: dict[tuple[int, int], bytes] = {}
        self._reader = LogReader()
        self._ends: dict[tuple[str, int], int] = {}

    def watch(self) -> None:
        for machine, node in running(self.world.brokers):
            assert machine.life is not None
            for replica in replicas_of(node):
                if replica.is_writing:
                    continue
                if replica.state.is_leader:
                    self._check_leader(machine.id, replica)
                self._check_committed(machine.life.name, replica)
                self._count_cut(machine.life.name, replica)

    def _check_leader(self, node_id: int, replica: Replica) -> None:
        partition = replica.topic_partition.partition
        before = self._leaders.setdefault((partition, replica.state.leader_epoch), node_id)
        if before != node_id:
            self.violation(f"{before} and {node_id} lead {partition} in epoch {replica.state.leader_epoch}")

    def _check_committed(self, name: str, replica: Replica) -> None:
        partition, log = replica.topic_partition.partition, replica.log
        for batch in self._reader.batches((name, partition), log, log.high_watermark):
            content = bytes(batch.buffer)
            if self._committed.setdefault((partition, batch.base_offset), content) != content:
                self.violation(f"{name} holds another batch at {batch.base_offset} of {partition} as committed")

    def _count_cut(self, name: str, replica: Replica) -> None:
        key, end_offset = (name, replica.topic_partition.partition), replica.log.log_end_offset
        self.world.counts["truncations seen"] += end_offset < self._ends.get(key, 0)
        self._ends[key] = end_offset

    def finish(self) -> None:
        for partition in range(self.world.plan.partitions):
            contents: dict[bytes, list[int]] = {}
            for machine, node in running(self.world.brokers):
                for replica in replicas_of(node):
                    if replica.topic_partition.partition == partition:
                        contents.setdefault(whole_log(replica.log), []).append(machine.id)
            if len(contents) != 1:
                holders = {node: len(content) for content, nodes in contents.items() for node in nodes}
                self.violation(f"the replicas of {partition} differ; their bytes: {holders}")
        self.world.counts["leaders"] = len(self._leaders)
