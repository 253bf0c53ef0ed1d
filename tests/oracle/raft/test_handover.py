"""A metadata log changes hands: we go on where Apache Kafka stopped, and it goes on where we did."""

from __future__ import annotations

import asyncio
from pathlib import Path

from broker.environment import SystemClock, SystemRandom, ThreadExecutor
from broker.metadata.raft_log import DIRECTORY_NAME, KafkaMetadataLog, MetadataLogConfig
from protocol.ids import OffsetAndEpoch, uuid_from_string
from protocol.metadata.log import NoOpRecord
from protocol.metadata.topics import TopicRecord
from protocol.records.control import ControlRecordType
from raft.driver import RaftDriver
from raft.events import QuorumConfig
from raft.listeners import CommittedBatch
from raft.quorum_state import FILE_NAME, QuorumStateFile
from raft.snapshots import LoadedSnapshot
from raft.voters import Address, Endpoints
from storage.files import DiskFiles
from tests.support.apache_kafka import CLUSTER_ID, ApacheKafka
from tests.support.java_tools import run
from tests.support.librdkafka import create_topic


class Replica:
    """All that the log says, as a listener hears it."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.control: list[ControlRecordType] = []
        self.next_offset = 0
        self.leader: tuple[int | None, int] | None = None

    def on_commit(self, batch: CommittedBatch) -> None:
        assert batch.base_offset == self.next_offset
        self.next_offset = batch.last_offset + 1
        self.topics += [record.name for record, _ in batch.records if isinstance(record, TopicRecord)]
        self.control += [record.type for record in batch.control_records]

    def on_load_snapshot(self, snapshot: LoadedSnapshot) -> None:
        self.next_offset = snapshot.snapshot_id.offset
        self.topics = [
            record.name for piece in snapshot.batches for record, _ in piece if isinstance(record, TopicRecord)
        ]

    def on_leader_change(self, leader_id: int | None, epoch: int) -> None:
        self.leader = (leader_id, epoch)


class Handover:
    """Our member of the quorum on Kafka's directory, while Kafka is down."""

    def __init__(self, kafka: ApacheKafka) -> None:
        self.data = kafka.data
        self.executor = ThreadExecutor()
        clock = SystemClock()
        properties = dict(
            line.split("=", 1) for line in (kafka.data / "meta.properties").read_text().splitlines() if "=" in line
        )
        self.faults: list[BaseException] = []
        self.driver = RaftDriver(
            QuorumConfig(
                kafka.node_id,
                uuid_from_string(properties["directory.id"]),
                CLUSTER_ID,
                endpoints=Endpoints({"CONTROLLER": Address("127.0.0.1", kafka.controller_port)}),
            ),
            KafkaMetadataLog.open(DiskFiles(), str(kafka.data), MetadataLogConfig(), now_ms=clock.wall_ms),
            QuorumStateFile(DiskFiles(), f"{kafka.data}/{DIRECTORY_NAME}/{FILE_NAME}"),
            clock=clock,
            random=SystemRandom(),
            executor=self.executor,
            on_fault=self.faults.append,
        )
        self.replica = Replica()

    async def __aenter__(self) -> Handover:
        await self.driver.start()
        self.driver.register(self.replica)
        async with asyncio.timeout(30):
            while self.replica.leader != (1, self.driver.leader_and_epoch.epoch):
                assert not self.faults
                await asyncio.sleep(0.005)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.driver.close()
        self.executor.close()

    async def append(self, count: int) -> None:
        epoch = self.driver.leader_and_epoch.epoch
        for _ in range(count):
            offset = self.driver.schedule_append(epoch, [(NoOpRecord(), 0)])
        async with asyncio.timeout(30):
            while self.replica.next_offset <= offset:
                await asyncio.sleep(0.005)


def quorum_status(kafka: ApacheKafka) -> dict[str, str]:
    text = run("4.3.1", "metadata-quorum", "--bootstrap-server", kafka.bootstrap, "describe", "--status")
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


async def test_metadata_log_passes_between_kafka_and_us(tmp_path: Path) -> None:
    kafka = ApacheKafka(tmp_path / "kafka")
    kafka.format()
    try:
        kafka.start()
        create_topic(kafka.bootstrap, "before")
        kafka.stop()
        async with Handover(kafka) as ours:
            assert ours.replica.topics == ["before"]
            assert ours.replica.control[:3] == [
                ControlRecordType.LEADER_CHANGE,
                ControlRecordType.KRAFT_VERSION,
                ControlRecordType.KRAFT_VOTERS,
            ]
            assert ours.driver.kraft_version == 1 and ours.driver.voters.ids == [1]
            epoch = ours.driver.leader_and_epoch.epoch
            assert epoch == 2
            await ours.append(5)
            end = ours.driver.log_end_offset
        await asyncio.to_thread(kafka.start)
        status = quorum_status(kafka)
        assert status["LeaderId"] == "1" and int(status["LeaderEpoch"]) == epoch + 1
        assert int(status["HighWatermark"]) > end
        create_topic(kafka.bootstrap, "after")
        kafka.kill()
        async with Handover(kafka) as ours:
            assert ours.replica.topics == ["before", "after"]
            assert ours.driver.leader_and_epoch.epoch == epoch + 2
            await ours.append(1)
            check_dump(kafka.data)
    finally:
        kafka.kill()


def check_dump(data: Path) -> None:
    log = next((data / DIRECTORY_NAME).glob("*.log"))
    text = run("4.3.1", "dump-log", "--cluster-metadata-decoder", "--files", str(log))
    assert "isvalid: false" not in text and "Could not" not in text
    assert text.count("LeaderChange") == 4 and text.count("KRaftVoters") == 1
    assert '"type":"NO_OP_RECORD"' in text


async def test_kafka_loads_a_snapshot_that_we_wrote(tmp_path: Path) -> None:
    """The records are those of Kafka's own snapshot of the same state, framed by us, and the log before it is gone."""
    properties = {"metadata.log.max.snapshot.interval.ms": "1000", "metadata.max.idle.interval.ms": "100"}
    kafka = ApacheKafka(tmp_path / "kafka", properties=properties)
    kafka.format()
    try:
        kafka.start()
        create_topic(kafka.bootstrap, "kept")
        directory = kafka.data / DIRECTORY_NAME
        async with asyncio.timeout(60):
            while len(list(directory.glob("*.checkpoint"))) < 3:
                await asyncio.sleep(0.1)
        kafka.stop()
        async with Handover(kafka) as ours:
            assert ours.replica.topics == ["kept"]
            await write_snapshot(ours)
            dump = run(
                "4.3.1", "dump-log", "--cluster-metadata-decoder", "--files", str(max(directory.glob("*.checkpoint")))
            )
            assert "isvalid: false" not in dump and "SnapshotHeader" in dump and "SnapshotFooter" in dump
        await asyncio.to_thread(kafka.start)
        assert list_topics(kafka) == ["kept"]
    finally:
        kafka.kill()


async def write_snapshot(ours: Handover) -> None:
    """Of what the newest snapshot says; nothing but no-ops came after it."""
    latest = ours.driver.latest_snapshot_id
    assert latest is not None
    old = await ours.driver.load_snapshot(latest)
    assert old is not None
    await ours.append(1)
    snapshot_id = OffsetAndEpoch(ours.driver.log_end_offset, ours.driver.leader_and_epoch.epoch)
    writer = ours.driver.create_snapshot(snapshot_id, SystemClock().wall_ms())
    assert writer is not None
    for piece in old.batches:
        writer.append(piece)
    await writer.freeze()
    for stale in (ours.data / DIRECTORY_NAME).glob("*.checkpoint"):
        if not stale.name.startswith(f"{snapshot_id.offset:020d}"):
            stale.unlink()


def list_topics(kafka: ApacheKafka) -> list[str]:
    return run("4.3.1", "topics", "--bootstrap-server", kafka.bootstrap, "--list").split()
