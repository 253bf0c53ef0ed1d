"""What goes wrong in a run: drawn from the seed, one after the other, overlapping as chance wants it.

Every fault is a method `_KIND`; it strikes, and says when it is over by scheduling the remedy. Nodes that died, for
whatever reason, are started again after a moment, as a supervisor would.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest as Reassignments
from protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsResponse
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest as AlterConfigs
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsResponse
from tests.simulation.clients import TOPIC, Client
from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.world import World

ALWAYS: Final = (
    "kill", "kill", "kill_leader", "kill_controller", "crash_at_step", "crash_at_step", "isolate", "isolate_leader",
    "one_way", "partial", "reset", "slow_links", "slow_disk", "full_disk", "roll", "reassign", "configure", "clock",
)  # fmt: skip
WITH_POWER: Final = ("power_cut", "power_cut", "power_cut_leader", "power_cut_all")
SUPERVISE_S: Final = 0.25
FAULTS_MAX: Final = 40


class Faults:
    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self._restart_at: dict[int, float] = {}
        self._is_over = False

    async def run(self) -> None:
        plan = self._world.plan
        kinds = plan.kinds or (ALWAYS + WITH_POWER if plan.is_synced else ALWAYS)
        self._supervise()
        await self._world.sleep(self._rng.uniform(0.5, 2))
        struck = 0
        while struck < plan.faults or (struck < FAULTS_MAX and len(self._world.register.acked_values) < plan.writes):
            struck += 1
            kind = self._rng.choice(kinds)
            strike: Callable[[], str | None] = getattr(self, f"_{kind}")
            detail = strike()
            if detail is not None:
                self._world.counts["faults"] += 1
                self._world.counts[kind] += 1
                self._world.say(f"fault {kind} {detail}")
            await self._world.sleep(self._rng.uniform(0.1, plan.calm_s))

    def end(self) -> None:
        world = self._world
        self._is_over = True
        world.network.heal()
        for machine in world.machines:
            machine.slowness.delay_s_max = machine.slowness.usual_s
            machine.disk.capacity_bytes = None
            machine.disk.crash_at_step = None if machine.is_alive else machine.disk.crash_at_step

    # The supervisor.

    def _supervise(self) -> None:
        loop = self._world.loop
        for machine in self._world.machines:
            if machine.is_alive:
                self._restart_at.pop(machine.id, None)
                continue
            at = self._restart_at.setdefault(machine.id, loop.now + self._rng.uniform(0.1, 4))
            if loop.now >= at:
                self._world.say(f"{machine} starts")
                machine.start()
        loop.at(loop.now + SUPERVISE_S, self._supervise)

    def _later(self, remedy: Callable[[], None], longest_s: float = 7.0) -> None:
        self._world.loop.at(self._world.loop.now + self._rng.uniform(0.5, longest_s), remedy)

    # Whom.

    def _one(self) -> Machine | None:
        alive = [machine for machine in self._world.machines if machine.is_alive]
        return self._rng.choice(alive) if alive else None

    def _leader(self) -> Machine | None:
        partition = self._rng.randrange(self._world.plan.partitions)
        for machine in self._world.brokers:
            manager = getattr(machine.node, "replicas", None)
            replica = None if manager is None else manager.find(TOPIC, partition)
            if machine.is_alive and replica is not None and replica.state.is_leader:
                return machine
        return None

    def _controller(self) -> Machine | None:
        for machine in self._world.machines:
            raft = getattr(getattr(machine.node, "quorum", None), "raft", None)
            if machine.is_alive and raft is not None and raft.is_leader:
                return machine
        return None

    # Deaths.

    def _end(self, machine: Machine | None, *, with_power: bool = True) -> str | None:
        if machine is None:
            return None
        machine.end(with_power=with_power)
        return str(machine)

    def _kill(self) -> str | None:
        return self._end(self._one())

    def _kill_leader(self) -> str | None:
        return self._end(self._leader())

    def _kill_controller(self) -> str | None:
        return self._end(self._controller())

    def _power_cut(self) -> str | None:
        return self._end(self._one(), with_power=False)

    def _power_cut_leader(self) -> str | None:
        return self._end(self._leader(), with_power=False)

    def _power_cut_all(self) -> str | None:
        for machine in self._world.machines:
            if machine.is_alive:
                machine.end(with_power=False)
        return "everywhere"

    def _crash_at_step(self) -> str | None:
        machine = self._one()
        if machine is not None:
            machine.disk.crash_at_step = machine.disk.steps + self._rng.randint(1, 60)
        return None if machine is None else str(machine)

    def _roll(self) -> str | None:
        """One node after the other, each asked to stop."""

        def roll(machines: list[Machine]) -> None:
            if machines and not self._is_over:
                machines[0].ask_to_stop()
                self._later(lambda: roll(machines[1:]), 4.0)

        roll(list(self._world.machines))
        return "all"

    # The network.

    def _cut(self, pairs: list[tuple[str, str]]) -> None:
        network = self._world.network
        for pair in pairs:
            network.cut(*pair)

        def mend() -> None:
            for pair in pairs:
                network.mend(*pair)

        self._later(mend)

    def _others(self, machine: Machine, *, with_clients: bool) -> list[str]:
        hosts = [other.host for other in self._world.machines if other is not machine]
        return hosts + ([client.life.host for client in self._world.clients] if with_clients else [])

    def _isolated(self, machine: Machine | None) -> str | None:
        if machine is None or len(self._world.machines) == 1:
            return None
        others = self._others(machine, with_clients=self._rng.random() < 0.5)
        self._cut([pair for other in others for pair in ((machine.host, other), (other, machine.host))])
        return f"{machine} from {len(others)}"

    def _isolate(self) -> str | None:
        return self._isolated(self._one())

    def _isolate_leader(self) -> str | None:
        return self._isolated(self._leader())

    def _one_way(self) -> str | None:
        machine = self._one()
        if machine is None or len(self._world.machines) == 1:
            return None
        others = self._others(machine, with_clients=False)
        is_deaf = self._rng.random() < 0.5
        self._cut([(other, machine.host) if is_deaf else (machine.host, other) for other in others])
        return f"{machine} is {'deaf' if is_deaf else 'dumb'}"

    def _partial(self) -> str | None:
        if len(self._world.machines) < 3:
            return None
        one, other = self._rng.sample(self._world.machines, 2)
        self._cut([(one.host, other.host), (other.host, one.host)])
        return f"{one} and {other}"

    def _reset(self) -> str | None:
        network = self._world.network
        ends = list(network.ends)
        broken = self._rng.sample(ends, min(len(ends), self._rng.randint(1, 8)))
        for end in broken:
            network.reset(end)
        return f"{len(broken)} connections"

    def _slow_links(self) -> str | None:
        network = self._world.network
        machine = self._rng.choice(self._world.machines)
        links = [(machine.host, other) for other in self._others(machine, with_clients=True)]
        longest_s = self._rng.choice((0.05, 0.5, 1.5))
        for link in links:
            network.slow[link] = longest_s

        def mend() -> None:
            for link in links:
                network.slow.pop(link, None)

        self._later(mend)
        return f"from {machine}, up to {longest_s} s"

    # Disks and clocks.

    def _slow_disk(self) -> str | None:
        machine = self._rng.choice(self._world.machines)
        machine.slowness.delay_s_max = self._rng.choice((0.05, 0.5, 2.0))

        def mend() -> None:
            machine.slowness.delay_s_max = machine.slowness.usual_s

        self._later(mend)
        return f"{machine} {machine.slowness.delay_s_max}"

    def _full_disk(self) -> str | None:
        machine = self._rng.choice(self._world.machines)
        machine.disk.capacity_bytes = machine.disk.used_bytes() + self._rng.randrange(20_000)

        def mend() -> None:
            machine.disk.capacity_bytes = None

        self._later(mend)
        return str(machine)

    def _clock(self) -> str | None:
        machine = self._one()
        if machine is None or machine.life is None:
            return None
        machine.life.skew_ms += self._rng.randint(-60_000, 60_000)
        return f"{machine} by {machine.life.skew_ms} ms"

    # What operators do.

    def _ask(self, work: Callable[[Client], Coroutine[Any, Any, object]]) -> None:
        admin = self._world.clients[0]
        self._world.loop.live(admin.life, work(admin))

    def _reassign(self) -> str | None:
        plan = self._world.plan
        partition = self._rng.randrange(plan.partitions)
        size = min(len(plan.brokers), max(plan.min_insync, self._rng.choice((plan.replication_factor, 2, 3))))
        replicas = self._rng.sample(plan.brokers, size)
        part = Reassignments.ReassignablePartition(partition_index=partition, replicas=replicas)
        topic = Reassignments.ReassignableTopic(name=TOPIC, partitions=[part])
        request = Reassignments(topics=[topic], timeout_ms=5000)
        self._ask(lambda admin: admin.ask_any(request, AlterPartitionReassignmentsResponse))
        return f"{partition} to {replicas}"

    def _configure(self) -> str | None:
        name, value = self._rng.choice(
            (
                ("segment.ms", "1000"),
                ("segment.ms", "30000"),
                ("index.interval.bytes", "100"),
                ("segment.jitter.ms", "10"),
            )
        )
        config = AlterConfigs.AlterableConfig(name=name, config_operation=0, value=value)
        resource = AlterConfigs.AlterConfigsResource(resource_type=2, resource_name=TOPIC, configs=[config])
        request = AlterConfigs(resources=[resource])
        self._ask(lambda admin: admin.ask_any(request, IncrementalAlterConfigsResponse))
        return f"{name}={value}"
