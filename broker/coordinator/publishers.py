"""What the metadata says to coordinators: which partitions of their topic this broker leads, which topics are gone.

Two publishers for each coordinator, around that of the replicas. Resigning comes before it: what is parked fails before
the log can be truncated or learn anything from another leader. Electing comes after it: a shard loads from a log that
is led already. Counterpart: BrokerMetadataPublisher.updateCoordinator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from broker.coordinator.partitioning import GROUP_METADATA_TOPIC
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import MetadataImage
from broker.metadata.publishers import LoaderManifest
from broker.metadata.topics_delta import LocalReplicaChanges
from protocol.ids import Uuid


class Coordinator(Protocol):
    def on_election(self, partition: int, leader_epoch: int) -> None: ...

    def on_resignation(self, partition: int, leader_epoch: int | None) -> None: ...


class Groups(Coordinator, Protocol):
    def startup(self, partitions: int) -> None: ...

    def on_topics_deleted(self, topics: Sequence[tuple[str, Uuid]]) -> None: ...


class Resignations:
    def __init__(self, broker_id: int, topic: str, coordinator: Coordinator) -> None:
        self._broker_id = broker_id
        self._topic = topic
        self._coordinator = coordinator

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        topics = delta.topics_delta
        if topics is None:
            return
        base = topics.image.by_name.get(self._topic)
        if base is not None and base.id in topics.deleted_topic_ids:
            for partition in base.partitions:
                self._coordinator.on_resignation(partition, None)
        changes = _local_changes(delta, self._broker_id, self._topic)
        for topic_partition, info in changes.followers.items():
            self._coordinator.on_resignation(topic_partition.partition, info.partition.leader_epoch)
        for topic_partition in changes.deletes:
            self._coordinator.on_resignation(topic_partition.partition, None)


class Elections:
    def __init__(self, broker_id: int, topic: str, coordinator: Coordinator) -> None:
        self._broker_id = broker_id
        self._topic = topic
        self._coordinator = coordinator

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        changes = _local_changes(delta, self._broker_id, self._topic)
        for topic_partition, info in changes.elected_leaders.items():
            self._coordinator.on_election(topic_partition.partition, info.partition.leader_epoch)


class GroupTopics:
    """Starts the group coordinator with the first image, which says how many partitions its topic has, and again when
    the topic comes into being; tells it of deleted topics. Comes before its elections."""

    def __init__(self, groups: Groups, partitions_configured: Callable[[], int]) -> None:
        self._groups = groups
        self._partitions_configured = partitions_configured
        self._is_started = False
        self._topic_id: Uuid | None = None

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        topic = image.topics.by_name.get(GROUP_METADATA_TOPIC)
        if topic is not None and topic.id != self._topic_id:
            self._topic_id = topic.id
            self._start(len(topic.partitions))
        elif not self._is_started:
            self._start(self._partitions_configured())
        topics = delta.topics_delta
        if topics is not None and topics.deleted_topic_ids:
            deleted = [(topics.image.by_id[topic_id].name, topic_id) for topic_id in topics.deleted_topic_ids]
            self._groups.on_topics_deleted(deleted)

    def _start(self, partitions: int) -> None:
        self._is_started = True
        self._groups.startup(partitions)


def _local_changes(delta: MetadataDelta, broker_id: int, topic: str) -> LocalReplicaChanges:
    changes = LocalReplicaChanges()
    if delta.topics_delta is not None:
        for topic_delta in delta.topics_delta.changed.values():
            if topic_delta.name == topic:
                topic_delta.collect_local_changes(broker_id, changes)
    return changes
