"""Three voters, two of them Apache Kafka: each can lead, all have the same log."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.environment import SystemClock, SystemRandom, ThreadExecutor
from broker.metadata.bootstrap import default_bootstrap
from broker.metadata.raft_log import DIRECTORY_NAME, KafkaMetadataLog, MetadataLogConfig
from protocol.errors import ErrorCode
from protocol.ids import Uuid, uuid_to_string
from protocol.messages.describe_quorum import DescribeQuorumRequest, DescribeQuorumResponse
from protocol.messages.remove_raft_voter import RemoveRaftVoterResponse
from protocol.metadata.configs import FeatureLevelRecord
from protocol.metadata.log import NoOpRecord
from protocol.records.batch import iter_batches
from protocol.schema import Message
from raft import rpc
from raft.driver import NotLeader, RaftDriver
from raft.events import QuorumConfig
from raft.listeners import CommittedBatch
from raft.log import BOOTSTRAP_SNAPSHOT_ID
from raft.quorum_state import FILE_NAME, QuorumStateFile
from raft.snapshots import LoadedSnapshot, MembershipAt, SnapshotWriter, file_name
from raft.voters import Address, Endpoints, Node, ReplicaKey, VoterNode, VoterSet
from storage.files import DiskFiles
from tests.support.apache_kafka import CLUSTER_ID, free_ports
from tests.support.kafka_peer import java_command, run_java
from tests.support.raft_memory import Disk, MemorySnapshotWriter
from tests.support.raft_network import RaftServer, RaftTransport

KAFKA_IDS, OUR_ID = (1, 2), 3
DEADLINE_S = 60


def directory_id(node_id: int) -> Uuid:
    return Uuid(bytes([0x70, *bytes(5), 0x40, 0, 0x80, *bytes(6), node_id]))


class Quorum:
    """Where everyone is, under static voters (kraft.version 0) or dynamic ones (1)."""

    def __init__(self, path: Path, *, dynamic: bool) -> None:
        self.path = path
        self.dynamic = dynamic
        self.ports = dict(zip((*KAFKA_IDS, OUR_ID), free_ports(3), strict=True))
        self.controllers = {node_id: KafkaController(self, node_id) for node_id in KAFKA_IDS}

    @property
    def voters(self) -> VoterSet:
        return VoterSet(
            VoterNode(
                ReplicaKey(node_id, directory_id(node_id) if self.dynamic else None),
                Endpoints({"CONTROLLER": Address("127.0.0.1", port)}),
                0,
                1 if self.dynamic else 0,
            )
            for node_id, port in self.ports.items()
        )

    @property
    def initial_controllers(self) -> str:
        return ",".join(
            f"{node_id}@127.0.0.1:{port}:{uuid_to_string(directory_id(node_id))}"
            for node_id, port in self.ports.items()
        )


class KafkaController:
    """A node of Apache Kafka with the controller role alone."""

    def __init__(self, quorum: Quorum, node_id: int) -> None:
        self.quorum = quorum
        self.id = node_id
        self.directory = quorum.path / f"kafka{node_id}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def format(self, *, standalone: bool = False) -> None:
        self.directory.mkdir()
        port = self.quorum.ports[self.id]
        voters = ",".join(f"{node_id}@127.0.0.1:{port}" for node_id, port in self.quorum.ports.items())
        servers = ",".join(f"127.0.0.1:{port}" for port in self.quorum.ports.values())
        settings = {
            "process.roles": "controller",
            "node.id": str(self.id),
            "listeners": f"CONTROLLER://127.0.0.1:{port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.data),
            "metadata.max.idle.interval.ms": "100",
            **({"metadata.log.max.snapshot.interval.ms": "500"} if standalone else {}),
            # So slow to stand that we are first.
            "controller.quorum.election.timeout.ms": "4000",
            "controller.quorum.bootstrap.servers" if self.quorum.dynamic else "controller.quorum.voters": (
                servers if self.quorum.dynamic else voters
            ),
        }
        properties = self.directory / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        flags = ["--initial-controllers", self.quorum.initial_controllers] if self.quorum.dynamic else []
        if standalone:
            flags = ["--standalone"]
        done = run_java("kafka.tools.StorageTool", ["format", "-t", CLUSTER_ID, "-c", str(properties), *flags])
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        with (self.directory / "kafka.log").open("ab") as log:
            self.process = subprocess.Popen(
                java_command("kafka.Kafka", [str(self.directory / "server.properties")]),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    async def listening(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.quorum.ports[self.id])
                    writer.close()
                    return
                except OSError:
                    await asyncio.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Listener:
    def __init__(self) -> None:
        self.next_offset = 0
        self.records: dict[int, int] = {}  # by epoch
        self.snapshots: list[list[Message]] = []

    def on_commit(self, batch: CommittedBatch) -> None:
        assert batch.base_offset == self.next_offset
        self.next_offset = batch.last_offset + 1
        for _ in batch.records:
            self.records[batch.epoch] = self.records.get(batch.epoch, 0) + 1

    def on_load_snapshot(self, snapshot: LoadedSnapshot) -> None:
        self.next_offset = snapshot.snapshot_id.offset
        self.snapshots.append([record for piece in snapshot.batches for record, _ in piece])

    def on_leader_change(self, leader_id: int | None, epoch: int) -> None:
        pass


class OurVoter:
    def __init__(self, quorum: Quorum, *, joins: bool = False) -> None:
        """A voter from the start, or one that joins."""
        self.quorum = quorum
        self.data = quorum.path / "ours"
        self.directory = self.data / DIRECTORY_NAME
        self.directory.mkdir(parents=True)
        if quorum.dynamic and not joins:
            self._format()
        self.transport = RaftTransport()
        self.executor = ThreadExecutor()
        self.faults: list[BaseException] = []
        self.listener = Listener()
        clock, files = SystemClock(), DiskFiles()
        self.driver = RaftDriver(
            QuorumConfig(
                OUR_ID,
                directory_id(OUR_ID),
                CLUSTER_ID,
                endpoints=quorum.voters.listeners(OUR_ID),
                static_voters=VoterSet() if quorum.dynamic else quorum.voters,
                bootstrap_servers=tuple(Address("127.0.0.1", quorum.ports[node_id]) for node_id in KAFKA_IDS),
                election_timeout_ms=200,
                fetch_timeout_ms=2000,
                auto_join=joins,
            ),
            KafkaMetadataLog.open(files, str(self.data), MetadataLogConfig(), now_ms=clock.wall_ms),
            QuorumStateFile(files, str(self.directory / FILE_NAME)),
            clock=clock,
            random=SystemRandom(),
            executor=self.executor,
            on_fault=self.faults.append,
            transport=self.transport,
        )
        self.server = RaftServer(self.driver)

    def _format(self) -> None:
        disk = Disk()
        raw = MemorySnapshotWriter(disk, BOOTSTRAP_SNAPSHOT_ID)
        SnapshotWriter(raw, 0, 0, MembershipAt(1, self.quorum.voters)).finish()
        raw.freeze()
        (self.directory / file_name(BOOTSTRAP_SNAPSHOT_ID)).write_bytes(disk.snapshots[BOOTSTRAP_SNAPSHOT_ID])

    async def start(self) -> None:
        await self.driver.start()
        self.driver.register(self.listener)
        await self.server.start(self.quorum.ports[OUR_ID])

    async def close(self) -> None:
        await self.driver.close(timeout_ms=1000)
        await self.server.close()
        self.transport.close()
        self.executor.close()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                assert not self.faults
                await asyncio.sleep(0.02)

    async def ask_kafka(self, node_id: int, request: Message) -> Message:
        transport = RaftTransport()
        try:
            return await transport.send(Node(0, "127.0.0.1", self.quorum.ports[node_id]), request)
        finally:
            transport.close()

    async def describe(self) -> DescribeQuorumResponse.PartitionData:
        """As the leader tells it, whoever that is."""
        request = DescribeQuorumRequest(
            topics=[
                DescribeQuorumRequest.TopicData(
                    topic_name=rpc.TOPIC, partitions=[DescribeQuorumRequest.PartitionData(partition_index=0)]
                )
            ]
        )
        leader_id = self.driver.leader_and_epoch.leader_id
        if leader_id in (None, OUR_ID):
            response = await self.driver.handle_request(55, 2, request)
        else:
            response = await self.ask_kafka(leader_id, request)
        assert isinstance(response, DescribeQuorumResponse)
        return response.topics[0].partitions[0]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static voters", "dynamic voters"])
async def test_quorum_of_kafka_and_us(tmp_path: Path, dynamic: bool) -> None:
    quorum = Quorum(tmp_path, dynamic=dynamic)
    first, second = (quorum.controllers[node_id] for node_id in KAFKA_IDS)
    await asyncio.gather(*(asyncio.to_thread(controller.format) for controller in quorum.controllers.values()))
    ours = OurVoter(quorum)
    try:
        first.start()
        await first.listening()
        await ours.start()
        await we_lead(ours)
        second.start()
        await followers_catch_up(ours)
        await ours.until(lambda: leadership_is_kafkas(ours))
        await kafka_leads(ours)
        leader_id = ours.driver.leader_and_epoch.leader_id
        assert leader_id is not None
        quorum.controllers[leader_id].kill()
        old_epoch = ours.driver.leader_and_epoch.epoch
        await ours.until(lambda: someone_leads(ours, old_epoch))
        quorum.controllers[leader_id].start()
        await commits_go_on(ours)
    finally:
        for controller in quorum.controllers.values():
            controller.kill()
        await ours.close()
    compare_logs(ours, quorum)


async def test_we_join_a_quorum_of_kafka(tmp_path: Path) -> None:
    """Its snapshot first, then its log; then as a voter, and no longer as one."""
    quorum = Quorum(tmp_path, dynamic=True)
    kafka = quorum.controllers[1]
    await asyncio.to_thread(kafka.format, standalone=True)
    ours = OurVoter(quorum, joins=True)
    try:
        kafka.start()
        await kafka.listening()
        async with asyncio.timeout(DEADLINE_S):
            while len(list((kafka.data / DIRECTORY_NAME).glob("*.checkpoint"))) < 2:
                await asyncio.sleep(0.05)
        await ours.start()
        await ours.until(lambda: ours.listener.snapshots and ours.listener.records)
        features = [record.name for record in ours.listener.snapshots[0] if isinstance(record, FeatureLevelRecord)]
        assert "metadata.version" in features
        await ours.until(lambda: ours.driver.voters.ids == [1, OUR_ID])
        assert ours.driver.voters.is_voter(ReplicaKey(OUR_ID, directory_id(OUR_ID)))
        await commits_go_on(ours)
        request = rpc.remove_voter_request(CLUSTER_ID, ReplicaKey(OUR_ID, directory_id(OUR_ID)))
        response = await ours.ask_kafka(1, request)
        assert isinstance(response, RemoveRaftVoterResponse) and response.error_code == ErrorCode.NONE
        await ours.until(lambda: ours.driver.voters.ids == [1])
    finally:
        kafka.kill()
        await ours.close()


async def we_lead(ours: OurVoter) -> None:
    """Elected by Kafka, with records that it replicates."""
    await ours.until(lambda: ours.driver.is_leader and ours.driver.high_watermark is not None)
    epoch = ours.driver.leader_and_epoch.epoch
    # Without these first Kafka's state machine refuses the log, whoever leads.
    ours.driver.schedule_append(epoch, default_bootstrap().records)
    for _ in range(50):
        ours.driver.schedule_append(epoch, [(NoOpRecord(), 0)] * 3)
    await ours.until(lambda: ours.driver.high_watermark == ours.driver.log_end_offset)


async def followers_catch_up(ours: OurVoter) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            partition = await ours.describe()
            if all(voter.log_end_offset == ours.driver.log_end_offset for voter in partition.current_voters):
                break
            await asyncio.sleep(0.1)
    assert [voter.replica_id for voter in partition.current_voters] == [1, 2, 3]


def leadership_is_kafkas(ours: OurVoter) -> bool:
    """Gives up leadership, once more if we are elected again: a busy Kafka may take longer than our elections' timeout
    is here."""
    if ours.driver.is_leader:
        ours.driver.resign(ours.driver.leader_and_epoch.epoch)
    return ours.driver.leader_and_epoch.leader_id in KAFKA_IDS


async def kafka_leads(ours: OurVoter) -> None:
    """Its controller becomes active and writes, which we replicate and read, and it knows how far we are."""
    await ours.until(lambda: ours.driver.leader_and_epoch.leader_id in KAFKA_IDS)
    leader_id, epoch = ours.driver.leader_and_epoch
    await ours.until(lambda: ours.listener.records.get(epoch, 0) > 20)
    offset = ours.driver.log_end_offset
    partition = await ours.describe()
    assert (partition.leader_id, partition.leader_epoch) == (leader_id, epoch)
    [we] = [voter for voter in partition.current_voters if voter.replica_id == OUR_ID]
    assert we.log_end_offset >= offset and we.last_caught_up_timestamp > 0
    if ours.quorum.dynamic:
        assert we.replica_directory_id == directory_id(OUR_ID)


def someone_leads(ours: OurVoter, epoch: int) -> bool:
    leader = ours.driver.leader_and_epoch
    return leader.epoch > epoch and leader.leader_id is not None


async def commits_go_on(ours: OurVoter) -> None:
    offset = ours.driver.high_watermark or 0

    def moved() -> bool:
        if ours.driver.is_leader:
            try:
                ours.driver.schedule_append(ours.driver.leader_and_epoch.epoch, [(NoOpRecord(), 0)])
            except NotLeader:
                return False
        return (ours.driver.high_watermark or 0) > offset + 20

    await ours.until(moved)


def compare_logs(ours: OurVoter, quorum: Quorum) -> None:
    """Batch for batch the same, as far as each is known to be committed."""
    committed = ours.driver.high_watermark
    assert committed is not None and committed > 150
    logs = [ours.directory, *(controller.data / DIRECTORY_NAME for controller in quorum.controllers.values())]
    contents = [batches_below(directory, committed) for directory in logs]
    ends = [max(content) for content in contents]
    assert ends[0] == max(ends) and min(ends) > 150
    for content in contents[1:]:
        for end, data in content.items():
            assert contents[0][end] == data, f"the batch that ends at {end}"
    assert sum(content == contents[0] for content in contents) >= 2, "a majority has all of it"


def batches_below(directory: Path, offset: int) -> dict[int, bytes]:
    return {
        batch.next_offset: bytes(batch.buffer)
        for segment in sorted(directory.glob("*.log"))
        for batch in iter_batches(segment.read_bytes(), partial_tail=True)
        if batch.next_offset <= offset
    }
