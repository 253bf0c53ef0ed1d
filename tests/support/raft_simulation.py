"""A quorum of pure machines over an in-memory network, in virtual time, with faults drawn from a seed.

Each node performs its machine's effects in order on a `Disk` that forgets what was not synced. Crashes come between any
two effects; messages are encoded, delayed, dropped and cut off. `Checker` holds what must be true of Raft at every
moment, by the names of Kafka's RaftEventSimulationTest.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from protocol.errors import ErrorCode
from protocol.ids import OffsetAndEpoch, Uuid
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.fetch import FetchResponse
from protocol.messages.fetch_snapshot import FetchSnapshotResponse
from protocol.messages.vote import VoteRequest, VoteResponse
from protocol.metadata.log import NoOpRecord
from protocol.records.batch import RecordBatch
from protocol.schema import Message, decode, encode
from raft.events import (
    AbandonSnapshot,
    AdvanceHighWatermark,
    AppendAsFollower,
    AppendAsLeader,
    AppendSnapshot,
    BatchAppended,
    BeginSnapshot,
    ChangeLeader,
    CompleteShutdown,
    DeleteBefore,
    Effect,
    Event,
    InstallSnapshot,
    LogCleaned,
    LogSynced,
    Now,
    PersistElection,
    QuorumConfig,
    RequestArrived,
    ResponseArrived,
    SendRecords,
    SendRequest,
    SendResponse,
    SendSnapshot,
    SnapshotCreated,
    SnapshotInstalled,
    SyncLog,
    TimePassed,
    TruncateLog,
)
from raft.leader import Leader
from raft.loading import load_membership
from raft.log import BOOTSTRAP_SNAPSHOT_ID
from raft.quorum import Quorum
from raft.records import data_batch
from raft.snapshots import MembershipAt, SnapshotWriter, read_control_records
from raft.voters import Address, Endpoints, Node, ReplicaKey, VoterNode, VoterSet
from tests.support.raft_memory import Disk, MemoryLog, MemoryQuorumState, MemorySnapshotWriter

LISTENER = "CONTROLLER"
CLUSTER_ID = "simulated"
WALL_EPOCH_MS = 1_700_000_000_000


def directory_id(node_id: int, disk: int = 0) -> Uuid:
    return Uuid(bytes([7, disk, *bytes(13), node_id]))


def endpoints(node_id: int) -> Endpoints:
    return Endpoints({LISTENER: Address(f"node{node_id}", 9000 + node_id)})


def voter_node(node_id: int, disk: int = 0) -> VoterNode:
    return VoterNode(ReplicaKey(node_id, directory_id(node_id, disk)), endpoints(node_id), 0, 1)


def bootstrap_snapshot(disk: Disk, voters: VoterSet) -> None:
    """What `format --standalone` or `--initial-controllers` leaves."""
    raw = MemorySnapshotWriter(disk, BOOTSTRAP_SNAPSHOT_ID)
    SnapshotWriter(raw, 0, WALL_EPOCH_MS, MembershipAt(1, voters)).finish()
    raw.freeze()


class Checker:
    """Watches all nodes. Each assert is one of Raft's promises."""

    def __init__(self) -> None:
        self.leaders: dict[int, tuple[int, int]] = {}  # epoch -> node, incarnation
        self.votes: dict[tuple[int, int], int] = {}
        self.epochs: dict[int, int] = {}  # node -> the highest that it told anyone
        self.committed: dict[int, tuple[int, int, bytes]] = {}  # base offset -> epoch, last offset, batch
        self.committed_offset = 0
        self.truncations = 0
        self.installs = 0

    def on_told(self, node_id: int, message: Message) -> None:
        """The epoch in a message is one that its sender must not forget."""
        for topic in getattr(message, "topics", getattr(message, "responses", [])):
            for partition in topic.partitions:
                current = getattr(partition, "current_leader", partition)
                for name in ("replica_epoch", "leader_epoch", "current_leader_epoch"):
                    epoch = getattr(current, name, -1)
                    self.epochs[node_id] = max(epoch, self.epochs.get(node_id, 0))

    def on_restart(self, node_id: int, epoch: int) -> None:
        assert epoch >= self.epochs.get(node_id, 0), f"MonotonicEpoch: node {node_id} went back to {epoch}"

    def on_vote_granted(self, voter_id: int, epoch: int, candidate_id: int) -> None:
        before = self.votes.setdefault((voter_id, epoch), candidate_id)
        assert before == candidate_id, f"node {voter_id} voted for {before} and {candidate_id} in epoch {epoch}"

    def on_leader(self, node: SimulatedNode, epoch: int) -> None:
        before, now = self.leaders.get(epoch), (node.id, node.incarnation)
        assert before in (None, now), f"SingleLeader: {before} and {now} lead epoch {epoch}"
        if before is None:
            self.leaders[epoch] = now
            if epoch == max(self.leaders):
                self._check_completeness(node)

    def _check_completeness(self, node: SimulatedNode) -> None:
        """LeaderCompleteness: who leads has all that was ever committed."""
        batches = {batch.base_offset: batch for batch in node.disk.views()}
        for base_offset, (_, _, content) in self.committed.items():
            if base_offset >= node.disk.start_offset:
                batch = batches.get(base_offset)
                assert batch is not None, f"leader {node.id} lacks the committed batch at {base_offset}"
                assert bytes(batch.buffer) == content, f"leader {node.id} has another batch at {base_offset}"

    def on_high_watermark(self, node: SimulatedNode, offset: int) -> None:
        """ConsistentCommittedData: whatever is committed anywhere is the same everywhere, for ever."""
        for batch in node.disk.views():
            if batch.next_offset > offset:
                break
            content = bytes(batch.buffer)
            known = self.committed.get(batch.base_offset)
            if known is None:
                self._commit(batch, content, node)
            else:
                assert known[2] == content, f"node {node.id} commits another batch at {batch.base_offset}"

    def _commit(self, batch: RecordBatch, content: bytes, node: SimulatedNode) -> None:
        if batch.base_offset < self.committed_offset:
            return  # of before a cut at the snapshot's end
        assert batch.base_offset == self.committed_offset, (batch, self.committed_offset, node.id)
        self.committed[batch.base_offset] = (batch.partition_leader_epoch, batch.last_offset, content)
        self.committed_offset = batch.next_offset

    def on_leader_high_watermark(self, leader: SimulatedNode, offset: int, nodes: Iterable[SimulatedNode]) -> None:
        """MajorityReachedHighWatermark: what the leader calls committed is on the platters of a majority."""
        assert leader.quorum is not None
        voters = leader.quorum.membership.voters
        durable = [node.id for node in nodes if node.id in voters and node.durable_end_offset >= offset]
        assert len(durable) >= len(voters) // 2 + 1, f"{offset} is committed, but durable only on {durable} of {voters}"


@dataclass(order=True)
class _Scheduled:
    at_ms: float
    order: int
    action: Callable[[], None] = field(compare=False)


class Simulation:
    """`nodes` by id. Time passes in `run_until`; `at` schedules."""

    def __init__(self, seed: int, *, drop: float = 0.0, delay_ms: tuple[float, float] = (1, 20)) -> None:
        self.random = Random(seed)
        self.checker = Checker()
        self.nodes: dict[int, SimulatedNode] = {}
        self.drop = drop
        self.delay_ms = delay_ms
        self.now_ms = 0.0
        self.cut: set[tuple[int, int]] = set()  # messages from the first to the second are lost
        self._heap: list[_Scheduled] = []
        self._order = 0

    @property
    def now(self) -> Now:
        return Now(self.now_ms, WALL_EPOCH_MS + int(self.now_ms))

    def at(self, at_ms: float, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._heap, _Scheduled(max(at_ms, self.now_ms), self._order, action))

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        self.at(self.now_ms + delay_ms, action)

    def run_until(self, at_ms: float) -> None:
        while self._heap and self._heap[0].at_ms <= at_ms:
            scheduled = heapq.heappop(self._heap)
            self.now_ms = max(self.now_ms, scheduled.at_ms)
            scheduled.action()
        self.now_ms = max(self.now_ms, at_ms)

    def run_for(self, ms: float) -> None:
        self.run_until(self.now_ms + ms)

    def run_while(self, condition: Callable[[], bool], limit_ms: float) -> None:
        end_ms = self.now_ms + limit_ms
        while condition() and self.now_ms < end_ms:
            self.run_for(10)
        assert not condition(), f"still so after {limit_ms} ms: {[str(node) for node in self.nodes.values()]}"

    # ---- nodes

    def add(
        self, node_id: int, *, static_voters: VoterSet | None = None, voters: VoterSet | None = None
    ) -> SimulatedNode:
        node = SimulatedNode(self, node_id, static_voters or VoterSet())
        if voters is not None:
            bootstrap_snapshot(node.disk, voters)
        self.nodes[node_id] = node
        return node

    def add_static_quorum(self, size: int) -> None:
        voters = VoterSet(VoterNode(ReplicaKey(node_id), endpoints(node_id)) for node_id in range(1, size + 1))
        for node_id in voters.ids:
            self.add(node_id, static_voters=voters)

    def add_dynamic_quorum(self, size: int) -> None:
        voters = VoterSet(voter_node(node_id) for node_id in range(1, size + 1))
        for node_id in voters.ids:
            self.add(node_id, voters=voters)

    def start_all(self) -> None:
        for node in self.nodes.values():
            node.start()

    @property
    def leader(self) -> SimulatedNode | None:
        """The leader of the highest epoch, if it is up."""
        leaders = [node for node in self.nodes.values() if node.quorum is not None and node.quorum.is_leader]
        return max(leaders, key=lambda node: node.epoch, default=None)

    def wait_for_leader(self, limit_ms: float = 30_000) -> SimulatedNode:
        def is_missing() -> bool:
            leader = self.leader
            if leader is None or leader.quorum is None or not isinstance(leader.quorum.state, Leader):
                return True
            return leader.quorum.state.high_watermark is None

        self.run_while(is_missing, limit_ms)
        leader = self.leader
        assert leader is not None
        return leader

    def isolate(self, *node_ids: int) -> None:
        """Nothing passes between these and the others."""
        for one in node_ids:
            for other in self.nodes:
                if other not in node_ids:
                    self.cut |= {(one, other), (other, one)}

    def heal(self) -> None:
        self.cut.clear()

    # ---- the network

    def deliver(self, source: int, target: int, action: Callable[[], None]) -> None:
        if (source, target) in self.cut or self.random.random() < self.drop:
            return
        self.after(self.random.uniform(*self.delay_ms), action)

    def find(self, node: Node) -> SimulatedNode | None:
        return self.nodes.get(int(node.host.removeprefix("node")))


class SimulatedNode:
    """One machine with its disk. `crash` and `start` as often as wanted."""

    def __init__(self, simulation: Simulation, node_id: int, static_voters: VoterSet) -> None:
        self.simulation = simulation
        self.id = node_id
        self.disk = Disk()
        self.static_voters = static_voters
        self.config = self._config()
        self.quorum: Quorum | None = None
        self.log: MemoryLog | None = None
        self.incarnation = 0
        self.crash_chance = 0.0  # before each effect
        self.sync_ms: tuple[float, float] = (1, 10)
        self.leader_changes: list[ChangeLeader] = []
        self.shutdown: CompleteShutdown | None = None
        self._queue: deque[Effect] = deque()
        self._is_syncing = False
        self._is_sync_due = False
        self._truncations = 0
        self._writer: MemorySnapshotWriter | None = None
        self._answers: dict[int, tuple[int, int, Message, Callable[[Message], None]]] = {}
        self._last_request_id = 0
        self._deadline_ms = float("inf")

    def _config(self) -> QuorumConfig:
        others = tuple(Address(f"node{i}", 9000 + i) for i in range(1, 6) if i != self.id)
        return QuorumConfig(
            self.id,
            directory_id(self.id),
            CLUSTER_ID,
            endpoints=endpoints(self.id),
            static_voters=self.static_voters,
            bootstrap_servers=() if self.static_voters else others,
            election_timeout_ms=150,
            election_backoff_max_ms=150,
            fetch_timeout_ms=300,
            fetch_max_wait_ms=60,
            fetch_max_bytes=400,
            fetch_snapshot_max_bytes=100,
            request_timeout_ms=300,
        )

    def __str__(self) -> str:
        return f"node {self.id}: {None if self.quorum is None else self.quorum.state}"

    @property
    def epoch(self) -> int:
        return -1 if self.quorum is None else self.quorum.epoch

    @property
    def committed_offset(self) -> int:
        return -1 if self.quorum is None else self.quorum.committed_offset

    @property
    def durable_end_offset(self) -> int:
        return max(self.disk.start_offset, self.disk.synced_offset)

    # ---- life

    def start(self) -> None:
        assert self.quorum is None
        self.log = MemoryLog(self.disk)
        outline = self.log.outline()
        membership = load_membership(self.log, outline, self.static_voters)
        election = MemoryQuorumState(self.disk).read()
        self.simulation.checker.on_restart(self.id, 0 if election is None else election.epoch)
        self.quorum = Quorum(self.config, membership, outline, election, self.simulation.random)
        self._run(self.quorum.start(self.simulation.now))

    def crash(self, *, power: bool = True) -> None:
        """The process dies; with `power` also what the disk had not synced, but for what chance wrote back."""
        self.quorum = None
        self.incarnation += 1
        self._queue.clear()
        self._is_syncing = self._is_sync_due = False
        self._writer = None
        self._answers.clear()
        self._truncations = 0
        self._deadline_ms = float("inf")
        if power:
            self.disk.lose_power(self.simulation.random.randrange(3))

    def restart_after(self, ms: float) -> None:
        self.simulation.after(ms, lambda: self.start() if self.quorum is None else None)

    def lose_disk(self) -> None:
        self.disk = Disk()

    # ---- steps

    def step(self, event: Event) -> None:
        if self.quorum is not None:
            self._run(self.quorum.step(event, self.simulation.now))

    def _run(self, effects: list[Effect]) -> None:
        self._queue.extend(effects)
        self._perform_all()
        self._arm()

    def _perform_all(self) -> None:
        while self._queue and self.quorum is not None:
            if self.crash_chance and self.simulation.random.random() < self.crash_chance:
                self.crash()
                self.restart_after(self.simulation.random.uniform(5, 500))
                return
            self._perform(self._queue.popleft())

    def _arm(self) -> None:
        if self.quorum is not None and self.quorum.deadline_ms < self._deadline_ms:
            self._deadline_ms = self.quorum.deadline_ms
            incarnation = self.incarnation
            self.simulation.at(self._deadline_ms, lambda: self._on_deadline(incarnation))

    def _on_deadline(self, incarnation: int) -> None:
        if incarnation == self.incarnation:
            self._deadline_ms = float("inf")
            self.step(TimePassed())
            self._arm()

    def later(self, ms: float, event: Callable[[], Event]) -> None:
        """The event reaches this incarnation, or nobody."""
        incarnation = self.incarnation
        self.simulation.after(ms, lambda: self.step(event()) if incarnation == self.incarnation else None)

    def append(self, count: int = 1) -> int:
        """As leader, a batch of records; the offset of the last."""
        quorum = self.quorum
        assert quorum is not None and quorum.is_leader
        base_offset = quorum.outline.end_offset
        batch = data_batch([(NoOpRecord(), 0)] * count, base_offset, quorum.epoch, self.simulation.now.wall_ms)
        self.step(BatchAppended(batch, base_offset, base_offset + count - 1))
        return base_offset + count - 1

    def snapshot(self) -> bool:
        """At the high watermark."""
        quorum = self.quorum
        assert quorum is not None
        offset = quorum.committed_offset
        outline = quorum.outline
        ends = {batch.next_offset: batch.partition_leader_epoch for batch in self.disk.views()}
        if offset not in ends or OffsetAndEpoch(offset, ends[offset]) in outline.snapshots:
            return False
        snapshot_id = OffsetAndEpoch(offset, ends[offset])
        membership = quorum.membership
        at = MembershipAt(membership.kraft_version_at(offset - 1), membership.voters_at(offset - 1))
        raw = MemorySnapshotWriter(self.disk, snapshot_id)
        writer = SnapshotWriter(raw, 0, self.simulation.now.wall_ms, at)
        writer.append([(NoOpRecord(), 0)] * 20)
        writer.finish()
        raw.freeze()
        self.step(SnapshotCreated(snapshot_id))
        return True

    def clean(self) -> None:
        quorum = self.quorum
        assert quorum is not None
        latest = quorum.outline.latest_snapshot
        if latest is not None and latest != BOOTSTRAP_SNAPSHOT_ID:
            self.step(LogCleaned(latest))

    # ---- effects

    def _perform(self, effect: Effect) -> None:
        log, checker = self.log, self.simulation.checker
        assert log is not None
        match effect:
            case PersistElection():
                MemoryQuorumState(self.disk).write(effect.state, effect.kraft_version)
            case AppendAsLeader():
                checker.on_leader(self, effect.epoch)
                log.append_as_leader(effect.batch, effect.epoch)
                assert log.end_offset == effect.last_offset + 1
            case AppendAsFollower():
                log.append_as_follower(effect.batches, effect.epoch)
                assert log.end_offset == effect.last_offset + 1
            case SyncLog():
                self._sync()
            case TruncateLog():
                checker.truncations += 1
                self._truncations += 1
                log.truncate_to(effect.offset)
            case AdvanceHighWatermark():
                log.advance_high_watermark(effect.offset)
                checker.on_high_watermark(self, effect.offset)
                self._check_leader_commit(effect.offset)
            case ChangeLeader():
                self.leader_changes.append(effect)
            case SendRequest():
                self._send_request(effect)
            case SendResponse():
                self._respond(effect.request_id, effect.message)
            case SendRecords():
                assert isinstance(effect.message, FetchResponse)
                found = log.read(effect.start_offset, effect.max_bytes, effect.end_offset)
                effect.message.responses[0].partitions[0].records = found.read()
                self._respond(effect.request_id, effect.message)
            case SendSnapshot():
                self._send_snapshot(effect)
            case BeginSnapshot():
                self._writer = log.create_snapshot(effect.snapshot_id)
            case AppendSnapshot():
                assert self._writer is not None
                self._writer.append(effect.data)
            case AbandonSnapshot():
                self._writer = None
            case InstallSnapshot():
                self._install(effect.snapshot_id)
            case DeleteBefore():
                log.delete_before(effect.snapshot_id)
            case CompleteShutdown():
                self.shutdown = effect

    def _check_leader_commit(self, offset: int) -> None:
        quorum = self.quorum
        if quorum is not None and isinstance(quorum.state, Leader) and quorum.state.high_watermark == offset:
            self.simulation.checker.on_leader_high_watermark(self, offset, self.simulation.nodes.values())

    def _sync(self) -> None:
        self._is_sync_due = True
        if self._is_syncing:
            return
        self._is_syncing, self._is_sync_due = True, False
        log = self.log
        assert log is not None
        job, synced, incarnation = log.begin_sync(), LogSynced(log.end_offset, self._truncations), self.incarnation

        def done() -> None:
            if incarnation != self.incarnation:
                return
            job()
            self._is_syncing = False
            self.step(synced)
            if self._is_sync_due and self.quorum is not None:
                self._sync()

        self.simulation.after(self.simulation.random.uniform(*self.sync_ms), done)

    def _install(self, snapshot_id: OffsetAndEpoch) -> None:
        log, writer = self.log, self._writer
        assert log is not None and writer is not None
        self.simulation.checker.installs += 1
        writer.freeze()
        self._writer = None
        self._truncations += 1
        log.truncate_to_snapshot(snapshot_id)
        records = read_control_records(snapshot_id, self.disk.snapshots[snapshot_id])
        versions = [record.kraft_version for record in records if record.kraft_version is not None]
        voters = [record.voters for record in records if record.voters is not None]
        installed = SnapshotInstalled(snapshot_id, versions[-1] if versions else 0, voters[-1] if voters else None)
        self.later(self.simulation.random.uniform(*self.sync_ms), lambda: installed)

    def _send_snapshot(self, effect: SendSnapshot) -> None:
        response = effect.message
        assert isinstance(response, FetchSnapshotResponse)
        partition = response.topics[0].partitions[0]
        content = self.disk.snapshots.get(effect.snapshot_id)
        if content is None:
            partition.error_code = ErrorCode.SNAPSHOT_NOT_FOUND
        else:
            partition.size = len(content)
            partition.unaligned_records = content[effect.position : effect.position + min(effect.max_bytes, 100)]
        self._respond(effect.request_id, response)

    # ---- messages

    def _send_request(self, effect: SendRequest) -> None:
        target = self.simulation.find(effect.node)
        version = effect.message.SPEC.versions.highest
        self.simulation.checker.on_told(self.id, effect.message)
        wire = encode(effect.message, version)
        message = decode(type(effect.message), version, wire)
        incarnation, source = self.incarnation, self

        def answer(response: Message) -> None:
            if source.incarnation == incarnation:
                source.step(ResponseArrived(effect.correlation_id, effect.node, response))

        def refuse() -> None:
            if source.incarnation == incarnation:
                error = ErrorCode.NETWORK_EXCEPTION
                source.step(ResponseArrived(effect.correlation_id, effect.node, None, error, is_refused=True))

        def arrive() -> None:
            assert target is not None
            if target.quorum is None:
                self.simulation.deliver(target.id, source.id, refuse)
            else:
                target.receive(message, version, source.id, answer)

        if target is None:
            self.simulation.after(1, refuse)
        else:
            self.simulation.deliver(self.id, target.id, arrive)

    def receive(self, message: Message, version: int, source: int, answer: Callable[[Message], None]) -> None:
        if isinstance(message, ApiVersionsRequest):
            feature = ApiVersionsResponse.SupportedFeatureKey(name="kraft.version", min_version=0, max_version=1)
            response = ApiVersionsResponse(supported_features=[feature])
            self.simulation.deliver(self.id, source, lambda: answer(response))
            return
        self._last_request_id += 1
        request_id = self._last_request_id
        self._answers[request_id] = (source, version, message, answer)
        self.step(RequestArrived(request_id, message, version, LISTENER))

    def _respond(self, request_id: int, message: Message) -> None:
        found = self._answers.pop(request_id, None)
        assert found is not None, f"two answers to one request: {message}"
        source, version, request, answer = found
        if isinstance(request, VoteRequest) and isinstance(message, VoteResponse):
            self._note_vote(request, message)
        self.simulation.checker.on_told(self.id, message)
        wire = encode(message, version)
        response = decode(type(message), version, wire)
        self.simulation.deliver(self.id, source, lambda: answer(response))

    def _note_vote(self, request: VoteRequest, response: VoteResponse) -> None:
        if not response.topics:
            return
        asked, answered = request.topics[0].partitions[0], response.topics[0].partitions[0]
        if answered.vote_granted and not asked.pre_vote:
            self.simulation.checker.on_vote_granted(self.id, asked.replica_epoch, asked.replica_id)

    def ask(self, message: Message, version: int | None = None) -> list[Message]:
        """A request from outside; the list fills when it is answered."""
        answers: list[Message] = []
        self.receive(message, message.SPEC.versions.highest if version is None else version, 0, answers.append)
        return answers
