"""The page of a real node after real work: every row of the table is on it, and its numbers are what was done."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from broker.metrics.table import METRICS
from tests.support.metrics_page import PageSample, samples_of, scrape
from tests.support.node import BarnabasNode, running_node

DEADLINE_S = 60.0
RECORDS = 60


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BarnabasNode, Consumer]]:
    """A node with a topic of three partitions, and a member of a group that has read two thirds of it."""
    with running_node(tmp_path_factory.mktemp("metrics"), {"log.flush.interval.messages": "5"}) as node:
        admin = AdminClient({"bootstrap.servers": node.bootstrap})
        admin.create_topics([NewTopic("orders", 3, 1)])["orders"].result(DEADLINE_S)
        producer = Producer({"bootstrap.servers": node.bootstrap})
        for number in range(RECORDS):
            producer.produce("orders", b"x" * 100, partition=number % 3)
        assert producer.flush(DEADLINE_S) == 0
        consumer = Consumer(
            {
                "bootstrap.servers": node.bootstrap,
                "group.id": "shop",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe(["orders"])
        seen = 0
        while seen < RECORDS:
            message = consumer.poll(DEADLINE_S)
            assert message is not None and message.error() is None
            seen += 1
            offset = message.offset()
            assert offset is not None
            if offset < RECORDS // 3 * 2 // 3:
                consumer.commit(message=message, asynchronous=False)
        yield node, consumer
        consumer.close()


def page(node: BarnabasNode) -> list[PageSample]:
    return samples_of(scrape(node.metrics_port))


def values(samples: list[PageSample], name: str, **labels: str) -> list[float]:
    return [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]


def test_every_row_of_the_table_is_on_the_page_with_its_type_and_labels(
    worked: tuple[BarnabasNode, Consumer],
) -> None:
    node, _ = worked
    labels: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    types: dict[str, str] = {}
    deadline = time.monotonic() + DEADLINE_S
    while set(METRICS) - set(types) and time.monotonic() < deadline:
        for each in page(node):
            name = each.family + "_total" if each.type == "counter" else each.family
            types[name] = "untyped" if each.type == "unknown" else each.type
            labels[name].add(tuple(sorted(label for label in each.labels if label != "le")))
        time.sleep(0.1)
    assert sorted(set(METRICS) - set(types)) == [], "these are never told"
    assert sorted(set(types) - set(METRICS)) == [], "these are in no row"
    for metric in METRICS.values():
        assert types[metric.name] == metric.type, metric.name
        expected = {tuple(sorted(metric.labels))}
        assert labels[metric.name] == (expected | {()} if metric.all_topics else expected), metric.name


def test_topics_and_their_partitions(worked: tuple[BarnabasNode, Consumer]) -> None:
    node, _ = worked
    samples = page(node)
    topics = "kafka_server_brokertopicmetrics_"
    assert values(samples, f"{topics}messagesin_total", topic="orders") == [RECORDS]
    (bytes_in,) = values(samples, f"{topics}bytesin_total", topic="orders")
    assert bytes_in > RECORDS * 100
    assert values(samples, f"{topics}bytesout_total", topic="orders") == [bytes_in], "read once, as it was written"
    assert sum(values(samples, "kafka_log_log_size", topic="orders")) == bytes_in
    assert values(samples, "kafka_log_log_logendoffset", topic="orders") == [RECORDS / 3] * 3
    assert values(samples, "kafka_topic_partition_current_offset", topic="orders") == [RECORDS / 3] * 3
    assert values(samples, "kafka_topic_partitions", topic="orders") == [3]
    all_topics = [each for each in samples if each.name == f"{topics}messagesin_total"]
    total = sum(each.value for each in all_topics if each.labels)
    assert [each.value for each in all_topics if not each.labels] == [total]


def test_the_lag_of_a_group(worked: tuple[BarnabasNode, Consumer]) -> None:
    node, _ = worked
    samples = page(node)
    of_group = {"consumergroup": "shop", "topic": "orders"}
    committed = RECORDS // 3 * 2 // 3
    assert values(samples, "kafka_consumergroup_current_offset", **of_group) == [committed] * 3
    assert values(samples, "kafka_consumergroup_lag", **of_group) == [RECORDS // 3 - committed] * 3
    assert values(samples, "kafka_consumergroup_lag_sum", **of_group) == [RECORDS - 3 * committed]
    assert values(samples, "kafka_consumergroup_current_offset_sum", **of_group) == [3 * committed]
    assert values(samples, "kafka_consumergroup_members", consumergroup="shop") == [1]
    assert values(samples, "kafka_coordinator_group_groupmetadatamanager_numgroupsstable") == [1]


def test_requests_and_errors(worked: tuple[BarnabasNode, Consumer]) -> None:
    node, _ = worked
    before = page(node)
    admin = AdminClient({"bootstrap.servers": node.bootstrap})
    for _ in range(3):
        with pytest.raises(KafkaException):
            admin.delete_topics(["not-there"])["not-there"].result(DEADLINE_S)
    after = page(node)

    def grown(name: str, **labels: str) -> float:
        return sum(values(after, name, **labels)) - sum(values(before, name, **labels))

    assert grown("kafka_network_requestmetrics_requests_total", request="DeleteTopics") == 3
    assert grown("kafka_network_requestmetrics_errors_total", request="DeleteTopics") == 3
    unknown = {"request": "DeleteTopics", "error": "UNKNOWN_TOPIC_OR_PARTITION"}
    assert grown("kafka_network_requestmetrics_errors_total", **unknown) == 3
    assert grown("kafka_network_requestmetrics_totaltimems_count", request="DeleteTopics") == 3
    assert grown("barnabas_request_duration_seconds_count", request="DeleteTopics") == 3
    assert grown("barnabas_request_duration_seconds_bucket", request="DeleteTopics", le="+Inf") == 3
    assert grown("barnabas_request_exceptions_total") == 0
    fetches = sum(values(after, "kafka_network_requestmetrics_requests_total", request="Fetch"))
    consumers = sum(values(after, "kafka_network_requestmetrics_requests_total", request="FetchConsumer"))
    assert fetches == consumers > 0, "nobody follows"


def test_the_process_and_its_connections(worked: tuple[BarnabasNode, Consumer]) -> None:
    node, _ = worked
    samples = page(node)
    (started_s,) = values(samples, "process_start_time_seconds")
    assert 0 < time.time() - started_s < 3600
    assert values(samples, "process_resident_memory_bytes")[0] > 10_000_000
    assert values(samples, "process_open_fds")[0] > 10
    software = {"clientSoftwareName": "confluent-kafka-python", "listener": "PLAINTEXT"}
    connections = "kafka_server_socket_server_metrics_"
    assert sum(values(samples, f"{connections}connections_software", **software)) > 0
    (opened,) = values(samples, f"{connections}connection_creation_total", listener="PLAINTEXT")
    (closed,) = values(samples, f"{connections}connection_close_total", listener="PLAINTEXT")
    assert values(samples, f"{connections}connection_count", listener="PLAINTEXT") == [opened - closed]
    assert 0 <= values(samples, "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent")[0] <= 1


def test_a_topic_that_is_deleted_leaves_the_page_and_stays_in_the_total(tmp_path: Path) -> None:
    with running_node(tmp_path / "node") as node:
        producer = Producer({"bootstrap.servers": node.bootstrap})
        for _ in range(7):
            producer.produce("gone", b"x")
        assert producer.flush(DEADLINE_S) == 0
        admin = AdminClient({"bootstrap.servers": node.bootstrap})
        admin.delete_topics(["gone"])["gone"].result(DEADLINE_S)
        samples = page(node)
        assert [each for each in samples if each.labels.get("topic") == "gone"] == []
        assert values(samples, "kafka_server_brokertopicmetrics_messagesin_total") == [7]
