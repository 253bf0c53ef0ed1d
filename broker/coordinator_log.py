"""The coordinators' logs: replicas of internal topics, behind the Protocol by which coordinators know them.

What a coordinator appends is validated like a client's batch and acknowledged as by acks=1: it waits for the high
watermark itself. Reading, which happens only to load, leaves the event loop when the disk has to be waited for.
Counterparts: CoordinatorPartitionWriter, and the log's side of CoordinatorLoaderImpl.
"""

from __future__ import annotations

from typing import Final

from broker.coordinator.partition_writer import HighWatermarkListener
from broker.environment import Clock, Executor
from broker.replication.replica import Replica
from broker.replication.replica_manager import ReplicaManager
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import TopicPartition
from protocol.schema import Buffer
from storage.log import Log
from storage.validation import AppendOrigin, prepare_append

ACKS_LEADER: Final = 1


class CoordinatorLog:
    """A PartitionWriter."""

    def __init__(self, replicas: ReplicaManager, clock: Clock, executor: Executor) -> None:
        self._replicas = replicas
        self._clock = clock
        self._executor = executor

    def append(self, topic_partition: TopicPartition, batch: bytes, leader_epoch: int) -> int:
        replica = self._led(topic_partition, leader_epoch)
        if replica.is_writing:
            # A client's records, which only __admin_client may write here; the log is not ours until they are in it.
            raise ApiError(ErrorCode.COORDINATOR_NOT_AVAILABLE, f"another write to {topic_partition} is under way")
        now_ms = self._clock.wall_ms()
        prepared = prepare_append(batch, replica.settings.rules, now_ms=now_ms, origin=AppendOrigin.COORDINATOR)
        return replica.append(prepared, ACKS_LEADER, now_ms, AppendOrigin.COORDINATOR).last_offset

    def batch_size_max(self, topic_partition: TopicPartition) -> int:
        return self._replicas.replica(*topic_partition).settings.rules.max_message_bytes

    def high_watermark(self, topic_partition: TopicPartition, leader_epoch: int) -> int:
        return self._led(topic_partition, leader_epoch).log.high_watermark

    def log_range(self, topic_partition: TopicPartition, leader_epoch: int) -> tuple[int, int]:
        log = self._led(topic_partition, leader_epoch).log
        return log.log_start_offset, log.log_end_offset

    async def read(self, topic_partition: TopicPartition, leader_epoch: int, offset: int, max_bytes: int) -> Buffer:
        log = self._led(topic_partition, leader_epoch).log
        try:
            data = _read_nowait(log, offset, max_bytes)
            if data is None:
                data = await self._executor.run(_read, log, offset, max_bytes)
        except StorageError as failure:
            self._replicas.storage_failed(failure)
            raise
        return data

    def add_listener(self, topic_partition: TopicPartition, listener: HighWatermarkListener) -> None:
        self._replicas.replica(*topic_partition).listeners[listener] = None

    def remove_listener(self, topic_partition: TopicPartition, listener: HighWatermarkListener) -> None:
        replica = self._replicas.find(*topic_partition)
        if replica is not None:
            replica.listeners.pop(listener, None)

    def _led(self, topic_partition: TopicPartition, leader_epoch: int) -> Replica:
        replica = self._replicas.replica(*topic_partition)
        if not replica.state.is_leader or replica.state.leader_epoch != leader_epoch:
            raise ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return replica


def _read_nowait(log: Log, offset: int, max_bytes: int) -> Buffer | None:
    try:
        return log.read(offset, max_bytes, max_offset=log.log_end_offset, wait=False).read_nowait()
    except BlockingIOError:
        return None


def _read(log: Log, offset: int, max_bytes: int) -> Buffer:
    return log.read(offset, max_bytes, max_offset=log.log_end_offset).read()
