"""Records in, images out: replay of every record, sharing, snapshots, and what a publish means for one broker."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from broker.metadata.delta import MetadataDelta
from broker.metadata.features import METADATA_VERSION
from broker.metadata.image import EMPTY_IMAGE, ConfigResource, MetadataImage, MetadataProvenance, ResourceType
from broker.metadata.image_records import VersionedRecord, image_records
from broker.metadata.partitions import NO_LEADER
from protocol.ids import TopicIdPartition, TopicPartition
from protocol.metadata import RECORDS
from protocol.metadata.brokers import BrokerRegistrationChangeRecord, FenceBrokerRecord
from protocol.metadata.configs import FeatureLevelRecord
from protocol.metadata.log import BeginTransactionRecord
from protocol.metadata.security import RemoveAccessControlEntryRecord
from protocol.metadata.serde import decode_record, encode_record
from protocol.metadata.topics import ClearElrRecord, PartitionChangeRecord, RemoveTopicRecord
from tests.support.controller import (
    broker_record,
    cluster,
    config_record,
    image_of,
    partition_record,
    replayed,
    topic_records,
    uuid,
)
from tests.unit.broker.metadata.strategies import record_sequences

PROVENANCE = MetadataProvenance(50, 3, 1, True)


def apply(image: MetadataImage, records: Sequence[VersionedRecord], *, is_snapshot: bool = False) -> MetadataImage:
    delta = MetadataDelta(image)
    for record, _ in records:
        delta.replay(record)
    if is_snapshot:
        delta.finish_snapshot()
    return delta.apply(PROVENANCE)


def through_the_wire(records: Sequence[VersionedRecord]) -> list[VersionedRecord]:
    return [decode_record(encode_record(record, version)) for record, version in records]


@given(record_sequences())
@settings(deadline=None, max_examples=60)
def test_an_image_written_as_records_makes_an_equal_image(records: list[VersionedRecord]) -> None:
    image = apply(EMPTY_IMAGE, records)
    assert apply(EMPTY_IMAGE, through_the_wire(list(image_records(image)))) == image


@given(record_sequences(), record_sequences())
@settings(deadline=None, max_examples=50)
def test_a_snapshot_replaces_any_image(before: list[VersionedRecord], after: list[VersionedRecord]) -> None:
    target = apply(EMPTY_IMAGE, after)
    loaded = apply(apply(EMPTY_IMAGE, before), list(image_records(target)), is_snapshot=True)
    if target.producer_ids.next_producer_id < 0:
        # A snapshot without producer ids leaves them: ids were never given, or are not to be given again.
        target = apply(target, [record for record in before if type(record[0]).__name__ == "ProducerIdsRecord"])
    assert loaded == target


@given(record_sequences())
@settings(deadline=None, max_examples=50)
def test_one_delta_or_many_end_in_the_same_image(records: list[VersionedRecord]) -> None:
    image = EMPTY_IMAGE
    for record in records:
        image = apply(image, [record])
    assert image == apply(EMPTY_IMAGE, records)


@given(record_sequences(), record_sequences(max_size=8))
@settings(deadline=None, max_examples=30)
def test_replay_leaves_the_image_alone(records: list[VersionedRecord], more: list[VersionedRecord]) -> None:
    image = apply(EMPTY_IMAGE, records)
    written = list(image_records(image))
    with contextlib.suppress(ValueError):  # `more` was drawn for another history
        apply(image, more)
    assert list(image_records(image)) == written


def test_untouched_parts_and_topics_are_shared() -> None:
    image = image_of(
        *cluster(1), *topic_records("a", 1, [partition_record([1])]), *topic_records("b", 2, [partition_record([1])])
    )
    change = PartitionChangeRecord(topic_id=uuid(1), partition_id=0, isr=[1], leader=1)
    following = replayed(image, [(change, 2)])
    assert following.cluster is image.cluster and following.configs is image.configs
    assert following.topics.by_name["b"] is image.topics.by_name["b"]
    assert following.topics.by_name["a"] is following.topics.by_id[uuid(1)]
    assert following.topics.by_name["a"].partitions[0].leader_epoch == 1


def test_every_record_of_the_metadata_log_is_replayed_or_the_loaders_business() -> None:
    replayed_names = set()
    for cls in RECORDS.values():
        delta = MetadataDelta(EMPTY_IMAGE)
        try:
            delta.replay(cls())
        except ValueError as error:
            if "is not a record" in str(error):
                continue
        replayed_names.add(cls.__name__)
    everything = {cls.__name__ for cls in RECORDS.values()}
    assert everything - replayed_names == {
        "BeginTransactionRecord",
        "EndTransactionRecord",
        "AbortTransactionRecord",
    }


def test_leader_epochs_grow_with_the_leader_and_partition_epochs_with_everything() -> None:
    image = image_of(*cluster(1, 2), *topic_records("t", 1, [partition_record([1, 2], leader_epoch=4)]))
    for change in (
        PartitionChangeRecord(topic_id=uuid(1), partition_id=0, isr=[1]),
        PartitionChangeRecord(topic_id=uuid(1), partition_id=0, leader=NO_LEADER),
        PartitionChangeRecord(topic_id=uuid(1), partition_id=0, leader=1),
    ):
        image = replayed(image, [(change, 2)])
    partition = image.topics.by_name["t"].partitions[0]
    assert (partition.leader_epoch, partition.partition_epoch, partition.leader) == (6, 3, 1)


def test_removing_a_topic_removes_its_configuration() -> None:
    image = image_of(
        *topic_records("t", 1, [partition_record([1])]), config_record(ResourceType.TOPIC, "t", "retention.ms", "1")
    )
    assert image.configs.of_topic("t") == {"retention.ms": "1"}
    image = replayed(image, [(RemoveTopicRecord(topic_id=uuid(1)), 0)])
    assert not image.topics.by_id and not image.topics.by_name and not image.configs.resources


def test_a_topic_created_again_under_its_name_is_another_topic() -> None:
    image = image_of(*topic_records("t", 1, [partition_record([1]), partition_record([1])]))
    delta = MetadataDelta(image)
    for record, _ in [(RemoveTopicRecord(topic_id=uuid(1)), 0), *topic_records("t", 2, [partition_record([1])])]:
        delta.replay(record)
    following = delta.apply(PROVENANCE)
    assert following.topics.by_name["t"].id == uuid(2) and list(following.topics.by_id) == [uuid(2)]
    topics = delta.topics_delta
    assert topics is not None and topics.topic_was_deleted("t")
    changes = topics.local_changes(1)
    assert set(changes.deletes) == {TopicPartition("t", 0), TopicPartition("t", 1)}
    assert set(changes.elected_leaders) == {TopicPartition("t", 0)}


def test_what_changed_for_one_broker() -> None:
    image = image_of(
        *cluster(1, 2, 3),
        *topic_records(
            "t",
            1,
            [partition_record([1, 2]), partition_record([2, 1]), partition_record([1, 2]), partition_record([3])],
        ),
    )
    delta = MetadataDelta(image)
    for change in (
        PartitionChangeRecord(topic_id=uuid(1), partition_id=0, isr=[1]),
        PartitionChangeRecord(topic_id=uuid(1), partition_id=1, leader=1),
        PartitionChangeRecord(
            topic_id=uuid(1), partition_id=2, replicas=[3, 2], directories=[uuid(103), uuid(102)], leader=2, isr=[2]
        ),
        PartitionChangeRecord(
            topic_id=uuid(1), partition_id=3, replicas=[3, 1], directories=[uuid(103), uuid(101)], isr=[3]
        ),
    ):
        delta.replay(change)
    assert delta.topics_delta is not None
    changes = delta.topics_delta.local_changes(1)
    assert set(changes.leaders) == {TopicPartition("t", 0), TopicPartition("t", 1)}
    assert set(changes.elected_leaders) == {TopicPartition("t", 1)}
    assert set(changes.followers) == {TopicPartition("t", 3)}
    assert set(changes.deletes) == {TopicPartition("t", 2)}
    assert changes.directory_ids == {TopicIdPartition(uuid(1), "t", 3): uuid(101)}


def test_a_snapshot_leaves_replicas_alone_that_did_not_change() -> None:
    image = image_of(*cluster(1), *topic_records("t", 1, [partition_record([1])]))
    delta = MetadataDelta(image)
    for record, _ in image_records(image):
        delta.replay(record)
    delta.finish_snapshot()
    assert delta.topics_delta is not None
    changes = delta.topics_delta.local_changes(1)
    assert not (changes.deletes or changes.leaders or changes.followers or changes.directory_ids)
    assert delta.apply(image.provenance) == image


def test_clearing_elrs_reaches_topics_of_the_image_and_of_the_delta() -> None:
    with_elr = partition_record([1, 2], isr=[1], elr=[2], last_known_elr=[1])
    image = image_of(*cluster(1, 2), *topic_records("a", 1, [with_elr]))
    other = partition_record([1, 2], isr=[1], elr=[2])
    following = replayed(image, [*topic_records("b", 2, [other]), (ClearElrRecord(), 0)])
    for name in ("a", "b"):
        partition = following.topics.by_name[name].partitions[0]
        assert (partition.elr, partition.last_known_elr, partition.partition_epoch) == ((), (), 1)
    with pytest.raises(ValueError, match="no topic named c"):
        replayed(image, [(ClearElrRecord(topic_name="c"), 0)])


def test_records_of_before_directories_had_ids() -> None:
    record = partition_record([1, 2, 3])
    record.topic_id, record.partition_id, record.directories = uuid(1), 0, []
    topic, _ = topic_records("t", 1, [])[0]
    image = replayed(
        EMPTY_IMAGE, [(FeatureLevelRecord(name=METADATA_VERSION, feature_level=7), 0), (topic, 0), (record, 0)]
    )
    assert image.topics.by_name["t"].partitions[0].directories == (uuid(-1000),) * 3
    written = list(image_records(image))
    assert apply(EMPTY_IMAGE, through_the_wire(written)) == apply(image, [])


@pytest.mark.parametrize(
    "record",
    [
        FenceBrokerRecord(id=9, epoch=1),
        FenceBrokerRecord(id=1, epoch=11),
        BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=10, fenced=2),
        BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=10, in_controlled_shutdown=-1),
        RemoveTopicRecord(topic_id=uuid(9)),
        PartitionChangeRecord(topic_id=uuid(9), partition_id=0),
        PartitionChangeRecord(topic_id=uuid(1), partition_id=5),
        PartitionChangeRecord(topic_id=uuid(1), partition_id=0, replicas=[1, 2], directories=[uuid(7)]),
        PartitionChangeRecord(topic_id=uuid(1), partition_id=0, leader_recovery_state=5),
        RemoveAccessControlEntryRecord(id=uuid(9)),
        BeginTransactionRecord(),
    ],
)
def test_what_does_not_fit_the_image_cannot_be_replayed(record: object) -> None:
    image = image_of(*cluster(1), *topic_records("t", 1, [partition_record([1])]))
    with pytest.raises(ValueError):
        MetadataDelta(image).replay(record)  # type: ignore[arg-type]


def test_an_empty_directory_list_in_a_registration_change_changes_nothing() -> None:
    image = image_of(broker_record(1, directories=[uuid(7), uuid(5)]))
    change = BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=10, fenced=1)
    broker = replayed(image, [(change, 0)]).cluster.brokers[1]
    assert broker.fenced and broker.directories == (uuid(5), uuid(7)) and broker.cordoned_directories is None


def test_unknown_configuration_is_dropped_at_replay() -> None:
    delta = MetadataDelta(EMPTY_IMAGE, lambda resource_type, name: name != "old.key")
    for name in ("old.key", "new.key"):
        delta.replay(config_record(ResourceType.TOPIC, "t", name, "1")[0])
    configs = delta.apply(PROVENANCE).configs
    assert configs.resources == {ConfigResource(ResourceType.TOPIC, "t"): {"new.key": "1"}}
