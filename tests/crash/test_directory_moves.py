"""A crash before every step of moves between log directories, with records written and deleted meanwhile.

As test_steps.py: the scenario is played once to count its steps, and then with the machine going down at step k, by a
killed process, a power cut, or one that leaves some of what was not synced. What was acknowledged is there after the
next start, what was deleted does not come back, there is one log of the partition, and moves go on to work.
"""

from __future__ import annotations

import logging
import os

import pytest

from protocol.errors import ErrorCode
from protocol.ids import TopicPartition
from protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsResponse
from tests.crash.test_steps import FATES, KEPT
from tests.support.node_in_memory import DATA, Client, Died, Life, Machine
from tests.support.requests_in_memory import Batch, Expected, create, produce, read_all, topic_ids, until

STRIDE = int(os.environ.get("BARNABAS_STEP_STRIDE", "61"))
SEED = int(os.environ.get("BARNABAS_SEED", "1"))
OTHER = f"{DATA}-2"
PROPERTIES = {
    "log.dirs": f"{DATA},{OTHER}",
    "replica.high.watermark.checkpoint.interval.ms": "3600000",
    "log.initial.task.delay.ms": "3600000",
    "log.retention.ms": "-1",
}
MOVED = TopicPartition("moved", 0)

logger = logging.getLogger(__name__)


class Scenario:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.expected = Expected()
        self.log_start_offset = 0
        self.has_topic = False

    def play(self) -> None:
        self.machine.run(self._life)
        self.machine.run(self._life)

    async def _life(self, life: Life) -> None:
        client = await life.connect()
        if MOVED.topic not in await topic_ids(client):
            assert not self.has_topic
            assert await create(client, MOVED.topic, KEPT) is not None
        self.has_topic = True
        await self._check(life, client)
        await self._produce(client, 6)
        for path in (OTHER, DATA, OTHER):
            await self._move(life, client, path)
            await self._delete(client, self.log_start_offset + 1)
        life.node.maintenance.checkpoint_offsets()
        await life.node.maintenance.remove_files()
        await self._check(life, client)
        client.close()

    async def _move(self, life: Life, client: Client, path: str) -> None:
        moves = life.node.replicas.moves
        moves.move(MOVED, path)
        await self._produce(client, 2)
        await until(lambda: _is_over(life))
        assert life.node.replicas.replica(*MOVED).log.log_dir == path
        await self._produce(client, 1)

    async def _produce(self, client: Client, count: int) -> None:
        for _ in range(count):
            value = b"%d %s" % (len(self.expected.sent), b"x" * 200)
            self.expected.sent.add(value)
            code, offset = await produce(client, MOVED.topic, 0, Batch(0, [value]))
            assert code == ErrorCode.NONE, code
            self.expected.acknowledge(offset, [value])

    async def _delete(self, client: Client, offset: int) -> None:
        partition = DeleteRecordsRequest.DeleteRecordsPartition(partition_index=0, offset=offset)
        topic = DeleteRecordsRequest.DeleteRecordsTopic(name=MOVED.topic, partitions=[partition])
        request = DeleteRecordsRequest(topics=[topic], timeout_ms=10_000)
        answer = (await client.ask(request, 2, DeleteRecordsResponse)).topics[0].partitions[0]
        assert answer.error_code == ErrorCode.NONE
        self.log_start_offset = offset

    async def _check(self, life: Life, client: Client) -> None:
        await until(lambda: _is_over(life))
        replicas = life.node.replicas
        start = replicas.replica(*MOVED).log.log_start_offset
        # A deletion that was not acknowledged may have been made.
        assert self.log_start_offset <= start <= self.log_start_offset + 1
        self.log_start_offset = start
        values = await read_all(client, MOVED.topic, 0, start)
        for offset, value in self.expected.acknowledged.items():
            assert offset < start or values[offset - start] == value
        assert set(values) <= self.expected.sent
        assert replicas.directories.future_logs == {}


async def _is_over(life: Life) -> bool | None:
    return None if life.node.replicas.moves._tasks else True


async def _nothing(life: Life) -> None:
    """The first start formats the directories."""


def crash_at(step: int, fate: str) -> bool:
    """False if the scenario was over before."""
    is_torn, go_down = FATES[fate]
    machine = Machine(SEED + step, PROPERTIES, is_torn=is_torn)
    machine.run(_nothing)
    scenario = Scenario(machine)
    machine.disk.crash_at_step = machine.disk.steps + step
    try:
        scenario.play()
    except Died:
        go_down(machine)
        scenario.play()
        return True
    return False


@pytest.mark.parametrize("fate", FATES)
def test_a_crash_at_any_step_of_a_move_loses_nothing(fate: str) -> None:
    whole = Machine(SEED, PROPERTIES)
    whole.run(_nothing)
    begun = whole.disk.steps
    Scenario(whole).play()
    step = SEED + list(FATES).index(fate) * STRIDE // len(FATES)
    tried = 0
    while step <= whole.disk.steps - begun:
        tried += crash_at(step, fate)
        step += STRIDE
    logger.info("%s at %d of %d steps", fate, tried, whole.disk.steps - begun)
    assert tried > 0
