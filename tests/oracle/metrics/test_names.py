"""Apache Kafka with the JMX exporter, and a node of ours, after the same work: the same names, labels and counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from broker.metrics.table import METRICS
from tests.support.apache_kafka import ApacheKafka, free_ports
from tests.support.jmx_exporter import jmx_exporter
from tests.support.metrics_page import PageSample, samples_of, scrape
from tests.support.node import running_node

RULES = Path(__file__).parent / "rules.yml"
DEADLINE_S = 60.0
RECORDS = 12
MAX_MESSAGE_BYTES = 2000

FAR_AHEAD_MS = 10 * 365 * 24 * 60 * 60 * 1000
"""Later than message.timestamp.after.max.ms allows."""


class WatchedKafka(ApacheKafka):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (self.metrics_port,) = free_ports(1)
        self._agent = jmx_exporter()
        self._is_formatted = False

    def format(self, *flags: str) -> None:
        super().format(*flags)
        self._is_formatted = True

    def _java(self) -> list[str]:
        java, *rest = super()._java()
        agent = f"-javaagent:{self._agent}=127.0.0.1:{self.metrics_port}:{RULES}"
        return [java, agent, *rest] if self._is_formatted else [java, *rest]


def work(bootstrap: str) -> Consumer:
    """One record a batch, one that is too large, one with a time that is refused, a group that reads all and stays."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = NewTopic("orders", 2, 1, config={"max.message.bytes": str(MAX_MESSAGE_BYTES)})
    admin.create_topics([topic])["orders"].result(DEADLINE_S)
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": False})
    for number in range(RECORDS):
        producer.produce("orders", b"x" * 100, partition=number % 2)
        assert producer.flush(DEADLINE_S) == 0
    failures: list[int] = []

    def failed(error: KafkaError | None, _: object) -> None:
        assert error is not None
        failures.append(error.code())

    producer.produce("orders", b"x" * 2 * MAX_MESSAGE_BYTES, partition=0, callback=failed)
    assert producer.flush(DEADLINE_S) == 0
    ahead_ms = int(time.time() * 1000) + FAR_AHEAD_MS
    producer.produce("orders", b"x", partition=0, timestamp=ahead_ms, callback=failed)
    assert producer.flush(DEADLINE_S) == 0
    assert failures == [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_TIMESTAMP]
    settings = {"bootstrap.servers": bootstrap, "group.id": "shop", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe(["orders"])
    for _ in range(RECORDS):
        message = consumer.poll(DEADLINE_S)
        assert message is not None and message.error() is None
    return consumer


def page_of(port: int) -> list[PageSample]:
    return samples_of(scrape(port))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[PageSample], list[PageSample]]]:
    """(Apache Kafka's, ours)"""
    directory = tmp_path_factory.mktemp("metrics")
    kafka = WatchedKafka(directory / "kafka")
    kafka.format()
    with running_node(directory / "ours") as ours:
        try:
            kafka.start()
            consumers = [work(kafka.bootstrap), work(ours.bootstrap)]
            time.sleep(2.0)  # Apache Kafka counts what it sends when it has sent it.
            yield page_of(kafka.metrics_port), page_of(ours.metrics_port)
            for consumer in consumers:
                consumer.close()
        finally:
            kafka.kill()


UNPROVOKED = "kafka_server_brokertopicmetrics_failedfetchrequests_total"
"""Apache Kafka shows it for a topic once there is something to count."""


def test_names_and_labels_are_those_that_the_exporter_shows(
    pages: tuple[list[PageSample], list[PageSample]],
) -> None:
    theirs: dict[str, set[tuple[str, ...]]] = {}
    for each in pages[0]:
        theirs.setdefault(each.name, set()).add(tuple(sorted(each.labels)))
    ours = [metric for metric in METRICS.values() if metric.origin not in ("Barnabas", "customary", "kafka_exporter")]
    assert len(ours) > 80
    assert [metric.name for metric in ours if metric.name not in theirs] == []
    for metric in ours:
        labels = theirs[metric.name]
        assert () in labels or not metric.all_topics, metric.name
        if metric.name != UNPROVOKED:
            assert tuple(sorted(metric.labels)) in labels, (metric.name, labels)


COUNTS = [
    ("kafka_server_brokertopicmetrics_messagesin_total", {"topic": "orders"}),
    ("kafka_server_brokertopicmetrics_bytesin_total", {"topic": "orders"}),
    ("kafka_server_brokertopicmetrics_bytesout_total", {"topic": "orders"}),
    ("kafka_server_brokertopicmetrics_bytesrejected_total", {"topic": "orders"}),
    ("kafka_server_brokertopicmetrics_totalproducerequests_total", {"topic": "orders"}),
    ("kafka_server_brokertopicmetrics_failedproducerequests_total", {"topic": "orders"}),
    ("kafka_network_requestmetrics_requests_total", {"request": "Produce"}),
    ("kafka_network_requestmetrics_errors_total", {"request": "Produce", "error": "NONE"}),
    ("kafka_network_requestmetrics_errors_total", {"request": "Produce", "error": "MESSAGE_TOO_LARGE"}),
    ("kafka_network_requestmetrics_errors_total", {"request": "Produce", "error": "INVALID_TIMESTAMP"}),
    ("kafka_network_requestmetrics_totaltimems_count", {"request": "Produce"}),
    ("kafka_network_requestmetrics_localtimems_count", {"request": "Produce"}),
    ("kafka_network_requestmetrics_requestqueuetimems_count", {"request": "Produce"}),
    ("kafka_log_log_size", {"topic": "orders"}),
    ("kafka_log_log_logendoffset", {"topic": "orders"}),
    ("kafka_log_log_numlogsegments", {"topic": "orders"}),
    ("kafka_cluster_partition_replicascount", {"topic": "orders"}),
    ("kafka_cluster_partition_insyncreplicascount", {"topic": "orders"}),
    ("kafka_cluster_partition_atminisr", {"topic": "orders"}),
    ("kafka_server_replicamanager_partitioncount", {}),
    ("kafka_server_replicamanager_leadercount", {}),
    ("kafka_server_replicamanager_atminisrpartitioncount", {}),
    ("kafka_controller_kafkacontroller_activecontrollercount", {}),
    ("kafka_controller_kafkacontroller_globaltopiccount", {}),
    ("kafka_controller_kafkacontroller_globalpartitioncount", {}),
    ("kafka_server_kafkaserver_brokerstate", {}),
    ("kafka_server_raftmetrics_current_state", {"current_state": "leader"}),
    ("kafka_server_raftmetrics_current_vote", {}),
    ("kafka_server_raftmetrics_current_leader", {}),
]


@pytest.mark.parametrize(("name", "labels"), COUNTS, ids=[f"{name} {labels}" for name, labels in COUNTS])
def test_counts_are_the_same_after_the_same_work(
    pages: tuple[list[PageSample], list[PageSample]], name: str, labels: dict[str, str]
) -> None:
    theirs, ours = (
        sorted(each.value for each in page if each.name == name and labels.items() <= each.labels.items())
        for page in pages
    )
    assert ours == theirs != []
