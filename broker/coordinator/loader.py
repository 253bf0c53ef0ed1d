"""Loading a shard: its partition's log, from the start to the end, replayed in slices between other work.

Records of a type that this node does not know stay in the log and are passed over, with one line in the node's own log.
Anything that cannot be understood otherwise fails the load: a coordinator with part of its state would be worse than
none. Kafka's counterpart: CoordinatorLoaderImpl.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from broker.coordinator.partition_writer import PartitionWriter
from broker.coordinator.shard import CoordinatorShard
from broker.environment import Clock
from protocol.coordinator.serde import UnknownRecordTypeError
from protocol.errors import DecodeError
from protocol.ids import TopicPartition
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.control import ControlRecordType, decode_control_key
from protocol.records.record import Record
from protocol.schema import Buffer

logger = logging.getLogger(__name__)

SLICE_S: Final = 0.005
RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK: Final = 32


class Slices:
    """Lets others run when this task has had its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._end_s = clock.monotonic() + SLICE_S

    async def pause(self) -> None:
        if self._clock.monotonic() >= self._end_s:
            await asyncio.sleep(0)
            self._end_s = self._clock.monotonic() + SLICE_S


class Loader:
    """One load of one shard; `leader_epoch` may be raised while it runs, if leadership is renewed."""

    def __init__(
        self,
        topic_partition: TopicPartition,
        shard: CoordinatorShard,
        writer: PartitionWriter,
        clock: Clock,
        buffer_bytes: int,
        leader_epoch: int,
    ) -> None:
        self.leader_epoch = leader_epoch
        self.records_count = 0
        self.bytes_count = 0
        self.next_offset = 0
        self._topic_partition = topic_partition
        self._shard = shard
        self._writer = writer
        self._clock = clock
        self._buffer_bytes = buffer_bytes
        self._slices = Slices(clock)
        self._unknown_types: dict[int, int] = {}

    async def run(self) -> None:
        """Raises what the log raises, and DecodeError for a record that makes no sense."""
        self.next_offset, _ = self._writer.log_range(self._topic_partition, self.leader_epoch)
        while self.next_offset < self._writer.log_range(self._topic_partition, self.leader_epoch)[1]:
            data = await self._writer.read(
                self._topic_partition, self.leader_epoch, self.next_offset, self._buffer_bytes
            )
            before = self.next_offset
            await self._replay(data)
            if self.next_offset == before:
                raise DecodeError(f"{self._topic_partition} has nothing to read at offset {before}")
        for _ in self._shard.finish_loading(self._clock.wall_ms()):
            await self._slices.pause()
        for record_type, count in sorted(self._unknown_types.items()):
            logger.warning(
                "%s holds %d records of the unknown type %d: passed over, and left in the log",
                self._topic_partition,
                count,
                record_type,
            )

    async def _replay(self, data: Buffer) -> None:
        for batch in iter_batches(data, partial_tail=True):
            if batch.next_offset <= self.next_offset:
                continue
            if not batch.is_valid_crc():
                raise DecodeError(f"the batch at offset {batch.base_offset} of {self._topic_partition} is damaged")
            if batch.is_control:
                self._replay_control(batch)
            else:
                await self._replay_records(batch.producer_id, batch.records())
            self.next_offset = batch.next_offset
            self.bytes_count += batch.size

    async def _replay_records(self, producer_id: int, records: Iterable[Record]) -> None:
        for record in records:
            if record.offset < self.next_offset:
                continue
            if record.key is None:
                raise DecodeError(f"the record at offset {record.offset} of {self._topic_partition} has no key")
            try:
                decoded = self._shard.decode(record.key, record.value)
            except UnknownRecordTypeError as error:
                self._unknown_types[error.record_type] = self._unknown_types.get(error.record_type, 0) + 1
            else:
                self._shard.replay(record.offset, producer_id, decoded)
            self.records_count += 1
            if self.records_count % RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK == 0:
                await self._slices.pause()

    def _replay_control(self, batch: RecordBatch) -> None:
        for record in batch.records():
            self.records_count += 1
            record_type = decode_control_key(record.key)
            if record_type in (ControlRecordType.COMMIT, ControlRecordType.ABORT):
                self._shard.replay_end_transaction(batch.producer_id, record_type == ControlRecordType.COMMIT)
