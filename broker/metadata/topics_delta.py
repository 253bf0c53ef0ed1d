"""What changed among topics between two images, and what that means for the replicas of one broker.

`changed` holds a TopicDelta per topic that was created or altered, `deleted_topic_ids` the topics of the base image
that are gone. A topic deleted and created again under its name is both: the old id deleted, the new one changed.

Counterpart: TopicsDelta, TopicDelta, LocalReplicaChanges.
"""

from __future__ import annotations

from typing import NamedTuple

from broker.metadata.image import TopicImage, TopicsImage
from broker.metadata.partitions import PartitionRegistration
from protocol.ids import TopicIdPartition, TopicPartition, Uuid
from protocol.metadata.topics import (
    ClearElrRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)


class PartitionInfo(NamedTuple):
    topic_id: Uuid
    partition: PartitionRegistration


class LocalReplicaChanges:
    """What a publish means for one broker's replicas. `elected_leaders` is the part of `leaders` with a new leader
    epoch; `directory_ids` names the replicas that are new here or were assigned to another directory."""

    __slots__ = ("deletes", "directory_ids", "elected_leaders", "followers", "leaders")

    def __init__(self) -> None:
        self.deletes: dict[TopicPartition, Uuid] = {}
        self.elected_leaders: dict[TopicPartition, PartitionInfo] = {}
        self.leaders: dict[TopicPartition, PartitionInfo] = {}
        self.followers: dict[TopicPartition, PartitionInfo] = {}
        self.directory_ids: dict[TopicIdPartition, Uuid] = {}


class TopicDelta:
    """Changes of one topic over `image`, which for a created topic has no partitions.

    `is_told_anew`: a snapshot names a topic of the base image; the partitions that it does not name are then gone.
    """

    __slots__ = ("image", "is_told_anew", "partition_changes")

    def __init__(self, image: TopicImage, *, is_told_anew: bool = False) -> None:
        self.image = image
        self.is_told_anew = is_told_anew
        self.partition_changes: dict[int, PartitionRegistration] = {}

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def id(self) -> Uuid:
        return self.image.id

    @property
    def new_partitions(self) -> dict[int, PartitionRegistration]:
        known = self.image.partitions
        return {index: partition for index, partition in self.partition_changes.items() if index not in known}

    def partition(self, partition_id: int) -> PartitionRegistration | None:
        changed = self.partition_changes.get(partition_id)
        return self.image.partitions.get(partition_id) if changed is None else changed

    def replay_partition(self, record: PartitionRecord) -> None:
        self.partition_changes[record.partition_id] = PartitionRegistration.from_record(record)

    def replay_change(self, record: PartitionChangeRecord) -> None:
        previous = self.partition(record.partition_id)
        if previous is None:
            raise ValueError(f"change of the unknown partition {self.name}-{record.partition_id}")
        self.partition_changes[record.partition_id] = previous.merge(record)

    def clear_elr(self) -> None:
        for partition_id in {**self.image.partitions, **self.partition_changes}:
            partition = self.partition(partition_id)
            assert partition is not None
            if partition.elr or partition.last_known_elr:
                change = PartitionChangeRecord(
                    partition_id=partition_id, topic_id=self.id, eligible_leader_replicas=[], last_known_elr=[]
                )
                self.partition_changes[partition_id] = partition.merge(change)

    def apply(self) -> TopicImage:
        kept = {} if self.is_told_anew else self.image.partitions
        return TopicImage(self.image.name, self.image.id, {**kept, **self.partition_changes})

    def collect_local_changes(self, broker_id: int, changes: LocalReplicaChanges) -> None:
        if self.is_told_anew:
            for partition_id, partition in self.image.partitions.items():
                if partition_id not in self.partition_changes and broker_id in partition.replicas:
                    changes.deletes[TopicPartition(self.name, partition_id)] = self.id
        for partition_id, partition in self.partition_changes.items():
            previous = self.image.partitions.get(partition_id)
            topic_partition = TopicPartition(self.name, partition_id)
            if broker_id not in partition.replicas:
                if previous is not None and broker_id in previous.replicas:
                    changes.deletes[topic_partition] = self.id
                continue
            if previous is None or previous.partition_epoch != partition.partition_epoch:
                info = PartitionInfo(self.id, partition)
                if partition.leader == broker_id:
                    changes.leaders[topic_partition] = info
                    if previous is None or previous.leader_epoch != partition.leader_epoch:
                        changes.elected_leaders[topic_partition] = info
                else:
                    changes.followers[topic_partition] = info
            directory = partition.directory(broker_id)
            if directory is not None and (previous is None or previous.directory(broker_id) != directory):
                changes.directory_ids[TopicIdPartition(self.id, self.name, partition_id)] = directory


class TopicsDelta:
    __slots__ = ("_created", "changed", "deleted_topic_ids", "image")

    def __init__(self, image: TopicsImage) -> None:
        self.image = image
        self.changed: dict[Uuid, TopicDelta] = {}
        self.deleted_topic_ids: dict[Uuid, None] = {}  # a set that keeps its order
        self._created: dict[str, Uuid] = {}

    def replay_topic(self, record: TopicRecord) -> None:
        if record.topic_id in self.image.by_id and record.topic_id not in self.deleted_topic_ids:
            # Only a snapshot names a topic that exists; what it says is compared with what was, so that replicas that
            # did not change are left alone.
            self.changed[record.topic_id] = TopicDelta(self.image.by_id[record.topic_id], is_told_anew=True)
            return
        self.changed[record.topic_id] = TopicDelta(TopicImage(record.name, record.topic_id))
        self._created[record.name] = record.topic_id

    def replay_partition(self, record: PartitionRecord) -> None:
        self._topic(record.topic_id).replay_partition(record)

    def replay_partition_change(self, record: PartitionChangeRecord) -> None:
        self._topic(record.topic_id).replay_change(record)

    def replay_remove_topic(self, record: RemoveTopicRecord) -> str:
        """Forgets the topic and returns its name, whose configuration goes with it."""
        topic_id = record.topic_id
        changed = self.changed.pop(topic_id, None)
        base = self.image.by_id.get(topic_id)
        if base is not None and topic_id not in self.deleted_topic_ids:
            self.deleted_topic_ids[topic_id] = None
        elif changed is None:
            raise ValueError(f"removal of an unknown topic with id {topic_id.hex()}")
        if changed is not None:
            if self._created.get(changed.name) == topic_id:
                del self._created[changed.name]
            return changed.name
        assert base is not None
        return base.name

    def replay_clear_elr(self, record: ClearElrRecord) -> None:
        if record.topic_name:
            self._topic(self._live_topic_id(record.topic_name)).clear_elr()
            return
        for topic_id in self.image.by_id:
            if topic_id not in self.deleted_topic_ids:
                self._topic(topic_id).clear_elr()
        for topic_id in self._created.values():
            self._topic(topic_id).clear_elr()

    def finish_snapshot(self) -> None:
        for topic_id in self.image.by_id:
            if topic_id not in self.changed:
                self.deleted_topic_ids[topic_id] = None

    def apply(self) -> TopicsImage:
        if not self.changed and not self.deleted_topic_ids:
            return self.image
        by_id, by_name = dict(self.image.by_id), dict(self.image.by_name)
        for topic_id in self.deleted_topic_ids:
            del by_name[by_id.pop(topic_id).name]
        for topic_id, delta in self.changed.items():
            topic = delta.apply()
            by_id[topic_id] = topic
            by_name[topic.name] = topic
        return TopicsImage(by_name, by_id)

    def topic_was_deleted(self, name: str) -> bool:
        """Whether the topic that had this name in the base image is gone, even if a new one has the name."""
        base = self.image.by_name.get(name)
        return base is not None and base.id in self.deleted_topic_ids

    def local_changes(self, broker_id: int) -> LocalReplicaChanges:
        changes = LocalReplicaChanges()
        for delta in self.changed.values():
            delta.collect_local_changes(broker_id, changes)
        for topic_id in self.deleted_topic_ids:
            topic = self.image.by_id[topic_id]
            for partition_id, partition in topic.partitions.items():
                if broker_id in partition.replicas:
                    changes.deletes[TopicPartition(topic.name, partition_id)] = topic_id
        return changes

    def _topic(self, topic_id: Uuid) -> TopicDelta:
        delta = self.changed.get(topic_id)
        if delta is None:
            base = self.image.by_id.get(topic_id)
            if base is None or topic_id in self.deleted_topic_ids:
                raise ValueError(f"change of an unknown topic with id {topic_id.hex()}")
            delta = self.changed[topic_id] = TopicDelta(base)
        return delta

    def _live_topic_id(self, name: str) -> Uuid:
        created = self._created.get(name)
        if created is not None:
            return created
        base = self.image.by_name.get(name)
        if base is None or base.id in self.deleted_topic_ids:
            raise ValueError(f"no topic named {name}")
        return base.id
