"""Liveness: once faults have ended, every node serves, every replica is in sync, every producer gets its answer, and
every consumer reads to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.simulation.check import Check, replicas_of, running
from tests.simulation.clients import TOPIC
from tests.simulation.register import Violation

RECOVERY_S: Final = 90.0


class HealthCheck(Check):
    async def recover(self) -> None:
        world = self.world
        await self._until(self._why_not_healthy)
        writers = (*world.producers, *world.committers)
        for writer in writers:
            writer.is_stopping = True
        writing = world.running[: len(writers)]
        await self._until(lambda: "" if all(task.done() for task in writing) else "producers still write")
        await self._until(self._why_not_read)
        await self._until(self._why_not_healthy)
        for consumer in world.consumers:
            consumer.is_stopping = True
        await self._until(lambda: "" if all(task.done() for task in world.running) else "consumers still read")
        for task in world.running:
            error = task.exception()
            if error is not None:
                self.violation(f"a client failed: {error!r}")
        world.say("healthy")

    async def _until(self, why_not: Callable[[], str]) -> None:
        deadline = self.world.loop.now + RECOVERY_S
        while reason := why_not():
            if self.world.loop.now > deadline:
                self.violation(f"not healthy {RECOVERY_S} s after the last fault: {reason}")
                raise Violation(reason)
            await self.world.sleep(0.2)

    def _why_not_healthy(self) -> str:
        nodes = list(running(self.world.machines))
        if len(nodes) < len(self.world.machines):
            failures = [each for machine in self.world.machines for each in machine.start_failures[-1:]]
            return f"only {nodes} are up; {failures}"
        for machine, node in nodes:
            problem = "not started" if not machine.is_started else node.why_not_ready()
            if problem:
                return f"{machine}: {problem}"
            topic = node.quorum.cache.image.topics.by_name.get(TOPIC)
            if topic is None:
                return f"{machine} does not know the topic"
            for number, partition in topic.partitions.items():
                if partition.leader < 0 or set(partition.isr) != set(partition.replicas):
                    return f"{machine}: partition {number} has the leader {partition.leader}, in sync {partition.isr}"
        return ""

    def _why_not_read(self) -> str:
        ends: dict[int, set[int]] = {}
        for _, node in running(self.world.brokers):
            for replica in replicas_of(node):
                at = ends.setdefault(replica.topic_partition.partition, set())
                at |= {replica.log.log_end_offset, replica.log.high_watermark}
        for partition, found in sorted(ends.items()):
            if len(found) > 1:
                return f"the ends and high watermarks of {partition} are {sorted(found)}"
            for consumer in self.world.consumers:
                if {consumer.positions[partition]} != found:
                    return f"{consumer.name} is at {consumer.positions[partition]} of {partition}, the end is {found}"
        return ""
