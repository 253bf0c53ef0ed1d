"""What a coordinator's runtime stands on, made for tests: a log in memory, and time that passes when told to.

`MemoryLog` keeps batches as the broker would, with the offset and leader epoch written in front; its high watermark
follows the end by itself, or is held back and moved by hand. `VirtualTime` is clock and alarm clock in one.
"""

from __future__ import annotations

import asyncio
import heapq
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from broker.coordinator.partition_writer import HighWatermarkListener
from protocol.errors import ApiError, ErrorCode
from protocol.ids import TopicPartition
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.record import Record

START_MS = 1_700_000_000_000


class VirtualAlarm:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualTime:
    def __init__(self) -> None:
        self._now_s = 0.0
        self._alarms: list[tuple[float, int, VirtualAlarm]] = []
        self._count = 0

    def monotonic(self) -> float:
        return self._now_s

    def wall_ms(self) -> int:
        return START_MS + round(self._now_s * 1000)

    def schedule(self, deadline_s: float, callback: Callable[[], None]) -> VirtualAlarm:
        alarm = VirtualAlarm(callback)
        self._count += 1
        heapq.heappush(self._alarms, (deadline_s, self._count, alarm))
        return alarm

    def pass_ms(self, duration_ms: float) -> None:
        """Lets time pass, ringing what is due on the way, in order."""
        end_s = self._now_s + duration_ms / 1000
        while self._alarms and self._alarms[0][0] <= end_s + 1e-9:
            deadline_s, _, alarm = heapq.heappop(self._alarms)
            self._now_s = max(self._now_s, deadline_s)
            callback, alarm.callback = alarm.callback, None
            if callback is not None:
                callback()
        self._now_s = max(self._now_s, end_s)

    @property
    def alarms_count(self) -> int:
        return sum(1 for _, _, alarm in self._alarms if alarm.callback is not None)


@dataclass
class Partition:
    leader_epoch: int = 0
    is_leader: bool = True
    batches: list[bytes] = field(default_factory=list)
    end_offset: int = 0
    high_watermark: int = 0
    listeners: list[HighWatermarkListener] = field(default_factory=list)


class MemoryLog:
    """A PartitionWriter. `fail_with` refuses appends, `is_held` stops the high watermark."""

    def __init__(self) -> None:
        self.partitions: dict[TopicPartition, Partition] = {}
        self.is_held = False
        self.fail_with: ErrorCode | None = None
        self.size_max = 1_048_588
        self.read_error: Exception | None = None

    def partition(self, topic_partition: TopicPartition) -> Partition:
        return self.partitions.setdefault(topic_partition, Partition())

    def _led(self, topic_partition: TopicPartition, leader_epoch: int) -> Partition:
        partition = self.partition(topic_partition)
        if not partition.is_leader or partition.leader_epoch != leader_epoch:
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return partition

    # ---- PartitionWriter

    def append(self, topic_partition: TopicPartition, batch: bytes, leader_epoch: int) -> int:
        partition = self._led(topic_partition, leader_epoch)
        if self.fail_with is not None:
            raise ApiError(self.fail_with)
        if len(batch) > self.size_max:
            raise ApiError(ErrorCode.MESSAGE_TOO_LARGE)
        self.put(topic_partition, batch)
        if not self.is_held:
            self.advance(topic_partition)
        return partition.end_offset - 1

    def batch_size_max(self, topic_partition: TopicPartition) -> int:
        return self.size_max

    def high_watermark(self, topic_partition: TopicPartition, leader_epoch: int) -> int:
        return self._led(topic_partition, leader_epoch).high_watermark

    def log_range(self, topic_partition: TopicPartition, leader_epoch: int) -> tuple[int, int]:
        return 0, self._led(topic_partition, leader_epoch).end_offset

    async def read(self, topic_partition: TopicPartition, leader_epoch: int, offset: int, max_bytes: int) -> bytes:
        partition = self._led(topic_partition, leader_epoch)
        await asyncio.sleep(0)
        if self.read_error is not None:
            raise self.read_error
        data = b""
        for batch in partition.batches:
            if RecordBatch(memoryview(batch)).last_offset >= offset:
                if data and len(data) + len(batch) > max_bytes:
                    return data + batch[: max_bytes - len(data)]
                data += batch
        return data

    def add_listener(self, topic_partition: TopicPartition, listener: HighWatermarkListener) -> None:
        self.partition(topic_partition).listeners.append(listener)

    def remove_listener(self, topic_partition: TopicPartition, listener: HighWatermarkListener) -> None:
        listeners = self.partition(topic_partition).listeners
        if listener in listeners:
            listeners.remove(listener)

    # ---- what happens to it

    def put(self, topic_partition: TopicPartition, batch: bytes) -> None:
        """Appends without asking anyone, as a transaction marker or a replica's fetch does."""
        partition = self.partition(topic_partition)
        data = bytearray(batch)
        struct.pack_into(">q", data, 0, partition.end_offset)
        struct.pack_into(">i", data, 12, partition.leader_epoch)
        partition.batches.append(bytes(data))
        partition.end_offset = RecordBatch(memoryview(partition.batches[-1])).next_offset

    def advance(self, topic_partition: TopicPartition, high_watermark: int | None = None) -> None:
        """Moves the high watermark, to the end unless told otherwise, and tells it."""
        partition = self.partition(topic_partition)
        partition.high_watermark = partition.end_offset if high_watermark is None else high_watermark
        for listener in list(partition.listeners):
            listener(topic_partition, partition.leader_epoch, partition.high_watermark)

    def truncate(self, topic_partition: TopicPartition, offset: int) -> None:
        partition = self.partition(topic_partition)
        partition.batches = [
            batch for batch in partition.batches if RecordBatch(memoryview(batch)).next_offset <= offset
        ]
        partition.end_offset = offset
        partition.high_watermark = min(partition.high_watermark, offset)

    def records(self, topic_partition: TopicPartition) -> list[Record]:
        found: list[Record] = []
        for batch in iter_batches(b"".join(self.partition(topic_partition).batches)):
            found += batch.records()
        return found


class SequentialRandom:
    """Ids one after the other."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(16, "big")
