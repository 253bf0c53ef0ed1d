"""The metadata image: all that the committed metadata log says, as one immutable value.

An image is never changed: a delta makes the next one, which shares every part, topic and registration that did not
change; only the dictionaries on the way to a change are copied. Whoever holds an image holds one consistent state,
however long. An image can be written as records and an equal image be made of them (`records`): that is a snapshot.

Counterpart: MetadataImage and its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from broker.metadata.features import (
    ELIGIBLE_LEADER_REPLICAS_VERSION,
    MINIMUM_METADATA_VERSION,
    MetadataVersion,
)
from broker.metadata.partitions import PartitionRegistration
from broker.metadata.registrations import BrokerRegistration, ControllerRegistration
from protocol.ids import OffsetAndEpoch, Uuid

NO_PRODUCER_ID = -1


class ResourceType:
    """Kafka's ids of what a configuration belongs to."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32

    ALL = frozenset({TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP})


class ConfigResource(NamedTuple):
    """`name` is empty for the default of all brokers."""

    type: int
    name: str


CLUSTER_DEFAULT = ConfigResource(ResourceType.BROKER, "")


class MetadataProvenance(msgspec.Struct, frozen=True):
    """The last record that an image contains; `is_batch_aligned` whether it ends a batch, as a snapshot must."""

    offset: int = -1
    epoch: int = -1
    append_timestamp_ms: int = -1
    is_batch_aligned: bool = False

    @property
    def snapshot_id(self) -> OffsetAndEpoch:
        return OffsetAndEpoch(self.offset + 1, self.epoch)


class FeaturesImage(msgspec.Struct, frozen=True):
    """`finalized` holds the features above level 0, metadata.version and kraft.version excepted: Raft keeps the
    latter."""

    metadata_version_level: int | None = None
    finalized: Mapping[str, int] = {}

    @property
    def metadata_version(self) -> MetadataVersion:
        """The level to write records at; a log without one (not even a bootstrap) counts as the oldest."""
        if self.metadata_version_level is None:
            return MINIMUM_METADATA_VERSION
        return MetadataVersion(self.metadata_version_level)

    def level(self, name: str) -> int:
        return self.finalized.get(name, 0)

    @property
    def is_elr_enabled(self) -> bool:
        return self.level(ELIGIBLE_LEADER_REPLICAS_VERSION) >= 1


class ClusterImage(msgspec.Struct, frozen=True):
    brokers: Mapping[int, BrokerRegistration] = {}
    controllers: Mapping[int, ControllerRegistration] = {}

    def broker_epoch(self, broker_id: int) -> int:
        broker = self.brokers.get(broker_id)
        return -1 if broker is None else broker.epoch

    def is_active(self, broker_id: int) -> bool:
        broker = self.brokers.get(broker_id)
        return broker is not None and broker.is_active


class TopicImage(msgspec.Struct, frozen=True):
    name: str
    id: Uuid
    partitions: Mapping[int, PartitionRegistration] = {}


class TopicsImage(msgspec.Struct, frozen=True):
    by_name: Mapping[str, TopicImage] = {}
    by_id: Mapping[Uuid, TopicImage] = {}

    def partition(self, topic_id: Uuid, partition_id: int) -> PartitionRegistration | None:
        topic = self.by_id.get(topic_id)
        return None if topic is None else topic.partitions.get(partition_id)

    def partitions(self) -> Iterator[tuple[TopicImage, int, PartitionRegistration]]:
        for topic in self.by_id.values():
            for partition_id, partition in topic.partitions.items():
                yield topic, partition_id, partition


class ConfigsImage(msgspec.Struct, frozen=True):
    resources: Mapping[ConfigResource, Mapping[str, str]] = {}

    def of(self, resource: ConfigResource) -> Mapping[str, str]:
        return self.resources.get(resource, {})

    def of_topic(self, name: str) -> Mapping[str, str]:
        return self.of(ConfigResource(ResourceType.TOPIC, name))

    def of_broker(self, broker_id: int) -> Mapping[str, str]:
        return self.of(ConfigResource(ResourceType.BROKER, str(broker_id)))

    def of_cluster(self) -> Mapping[str, str]:
        return self.of(CLUSTER_DEFAULT)


# (entity type, entity name) sorted by type; a None name is the default of the type.
QuotaEntity = tuple[tuple[str, str | None], ...]


class ClientQuotasImage(msgspec.Struct, frozen=True):
    entities: Mapping[QuotaEntity, Mapping[str, float]] = {}


class ProducerIdsImage(msgspec.Struct, frozen=True):
    """The first id of the next block to give, -1 before the first."""

    next_producer_id: int = NO_PRODUCER_ID


class Acl(NamedTuple):
    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int


class AclsImage(msgspec.Struct, frozen=True):
    acls: Mapping[Uuid, Acl] = {}


class ScramCredential(NamedTuple):
    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int

    def __repr__(self) -> str:
        return "ScramCredential(hidden)"


class ScramImage(msgspec.Struct, frozen=True):
    """Credentials by (mechanism, user name)."""

    credentials: Mapping[tuple[int, str], ScramCredential] = {}


class DelegationToken(NamedTuple):
    owner: str
    requester: str
    renewers: tuple[str, ...]
    issue_timestamp_ms: int
    max_timestamp_ms: int
    expiration_timestamp_ms: int


class DelegationTokenImage(msgspec.Struct, frozen=True):
    tokens: Mapping[str, DelegationToken] = {}


class MetadataImage(msgspec.Struct, frozen=True, kw_only=True):
    provenance: MetadataProvenance = MetadataProvenance()
    features: FeaturesImage = FeaturesImage()
    cluster: ClusterImage = ClusterImage()
    topics: TopicsImage = TopicsImage()
    configs: ConfigsImage = ConfigsImage()
    client_quotas: ClientQuotasImage = ClientQuotasImage()
    producer_ids: ProducerIdsImage = ProducerIdsImage()
    acls: AclsImage = AclsImage()
    scram: ScramImage = ScramImage()
    delegation_tokens: DelegationTokenImage = DelegationTokenImage()

    @property
    def offset(self) -> int:
        return self.provenance.offset

    @property
    def epoch(self) -> int:
        return self.provenance.epoch

    @property
    def is_empty(self) -> bool:
        """Nothing but offsets: not even the bootstrap records have been seen."""
        return self == MetadataImage(provenance=self.provenance)


EMPTY_IMAGE = MetadataImage()
