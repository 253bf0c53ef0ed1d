"""What the log tells of changes in the metadata."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from broker.metadata.delta import MetadataDelta
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, ResourceType
from broker.metadata.publishers import LoaderManifest
from broker.metadata_news import MetadataNews
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import PartitionRecord, RemoveTopicRecord, TopicRecord
from protocol.schema import Message
from tests.support.controller import uuid

NOT_COMPACTED = "compaction is not served yet: old values stay, and the log grows"


class Teller:
    """A publisher that has heard of the first image, and what the log says of what comes then."""

    def __init__(self, caplog: pytest.LogCaptureFixture, first: Sequence[Message] = ()) -> None:
        caplog.set_level(logging.INFO, "broker.metadata_news")
        self._caplog = caplog
        self._news = MetadataNews()
        self._image: MetadataImage = EMPTY_IMAGE
        self.first = self.tell(*first)

    def tell(self, *records: Message) -> list[str]:
        delta = MetadataDelta(self._image)
        for record in records:
            delta.replay(record)
        self._image = delta.apply(self._image.provenance)
        self._caplog.clear()
        self._news.on_metadata(delta, self._image, LoaderManifest(False))
        return list(self._caplog.messages)


def topic(number: int, name: str, partitions: int = 1) -> list[Message]:
    return [TopicRecord(name=name, topic_id=uuid(number)), *(partition(number, index) for index in range(partitions))]


def partition(number: int, index: int) -> PartitionRecord:
    return PartitionRecord(partition_id=index, topic_id=uuid(number), replicas=[1], isr=[1], leader=1)


def config(kind: int, name: str, key: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=kind, resource_name=name, name=key, value=value)


def policy(name: str, value: str) -> ConfigRecord:
    return config(ResourceType.TOPIC, name, "cleanup.policy", value)


def test_topics_come_grow_and_go(caplog: pytest.LogCaptureFixture) -> None:
    teller = Teller(caplog)
    assert teller.tell(*topic(1, "t", 3)) == ["topic t is created, with 3 partition(s)"]
    assert teller.tell(partition(1, 3)) == ["topic t now has 4 partitions"]
    assert teller.tell(RemoveTopicRecord(topic_id=uuid(1))) == ["topic t is deleted"]


def test_many_at_once_get_one_line(caplog: pytest.LogCaptureFixture) -> None:
    teller = Teller(caplog)
    names = [f"t{number}" for number in range(1, 2001)]
    made = [
        record for number, name in enumerate(names, 1) for record in [*topic(number, name, 2), policy(name, "delete")]
    ]
    assert teller.tell(*made) == [
        "2000 topics are created, with 4000 partitions: t1, t2, t3, t4, t5 and 1995 more",
        "configurations of 2000 resources changed: topic t1, topic t2, topic t3, topic t4, topic t5 and 1995 more",
    ]
    assert teller.tell(*(RemoveTopicRecord(topic_id=uuid(number)) for number in range(1, 2001))) == [
        "2000 topics are deleted: t1, t2, t3, t4, t5 and 1995 more"
    ]


def test_configurations_are_told_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    teller = Teller(caplog)
    assert teller.tell(
        config(ResourceType.BROKER, "1", "ssl.key.password", "abc"),
        config(ResourceType.BROKER, "1", "unheard.of", "def"),
        config(ResourceType.BROKER, "", "num.io.threads", "9"),
    ) == [
        "configuration of broker 1 changed: ssl.key.password (hidden), unheard.of (hidden)",
        "configuration of all brokers changed: num.io.threads=9",
    ]
    assert teller.tell(config(ResourceType.BROKER, "", "num.io.threads", None)) == [
        "configuration of all brokers changed: num.io.threads removed"
    ]


def test_all_that_can_be_told_is_told(caplog: pytest.LogCaptureFixture) -> None:
    teller = Teller(caplog)
    assert teller.tell(
        config(ResourceType.BROKER, "", "leader.replication.throttled.rate", "9"),
        config(ResourceType.CLIENT_METRICS, "m", "interval.ms", "1000"),
    ) == [
        "configuration of all brokers changed: leader.replication.throttled.rate=9",
        "configuration of client metrics m changed: interval.ms=1000",
    ]


def test_compaction_that_is_asked_for_is_told_to_be_missing(caplog: pytest.LogCaptureFixture) -> None:
    internal = "__consumer_offsets"
    first = [*topic(1, "old"), policy("old", "compact"), *topic(2, internal), policy(internal, "compact")]
    teller = Teller(caplog, first)
    assert teller.first == [f"cleanup.policy=compact of old: {NOT_COMPACTED}"]
    assert f"cleanup.policy=compact of new: {NOT_COMPACTED}" in teller.tell(*topic(3, "new"), policy("new", "compact"))
    assert teller.tell(policy("new", "compact,delete")) == [
        "configuration of topic new changed: cleanup.policy=compact,delete"
    ]
    assert f"log.cleanup.policy of all brokers: {NOT_COMPACTED}" in teller.tell(
        config(ResourceType.BROKER, "", "log.cleanup.policy", "compact")
    )
