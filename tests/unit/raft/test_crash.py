"""A quorum of one on a disk that loses power at each step that changes anything: what was committed is there, the epoch
never goes back, and the node leads again."""

from __future__ import annotations

import asyncio
import gc
from random import Random

import pytest

from broker.metadata.raft_log import DIRECTORY_NAME, KafkaMetadataLog, MetadataLogConfig
from protocol.ids import OffsetAndEpoch
from protocol.metadata.configs import FeatureLevelRecord
from raft.driver import NotLeader, RaftDriver
from raft.quorum_state import FILE_NAME, QuorumStateFile
from raft.snapshots import MembershipAt, SnapshotWriter
from raft.voters import VoterSet
from tests.support.memory_files import Crash, MemoryFiles
from tests.support.raft_simulation import voter_node
from tests.unit.raft.test_driver import Clock, InlineExecutor, Recorder, config, until

LOG_DIR = "/data"
DIRECTORY = f"{LOG_DIR}/{DIRECTORY_NAME}"


class Machine:
    """The disk, and what its processes were told is committed."""

    def __init__(self, seed: int | None) -> None:
        self.files = MemoryFiles(seed=seed)
        self.files.make_dirs(DIRECTORY)
        self.format()
        self.committed: list[str] = []
        self.uncertain: list[str] = []
        self.epoch = 0

    def format(self) -> None:
        log = self.open_log()
        raw = log.create_snapshot(OffsetAndEpoch(0, 0))
        SnapshotWriter(raw, 0, 0, MembershipAt(1, VoterSet([voter_node(1)]))).finish()
        raw.freeze()
        log.close()
        self.files.sync_dir(LOG_DIR)
        self.files.sync_dir("/")

    def open_log(self) -> KafkaMetadataLog:
        return KafkaMetadataLog.open(
            self.files, LOG_DIR, MetadataLogConfig(retention_ms=0, file_delete_delay_ms=0), now_ms=Clock().wall_ms
        )

    async def boot(self) -> Process:
        process = Process(self)
        await process.driver.start()
        await until(lambda: process.is_dead or process.driver.high_watermark is not None)
        return process


class Process:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.faults: list[BaseException] = []
        self.log = machine.open_log()
        self.driver = RaftDriver(
            config(),
            self.log,
            QuorumStateFile(machine.files, f"{DIRECTORY}/{FILE_NAME}"),
            clock=Clock(),
            random=Random(1),
            executor=InlineExecutor(),
            on_fault=self.faults.append,
        )
        self.listener = Recorder()
        self.driver.register(self.listener)

    @property
    def is_dead(self) -> bool:
        files = self.machine.files
        return bool(self.faults) or (files.crash_at_step is not None and files.steps >= files.crash_at_step)

    async def append(self, *names: str) -> None:
        """A name counts as committed once the high watermark has passed it, and until then nobody knows."""
        epoch = self.driver.leader_and_epoch.epoch
        try:
            offset = self.driver.schedule_append(
                epoch, [(FeatureLevelRecord(name=name, feature_level=1), 0) for name in names]
            )
        except NotLeader:
            return
        self.machine.uncertain = list(names)
        await until(lambda: self.is_dead or (self.driver.high_watermark or 0) > offset)
        if (self.driver.high_watermark or 0) > offset:
            self.machine.committed += names
            self.machine.uncertain = []
            self.machine.epoch = epoch

    async def snapshot(self) -> None:
        """Of all that is committed, as the records that are."""
        offset = self.driver.high_watermark
        assert offset is not None
        writer = self.driver.create_snapshot(OffsetAndEpoch(offset, self.driver.leader_and_epoch.epoch), 1)
        assert writer is not None
        writer.append([(FeatureLevelRecord(name=name, feature_level=1), 0) for name in self.machine.committed])
        await writer.freeze()

    def clean(self) -> None:
        self.driver._clean()

    def die(self) -> None:
        """No goodbye: tasks stop where they are."""
        for feed in self.driver._feeds.values():
            if feed.task is not None:
                feed.task.cancel()
        for handle in (self.driver._timer, self.driver._cleaner, self.driver._linger):
            if handle is not None:
                handle.cancel()


async def live(machine: Machine, process: Process) -> None:
    for step in range(3):
        await process.append(f"{step}-a", f"{step}-b")
        await process.append(f"{step}-c")
        if not process.is_dead:
            await process.snapshot()
        if not process.is_dead:
            process.clean()
        await process.append(f"{step}-d")


def names_of(process: Process) -> list[str]:
    names: list[str] = []
    for item in process.listener.told:
        if hasattr(item, "batches"):
            names = [record.name for piece in item.batches for record, _ in piece]
        elif hasattr(item, "records"):
            names += [record.name for record, _ in item.records]
    return names


async def crash_and_check(machine: Machine, crash_at_step: int) -> bool:
    """True if the crash came, False if life was over before."""
    machine.files.crash_at_step = machine.files.steps + crash_at_step
    process: Process | None = None
    try:
        process = await machine.boot()
        await live(machine, process)
    except Crash:
        pass
    crashed = process is None or process.is_dead or machine.files.steps >= machine.files.crash_at_step
    if process is not None:
        process.die()
    machine.files.power_cut()
    await check(machine)
    return crashed


async def check(machine: Machine) -> None:
    process = await machine.boot()
    assert not process.faults
    leader_id, epoch = process.driver.leader_and_epoch
    assert leader_id == 1 and epoch > machine.epoch
    await until(lambda: (1, epoch) in process.listener.told)
    names = names_of(process)
    assert names[: len(machine.committed)] == machine.committed
    assert names[len(machine.committed) :] in ([], machine.uncertain)
    machine.committed, machine.uncertain, machine.epoch = names, [], epoch
    await process.append("again")
    assert machine.committed[-1] == "again"
    await process.driver.close()


@pytest.mark.parametrize("seed", [None, 1, 2])
async def test_power_is_lost_at_every_step(seed: int | None) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    crashes = 0
    while await crash_and_check(Machine(None if seed is None else seed * 1000 + crashes), crashes + 1):
        crashes += 1
        gc.collect(0)
    assert crashes > 60


async def test_power_is_lost_again_and_again() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    machine = Machine(5)
    random = Random(5)
    for _ in range(40):
        await crash_and_check(machine, random.randrange(1, 120))
