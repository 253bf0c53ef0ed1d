"""confluent-kafka (librdkafka): producer, group consumer and admin client."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    OffsetSpec,
    ResourceType,
)

from tests.support.librdkafka import DEADLINE_S, Settings, admin, create_topic, group_consumer, produce, produced
from tests.support.node import BarnabasNode


def consume(consumer: Consumer, count: int) -> list[bytes]:
    values: list[bytes] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(values) < count:
        assert time.monotonic() < deadline, f"{len(values)} of {count}"
        for message in consumer.consume(count - len(values), timeout=1):
            assert message.error() is None, message.error()
            values.append(produced(message).value)
    return values


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_idempotent_produce_and_group_consume(node: BarnabasNode, unique: Callable[[str], str], codec: str) -> None:
    topic = unique("t")
    create_topic(node.bootstrap, topic, 4)
    values = [f"value {i}".encode() for i in range(3000)]
    landed = produce(node.bootstrap, topic, values, {"enable.idempotence": True, "compression.type": codec})
    assert sorted(landed) == sorted(values)
    consumer = group_consumer(node.bootstrap, unique("g"))
    consumer.subscribe([topic])
    try:
        assert sorted(consume(consumer, len(values))) == sorted(values)
        consumer.commit(asynchronous=False)
        positions = consumer.committed([TopicPartition(topic, p) for p in range(4)], timeout=DEADLINE_S)
        assert sum(each.offset for each in positions) == len(values)
    finally:
        consumer.close()


def test_two_members_share_the_partitions_and_the_second_takes_over(
    node: BarnabasNode, unique: Callable[[str], str]
) -> None:
    topic, group = unique("t"), unique("g")
    create_topic(node.bootstrap, topic, 4)
    first, second = group_consumer(node.bootstrap, group), group_consumer(node.bootstrap, group)
    try:
        first.subscribe([topic])
        second.subscribe([topic])
        deadline = time.monotonic() + DEADLINE_S
        while {len(first.assignment()), len(second.assignment())} != {2}:
            assert time.monotonic() < deadline
            first.poll(0.1)
            second.poll(0.1)
        first.close()
        while len(second.assignment()) != 4:
            assert time.monotonic() < deadline
            second.poll(0.1)
        values = [f"{i}".encode() for i in range(400)]
        produce(node.bootstrap, topic, values)
        assert sorted(consume(second, 400)) == sorted(values)
    finally:
        second.close()


def test_static_member_keeps_its_partitions_over_a_restart(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic, group = unique("t"), unique("g")
    create_topic(node.bootstrap, topic, 2)
    settings: Settings = {"group.instance.id": "one", "session.timeout.ms": 30000}
    member_ids = []
    for _ in range(2):
        consumer = group_consumer(node.bootstrap, group, settings)
        consumer.subscribe([topic])
        deadline = time.monotonic() + DEADLINE_S
        while len(consumer.assignment()) != 2:
            assert time.monotonic() < deadline
            consumer.poll(0.1)
        member_ids.append(consumer.memberid())
        consumer.close()
    client = admin(node.bootstrap)
    described = client.describe_consumer_groups([group])[group].result(DEADLINE_S)
    assert [member.group_instance_id for member in described.members] == ["one"]
    assert member_ids[0] != member_ids[1]


def test_admin_topics_partitions_and_configs(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    client, topic = admin(node.bootstrap), unique("t")
    create_topic(node.bootstrap, topic, 2, {"retention.ms": "3600000"})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    config = client.describe_configs([resource])[resource].result(DEADLINE_S)
    assert config["retention.ms"].value == "3600000"
    assert not config["retention.ms"].is_default
    assert config["segment.bytes"].is_default
    change = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(change)
    client.incremental_alter_configs([resource])[resource].result(DEADLINE_S)
    with pytest.raises(AssertionError, match="MSG_SIZE_TOO_LARGE"):
        produce(node.bootstrap, topic, [b"x" * 5000])
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(DEADLINE_S)
    assert len(client.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions) == 5
    with pytest.raises(KafkaException, match="TOPIC_ALREADY_EXISTS"):
        create_topic(node.bootstrap, topic)
    client.delete_topics([topic])[topic].result(DEADLINE_S)
    assert topic not in client.list_topics(timeout=DEADLINE_S).topics


def test_list_offsets(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic = unique("t")
    create_topic(node.bootstrap, topic)
    before = int(time.time() * 1000)
    produce(node.bootstrap, topic, [b"a", b"b", b"c"])
    client, partition = admin(node.bootstrap), TopicPartition(topic, 0)
    for spec, offset in [
        (OffsetSpec.earliest(), 0),
        (OffsetSpec.latest(), 3),
        (OffsetSpec.for_timestamp(before - 1000), 0),
        (OffsetSpec.for_timestamp(before + 3_600_000), -1),
    ]:
        listed = client.list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)
        assert listed[partition].result(DEADLINE_S).offset == offset
    maximum = client.list_offsets({partition: OffsetSpec.max_timestamp()})[partition].result(DEADLINE_S)
    assert 0 <= maximum.offset <= 2


def test_groups_are_listed_described_and_deleted(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic, group = unique("t"), unique("g")
    create_topic(node.bootstrap, topic)
    produce(node.bootstrap, topic, [b"a"])
    client = admin(node.bootstrap)
    consumer = group_consumer(node.bootstrap, group)
    consumer.subscribe([topic])
    assert consume(consumer, 1) == [b"a"]
    consumer.commit(asynchronous=False)
    with pytest.raises(KafkaException, match="NON_EMPTY_GROUP"):
        client.delete_consumer_groups([group])[group].result(DEADLINE_S)
    described = client.describe_consumer_groups([group])[group].result(DEADLINE_S)
    assert described.state.name == "STABLE"
    assert described.members[0].assignment.topic_partitions == [TopicPartition(topic, 0)]
    consumer.close()
    listed = client.list_consumer_groups().result(DEADLINE_S)
    assert group in [each.group_id for each in listed.valid]
    client.delete_consumer_groups([group])[group].result(DEADLINE_S)
    assert group not in [each.group_id for each in client.list_consumer_groups().result(DEADLINE_S).valid]


def test_seek_and_reread(node: BarnabasNode, unique: Callable[[str], str]) -> None:
    topic = unique("t")
    produce(node.bootstrap, topic, [b"a", b"b", b"c"])
    consumer = group_consumer(node.bootstrap, unique("g"))
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        assert consume(consumer, 3) == [b"a", b"b", b"c"]
        consumer.seek(TopicPartition(topic, 0, 1))
        assert consume(consumer, 2) == [b"b", b"c"]
        assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=DEADLINE_S) == (0, 3)
    finally:
        consumer.close()
