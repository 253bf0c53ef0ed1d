"""Partitions of several replicas in a cluster of real processes: what is acknowledged survives kill -9."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.cluster.test_quorum import DEADLINE_S, admin_of, alive
from tests.support.cluster import COMBINED, Cluster, ClusterNode, running_cluster, until
from tests.support.kafka_peer import run_java
from tests.support.librdkafka import group_consumer
from tests.support.workload import RecordedLoad, assert_nothing_lost_or_duplicated, read_values

PARTITIONS = 3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(Cluster(tmp_path, [COMBINED] * 3)) as running:
        until(lambda: alive(admin_of(*running.brokers)) == {1, 2, 3}, "all brokers are alive")
        yield running


def create(admin: AdminClient, name: str, partitions: int = PARTITIONS, **config: str) -> None:
    settings = {key.replace("_", "."): value for key, value in config.items()}
    admin.create_topics([NewTopic(name, partitions, 3, config=settings)])[name].result(DEADLINE_S)


def in_sync(admin: AdminClient, topic: str) -> list[set[int]]:
    found = admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions
    return [set(found[number].isrs) for number in sorted(found)]


def leader_of(cluster: Cluster, admin: AdminClient, topic: str, partition: int = 0) -> ClusterNode:
    return cluster.nodes[admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions[partition].leader]


def content(node: ClusterNode, topic: str, partition: int) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((node.data / f"{topic}-{partition}").glob("*.log")))


def assert_equal(cluster: Cluster, topic: str, partitions: int = PARTITIONS) -> None:
    for partition in range(partitions):
        contents = {content(node, topic, partition) for node in cluster.brokers}
        assert len(contents) == 1 and contents != {b""}, f"{topic}-{partition} differs: {sorted(map(len, contents))}"


def test_leaders_are_killed_under_load(cluster: Cluster) -> None:
    admin = admin_of(*cluster.brokers)
    create(admin, "t", min_insync_replicas="2")
    load = RecordedLoad(cluster.bootstrap, "t", PARTITIONS).start()
    for _ in range(2):
        before = len(load.acknowledged)
        until(lambda before=before: len(load.acknowledged) > before + 200, "records are acknowledged")  # type: ignore[misc]
        victim = leader_of(cluster, admin, "t")
        victim.kill()
        before = len(load.acknowledged)
        until(lambda before=before: len(load.acknowledged) > before + 200, "it goes on without")  # type: ignore[misc]
        victim.start()
        until(lambda: in_sync(admin, "t") == [{1, 2, 3}] * PARTITIONS, "all are in sync again")
    load.finish()
    until(lambda: in_sync(admin, "t") == [{1, 2, 3}] * PARTITIONS, "all are in sync")
    assert_nothing_lost_or_duplicated(load, read_values(cluster.bootstrap, "t", PARTITIONS))
    assert_equal(cluster, "t")


def test_too_few_in_sync_replicas(cluster: Cluster) -> None:
    admin = admin_of(*cluster.brokers)
    create(admin, "t", 1, min_insync_replicas="3")
    victim = next(node for node in cluster.brokers if node is not leader_of(cluster, admin, "t"))
    errors: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "message.timeout.ms": 60_000, "retries": 0})

    def write() -> KafkaError | None:
        producer.produce("t", b"x", on_delivery=lambda error, _: errors.append(error))
        assert producer.flush(DEADLINE_S) == 0
        return errors[-1]

    assert write() is None
    victim.kill()
    until(lambda: victim.id not in in_sync(admin, "t")[0], "the dead broker is out")
    error = write()
    assert error is not None and error.code() == KafkaError.NOT_ENOUGH_REPLICAS
    victim.start()
    until(lambda: in_sync(admin, "t") == [{1, 2, 3}], "it is back")
    assert write() is None
    assert_equal(cluster, "t", 1)


def test_a_partition_moves_to_another_broker_under_load(cluster: Cluster, tmp_path: Path) -> None:
    admin = admin_of(*cluster.brokers)
    topic = NewTopic("t", num_partitions=1, replica_assignment=[[1, 2]])
    admin.create_topics([topic])["t"].result(DEADLINE_S)
    load = RecordedLoad(cluster.bootstrap, "t", 1).start()
    until(lambda: len(load.acknowledged) > 200, "records are acknowledged")
    plan = tmp_path / "plan.json"
    partitions = [{"topic": "t", "partition": 0, "replicas": [3, 2]}]
    plan.write_text(json.dumps({"version": 1, "partitions": partitions}))
    flags = ["--bootstrap-server", cluster.bootstrap, "--reassignment-json-file", str(plan), "--execute"]
    done = run_java("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", flags)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    until(lambda: in_sync(admin, "t") == [{2, 3}], "it has moved")
    before = len(load.acknowledged)
    until(lambda: len(load.acknowledged) > before + 200, "it goes on there")
    load.finish()
    assert_nothing_lost_or_duplicated(load, read_values(cluster.bootstrap, "t", 1))
    assert content(cluster.nodes[2], "t", 0) == content(cluster.nodes[3], "t", 0) != b""
    assert not (cluster.nodes[1].data / "t-0").exists()


def test_a_group_goes_on_where_it_was(cluster: Cluster) -> None:
    admin = admin_of(*cluster.brokers)
    create(admin, "t", 1)
    load = RecordedLoad(cluster.bootstrap, "t", 1).start()
    until(lambda: len(load.acknowledged) > 100, "records are there")
    load.finish()
    consumer = group_consumer(cluster.bootstrap, "g")
    consumer.subscribe(["t"])
    read = [message.offset() or 0 for message in consumer.consume(50, DEADLINE_S)]
    assert len(read) == 50
    consumer.commit(asynchronous=False)
    consumer.close()
    until(lambda: in_sync(admin, "__consumer_offsets") == [{1, 2, 3}] * 3, "the offsets are everywhere")
    coordinator = admin.describe_consumer_groups(["g"])["g"].result(DEADLINE_S).coordinator
    cluster.nodes[coordinator.id].kill()
    again = group_consumer(cluster.bootstrap, "g")
    again.subscribe(["t"])
    (message,) = again.consume(1, DEADLINE_S)
    assert message.offset() == max(read) + 1
    again.close()
