"""The power fails at random moments under load, and takes with it what was not synced: with flush.messages=1 nothing
that was acknowledged is lost, doubled or given twice.

Whole nodes over a disk in memory (tests/support/node_in_memory.py), a life after the other on what the cut left. Each
life checks first what the lives before were promised, then goes on: producers send again, in order, what was in flight,
as clients do. BARNABAS_POWER_CUT_SEEDS sets how many histories (three by default), BARNABAS_SEED the first of them;
each has ten cuts. What is lost without flush.messages is counted and logged, not judged; but the log that is left
must be a whole beginning of what was written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import pytest

from protocol.errors import ErrorCode
from protocol.ids import Uuid
from protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse
from protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from protocol.messages.metadata import MetadataRequest, MetadataResponse
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.records.batch import iter_batches
from protocol.records.builder import build_batch
from protocol.records.record import Record
from tests.support.node_in_memory import Client, Died, Life, Machine

SEEDS = int(os.environ.get("BARNABAS_POWER_CUT_SEEDS", "3"))
FIRST_SEED = int(os.environ.get("BARNABAS_SEED", "1"))
CUTS = 10
IN_FLIGHT = 3
OFFSETS_TOPIC = "__consumer_offsets"
SYNCED = {"flush.messages": "1", "internal.segment.bytes": "20000"}
LOOSE = {"internal.segment.bytes": "20000"}
PROPERTIES = {
    # Checkpoints come many times in a life.
    "replica.high.watermark.checkpoint.interval.ms": "50",
    "log.flush.offset.checkpoint.interval.ms": "30",
    "log.initial.task.delay.ms": "20",
    "log.retention.ms": "-1",
}

logger = logging.getLogger(__name__)


async def create(client: Client, name: str, config: dict[str, str], partitions: int = 1) -> Uuid | None:
    """Its id; None if there is a topic of this name."""
    topic = CreateTopicsRequest.CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreateTopicsRequest.CreatableTopicConfig(name=key, value=value) for key, value in config.items()],
    )
    result = (await client.ask(CreateTopicsRequest(topics=[topic]), 7, CreateTopicsResponse)).topics[0]
    if result.error_code == ErrorCode.TOPIC_ALREADY_EXISTS:
        return None
    assert result.error_code == ErrorCode.NONE, (name, result)
    return result.topic_id


async def delete(client: Client, name: str) -> ErrorCode:
    answer = await client.ask(DeleteTopicsRequest(topic_names=[name], timeout_ms=10_000), 5, DeleteTopicsResponse)
    return ErrorCode(answer.responses[0].error_code)


async def topic_ids(client: Client) -> dict[str, Uuid]:
    answer = await client.ask(MetadataRequest(topics=None, allow_auto_topic_creation=False), 12, MetadataResponse)
    for topic in answer.topics:
        assert all(each.error_code == 0 and each.leader_id == 1 for each in topic.partitions), topic
    return {topic.name: topic.topic_id for topic in answer.topics if topic.name is not None}


class Batch(NamedTuple):
    base_sequence: int
    values: list[bytes]


async def produce(
    client: Client, topic: str, partition: int, batch: Batch, *, producer_id: int = -1, acks: int = -1
) -> tuple[ErrorCode, int]:
    idempotent = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": batch.base_sequence}
    data = ProduceRequest.PartitionProduceData(
        index=partition,
        records=build_batch(
            [Record(offset, 1_700_000_000_000, None, value) for offset, value in enumerate(batch.values)],
            **(idempotent if producer_id >= 0 else {}),  # type: ignore[arg-type]
        ),
    )
    request = ProduceRequest(
        acks=acks,
        timeout_ms=30_000,
        topic_data=[ProduceRequest.TopicProduceData(name=topic, partition_data=[data])],
    )
    answer = (await client.ask(request, 9, ProduceResponse)).responses[0].partition_responses[0]
    return ErrorCode(answer.error_code), answer.base_offset


async def read_all(client: Client, topic: str, partition: int) -> list[bytes]:
    """All values from offset 0 on; the offsets have no holes, the checksums are right."""
    values: list[bytes] = []
    while True:
        request = FetchRequest(
            max_wait_ms=0,
            topics=[
                FetchRequest.FetchTopic(
                    topic=topic,
                    partitions=[
                        FetchRequest.FetchPartition(
                            partition=partition, fetch_offset=len(values), partition_max_bytes=1 << 20
                        )
                    ],
                )
            ],
        )
        answer = (await client.ask(request, 12, FetchResponse)).responses[0].partitions[0]
        assert answer.error_code == ErrorCode.NONE, (topic, partition, len(values), ErrorCode(answer.error_code))
        if answer.high_watermark == len(values):
            return values
        for batch in iter_batches(bytes(answer.records or b""), partial_tail=True):
            assert batch.is_valid_crc()
            for record in batch.records():
                if record.offset >= len(values):
                    assert record.offset == len(values), (topic, partition, record.offset, len(values))
                    assert record.value is not None
                    values.append(record.value)


class Expected:
    """What one partition must hold: acknowledged values at their offsets; others that were sent may be there, once."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, bytes] = {}
        self.sent: set[bytes] = set()

    def acknowledge(self, base_offset: int, values: list[bytes]) -> None:
        for offset, value in enumerate(values, base_offset):
            assert self.acknowledged.setdefault(offset, value) == value, f"offset {offset} was given twice"

    def check(self, values: list[bytes]) -> None:
        for offset, value in self.acknowledged.items():
            assert offset < len(values), f"{value!r} at {offset} is lost, the log ends at {len(values)}"
            assert values[offset] == value, f"{values[offset]!r} instead of {value!r} at {offset}"
        assert len(set(values)) == len(values), "a value stands twice"
        assert self.sent.issuperset(values)
        order = {}
        for value in values:
            writer, number = value.split(b" ")[:2]
            assert order.get(writer, -1) < int(number), f"{value!r} is out of order"
            order[writer] = int(number)


class History:
    """A load, and what it was promised, over many lives."""

    def __init__(self, seed: int) -> None:
        self.machine = Machine(seed, PROPERTIES, delay_s_max=0.002)
        self.rng = random.Random(seed)
        self.partitions: dict[tuple[str, int], Expected] = {}
        self.loose = Expected()
        self.loose_lost = self.loose_acknowledged = 0
        self.producer_ids: set[int] = set()
        self.topics: dict[str, Uuid | None] = {}
        """Id or, deleted, None; what a cut left open is not in it."""
        self.committed = self.commits_tried = 0
        self.epoch = self.broker_epoch = self.metadata_offset = -1
        self.unsent: dict[str, tuple[int, int, list[Batch]]] = {}
        """By producer: its id, its next number, its batches in flight."""
        self.writers = 0

    # a life

    def run(self) -> None:
        self.machine.run(self._set_up)
        for _ in range(CUTS):
            try:
                self.machine.run(self._live)
            except Died:
                self.machine.disk.power_cut()
            else:
                self._count_loose_as_synced()
        self.machine.run(self._check)

    async def _set_up(self, life: Life) -> None:
        client = await life.connect()
        for name in ("plain", "idempotent"):
            self.topics[name] = await create(client, name, SYNCED, partitions=2)
            for partition in range(2):
                self.partitions[name, partition] = Expected()
        self.topics["loose"] = await create(client, "loose", LOOSE)
        await _until(lambda: _finds_coordinator(client))
        answer = await client.ask(
            IncrementalAlterConfigsRequest(
                resources=[
                    IncrementalAlterConfigsRequest.AlterConfigsResource(
                        resource_type=2,
                        resource_name=OFFSETS_TOPIC,
                        configs=[IncrementalAlterConfigsRequest.AlterableConfig(name="flush.messages", value="1")],
                    )
                ]
            ),
            1,
            IncrementalAlterConfigsResponse,
        )
        assert answer.responses[0].error_code == ErrorCode.NONE
        client.close()

    async def _live(self, life: Life) -> None:
        if self.rng.random() < 0.3:
            self._cut_soon(life)  # also while what was is still being looked at
            await self._check(life)
        else:
            await self._check(life)
            self._cut_soon(life)
        ends = self._loads(life)
        try:
            await asyncio.gather(*ends)
        finally:
            self._look(life)

    def _cut_soon(self, life: Life) -> None:
        disk, rng = life.disk, self.rng
        kind = rng.random()
        if kind < 0.4:
            asyncio.get_running_loop().call_later(rng.uniform(0.0, 0.3), disk.die)
        elif kind < 0.9:
            disk.crash_at_step = disk.steps + rng.randint(1, 400)
        # else: this life ends well

    def _loads(self, life: Life) -> list[Coroutine[Any, Any, None]]:
        idempotent = [self._idempotent(life, f"i{number}", number) for number in range(2)]
        plain = [self._plain(life, partition) for partition in range(2)]
        return [*idempotent, *plain, self._loose(life), self._commits(life), self._churn(life)]

    def _look(self, life: Life) -> None:
        """Epochs and metadata never go back."""
        if life.disk.is_dead:
            return
        node = life.node
        self.epoch = max(self.epoch, node.quorum.raft.leader_and_epoch.epoch)
        self.broker_epoch = max(self.broker_epoch, node.lifecycle.broker_epoch)
        self.metadata_offset = max(self.metadata_offset, node.quorum.cache.image.offset)

    # the load

    def _values(self, writer: str, number: int, count: int) -> list[bytes]:
        return [b"%s %d %s" % (writer.encode(), number + n, b"x" * self.rng.randint(0, 700)) for n in range(count)]

    async def _new_producer_id(self, client: Client) -> int:
        answer = await client.ask(InitProducerIdRequest(transactional_id=None), 4, InitProducerIdResponse)
        assert answer.error_code == ErrorCode.NONE
        assert answer.producer_id not in self.producer_ids
        self.producer_ids.add(answer.producer_id)
        return answer.producer_id

    async def _idempotent(self, life: Life, writer: str, partition: int) -> None:
        """Several batches in flight; after a cut the same are sent again, and must land where they stand, or anew."""
        expected = self.partitions["idempotent", partition]
        client = await life.connect()
        if writer not in self.unsent:
            self.unsent[writer] = (await self._new_producer_id(client), 0, [])
        for _ in range(12):
            producer_id, number, in_flight = self.unsent[writer]
            while len(in_flight) < IN_FLIGHT:
                values = self._values(writer, number, self.rng.randint(1, 4))
                in_flight.append(Batch(number, values))
                expected.sent.update(values)
                number += len(values)
            self.unsent[writer] = (producer_id, number, in_flight)
            acks = self.rng.choice((-1, 1))
            asked = [
                asyncio.ensure_future(
                    produce(client, "idempotent", partition, batch, producer_id=producer_id, acks=acks)
                )
                for batch in list(in_flight)
            ]
            for ask in asked:
                code, base_offset = await ask
                assert code == ErrorCode.NONE, (writer, in_flight[0], code)
                expected.acknowledge(base_offset, in_flight.pop(0).values)
            await asyncio.sleep(self.rng.uniform(0, 0.01))
        client.close()

    async def _plain(self, life: Life, partition: int) -> None:
        expected = self.partitions["plain", partition]
        client = await life.connect()
        self.writers += 1
        writer, number = f"p{self.writers}", 0
        for _ in range(15):
            values = self._values(writer, number, self.rng.randint(1, 6))
            number += len(values)
            expected.sent.update(values)
            code, offset = await produce(client, "plain", partition, Batch(0, values), acks=self.rng.choice((-1, 1)))
            assert code == ErrorCode.NONE
            expected.acknowledge(offset, values)
        client.close()

    async def _loose(self, life: Life) -> None:
        client = await life.connect()
        self.writers += 1
        writer = f"l{self.writers}"
        for number in range(30):
            values = self._values(writer, number, 1)
            self.loose.sent.update(values)
            code, offset = await produce(client, "loose", 0, Batch(0, values))
            assert code == ErrorCode.NONE
            self.loose.acknowledge(offset, values)
            self.loose_acknowledged += 1
            await asyncio.sleep(0)
        client.close()

    async def _commits(self, life: Life) -> None:
        client = await life.connect()
        for _ in range(15):
            self.commits_tried += 1
            tried = self.commits_tried
            assert await _commit(client, tried) == ErrorCode.NONE
            self.committed = tried
            self._look(life)
        client.close()

    async def _churn(self, life: Life) -> None:
        """Topics come, get a record and go; the names are few, so that they come again."""
        client = await life.connect()
        await self._new_producer_id(client)
        for _ in range(4):
            name = f"churn-{self.rng.randrange(3)}"
            is_there = self.topics.pop(name, None) is not None
            if is_there:
                assert await delete(client, name) == ErrorCode.NONE
                self.topics[name] = None
                self.partitions.pop((name, 0), None)
                continue
            self.partitions.pop((name, 0), None)
            topic_id = await create(client, name, SYNCED)
            if topic_id is None:
                continue  # it was open whether it is there
            self.topics[name] = topic_id
            self.partitions[name, 0] = expected = Expected()
            self.writers += 1
            values = self._values(f"c{self.writers}", 0, 3)
            expected.sent.update(values)
            code, offset = await produce(client, name, 0, Batch(0, values))
            assert code == ErrorCode.NONE and offset == 0, (name, code, offset)
            expected.acknowledge(offset, values)
        client.close()

    # what was promised

    async def _check(self, life: Life) -> None:
        raft = life.node.quorum.raft
        assert raft.leader_and_epoch.epoch > self.epoch
        assert life.node.lifecycle.broker_epoch > self.broker_epoch
        assert life.node.quorum.cache.image.offset > self.metadata_offset
        client = await life.connect()
        ids = await topic_ids(client)
        for name, topic_id in self.topics.items():
            assert ids.get(name) == topic_id, name
        for (topic, partition), expected in self.partitions.items():
            expected.check(await read_all(client, topic, partition))
        self._check_loose(await read_all(client, "loose", 0))
        if self.commits_tried:
            committed = await _until(lambda: _fetch_committed(client))
            assert self.committed <= committed <= self.commits_tried
        await self._new_producer_id(client)
        self._look(life)
        client.close()

    def _check_loose(self, values: list[bytes]) -> None:
        acknowledged = self.loose.acknowledged
        lost = [offset for offset in acknowledged if offset >= len(values)]
        self.loose_lost += len(lost)
        for offset in lost:
            del acknowledged[offset]
        self.loose.check(values)

    def _count_loose_as_synced(self) -> None:
        """After a clean stop everything is on disk."""
        before = self.loose_lost

        async def look(life: Life) -> None:
            client = await life.connect()
            self._check_loose(await read_all(client, "loose", 0))
            client.close()

        self.machine.run(look)
        assert self.loose_lost == before


async def _commit(client: Client, offset: int) -> ErrorCode:
    request = OffsetCommitRequest(
        group_id="committer",
        topics=[
            OffsetCommitRequest.OffsetCommitRequestTopic(
                name="plain",
                partitions=[
                    OffsetCommitRequest.OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
                ],
            )
        ],
    )
    answer = await client.ask(request, 8, OffsetCommitResponse)
    return ErrorCode(answer.topics[0].partitions[0].error_code)


async def _fetch_committed(client: Client) -> int | None:
    request = OffsetFetchRequest(
        group_id="committer",
        topics=[OffsetFetchRequest.OffsetFetchRequestTopic(name="plain", partition_indexes=[0])],
    )
    answer = await client.ask(request, 7, OffsetFetchResponse)
    if answer.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        return None
    assert answer.error_code == ErrorCode.NONE
    return max(answer.topics[0].partitions[0].committed_offset, 0)


async def _finds_coordinator(client: Client) -> bool | None:
    """Makes the topic of offsets, too; true once group requests are served."""
    await client.ask(FindCoordinatorRequest(key="committer", key_type=0), 3, FindCoordinatorResponse)
    code = await _commit(client, 0)
    return code == ErrorCode.NONE or None


async def _until(probe: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async with asyncio.timeout(20):
        while (found := await probe()) is None:
            await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_nothing_acknowledged_is_lost_to_a_power_cut(seed: int) -> None:
    history = History(seed)
    history.run()
    logger.info(
        "seed %d: %d records and %d commits acknowledged with flush.messages=1, none lost; without it %d of %d lost",
        seed,
        sum(len(each.acknowledged) for each in history.partitions.values()),
        history.committed,
        history.loose_lost,
        history.loose_acknowledged,
    )
