"""The log as the coordinators meet it: one partition of an internal topic that this node leads.

Every call names the leader epoch it means, and fails with NOT_LEADER_OR_FOLLOWER once the partition has moved on. The
high watermark is told with the epoch it was reached in: one that a follower learns, after what a coordinator wrote was
perhaps truncated, must never confirm it (KAFKA-20634). Kafka's counterparts: PartitionWriter,
CoordinatorPartitionWriter, CoordinatorLoaderImpl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from protocol.ids import TopicPartition
from protocol.schema import Buffer

HighWatermarkListener: TypeAlias = Callable[[TopicPartition, int, int], None]
"""(partition, leader epoch, high watermark): called on the event loop, perhaps from within `append`."""


class PartitionWriter(Protocol):
    """Raises ApiError (NOT_LEADER_OR_FOLLOWER, MESSAGE_TOO_LARGE, ...) or StorageError."""

    def append(self, topic_partition: TopicPartition, batch: bytes, leader_epoch: int) -> int:
        """Appends one batch, built with base offset 0, and returns the offset of its last record."""
        ...

    def batch_size_max(self, topic_partition: TopicPartition) -> int:
        """max.message.bytes of the topic."""
        ...

    def high_watermark(self, topic_partition: TopicPartition, leader_epoch: int) -> int: ...

    def log_range(self, topic_partition: TopicPartition, leader_epoch: int) -> tuple[int, int]:
        """The log start offset and the log end offset."""
        ...

    async def read(self, topic_partition: TopicPartition, leader_epoch: int, offset: int, max_bytes: int) -> Buffer:
        """Batches from the one that has `offset` on: at least one, however large; the last one may be cut off."""
        ...

    def add_listener(self, topic_partition: TopicPartition, listener: HighWatermarkListener) -> None: ...

    def remove_listener(self, topic_partition: TopicPartition, listener: HighWatermarkListener) -> None:
        """Never fails: the partition, and its listeners with it, may be gone."""
        ...
