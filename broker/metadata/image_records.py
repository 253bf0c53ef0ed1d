"""An image written as records: the content of a snapshot, and of the first delta that a new publisher sees.

Records come with the version that the image's own metadata.version writes. metadata.version comes first, because a
reader may decode what follows by it; a generator, because a snapshot of many topics is written in slices.

Counterpart: the write methods of MetadataImage's parts.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.metadata.features import METADATA_VERSION
from broker.metadata.image import NO_PRODUCER_ID, MetadataImage
from protocol.metadata.configs import ClientQuotaRecord, ConfigRecord, FeatureLevelRecord
from protocol.metadata.producer_ids import ProducerIdsRecord
from protocol.metadata.security import AccessControlEntryRecord, DelegationTokenRecord, UserScramCredentialRecord
from protocol.metadata.topics import TopicRecord
from protocol.schema import Message

VersionedRecord = tuple[Message, int]


def image_records(image: MetadataImage) -> Iterator[VersionedRecord]:
    yield from _features(image)
    yield from _cluster(image)
    yield from _topics(image)
    yield from _configs(image)
    yield from _client_quotas(image)
    if image.producer_ids.next_producer_id != NO_PRODUCER_ID:
        next_producer_id = image.producer_ids.next_producer_id
        yield ProducerIdsRecord(broker_id=-1, broker_epoch=-1, next_producer_id=next_producer_id), 0
    yield from _acls(image)
    yield from _scram(image)
    yield from _delegation_tokens(image)


def _features(image: MetadataImage) -> Iterator[VersionedRecord]:
    if image.features.metadata_version_level is not None:
        level = image.features.metadata_version_level
        yield FeatureLevelRecord(name=METADATA_VERSION, feature_level=level), 0
    for name, level in image.features.finalized.items():
        yield FeatureLevelRecord(name=name, feature_level=level), 0


def _cluster(image: MetadataImage) -> Iterator[VersionedRecord]:
    metadata_version = image.features.metadata_version
    for broker in image.cluster.brokers.values():
        yield broker.to_record(metadata_version)
    if metadata_version.is_controller_registration_supported:
        for controller in image.cluster.controllers.values():
            yield controller.to_record()


def _topics(image: MetadataImage) -> Iterator[VersionedRecord]:
    metadata_version, elr_enabled = image.features.metadata_version, image.features.is_elr_enabled
    for topic in image.topics.by_id.values():
        yield TopicRecord(name=topic.name, topic_id=topic.id), 0
        for partition_id, partition in topic.partitions.items():
            yield partition.to_record(topic.id, partition_id, metadata_version, elr_enabled=elr_enabled)


def _configs(image: MetadataImage) -> Iterator[VersionedRecord]:
    for resource, config in image.configs.resources.items():
        for name, value in config.items():
            yield (
                ConfigRecord(resource_type=resource.type, resource_name=resource.name, name=name, value=value),
                0,
            )


def _client_quotas(image: MetadataImage) -> Iterator[VersionedRecord]:
    for entity, quotas in image.client_quotas.entities.items():
        for key, value in quotas.items():
            data = [
                ClientQuotaRecord.EntityData(entity_type=entity_type, entity_name=name) for entity_type, name in entity
            ]
            yield ClientQuotaRecord(entity=data, key=key, value=value, remove=False), 0


def _acls(image: MetadataImage) -> Iterator[VersionedRecord]:
    for acl_id, acl in image.acls.acls.items():
        yield AccessControlEntryRecord(id=acl_id, **acl._asdict()), 0


def _scram(image: MetadataImage) -> Iterator[VersionedRecord]:
    if not image.features.metadata_version.is_scram_supported:
        return
    for (mechanism, name), credential in image.scram.credentials.items():
        yield UserScramCredentialRecord(name=name, mechanism=mechanism, **credential._asdict()), 0


def _delegation_tokens(image: MetadataImage) -> Iterator[VersionedRecord]:
    if not image.features.metadata_version.is_delegation_token_supported:
        return
    for token_id, token in image.delegation_tokens.tokens.items():
        yield (
            DelegationTokenRecord(
                owner=token.owner,
                requester=token.requester,
                renewers=list(token.renewers),
                issue_timestamp=token.issue_timestamp_ms,
                max_timestamp=token.max_timestamp_ms,
                expiration_timestamp=token.expiration_timestamp_ms,
                token_id=token_id,
            ),
            0,
        )
