"""One run of the simulator: a cluster, its clients, the faults that were drawn, and the checkers that watch.

`World(seed).run()` goes through: start, load under faults, an end of all faults, recovery, the final checks. The result
says what happened and holds a hash of the whole trace.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

from protocol.errors import ErrorCode
from protocol.ids import uuid_to_string
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from tests.simulation.check import Check
from tests.simulation.check_consumers import ConsumerCheck
from tests.simulation.check_health import HealthCheck
from tests.simulation.check_images import ImageCheck
from tests.simulation.check_offsets import OffsetCheck
from tests.simulation.check_raft import RaftCheck
from tests.simulation.check_records import RecordCheck
from tests.simulation.check_replicas import ReplicaCheck
from tests.simulation.clients import TOPIC, Client, Consumer, Producer
from tests.simulation.committer import Committer
from tests.simulation.faults import Faults
from tests.simulation.loop import Stuck, VirtualLoop
from tests.simulation.machine import DrawnRandom, Machine
from tests.simulation.network import Network
from tests.simulation.plan import Plan, draw_plan
from tests.simulation.register import Register, Violation

CLUSTER_ID: Final = "c2ltdWxhdGVkLWNsdXN0"
TICK_S: Final = 0.1
START_S: Final = 60.0
STEPS_MAX: Final = 10_000_000
DIRECTORY: Final = "/disk/data"

PROPERTIES: Final = {
    "log.dirs": DIRECTORY,
    "controller.listener.names": "CONTROLLER",
    "group.initial.rebalance.delay.ms": "0",
    "metrics.port": "-1",
    "offsets.topic.num.partitions": "2",
    "log.index.interval.bytes": "512",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    "controller.quorum.election.backoff.max.ms": "200",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "3000",
    "metadata.log.max.record.bytes.between.snapshots": "6000",
    "metadata.log.segment.bytes": "8388608",
}


@dataclass
class Result:
    seed: int
    trace: str
    virtual_s: float
    steps: int
    violations: list[str]
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        return not self.violations


class World:
    def __init__(self, seed: int, plan: Plan | None = None, *, log: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.plan = plan or draw_plan(self.rng)
        self.loop = VirtualLoop()
        self._hash = hashlib.blake2b(digest_size=8)
        self._log = log
        self.counts: Counter[str] = Counter()
        self.network = Network(self.loop, random.Random(seed + 1), self.trace)
        self.loop.network = self.network
        self.loop.steps_max = STEPS_MAX
        self.register = Register(self.trace, self.say)
        self.machines: list[Machine] = []
        self.clients: list[Client] = []
        self.producers: list[Producer] = []
        self.consumers: list[Consumer] = []
        self.committers: list[Committer] = []
        self.running: list[asyncio.Task[None]] = []
        """What the clients are at: those that write first."""
        self.raft_check = RaftCheck(self)
        self.checks: list[Check] = [
            self.raft_check,
            ReplicaCheck(self),
            ImageCheck(self),
            ConsumerCheck(self),
            RecordCheck(self),
            OffsetCheck(self),
        ]
        self.health = HealthCheck(self)
        self.faults = Faults(self)
        self.loop.set_exception_handler(self._on_loop_error)

    # What happened.

    def trace(self, text: str) -> None:
        self._hash.update(f"{self.loop.now:.6f} {text}\n".encode())

    def say(self, text: str) -> None:
        """As `trace`, of what a reader wants to see."""
        self.trace(text)
        if self._log is not None:
            self._log(f"{self.loop.now - 1000:9.3f} {text}")

    def violation(self, text: str) -> None:
        self.register.violation(text)

    def _on_loop_error(self, _: Any, context: dict[str, Any]) -> None:
        message, error = context["message"], context.get("exception")
        if "never retrieved" in message or "destroyed" in message:
            return
        life = self.loop.current
        if life is None or not life.is_dead:
            self.violation(f"{life and life.name}: {message}: {error!r}")

    # The run.

    def run(self) -> Result:
        with self._in_place():
            main = self.loop.create_task(self._main())
            try:
                self.loop.run_until_complete(main)
            except Violation:
                pass
            except Stuck as error:
                self.violation(f"stuck: {error}")
            finally:
                for machine in self.machines:
                    self.trace(f"{machine} made {machine.disk.steps} steps in {machine.lives} lives")
                    self.counts["power cuts that lost something"] += machine.lost_writes
                virtual_s = self.loop.now - 1000
                steps = self.loop.steps
                self.running.clear()
                del main
                self.loop.end()
        self.counts["acknowledged"] = len(self.register.acked_values)
        self.counts["read"] = self.register.reads
        return Result(self.seed, self._hash.hexdigest(), virtual_s, steps, self.register.violations, self.counts)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(patch("broker.node_listeners.bind", self.network.bind))
            stack.enter_context(self.raft_check.listening())
            yield

    async def _main(self) -> None:
        self._make_machines()
        for machine in self.machines:
            machine.start()
        await self._make_topic()
        self._make_clients()
        self.loop.at(self.loop.now + TICK_S, self._tick)
        await self.faults.run()
        self.say("faults end")
        self.faults.end()
        await self.health.recover()
        for check in self.checks:
            check.finish()

    def _tick(self) -> None:
        for check in self.checks:
            check.watch()
        if self.register.violations:
            return  # `sleep` ends the run.
        self.loop.at(self.loop.now + TICK_S, self._tick)

    async def sleep(self, seconds: float) -> None:
        """The world's own pace; ends the run at the first violation."""
        done = self.loop.create_future()
        self.loop.at(self.loop.now + seconds, lambda: done.set_result(None))
        await done
        if self.register.violations:
            raise Violation(self.register.violations[0])

    # The making.

    def _make_machines(self) -> None:
        plan = self.plan
        quorum_key, quorum, initial = self._quorum()
        nodes = sorted({*plan.controllers, *plan.brokers})
        for node in nodes:
            roles = [role for role, of in (("broker", plan.brokers), ("controller", plan.controllers)) if node in of]
            listeners = [f"PLAINTEXT://10.0.0.{node}:9092"] if node in plan.brokers else []
            listeners += [f"CONTROLLER://10.0.0.{node}:9093"] if node in plan.controllers else []
            properties = {
                **PROPERTIES,
                "process.roles": ",".join(roles),
                "node.id": str(node),
                "listeners": ",".join(listeners),
                quorum_key: quorum,
                "min.insync.replicas": str(plan.min_insync),
                "offsets.topic.replication.factor": str(plan.replication_factor),
                "default.replication.factor": str(plan.replication_factor),
                **plan.properties,
            }
            rng = random.Random(self.rng.randrange(1 << 60))
            machine = Machine(self.loop, self.network, node, properties, rng, self.violation)
            machine.rate = 1 + self.rng.uniform(-plan.drift, plan.drift)
            self.machines.append(machine)
            machine.format(CLUSTER_ID, initial if node in plan.controllers else None)

    def _quorum(self) -> tuple[str, str, str | None]:
        """The key that names the voters, its value, and whom to format a dynamic quorum with."""
        addresses = {node: f"10.0.0.{node}:9093" for node in self.plan.controllers}
        if not self.plan.is_dynamic:
            return "controller.quorum.voters", ",".join(f"{node}@{at}" for node, at in addresses.items()), None
        ids = DrawnRandom(self.rng)
        initial = [f"{node}@{at}:{uuid_to_string(ids.uuid())}" for node, at in addresses.items()]
        return "controller.quorum.bootstrap.servers", ",".join(addresses.values()), ",".join(initial)

    @property
    def brokers(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.id in self.plan.brokers]

    async def _make_topic(self) -> None:
        plan = self.plan
        admin = self.client("admin", Client)
        done = self.loop.live(admin.life, self._create(admin))
        deadline = self.loop.now + START_S
        while not done.done():
            await self.sleep(0.1)
            if self.loop.now > deadline:
                failures = [each for machine in self.machines for each in machine.start_failures]
                self.violation(f"the cluster of {plan} does not start: {failures}")
                raise Violation
        self.say(f"topic made: {plan}")

    async def _create(self, admin: Client) -> None:
        plan = self.plan
        configs = {**plan.topic_configs, "min.insync.replicas": str(plan.min_insync)}
        topic = CreateTopicsRequest.CreatableTopic(
            name=TOPIC,
            num_partitions=plan.partitions,
            replication_factor=plan.replication_factor,
            configs=[CreateTopicsRequest.CreatableTopicConfig(name=name, value=v) for name, v in configs.items()],
        )
        while True:
            answer = await admin.ask_any(CreateTopicsRequest(topics=[topic], timeout_ms=5000), CreateTopicsResponse)
            if answer is not None and answer.topics[0].error_code in (
                ErrorCode.NONE,
                ErrorCode.TOPIC_ALREADY_EXISTS,
            ):
                return
            self.say(f"no topic yet: {answer and answer.topics[0].error_message}")
            await admin.pause(0.5)

    def client(self, name: str, kind: Any, **options: Any) -> Any:
        hosts = [machine.host for machine in self.brokers]
        number = len(self.clients) + 1
        rng = random.Random(self.rng.randrange(1 << 60))
        client = kind(self.loop, name, f"10.0.1.{number}", rng, hosts, **options)
        self.clients.append(client)
        return client

    def _make_clients(self) -> None:
        plan = self.plan
        common = {"register": self.register, "partitions": plan.partitions}
        for number in range(plan.producers):
            self.producers.append(self.client(f"producer{number}", Producer, think_s=plan.think_s, **common))
        for number in range(plan.consumers):
            self.consumers.append(self.client(f"consumer{number}", Consumer, **common))
        for number in range(plan.committers):
            self.committers.append(self.client(f"committer{number}", Committer))
        clients = (*self.producers, *self.committers, *self.consumers)
        self.running = [self.loop.live(client.life, client.run()) for client in clients]
