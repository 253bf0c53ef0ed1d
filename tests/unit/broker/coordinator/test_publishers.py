"""What coordinators are told of new metadata, and when."""

from __future__ import annotations

from broker.coordinator.publishers import Elections, GroupTopics, Resignations
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, MetadataProvenance
from broker.metadata.publishers import LoaderManifest
from protocol.ids import Uuid
from protocol.metadata.topics import PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord
from protocol.schema import Message

TOPIC = "__consumer_offsets"
TOPIC_ID, OTHER_ID = Uuid(b"t" * 16), Uuid(b"o" * 16)
OWN, OTHER = 1, 2
MANIFEST = LoaderManifest(is_snapshot=False)


class Told:
    """A coordinator that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.image: MetadataImage = EMPTY_IMAGE
        self._before = Resignations(OWN, TOPIC, self)
        self._topics = GroupTopics(self, lambda: 50)
        self._after = Elections(OWN, TOPIC, self)

    def startup(self, partitions: int) -> None:
        self.heard.append(("startup", partitions))

    def on_election(self, partition: int, leader_epoch: int) -> None:
        self.heard.append(("elected", partition, leader_epoch))

    def on_resignation(self, partition: int, leader_epoch: int | None) -> None:
        self.heard.append(("resigned", partition, leader_epoch))

    def on_topics_deleted(self, topics: object) -> None:
        self.heard.append(("deleted", topics))

    def publish(self, *records: Message) -> list[object]:
        delta = MetadataDelta(self.image)
        for record in records:
            delta.replay(record)
        image = delta.apply(MetadataProvenance(1, 1, 0, True))
        self.heard.clear()
        self._before.on_metadata(delta, image, MANIFEST)
        self.heard.append("replicas")
        self._topics.on_metadata(delta, image, MANIFEST)
        self._after.on_metadata(delta, image, MANIFEST)
        self.image = image
        return list(self.heard)


def topic(name: str, topic_id: Uuid, *leaders: int) -> list[Message]:
    return [
        TopicRecord(name=name, topic_id=topic_id),
        *(
            PartitionRecord(
                partition_id=index,
                topic_id=topic_id,
                replicas=[OWN, OTHER],
                isr=[OWN, OTHER],
                leader=leader,
                leader_epoch=7,
                partition_epoch=0,
            )
            for index, leader in enumerate(leaders)
        ),
    ]


def led_by(leader: int, partition: int = 0) -> PartitionChangeRecord:
    return PartitionChangeRecord(partition_id=partition, topic_id=TOPIC_ID, leader=leader)


def test_startup_comes_first_with_the_count_that_is_there() -> None:
    told = Told()
    assert told.publish() == ["replicas", ("startup", 50)]
    assert told.publish() == ["replicas"]
    assert told.publish(*topic(TOPIC, TOPIC_ID, OWN)) == ["replicas", ("startup", 1), ("elected", 0, 7)]
    more = PartitionRecord(partition_id=1, topic_id=TOPIC_ID, replicas=[OTHER], isr=[OTHER], leader=OTHER)
    assert told.publish(more) == ["replicas"], "which groups are where stays as it was"
    told = Told()
    assert told.publish(*topic(TOPIC, TOPIC_ID, OWN, OTHER, OWN)) == [
        ("resigned", 1, 7),  # of what it never led; the coordinator knows nothing of it
        "replicas",
        ("startup", 3),
        ("elected", 0, 7),
        ("elected", 2, 7),
    ]


def test_resigning_comes_before_the_replicas_and_electing_after_them() -> None:
    told = Told()
    told.publish(*topic(TOPIC, TOPIC_ID, OWN, OTHER))
    assert told.publish(led_by(OTHER, 0), led_by(OWN, 1)) == [("resigned", 0, 8), "replicas", ("elected", 1, 8)]
    assert told.publish(led_by(-1, 1)) == [("resigned", 1, 9), "replicas"]
    assert told.publish(led_by(OWN, 1)) == ["replicas", ("elected", 1, 10)]


def test_changes_that_are_no_election_are_none() -> None:
    told = Told()
    told.publish(*topic(TOPIC, TOPIC_ID, OWN))
    change = PartitionChangeRecord(partition_id=0, topic_id=TOPIC_ID, isr=[OWN])
    assert told.publish(change) == ["replicas"]


def test_losing_the_replica_and_losing_the_topic() -> None:
    told = Told()
    told.publish(*topic(TOPIC, TOPIC_ID, OWN, OWN))
    moved = PartitionChangeRecord(partition_id=0, topic_id=TOPIC_ID, replicas=[OTHER], isr=[OTHER], leader=OTHER)
    assert told.publish(moved) == [("resigned", 0, None), "replicas"]
    removed = told.publish(RemoveTopicRecord(topic_id=TOPIC_ID))
    assert removed == [
        ("resigned", 0, None),
        ("resigned", 1, None),
        "replicas",
        ("deleted", [(TOPIC, TOPIC_ID)]),
    ]


def test_other_topics_are_nobodys_business_until_they_are_deleted() -> None:
    told = Told()
    told.publish()
    assert told.publish(*topic("other", OTHER_ID, OWN)) == ["replicas"]
    assert told.publish(RemoveTopicRecord(topic_id=OTHER_ID)) == ["replicas", ("deleted", [("other", OTHER_ID)])]
    created_again = told.publish(*topic("other", TOPIC_ID, OWN))
    assert created_again == ["replicas"]
