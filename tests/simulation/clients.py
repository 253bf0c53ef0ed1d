"""Clients in a simulation: idempotent producers with acks=all, and consumers that read whole partitions.

They go by the protocol as Kafka's clients do: metadata from any broker, requests to leaders, sequence numbers, and the
same batch again until somebody says that it is in. Everything that they are told is written down in the `Register`.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final, TypeVar, cast

from broker.network.peer import Peer, PeerSettings
from protocol.errors import ErrorCode
from protocol.messages.fetch import FetchRequest, FetchResponse
from protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from protocol.messages.metadata import MetadataRequest, MetadataResponse
from protocol.messages.produce import ProduceRequest, ProduceResponse
from protocol.records.batch import iter_batches
from protocol.records.builder import build_batch
from protocol.records.record import Record
from protocol.schema import Message, UnsupportedVersionError
from tests.simulation.loop import WALL_START_MS, Life, LifeClock, VirtualLoop
from tests.simulation.machine import DrawnRandom
from tests.simulation.register import Register

R = TypeVar("R", bound=Message)

BY_NAME_PRODUCE: Final = 12
BY_NAME_FETCH: Final = 12
BY_NAME_METADATA: Final = 9
BROKER_PORT: Final = 9092
TOPIC: Final = "events"
REFUSALS_MAX: Final = 20
"""So often in a row nobody is told by a leader that was deposed, and does not know, that its sequence has a gap."""

_SEQUENCE_LOST: Final = frozenset(
    {ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID, ErrorCode.INVALID_PRODUCER_EPOCH}
)


class Client:
    """A process beside the cluster, with its connections and what it knows of leaders."""

    def __init__(self, loop: VirtualLoop, name: str, host: str, rng: random.Random, bootstrap: list[str]) -> None:
        self.name = name
        self.loop = loop
        self.rng = rng
        self.life = Life(name, host)
        self._clock = LifeClock(loop, self.life)
        self._bootstrap = bootstrap
        self._peers: dict[tuple[str, int], Peer] = {}
        self._brokers: dict[int, tuple[str, int]] = {}
        self._leaders: dict[int, int] = {}
        self.is_stopping = False

    def peer(self, host: str, port: int = BROKER_PORT) -> Peer:
        peer = self._peers.get((host, port))
        if peer is None:
            settings = PeerSettings(self.name, request_timeout_s=8.0, setup_timeout_s=3.0, in_flight_max=20)
            peer = self._peers[host, port] = Peer(host, port, settings, self._clock, DrawnRandom(self.rng))
        return peer

    async def ask_any(self, request: Message, answer: type[R], version: int | None = None) -> R | None:
        host = self.rng.choice(self._bootstrap)
        try:
            response = await self.peer(host).send(request, version=version)
        except (OSError, UnsupportedVersionError):
            return None
        assert isinstance(response, answer)
        return response

    async def ask_leader(self, partition: int, request: Message, version: int) -> Message | None:
        leader = await self._leader(partition)
        if leader is None:
            return None
        try:
            return await self.peer(*leader).send(request, version=version)
        except (OSError, UnsupportedVersionError):
            self.forget(partition)
            return None

    async def _leader(self, partition: int) -> tuple[str, int] | None:
        if partition not in self._leaders:
            await self.refresh()
        return self._brokers.get(self._leaders.get(partition, -1))

    async def run(self) -> None:
        """What it is there for."""

    async def refresh(self) -> MetadataResponse | None:
        request = MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name=TOPIC)])
        response = await self.ask_any(request, MetadataResponse, BY_NAME_METADATA)
        if response is not None:
            self._brokers = {each.node_id: (each.host, each.port) for each in response.brokers}
            for topic in response.topics:
                for each in topic.partitions:
                    if each.leader_id >= 0:
                        self._leaders[each.partition_index] = each.leader_id
        return response

    def forget(self, partition: int) -> None:
        self._leaders.pop(partition, None)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(self.rng.uniform(0, seconds))


class Producer(Client):
    """One batch at a time for each partition, repeated until it is acknowledged."""

    def __init__(self, *arguments: Any, register: Register, partitions: int, think_s: float) -> None:
        super().__init__(*arguments)
        self._register = register
        self._partitions = partitions
        self._think_s = think_s
        self._producer_id = -1
        self._epoch = -1

    async def run(self) -> None:
        while self._producer_id < 0:
            request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
            answer = await self.ask_any(request, InitProducerIdResponse)
            if answer is not None and answer.error_code == ErrorCode.NONE:
                self._producer_id, self._epoch = answer.producer_id, answer.producer_epoch
                self._register.producer_began(self._producer_id, self.name)
            else:
                await self.pause(0.5)
        await asyncio.gather(*(self._write(partition) for partition in range(self._partitions)))

    async def _write(self, partition: int) -> None:
        number = 0
        while not self.is_stopping:
            count = self.rng.randint(1, 4)
            values = [
                f"{self.name}:{partition}:{number + i}:".encode() + b"x" * self.rng.randrange(200) for i in range(count)
            ]
            self._register.sent(partition, values)
            records = [Record(i, WALL_START_MS + number + i, None, value) for i, value in enumerate(values)]
            data = build_batch(records, producer_id=self._producer_id, producer_epoch=self._epoch, base_sequence=number)
            if not await self._deliver(partition, data, values):
                return
            number += count
            await self.pause(self._think_s)

    async def _deliver(self, partition: int, data: bytes, values: list[bytes]) -> bool:
        part = ProduceRequest.PartitionProduceData(index=partition, records=data)
        topic = ProduceRequest.TopicProduceData(name=TOPIC, partition_data=[part])
        request = ProduceRequest(acks=-1, timeout_ms=3000, topic_data=[topic])
        backoff_s = 0.02
        refusals = 0
        while True:
            response = cast(ProduceResponse | None, await self.ask_leader(partition, request, BY_NAME_PRODUCE))
            if response is not None:
                answer = response.responses[0].partition_responses[0]
                code = ErrorCode(answer.error_code)
                if code in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
                    self._register.acknowledged(partition, answer.base_offset, values, self.name)
                    return True
                refusals = refusals + 1 if code in _SEQUENCE_LOST else 0
                if refusals > REFUSALS_MAX:
                    self._register.violation(f"{self.name} is told {code.name} for {values[0][:30]!r}")
                    return False
                self.forget(partition)
            await self.pause(backoff_s)
            backoff_s = min(2 * backoff_s, 0.5)


class Consumer(Client):
    """Reads every partition from its start on, one fetch at a time."""

    def __init__(self, *arguments: Any, register: Register, partitions: int) -> None:
        super().__init__(*arguments)
        self._register = register
        self.positions = dict.fromkeys(range(partitions), 0)

    async def run(self) -> None:
        await asyncio.gather(*(self._read(partition) for partition in self.positions))

    async def _read(self, partition: int) -> None:
        while not self.is_stopping:
            position = self.positions[partition]
            part = FetchRequest.FetchPartition(
                partition=partition, fetch_offset=position, partition_max_bytes=self.rng.choice((300, 5000, 100_000))
            )
            topic = FetchRequest.FetchTopic(topic=TOPIC, partitions=[part])
            request = FetchRequest(max_wait_ms=500, min_bytes=1, max_bytes=1 << 20, session_epoch=-1, topics=[topic])
            response = cast(FetchResponse | None, await self.ask_leader(partition, request, BY_NAME_FETCH))
            if response is None or response.error_code or not response.responses:
                self.forget(partition)
                await self.pause(0.3)
                continue
            answer = response.responses[0].partitions[0]
            if answer.error_code:
                if answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
                    self._register.out_of_range(partition, position, self.name)
                self.forget(partition)
                await self.pause(0.3)
            elif answer.records:
                assert isinstance(answer.records, bytes | bytearray | memoryview)
                self._take(partition, bytes(answer.records), answer.high_watermark)

    def _take(self, partition: int, data: bytes, high_watermark: int) -> None:
        position = self.positions[partition]
        for batch in iter_batches(data, partial_tail=True):
            if batch.next_offset > high_watermark:
                self._register.violation(
                    f"{self.name} sees offset {batch.last_offset} of {partition} above the high watermark"
                    f" {high_watermark}"
                )
            for record in batch.records():
                if record.offset >= position:
                    if record.offset != position:
                        self._register.violation(
                            f"{self.name} reads offset {record.offset} of {partition} where {position} was due"
                        )
                    self._register.seen(partition, record.offset, bytes(record.value or b""), self.name)
                    position = record.offset + 1
        self.positions[partition] = position
