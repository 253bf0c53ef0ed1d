"""The metadata delta: records replayed over an image, and the next image made of it.

Replay never touches the image; parts that no record mentioned stay None, and `apply` shares them with the next image. A
snapshot is replayed like a log and then finished, which removes everything that it did not name. A record that cannot
be replayed means that this node no longer understands the log: that is fatal to it, and raised as ValueError.

Metadata transactions are not this module's business: the loader takes their markers out.

Counterpart: MetadataDelta and the deltas of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from broker.metadata.features import KRAFT_VERSION, METADATA_VERSION, MetadataVersion
from broker.metadata.image import (
    Acl,
    AclsImage,
    ClientQuotasImage,
    ClusterImage,
    ConfigResource,
    ConfigsImage,
    DelegationToken,
    DelegationTokenImage,
    FeaturesImage,
    MetadataImage,
    MetadataProvenance,
    ProducerIdsImage,
    QuotaEntity,
    ResourceType,
    ScramCredential,
    ScramImage,
)
from broker.metadata.map_delta import MapDelta
from broker.metadata.registrations import BrokerRegistration, ControllerRegistration
from broker.metadata.topics_delta import TopicsDelta
from protocol.ids import Uuid
from protocol.metadata.brokers import (
    BrokerRegistrationChangeRecord,
    FenceBrokerRecord,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    UnfenceBrokerRecord,
    UnregisterBrokerRecord,
)
from protocol.metadata.configs import ClientQuotaRecord, ConfigRecord, FeatureLevelRecord
from protocol.metadata.log import NoOpRecord, ZkMigrationStateRecord
from protocol.metadata.producer_ids import ProducerIdsRecord
from protocol.metadata.security import (
    AccessControlEntryRecord,
    DelegationTokenRecord,
    RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord,
    RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
)
from protocol.metadata.topics import (
    ClearElrRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from protocol.schema import Message

# True where a key of a resource type is known; others are dropped at replay: they are left-overs of older releases.
ConfigFilter = Callable[[int, str], bool]

_FENCING: Final[Mapping[int, bool | None]] = {-1: False, 0: None, 1: True}
_CONTROLLED_SHUTDOWN: Final[Mapping[int, bool | None]] = {0: None, 1: True}


class FeaturesDelta:
    __slots__ = ("changes", "image", "metadata_version_change")

    def __init__(self, image: FeaturesImage) -> None:
        self.image = image
        self.changes: MapDelta[str, int] = MapDelta(image.finalized)
        self.metadata_version_change: int | None = None

    def replay(self, name: str, level: int) -> None:
        if name == METADATA_VERSION:
            self.metadata_version_change = level
        elif name != KRAFT_VERSION:  # early releases wrote it here; Raft's own control records decide
            self.changes.put(name, level if level > 0 else None)

    def apply(self) -> FeaturesImage:
        level = self.metadata_version_change
        return FeaturesImage(self.image.metadata_version_level if level is None else level, self.changes.apply())


class ClusterDelta:
    __slots__ = ("brokers", "controllers", "image")

    def __init__(self, image: ClusterImage) -> None:
        self.image = image
        self.brokers: MapDelta[int, BrokerRegistration] = MapDelta(image.brokers)
        self.controllers: MapDelta[int, ControllerRegistration] = MapDelta(image.controllers)

    def change_broker(
        self,
        broker_id: int,
        epoch: int,
        *,
        fenced: bool | None,
        in_controlled_shutdown: bool | None = None,
        directories: list[Uuid] | None = None,
        cordoned_directories: list[Uuid] | None = None,
    ) -> None:
        broker = self.brokers.get(broker_id)
        if broker is None or broker.epoch != epoch:
            found = "is not registered" if broker is None else f"has epoch {broker.epoch}"
            raise ValueError(f"change of broker {broker_id} with epoch {epoch}, which {found}")
        changed = broker.changed(
            fenced=fenced,
            in_controlled_shutdown=in_controlled_shutdown,
            directories=directories or None,
            cordoned_directories=cordoned_directories,
        )
        if changed is not broker:
            self.brokers.put(broker_id, changed)

    def apply(self) -> ClusterImage:
        return ClusterImage(self.brokers.apply(), self.controllers.apply())


class ConfigsDelta:
    """`changes` holds the new configuration of every resource that was touched."""

    __slots__ = ("changes", "image")

    def __init__(self, image: ConfigsImage) -> None:
        self.image = image
        self.changes: dict[ConfigResource, MapDelta[str, str]] = {}

    def replay(self, resource: ConfigResource, name: str, value: str | None) -> None:
        self._resource(resource).put(name, value)

    def remove_topic(self, name: str) -> None:
        resource = ConfigResource(ResourceType.TOPIC, name)
        if resource in self.changes or resource in self.image.resources:
            self._resource(resource).remove_all()

    def finish_snapshot(self) -> None:
        for resource in self.image.resources:
            self._resource(resource).finish_snapshot()

    def apply(self) -> ConfigsImage:
        resources = dict(self.image.resources)
        for resource, delta in self.changes.items():
            config = delta.apply()
            if config:
                resources[resource] = config
            else:
                resources.pop(resource, None)
        return ConfigsImage(resources)

    def _resource(self, resource: ConfigResource) -> MapDelta[str, str]:
        delta = self.changes.get(resource)
        if delta is None:
            delta = self.changes[resource] = MapDelta(self.image.of(resource))
        return delta


class ClientQuotasDelta:
    __slots__ = ("changes", "image")

    def __init__(self, image: ClientQuotasImage) -> None:
        self.image = image
        self.changes: dict[QuotaEntity, MapDelta[str, float]] = {}

    def replay(self, entity: QuotaEntity, key: str, value: float | None) -> None:
        self._entity(entity).put(key, value)

    def finish_snapshot(self) -> None:
        for entity in self.image.entities:
            self._entity(entity).finish_snapshot()

    def apply(self) -> ClientQuotasImage:
        entities = dict(self.image.entities)
        for entity, delta in self.changes.items():
            quotas = delta.apply()
            if quotas:
                entities[entity] = quotas
            else:
                entities.pop(entity, None)
        return ClientQuotasImage(entities)

    def _entity(self, entity: QuotaEntity) -> MapDelta[str, float]:
        delta = self.changes.get(entity)
        if delta is None:
            delta = self.changes[entity] = MapDelta(self.image.entities.get(entity, {}))
        return delta


class MetadataDelta:
    """Replays records over `image`; the parts that nothing touched are None."""

    __slots__ = (
        "_is_known_config",
        "acls_delta",
        "client_quotas_delta",
        "cluster_delta",
        "configs_delta",
        "delegation_tokens_delta",
        "features_delta",
        "image",
        "next_producer_id",
        "scram_delta",
        "topics_delta",
    )

    def __init__(self, image: MetadataImage, is_known_config: ConfigFilter | None = None) -> None:
        self.image = image
        self._is_known_config = is_known_config
        self.features_delta: FeaturesDelta | None = None
        self.cluster_delta: ClusterDelta | None = None
        self.topics_delta: TopicsDelta | None = None
        self.configs_delta: ConfigsDelta | None = None
        self.client_quotas_delta: ClientQuotasDelta | None = None
        self.next_producer_id: int | None = None
        self.acls_delta: MapDelta[Uuid, Acl] | None = None
        self.scram_delta: MapDelta[tuple[int, str], ScramCredential] | None = None
        self.delegation_tokens_delta: MapDelta[str, DelegationToken] | None = None

    def replay(self, record: Message) -> None:
        replay = _REPLAY.get(type(record))
        if replay is None:
            raise ValueError(f"{type(record).__name__} is not a record of the metadata log")
        replay(self, record)

    def finish_snapshot(self) -> None:
        """Removes what the snapshot did not name. A snapshot says nothing of producer ids only if none was ever
        given."""
        self.features().changes.finish_snapshot()
        self.cluster().brokers.finish_snapshot()
        self.cluster().controllers.finish_snapshot()
        self.topics().finish_snapshot()
        self.configs().finish_snapshot()
        self.client_quotas().finish_snapshot()
        self.acls().finish_snapshot()
        self.scram().finish_snapshot()
        self.delegation_tokens().finish_snapshot()

    def apply(self, provenance: MetadataProvenance) -> MetadataImage:
        image = self.image
        next_producer_id = self.next_producer_id
        return MetadataImage(
            provenance=provenance,
            features=image.features if self.features_delta is None else self.features_delta.apply(),
            cluster=image.cluster if self.cluster_delta is None else self.cluster_delta.apply(),
            topics=image.topics if self.topics_delta is None else self.topics_delta.apply(),
            configs=image.configs if self.configs_delta is None else self.configs_delta.apply(),
            client_quotas=(
                image.client_quotas if self.client_quotas_delta is None else self.client_quotas_delta.apply()
            ),
            producer_ids=image.producer_ids if next_producer_id is None else ProducerIdsImage(next_producer_id),
            acls=image.acls if self.acls_delta is None else AclsImage(self.acls_delta.apply()),
            scram=image.scram if self.scram_delta is None else ScramImage(self.scram_delta.apply()),
            delegation_tokens=(
                image.delegation_tokens
                if self.delegation_tokens_delta is None
                else DelegationTokenImage(self.delegation_tokens_delta.apply())
            ),
        )

    @property
    def metadata_version_change(self) -> MetadataVersion | None:
        if self.features_delta is None or self.features_delta.metadata_version_change is None:
            return None
        return MetadataVersion(self.features_delta.metadata_version_change)

    def features(self) -> FeaturesDelta:
        if self.features_delta is None:
            self.features_delta = FeaturesDelta(self.image.features)
        return self.features_delta

    def cluster(self) -> ClusterDelta:
        if self.cluster_delta is None:
            self.cluster_delta = ClusterDelta(self.image.cluster)
        return self.cluster_delta

    def topics(self) -> TopicsDelta:
        if self.topics_delta is None:
            self.topics_delta = TopicsDelta(self.image.topics)
        return self.topics_delta

    def configs(self) -> ConfigsDelta:
        if self.configs_delta is None:
            self.configs_delta = ConfigsDelta(self.image.configs)
        return self.configs_delta

    def client_quotas(self) -> ClientQuotasDelta:
        if self.client_quotas_delta is None:
            self.client_quotas_delta = ClientQuotasDelta(self.image.client_quotas)
        return self.client_quotas_delta

    def acls(self) -> MapDelta[Uuid, Acl]:
        if self.acls_delta is None:
            self.acls_delta = MapDelta(self.image.acls.acls)
        return self.acls_delta

    def scram(self) -> MapDelta[tuple[int, str], ScramCredential]:
        if self.scram_delta is None:
            self.scram_delta = MapDelta(self.image.scram.credentials)
        return self.scram_delta

    def delegation_tokens(self) -> MapDelta[str, DelegationToken]:
        if self.delegation_tokens_delta is None:
            self.delegation_tokens_delta = MapDelta(self.image.delegation_tokens.tokens)
        return self.delegation_tokens_delta

    def is_known_config(self, resource_type: int, name: str) -> bool:
        return self._is_known_config is None or self._is_known_config(resource_type, name)


def _register_broker(delta: MetadataDelta, record: RegisterBrokerRecord) -> None:
    delta.cluster().brokers.put(record.broker_id, BrokerRegistration.from_record(record))


def _unregister_broker(delta: MetadataDelta, record: UnregisterBrokerRecord) -> None:
    delta.cluster().brokers.put(record.broker_id, None)


def _fence_broker(delta: MetadataDelta, record: FenceBrokerRecord) -> None:
    delta.cluster().change_broker(record.id, record.epoch, fenced=True)


def _unfence_broker(delta: MetadataDelta, record: UnfenceBrokerRecord) -> None:
    delta.cluster().change_broker(record.id, record.epoch, fenced=False)


def _change_broker(delta: MetadataDelta, record: BrokerRegistrationChangeRecord) -> None:
    if record.fenced not in _FENCING or record.in_controlled_shutdown not in _CONTROLLED_SHUTDOWN:
        raise ValueError(f"unknown fencing or shutdown change of broker {record.broker_id}")
    delta.cluster().change_broker(
        record.broker_id,
        record.broker_epoch,
        fenced=_FENCING[record.fenced],
        in_controlled_shutdown=_CONTROLLED_SHUTDOWN[record.in_controlled_shutdown],
        directories=record.log_dirs,
        cordoned_directories=record.cordoned_log_dirs,
    )


def _register_controller(delta: MetadataDelta, record: RegisterControllerRecord) -> None:
    delta.cluster().controllers.put(record.controller_id, ControllerRegistration.from_record(record))


def _remove_topic(delta: MetadataDelta, record: RemoveTopicRecord) -> None:
    delta.configs().remove_topic(delta.topics().replay_remove_topic(record))


def _config(delta: MetadataDelta, record: ConfigRecord) -> None:
    if delta.is_known_config(record.resource_type, record.name):
        delta.configs().replay(ConfigResource(record.resource_type, record.resource_name), record.name, record.value)


def _client_quota(delta: MetadataDelta, record: ClientQuotaRecord) -> None:
    entity = tuple(sorted(((data.entity_type, data.entity_name) for data in record.entity), key=lambda part: part[0]))
    delta.client_quotas().replay(entity, record.key, None if record.remove else record.value)


def _producer_ids(delta: MetadataDelta, record: ProducerIdsRecord) -> None:
    delta.next_producer_id = record.next_producer_id


def _acl(delta: MetadataDelta, record: AccessControlEntryRecord) -> None:
    acl = Acl(
        record.resource_type,
        record.resource_name,
        record.pattern_type,
        record.principal,
        record.host,
        record.operation,
        record.permission_type,
    )
    delta.acls().put(record.id, acl)


def _remove_acl(delta: MetadataDelta, record: RemoveAccessControlEntryRecord) -> None:
    if delta.acls().get(record.id) is None:
        raise ValueError(f"removal of the unknown ACL {record.id.hex()}")
    delta.acls().put(record.id, None)


def _scram(delta: MetadataDelta, record: UserScramCredentialRecord) -> None:
    credential = ScramCredential(
        bytes(record.salt), bytes(record.stored_key), bytes(record.server_key), record.iterations
    )
    delta.scram().put((record.mechanism, record.name), credential)


def _remove_scram(delta: MetadataDelta, record: RemoveUserScramCredentialRecord) -> None:
    delta.scram().put((record.mechanism, record.name), None)


def _delegation_token(delta: MetadataDelta, record: DelegationTokenRecord) -> None:
    token = DelegationToken(
        record.owner,
        record.requester,
        tuple(record.renewers),
        record.issue_timestamp,
        record.max_timestamp,
        record.expiration_timestamp,
    )
    delta.delegation_tokens().put(record.token_id, token)


def _remove_delegation_token(delta: MetadataDelta, record: RemoveDelegationTokenRecord) -> None:
    delta.delegation_tokens().put(record.token_id, None)


def _nothing(delta: MetadataDelta, record: NoOpRecord | ZkMigrationStateRecord) -> None:
    """NoOpRecord only moves the offset; ZkMigrationStateRecord is a left-over of a migration that is over."""


_REPLAY: Final[Mapping[type[Message], Callable[[MetadataDelta, Any], None]]] = {
    RegisterBrokerRecord: _register_broker,
    UnregisterBrokerRecord: _unregister_broker,
    FenceBrokerRecord: _fence_broker,
    UnfenceBrokerRecord: _unfence_broker,
    BrokerRegistrationChangeRecord: _change_broker,
    RegisterControllerRecord: _register_controller,
    TopicRecord: lambda delta, record: delta.topics().replay_topic(record),
    PartitionRecord: lambda delta, record: delta.topics().replay_partition(record),
    PartitionChangeRecord: lambda delta, record: delta.topics().replay_partition_change(record),
    ClearElrRecord: lambda delta, record: delta.topics().replay_clear_elr(record),
    RemoveTopicRecord: _remove_topic,
    ConfigRecord: _config,
    FeatureLevelRecord: lambda delta, record: delta.features().replay(record.name, record.feature_level),
    ClientQuotaRecord: _client_quota,
    ProducerIdsRecord: _producer_ids,
    AccessControlEntryRecord: _acl,
    RemoveAccessControlEntryRecord: _remove_acl,
    UserScramCredentialRecord: _scram,
    RemoveUserScramCredentialRecord: _remove_scram,
    DelegationTokenRecord: _delegation_token,
    RemoveDelegationTokenRecord: _remove_delegation_token,
    NoOpRecord: _nothing,
    ZkMigrationStateRecord: _nothing,
}
