"""A crash before every single step that changes the disk: formatting, first start, topics made, records, rolls,
commits, snapshots and retention of the metadata, checkpoints, retention, deletion, clean stop, clean restart.

The scenario is played once to count its steps, and then again and again with the machine going down at step k, by a
killed process (all that was written is there), a power cut (nothing that was not synced is), or one that leaves some of
it, torn. What was acknowledged must be there after the next start, and the clean stops and starts that follow keep it.

BARNABAS_STEP_STRIDE is the distance between the steps that are tried: 1 for all of them (some thousand lives, minutes);
by default few enough for `make test`, beginning at BARNABAS_SEED.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import pytest

from protocol.errors import ErrorCode
from protocol.ids import Uuid
from storage.checkpoints import CLEAN_SHUTDOWN
from tests.support.node_in_memory import DATA, Client, Died, Life, Machine
from tests.support.requests_in_memory import (
    Batch,
    Expected,
    commit,
    create,
    delete,
    fetch_committed,
    make_offsets_topic,
    new_producer_id,
    produce,
    read_all,
    topic_ids,
)

STRIDE = int(os.environ.get("BARNABAS_STEP_STRIDE", "37"))
SEED = int(os.environ.get("BARNABAS_SEED", "1"))
KEPT = {"flush.messages": "1", "internal.segment.bytes": "1500", "file.delete.delay.ms": "0"}
SHRINKING = {**KEPT, "retention.bytes": "1600"}
PROPERTIES = {
    "metadata.max.retention.bytes": "3000",
    # Nothing happens by the clock, all by the scenario.
    "replica.high.watermark.checkpoint.interval.ms": "3600000",
    "log.initial.task.delay.ms": "3600000",
    "log.retention.ms": "-1",
}
FATES: dict[str, tuple[bool, Callable[[Machine], None]]] = {
    "killed": (True, lambda machine: machine.disk.kill()),
    "power cut": (False, lambda machine: machine.disk.power_cut()),
    "torn": (True, lambda machine: machine.disk.power_cut()),
}

logger = logging.getLogger(__name__)


class Scenario:
    """The lives up to the crash, and what they were promised."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.topics: dict[str, Uuid | None] = {}
        self.kept, self.shrinking, self.new = Expected(), Expected(), Expected()
        self.log_start_offset = 0
        self.producer_ids: set[int] = set()
        self.producer_id = -1
        self.sequence = 0
        self.in_flight: Batch | None = None
        self.committed = self.commits_tried = 0
        self.epoch = self.metadata_offset = -1
        self.has_made_offsets_topic = False

    def play(self) -> None:
        self.machine.run(self._first_life)
        assert self.stopped_cleanly
        self.machine.run(self._second_life)
        assert self.stopped_cleanly

    @property
    def stopped_cleanly(self) -> bool:
        return self.machine.disk.exists(f"{DATA}/{CLEAN_SHUTDOWN}")

    async def _first_life(self, life: Life) -> None:
        client = await life.connect()
        for name, config in (("plain", KEPT), ("shrinking", SHRINKING), ("gone", KEPT)):
            self.topics[name] = await create(client, name, config)
        await self._produce_many(client, 9)
        await make_offsets_topic(client)
        self.has_made_offsets_topic = True
        await self._commit(client)
        await self._maintain(life)
        self.topics.pop("gone")
        assert await delete(client, "gone") == ErrorCode.NONE
        self.topics["gone"] = None
        await self._maintain(life)
        self.topics.pop("gone")
        self.topics["gone"] = await create(client, "gone", KEPT)
        await self._produce(client, "gone", self.new, b"new")
        await self._produce_many(client, 6)
        self._look(life)
        client.close()

    async def _second_life(self, life: Life) -> None:
        client = await life.connect()
        await self._produce_many(client, 3)
        await self._commit(client)
        self._look(life)
        client.close()

    async def _maintain(self, life: Life) -> None:
        """What the clock would bring about."""
        maintenance = life.node.maintenance
        maintenance.checkpoint_offsets()
        await maintenance.checkpoint_high_watermarks()
        await maintenance.apply_retention()
        await maintenance.remove_files()
        maintenance.checkpoint_offsets()

    async def _produce_many(self, client: Client, count: int) -> None:
        if self.producer_id < 0:
            self.producer_id = await self._new_producer_id(client)
        for _ in range(count):
            if self.in_flight is None:
                self.in_flight = Batch(self.sequence, [b"i %d %s" % (self.sequence, b"x" * 200)])
                self.kept.sent.update(self.in_flight.values)
            # After a crash it is sent again, and must land where it stands, if it does.
            code, offset = await produce(client, "plain", 0, self.in_flight, producer_id=self.producer_id)
            assert code == ErrorCode.NONE, code
            self.kept.acknowledge(offset, self.in_flight.values)
            self.in_flight = None
            self.sequence += 1
            await self._produce(client, "shrinking", self.shrinking, b"s")

    async def _produce(self, client: Client, topic: str, expected: Expected, writer: bytes) -> None:
        value = b"%s %d %s" % (writer, len(expected.sent), b"y" * 300)
        expected.sent.add(value)
        code, offset = await produce(client, topic, 0, Batch(0, [value]), acks=1)
        assert code == ErrorCode.NONE, code
        expected.acknowledge(offset, [value])

    async def _new_producer_id(self, client: Client) -> int:
        producer_id = await new_producer_id(client)
        assert producer_id not in self.producer_ids
        self.producer_ids.add(producer_id)
        return producer_id

    async def _commit(self, client: Client) -> None:
        self.commits_tried += 1
        assert await commit(client, self.commits_tried) == ErrorCode.NONE
        self.committed = self.commits_tried

    def _look(self, life: Life) -> None:
        self.epoch = life.node.quorum.raft.leader_and_epoch.epoch
        self.metadata_offset = life.node.quorum.cache.image.offset

    # afterwards

    def recover(self) -> None:
        """Twice: after the crash, and after the clean stop that follows."""
        for _ in range(2):
            self.machine.run(self._recovered_life)
            assert self.stopped_cleanly

    async def _recovered_life(self, life: Life) -> None:
        client = await life.connect()
        raft = life.node.quorum.raft
        assert raft.leader_and_epoch.epoch > self.epoch
        assert life.node.quorum.cache.image.offset > self.metadata_offset
        ids = await topic_ids(client)
        for name, topic_id in self.topics.items():
            assert ids.get(name) == topic_id, name
        if "plain" in ids:
            self.kept.check(await read_all(client, "plain", 0))
        if "shrinking" in ids:
            await self._check_shrinking(life, client)
        if self.topics.get("gone") is not None:
            self.new.check(await read_all(client, "gone", 0))
        if self.has_made_offsets_topic:
            committed = await fetch_committed(client)
            assert self.committed <= committed <= self.commits_tried
        for name, config in (("plain", KEPT), ("shrinking", SHRINKING)):
            if name not in ids:
                assert name not in self.topics
                self.topics[name] = await create(client, name, config)
        await self._new_producer_id(client)
        await self._produce_many(client, 2)
        await make_offsets_topic(client)
        self.has_made_offsets_topic = True
        await self._commit(client)
        self.topics["after"] = await create(client, "after", KEPT) or ids["after"]
        await self._maintain(life)
        self._look(life)
        client.close()

    async def _check_shrinking(self, life: Life, client: Client) -> None:
        """Retention takes whole segments from the front, and nothing that it took comes back."""
        replica = life.node.replicas.find("shrinking", 0)
        assert replica is not None
        start = replica.log.log_start_offset
        values = await read_all(client, "shrinking", 0, start)
        held = {offset: value for offset, value in self.shrinking.acknowledged.items() if offset >= start}
        for offset, value in held.items():
            assert values[offset - start] == value
        assert len(held) >= min(len(self.shrinking.acknowledged), 1600 // 400)


def crash_at(step: int, fate: str) -> bool:
    """False if the scenario was over before."""
    is_torn, go_down = FATES[fate]
    machine = Machine(SEED + step, PROPERTIES, is_torn=is_torn)
    scenario = Scenario(machine)
    machine.disk.crash_at_step = step
    try:
        scenario.play()
    except Died:
        go_down(machine)
        scenario.recover()
        return True
    return False


@pytest.fixture(autouse=True)
def frequent_cleaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention of the metadata, which has its own clock."""
    monkeypatch.setattr("raft.driver.CLEAN_INTERVAL_MS", 5)


@pytest.mark.parametrize("fate", FATES)
def test_a_crash_at_any_step_loses_nothing_acknowledged(fate: str) -> None:
    whole = Machine(SEED, PROPERTIES)
    Scenario(whole).play()
    step = SEED + list(FATES).index(fate) * STRIDE // len(FATES)
    tried = 0
    while step <= whole.disk.steps:
        tried += crash_at(step, fate)
        step += STRIDE
    logger.info("%s at %d of %d steps", fate, tried, whole.disk.steps)
    assert tried > 0
