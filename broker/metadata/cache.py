"""The metadata as this node's handlers see it: the image published last, and the look-ups that many of them need.

The first publisher, so that whoever is told of a change after it finds the change here. Everything read from one
`image` belongs together; a handler that looks twice keeps the image. Counterpart: KRaftMetadataCache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from broker.metadata.delta import MetadataDelta
from broker.metadata.features import KRAFT_VERSION, METADATA_VERSION
from broker.metadata.image import EMPTY_IMAGE, MetadataImage
from broker.metadata.partitions import PartitionRegistration
from broker.metadata.publishers import LoaderManifest
from broker.metadata.registrations import Endpoint
from protocol.ids import TopicPartition, Uuid


class FinalizedFeatures(NamedTuple):
    """Levels above 0, and the offset that they are of."""

    levels: dict[str, int]
    epoch: int


class MetadataCache:
    __slots__ = ("_kraft_version", "image")

    def __init__(self, kraft_version: Callable[[], int]) -> None:
        """`kraft_version`: the level of the quorum, which Raft keeps and no metadata record tells."""
        self._kraft_version = kraft_version
        self.image: MetadataImage = EMPTY_IMAGE

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        self.image = image

    def finalized_features(self) -> FinalizedFeatures:
        features = self.image.features
        levels = {METADATA_VERSION: features.metadata_version_level or 0, **features.finalized}
        levels[KRAFT_VERSION] = self._kraft_version()
        return FinalizedFeatures({name: level for name, level in levels.items() if level > 0}, self.image.offset)

    def partition(self, topic_partition: TopicPartition) -> PartitionRegistration | None:
        topic = self.image.topics.by_name.get(topic_partition.topic)
        return None if topic is None else topic.partitions.get(topic_partition.partition)

    def topic_id(self, name: str) -> Uuid | None:
        topic = self.image.topics.by_name.get(name)
        return None if topic is None else topic.id

    def topic_name(self, topic_id: Uuid) -> str | None:
        topic = self.image.topics.by_id.get(topic_id)
        return None if topic is None else topic.name

    def endpoint_of(self, broker_id: int, listener_name: str) -> Endpoint | None:
        """Where the broker's listener was when it registered last."""
        broker = self.image.cluster.brokers.get(broker_id)
        return None if broker is None else broker.listeners.get(listener_name)

    def is_alive(self, broker_id: int) -> bool:
        broker = self.image.cluster.brokers.get(broker_id)
        return broker is not None and not broker.fenced
