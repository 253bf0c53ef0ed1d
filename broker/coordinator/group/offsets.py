"""Committed offsets of all groups of a shard, and those that wait for their transaction's end. Hard state.

An offset committed in a transaction is pending, by producer, until the marker: then it becomes the group's offset,
unless a later record set that one meanwhile. Which record is the later one is told by its place in the log, not by the
marker's, so that compaction, which keeps only the last record of a key, cannot change the outcome. A tombstone removes
pending offsets as well. Counterparts: OffsetMetadataManager, OffsetAndMetadata; KIP-98, KIP-447.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from protocol.coordinator.group import OffsetCommitValue
from protocol.ids import ZERO_UUID, Uuid

NO_EXPIRY = -1


class OffsetAndMetadata(msgspec.Struct, frozen=True, gc=False):
    """`record_offset` is the place of its record in the log; leader epoch -1 and expiry -1 stand for none."""

    committed_offset: int
    leader_epoch: int = -1
    metadata: str = ""
    commit_timestamp_ms: int = -1
    expire_timestamp_ms: int = NO_EXPIRY
    topic_id: Uuid = ZERO_UUID
    record_offset: int = -1

    @classmethod
    def of_record(cls, record_offset: int, value: OffsetCommitValue) -> OffsetAndMetadata:
        return cls(
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            value.topic_id,
            record_offset,
        )


class Offsets:
    """group -> topic -> partition -> offset; nothing in it is empty."""

    __slots__ = ("by_group", "count")

    def __init__(self) -> None:
        self.by_group: dict[str, dict[str, dict[int, OffsetAndMetadata]]] = {}
        self.count = 0

    def get(self, group_id: str, topic: str, partition: int) -> OffsetAndMetadata | None:
        topics = self.by_group.get(group_id)
        partitions = None if topics is None else topics.get(topic)
        return None if partitions is None else partitions.get(partition)

    def put(self, group_id: str, topic: str, partition: int, offset: OffsetAndMetadata) -> None:
        partitions = self.by_group.setdefault(group_id, {}).setdefault(topic, {})
        self.count += partition not in partitions
        partitions[partition] = offset

    def remove(self, group_id: str, topic: str, partition: int) -> None:
        topics = self.by_group.get(group_id)
        partitions = None if topics is None else topics.get(topic)
        if topics is None or partitions is None or partitions.pop(partition, None) is None:
            return
        self.count -= 1
        if not partitions:
            del topics[topic]
            if not topics:
                del self.by_group[group_id]

    def __iter__(self) -> Iterator[tuple[str, str, int, OffsetAndMetadata]]:
        for group_id, topics in self.by_group.items():
            for topic, partitions in topics.items():
                for partition, offset in partitions.items():
                    yield group_id, topic, partition, offset


class OffsetStore:
    __slots__ = ("committed", "open_producers", "pending")

    def __init__(self) -> None:
        self.committed = Offsets()
        self.pending: dict[int, Offsets] = {}
        """By producer id."""
        self.open_producers: dict[str, dict[tuple[str, int], set[int]]] = {}
        """group -> (topic, partition) -> the producers with an offset pending there."""

    def has_pending(self, group_id: str, topic: str, partition: int) -> bool:
        return (topic, partition) in self.open_producers.get(group_id, ())

    def pending_partitions(self, group_id: str) -> list[tuple[str, int]]:
        return list(self.open_producers.get(group_id, ()))

    def replay(self, group_id: str, topic: str, partition: int, offset: OffsetAndMetadata) -> None:
        self.committed.put(group_id, topic, partition, offset)

    def replay_pending(
        self, producer_id: int, group_id: str, topic: str, partition: int, offset: OffsetAndMetadata
    ) -> None:
        self.pending.setdefault(producer_id, Offsets()).put(group_id, topic, partition, offset)
        self.open_producers.setdefault(group_id, {}).setdefault((topic, partition), set()).add(producer_id)

    def replay_tombstone(self, group_id: str, topic: str, partition: int) -> None:
        self.committed.remove(group_id, topic, partition)
        partitions = self.open_producers.get(group_id, {})
        for producer_id in partitions.pop((topic, partition), ()):
            self.pending[producer_id].remove(group_id, topic, partition)
            if not self.pending[producer_id].count:
                del self.pending[producer_id]
        if not partitions:
            self.open_producers.pop(group_id, None)

    def replay_end_transaction(self, producer_id: int, is_commit: bool) -> None:
        ended = self.pending.pop(producer_id, None)
        if ended is None:
            return
        for group_id, topic, partition, offset in ended:
            self._close(group_id, topic, partition, producer_id)
            if is_commit:
                present = self.committed.get(group_id, topic, partition)
                if present is None or present.record_offset < offset.record_offset:
                    self.committed.put(group_id, topic, partition, offset)

    def _close(self, group_id: str, topic: str, partition: int, producer_id: int) -> None:
        partitions = self.open_producers[group_id]
        producers = partitions[topic, partition]
        producers.discard(producer_id)
        if not producers:
            del partitions[topic, partition]
            if not partitions:
                del self.open_producers[group_id]
