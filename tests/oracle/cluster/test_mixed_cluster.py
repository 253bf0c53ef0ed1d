"""Brokers of both kinds in one cluster, under a controller of either: Apache Kafka holds us to what nodes ask."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from broker.metadata.features import FEATURES
from tests.support.apache_kafka import CLUSTER_ID, free_ports
from tests.support.cluster import BROKER, CONTROLLER, Cluster, ClusterNode, running_cluster, until
from tests.support.kafka_peer import java_command, run_java

KAFKA_ID = 11
DEADLINE_S = 60.0
RECORDS = 100


class KafkaNode:
    """A node of Apache Kafka with one role, and one listener for it."""

    def __init__(self, directory: Path, role: str, controllers: str, extra: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.role = role
        [self.port] = free_ports(1)
        self.controllers = controllers or self.address
        self.extra = dict(extra or {})
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def properties_file(self) -> Path:
        return self.directory / "server.properties"

    def format(self, *flags: str) -> None:
        name = "PLAINTEXT" if self.role == BROKER else "CONTROLLER"
        settings = {
            "process.roles": self.role,
            "node.id": str(KAFKA_ID),
            "listeners": f"{name}://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "controller.quorum.bootstrap.servers": self.controllers,
            "log.dirs": str(self.directory / "data"),
            **self.extra,
        }
        self.directory.mkdir(parents=True)
        self.properties_file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        line = ["format", "-t", CLUSTER_ID, "-c", str(self.properties_file), *flags]
        done = run_java("kafka.tools.StorageTool", line)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

    def start(self) -> None:
        with (self.directory / "kafka.log").open("ab") as log:
            self.process = subprocess.Popen(
                java_command("kafka.Kafka", [str(self.properties_file)], heap="384m"),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running(kafka: KafkaNode, *flags: str) -> Iterator[KafkaNode]:
    kafka.format(*flags)
    kafka.start()
    try:
        yield kafka
    finally:
        kafka.kill()


def admin_of(address: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": address, "log_level": 2})


def alive(admin: AdminClient) -> set[int]:
    return set(admin.list_topics(timeout=DEADLINE_S).brokers)


def in_sync(admin: AdminClient, topic: str) -> tuple[int, set[int]]:
    """The leader of the topic's one partition, and who is in sync; nobody where the topic is not known yet."""
    partition = admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions.get(0)
    return (-1, set()) if partition is None else (partition.leader, set(partition.isrs))


def create(admin: AdminClient, name: str, replicas: list[int]) -> None:
    """One partition, on these brokers."""
    topic = NewTopic(name, num_partitions=1, replica_assignment=[replicas])
    admin.create_topics([topic], request_timeout=DEADLINE_S)[name].result(DEADLINE_S)


def produce(address: str, topic: str, first: int) -> None:
    """With acks=all; returns when all are acknowledged."""
    producer = Producer({"bootstrap.servers": address, "acks": "all", "message.timeout.ms": 60_000, "log_level": 2})
    errors: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(error)

    for number in range(first, first + RECORDS):
        producer.produce(topic, str(number), on_delivery=on_delivery)
    assert producer.flush(DEADLINE_S) == 0 and errors == []


def consume(address: str, topic: str, count: int) -> list[int]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused", "log_level": 2})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[int] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            value = message.value()
            assert isinstance(value, bytes)
            found.append(int(value))
    consumer.close()
    return found


def test_a_broker_of_kafka_under_our_controller(tmp_path: Path) -> None:
    """It registers, forwards, follows and leads; and leaves and rejoins the in-sync replicas of what we lead."""
    with running_cluster(Cluster(tmp_path / "ours", [CONTROLLER, BROKER])) as cluster:
        ours = cluster.nodes[2]
        kafka = KafkaNode(tmp_path / "kafka", BROKER, cluster.bootstrap_controllers)
        with running(kafka):
            admin, theirs = admin_of(ours.bootstrap), admin_of(kafka.address)
            until(lambda: alive(admin) == {2, KAFKA_ID}, "Kafka's broker is alive")
            create(theirs, "we-lead", [2, KAFKA_ID])
            create(admin, "kafka-leads", [KAFKA_ID])
            until(lambda: in_sync(theirs, "kafka-leads")[0] == KAFKA_ID, "Kafka leads")
            for topic in ("we-lead", "kafka-leads"):
                produce(kafka.address, topic, 0)
            kafka.kill()
            until(lambda: in_sync(admin, "we-lead") == (2, {2}), "the dead broker is not in sync")
            produce(ours.bootstrap, "we-lead", RECORDS)
            kafka.start()
            until(lambda: in_sync(admin, "we-lead") == (2, {2, KAFKA_ID}), "it has caught up and is in sync")
            produce(ours.bootstrap, "we-lead", 2 * RECORDS)
            ours.stop()
            until(lambda: in_sync(theirs, "we-lead") == (KAFKA_ID, {KAFKA_ID}), "Kafka's broker has taken over")
            assert consume(kafka.address, "we-lead", 3 * RECORDS) == list(range(3 * RECORDS))
            assert consume(kafka.address, "kafka-leads", RECORDS) == list(range(RECORDS))


def test_our_broker_under_a_controller_of_kafka(tmp_path: Path) -> None:
    """Registration, heartbeats, forwarding in envelopes, blocks of producer ids, controlled shutdown."""
    kafka = KafkaNode(tmp_path / "kafka", CONTROLLER, "")
    levels = [f"--feature={name}=0" for name, feature in FEATURES.items() if feature.served == 0]
    with running(kafka, "--standalone", *levels):
        cluster = Cluster(tmp_path / "ours", [BROKER, BROKER], {"controller.quorum.bootstrap.servers": kafka.address})
        with running_cluster(cluster):
            first, second = cluster.brokers
            admin = admin_of(first.bootstrap)
            until(lambda: alive(admin) == {1, 2}, "both are alive")
            create(admin, "first", [1])
            create(admin_of(second.bootstrap), "second", [2])
            for topic in ("first", "second"):
                produce_idempotently(first, topic)
                assert consume(second.bootstrap, topic, RECORDS) == list(range(RECORDS))
            second.stop()
            until(lambda: alive(admin) == {1}, "it has said farewell")
            second.start()
            until(lambda: alive(admin) == {1, 2}, "it is back")
            assert consume(first.bootstrap, "second", RECORDS) == list(range(RECORDS))


def produce_idempotently(node: ClusterNode, topic: str) -> None:
    producer = Producer({"bootstrap.servers": node.bootstrap, "enable.idempotence": True, "log_level": 2})
    for number in range(RECORDS):
        producer.produce(topic, str(number))
    assert producer.flush(DEADLINE_S) == 0


def test_we_follow_a_broker_of_kafka_and_it_follows_us(tmp_path: Path) -> None:
    """Both ways round, with whoever leads killed: nothing acknowledged is lost, and both hold the same bytes."""
    # A consumer that finds no coordinator would be long about closing.
    properties = {"offsets.topic.replication.factor": "1"}
    with running_cluster(Cluster(tmp_path / "ours", [CONTROLLER, BROKER], properties)) as cluster:
        ours = cluster.nodes[2]
        kafka = KafkaNode(tmp_path / "kafka", BROKER, cluster.bootstrap_controllers)
        with running(kafka):
            admin, theirs = admin_of(ours.bootstrap), admin_of(kafka.address)
            until(lambda: alive(admin) == {2, KAFKA_ID}, "Kafka's broker is alive")
            create(admin, "t", [KAFKA_ID, 2])
            until(lambda: in_sync(theirs, "t") == (KAFKA_ID, {2, KAFKA_ID}), "Kafka leads")
            produce(kafka.address, "t", 0)
            ours.kill()
            until(lambda: in_sync(theirs, "t") == (KAFKA_ID, {KAFKA_ID}), "our dead broker is not in sync")
            produce(kafka.address, "t", RECORDS)
            ours.start()
            until(lambda: in_sync(theirs, "t") == (KAFKA_ID, {2, KAFKA_ID}), "ours has caught up")
            produce(kafka.address, "t", 2 * RECORDS)
            kafka.kill()
            until(lambda: in_sync(admin, "t") == (2, {2}), "ours has taken over")
            produce(ours.bootstrap, "t", 3 * RECORDS)
            kafka.start()
            until(lambda: in_sync(admin, "t") == (2, {2, KAFKA_ID}), "Kafka's has caught up")
            produce(ours.bootstrap, "t", 4 * RECORDS)
            assert consume(ours.bootstrap, "t", 5 * RECORDS) == list(range(5 * RECORDS))
            theirs_on_disk = (tmp_path / "kafka" / "data" / "t-0" / f"{0:020}.log").read_bytes()
            assert theirs_on_disk == (ours.data / "t-0" / f"{0:020}.log").read_bytes()
