"""A real Prometheus scrapes a node under load: every query of our dashboard and alerts finds what it asks for, and so
do those of dashboards that are customary for Apache Kafka.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from broker.metrics.table import METRICS
from tests.support.metrics_page import scrape
from tests.support.node import ROOT, BarnabasNode, running_node
from tests.support.prometheus import Prometheus, prometheus_of, promtool

OPS = ROOT / "ops"
ALERTS = OPS / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((OPS / "grafana" / "dashboards" / "barnabas.json").read_text())
DEADLINE_S = 90.0
TOPICS = ("orders", "payments")
GROUP = "shop"

# What Grafana fills in.
VARIABLES = {
    "$__rate_interval": "10s",
    "$job": ".*",
    "$instance": ".*",
    "$topic": ".*",
    "$consumergroup": ".*",
}

STRIMZI_KAFKA = [
    "count(kafka_server_replicamanager_leadercount)",
    "sum(kafka_controller_kafkacontroller_activecontrollercount)",
    "sum(irate(kafka_controller_controllerstats_uncleanleaderelections_total[5m]))",
    "sum(kafka_server_replicamanager_partitioncount)",
    "sum(kafka_server_replicamanager_underreplicatedpartitions)",
    "sum(kafka_cluster_partition_atminisr)",
    "sum(kafka_cluster_partition_underminisr)",
    "sum(kafka_controller_kafkacontroller_offlinepartitionscount)",
    "sum(kafka_cluster_partition_replicascount)",
    "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
    "sum(process_open_fds)",
    'sum(irate(kafka_server_brokertopicmetrics_messagesin_total{topic!=""}[5m]))',
    'sum(irate(kafka_server_brokertopicmetrics_bytesin_total{topic=~".+",topic!=""}[5m]))',
    'sum(irate(kafka_server_brokertopicmetrics_bytesout_total{topic=~".+",topic!=""}[5m]))',
    'sum(irate(kafka_server_brokertopicmetrics_totalproducerequests_total{topic!=""}[5m]))',
    'sum(irate(kafka_server_brokertopicmetrics_failedproducerequests_total{topic!=""}[5m]))',
    'sum(irate(kafka_server_brokertopicmetrics_totalfetchrequests_total{topic!=""}[5m]))',
    'sum(irate(kafka_server_brokertopicmetrics_failedfetchrequests_total{topic!=""}[5m]))',
    "kafka_network_socketserver_networkprocessoravgidle_percent * 100",
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent * 100",
    "sum(kafka_server_kafkaserver_linux_disk_write_bytes)",
    "sum(kafka_server_kafkaserver_linux_disk_read_bytes)",
    "sum by (listener) (kafka_server_socket_server_metrics_connection_count)",
    "sum by (listener) (kafka_server_socket_server_metrics_connection_creation_rate)",
    'topk(5, sum by (topic) (kafka_log_log_size{topic=~".+"}))',
]
STRIMZI_KRAFT = [
    'kafka_server_raftmetrics_current_state{current_state="leader"}',
    "max(kafka_server_raftmetrics_current_leader)",
    "max(kafka_server_raftmetrics_current_epoch)",
    "max(kafka_server_raftmetrics_high_watermark)",
    "kafka_server_raftmetrics_log_end_offset",
    "kafka_server_raftmetrics_append_records_rate",
    "kafka_server_brokermetadatametrics_last_applied_record_lag_ms",
    "sum(kafka_controller_kafkacontroller_activebrokercount)",
    "sum(kafka_controller_kafkacontroller_fencedbrokercount)",
    "sum(kafka_controller_kafkacontroller_globaltopiccount)",
    "sum(kafka_controller_kafkacontroller_globalpartitioncount)",
    "sum(kafka_controller_kafkacontroller_metadataerrorcount)",
]
# Grafana's board 7589, "Kafka Exporter Overview", and what its exporter's own rules ask.
KAFKA_EXPORTER = [
    'sum(rate(kafka_topic_partition_current_offset{topic!~"__consumer_offsets|--kafka"}[1m])) by (topic)',
    'sum(kafka_consumergroup_lag{topic=~".+"}) by (consumergroup, topic)',
    'sum(delta(kafka_topic_partition_current_offset{topic=~".+"}[5m])/5) by (topic)',
    'sum(delta(kafka_consumergroup_current_offset{topic=~".+"}[5m])/5) by (consumergroup, topic)',
    'sum by(topic) (kafka_topic_partitions{topic=~".+"})',
    "kafka_brokers",
    "kafka_broker_info",
    "sum(kafka_consumergroup_lag_sum) by (consumergroup)",
    "sum(kafka_consumergroup_current_offset_sum) by (consumergroup)",
    "kafka_consumergroup_members",
    "kafka_topic_partition_oldest_offset",
    "kafka_topic_partition_in_sync_replica < kafka_topic_partition_replicas or kafka_topic_partition_leader >= 0",
    "kafka_topic_partition_leader_is_preferred == 1",
]
# Boards that break latency down, such as Confluent's for the JMX exporter.
REQUESTS = [
    'kafka_network_requestmetrics_totaltimems{request="Produce", quantile="0.99"}',
    'kafka_network_requestmetrics_totaltimems{request="FetchConsumer", quantile="0.50"}',
    'kafka_network_requestmetrics_requestqueuetimems{request="Produce", quantile="0.95"}',
    'kafka_network_requestmetrics_localtimems{request="Produce", quantile="0.999"}',
    'kafka_network_requestmetrics_remotetimems{request="Fetch", quantile="0.99"}',
    'rate(kafka_network_requestmetrics_totaltimems_count{request="Fetch"}[1m])',
    'sum(rate(kafka_network_requestmetrics_requests_total{request="Produce"}[1m])) by (version)',
    "sum(rate(kafka_network_requestmetrics_errors_total[1m])) by (error)",
    'kafka_server_delayedoperationpurgatory_purgatorysize{delayedOperation="Fetch"}',
    "kafka_log_logflushstats_logflushrateandtimems_count",
]


class Load:
    """Produces, consumes, changes metadata and asks for what is not there, until it is told to stop."""

    def __init__(self, node: BarnabasNode) -> None:
        self._node = node
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._produce, self._consume, self._change)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _produce(self) -> None:
        producer = Producer({"bootstrap.servers": self._node.bootstrap, "linger.ms": 5})
        while not self._stop.wait(0.02):
            for topic in TOPICS:
                producer.produce(topic, b"x" * 200)
            producer.poll(0)
        producer.flush()

    def _consume(self) -> None:
        settings = {
            "bootstrap.servers": self._node.bootstrap,
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            "auto.commit.interval.ms": 500,
        }
        consumer = Consumer(settings)
        consumer.subscribe(list(TOPICS))
        while not self._stop.is_set():
            consumer.poll(0.1)
        consumer.close()

    def _change(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._node.bootstrap})
        for retention_ms in itertools.count(86_400_000):
            if self._stop.wait(0.5):
                break
            setting = ConfigEntry("retention.ms", str(retention_ms), incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ResourceType.TOPIC, TOPICS[0], incremental_configs=[setting])
            asked = (
                *admin.delete_topics(["not-there"]).values(),
                *admin.incremental_alter_configs([resource]).values(),
            )
            for future in asked:
                future.exception()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, BarnabasNode]]:
    directory = tmp_path_factory.mktemp("prometheus")
    with (
        running_node(directory / "node", {"log.flush.interval.messages": "20"}) as node,
        prometheus_of(node.metrics_port, directory, ALERTS) as prometheus,
        Load(node),
    ):
        yield prometheus, node


def answered(prometheus: Prometheus, expression: str) -> bool:
    """Whether the query finds a number, sooner or later."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if any(value == value for _, value in prometheus.query(expression)):  # NaN is no answer
            return True
        time.sleep(0.2)
    return False


def panels() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            assert "$" not in expression, expression
            found.append((panel["title"], expression))
    return found


def test_every_panel_of_the_dashboard_has_data(watched: tuple[Prometheus, BarnabasNode]) -> None:
    prometheus, _ = watched
    assert len(panels()) > 40
    assert [panel for panel in panels() if not answered(prometheus, panel[1])] == []


def test_every_variable_of_the_dashboard_has_values(watched: tuple[Prometheus, BarnabasNode]) -> None:
    prometheus, _ = watched
    variables = [each for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    assert len(variables) == 4
    for variable in variables:
        series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        series = series.replace("$job", ".*")
        assert answered(prometheus, series)
        assert prometheus.api(f"label/{label}/values", **{"match[]": series}), variable


@pytest.mark.parametrize("queries", [STRIMZI_KAFKA, STRIMZI_KRAFT, KAFKA_EXPORTER, REQUESTS])
def test_queries_of_customary_dashboards(watched: tuple[Prometheus, BarnabasNode], queries: list[str]) -> None:
    prometheus, _ = watched
    assert [query for query in queries if not answered(prometheus, query)] == []


def test_alerts_are_silent_while_all_is_well_and_ask_for_what_is_there(
    watched: tuple[Prometheus, BarnabasNode],
) -> None:
    prometheus, _ = watched
    rules: list[dict[str, Any]] = []
    deadline = time.monotonic() + DEADLINE_S
    while not rules or (any(rule["health"] != "ok" for rule in rules) and time.monotonic() < deadline):
        time.sleep(0.2)
        rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    # Nothing was measured for ten minutes yet, and how full and fast this machine is, is not the node's affair.
    of_the_host = {"NoMessageForTooLong", "KafkaRunningOutOfSpace", "EventLoopLag", "TooLargeConsumerGroupLag"}
    firing = {alert["labels"]["alertname"] for alert in prometheus.api("alerts")["alerts"]}
    assert firing <= of_the_host
    for rule in rules:
        names = set(re.findall(r"\b(?:kafka|barnabas|process)_\w+|\bup\b", rule["query"]))
        assert names, rule["query"]
        assert [name for name in names if not answered(prometheus, name)] == [], rule["query"]


def test_what_the_page_says_is_so(watched: tuple[Prometheus, BarnabasNode]) -> None:
    prometheus, node = watched
    total = 'sum(kafka_server_brokertopicmetrics_messagesin_total{topic=~"orders|payments"})'
    offsets = 'sum(kafka_topic_partition_current_offset{topic=~"orders|payments"})'
    ends = 'sum(kafka_log_log_logendoffset{topic=~"orders|payments"})'
    assert answered(prometheus, f"{total} > 100")
    # One scrape sees all of them at one moment of the node, or nearly so.
    assert answered(prometheus, f"abs({total} - {offsets}) <= 4")
    assert answered(prometheus, f"abs({ends} - {offsets}) <= 4")
    members = prometheus.query(f'kafka_consumergroup_members{{consumergroup="{GROUP}"}}')
    assert [value for _, value in members] == [1.0]
    assert prometheus.query("kafka_broker_info")[0][0]["address"] == node.bootstrap
    software = prometheus.query("kafka_server_socket_server_metrics_connections_software")
    assert {labels["clientSoftwareName"] for labels, _ in software} == {"confluent-kafka-python"}


def test_promtool_accepts_the_page(watched: tuple[Prometheus, BarnabasNode]) -> None:
    """It can be read; what it objects to beyond that is about names that are Kafka's."""
    _, node = watched
    done = promtool("check", "metrics", stdin=scrape(node.metrics_port))
    assert done.returncode in (0, 3), done.stderr  # 3: nothing but style
    objections = [line.split(" ", 1) for line in (done.stdout + done.stderr).splitlines()]
    ours = [each for each in objections if each[0] in METRICS and METRICS[each[0]].origin in ("Barnabas", "customary")]
    assert [each for each in ours if "camelCase" not in each[1]] == []
    assert all(each[0] in METRICS for each in objections), objections


def test_promtool_accepts_the_alerts(tmp_path: Path) -> None:
    for arguments in (
        ("check", "rules", str(ALERTS)),
        ("test", "rules", str(OPS / "prometheus" / "alerts-test.yml")),
        ("check", "config", str(OPS / "prometheus" / "prometheus.yml")),
    ):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    tested = (OPS / "prometheus" / "alerts-test.yml").read_text()
    for alert in alerts:
        assert len(re.findall(rf"alertname: {alert}\b", tested)) == 2, "once silent, once not"
        assert re.search(rf"alertname: {alert}\n +exp_alerts:", tested), alert
