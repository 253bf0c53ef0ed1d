"""The table of keys, the reading of .properties files and the checks between keys, beside Apache Kafka's own."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from config.checks import relation_problems
from config.definition import ConfigError, ConfigKey
from config.keys import BROKER_KEYS, CLIENT_METRICS_KEYS, GROUP_KEYS, TOPIC_KEYS
from config.node_config import NodeConfig
from config.properties import parse_properties
from tests.support.kafka_peer import compile_java, run_java

TABLES = {"broker": BROKER_KEYS, "topic": TOPIC_KEYS, "group": GROUP_KEYS, "client-metrics": CLIENT_METRICS_KEYS}

COMBINED = """
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
"""
CONTROLLER = """
process.roles=controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.voters=1@localhost:9093
listeners=CONTROLLER://localhost:9093
"""
BROKER = """
process.roles=broker
node.id=2
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://localhost:9092
"""

# Lines added to one of the files above; a key set twice has its last value.
VARIANTS = {
    COMBINED: [
        "",
        "node.id=",
        "broker.id=1",
        "broker.id=2",
        "process.roles=server",
        "process.roles=broker,controller,broker",
        "log.retention.ms=0",
        "log.retention.ms=-1",
        "log.retention.ms=-7",
        "log.retention.minutes=3",
        "log.retention.hours=5",
        "log.retention.hours=0",
        "log.roll.ms=0",
        "log.roll.hours=3",
        "log.roll.jitter.ms=-1",
        "log.flush.interval.ms=7",
        "log.flush.scheduler.interval.ms=9",
        "log.dir=/tmp/a,/tmp/b",
        "log.dir=/tmp/a\nlog.dirs=/tmp/b, /tmp/c",
        "log.dirs=",
        "log.dirs=/tmp/a,,/tmp/b",
        "replica.fetch.wait.max.ms=40000",
        "replica.fetch.wait.max.ms=30000",
        "group.consumer.session.timeout.ms=70000",
        "group.consumer.heartbeat.interval.ms=45000\ngroup.consumer.max.heartbeat.interval.ms=50000",
        "group.consumer.min.assignment.interval.ms=2000",
        "group.share.delivery.count.limit=2\ngroup.share.min.delivery.count.limit=3",
        "group.share.max.record.lock.duration.ms=30000\ngroup.share.record.lock.duration.ms=31000",
        "group.share.max.share.sessions=100",
        "group.share.assignors=a,b",
        "group.streams.num.standby.replicas=3",
        "group.coordinator.rebalance.protocols=consumer",
        "group.coordinator.rebalance.protocols=classic,other",
        "queued.max.request.bytes=100",
        "queued.max.request.bytes=104857600",
        "max.connections.per.ip=0",
        "max.connections.per.ip=0\nmax.connections.per.ip.overrides=127.0.0.1:5",
        "max.connections.per.ip.overrides=127.0.0.1:x",
        "connections.max.idle.ms=100",
        "connections.max.idle.ms=101",
        "connections.max.idle.ms=-1",
        "cordoned.log.dirs=/elsewhere",
        "cordoned.log.dirs=*",
        "cordoned.log.dirs=*,/tmp/kafka-logs",
        "cordoned.log.dirs=/tmp/kafka-logs",
        "log.cleaner.threads=1000",
        "log.cleaner.threads=0",
        "log.cleanup.policy=compact,delete",
        "log.cleanup.policy=",
        "log.cleanup.policy=remove",
        "compression.type=lz4",
        "compression.type=none",
        "compression.gzip.level=0",
        "compression.gzip.level=-1",
        "compression.zstd.level=22",
        "log.cleaner.min.cleanable.ratio=0.1f",
        "log.cleaner.min.cleanable.ratio=2",
        "log.segment.bytes=1000000",
        "num.partitions=+3",
        "num.partitions=3.0",
        "num.partitions=0x3",
        "auto.create.topics.enable=TRUE ",
        "auto.create.topics.enable=yes",
        "offsets.topic.replication.factor=40000",
        "listeners=localhost:9092",
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
        "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093",
        "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093\nadvertised.listeners=PLAINTEXT://h:1",
        "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9092",
        "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://[::1]:9092",
        "listeners=PLAINTEXT://localhost:0,CONTROLLER://localhost:0",
        "listeners=PLAINTEXT://a:1,PLAINTEXT://b:2,CONTROLLER://:9093",
        "listeners=plaintext://a:1,CONTROLLER://:9093",
        "listeners=OTHER://a:1,CONTROLLER://:9093",
        "listeners=PLAINTEXT://a:1",
        "listeners=CONTROLLER://:9093",
        "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
        "advertised.listeners=PLAINTEXT://h:1,CONTROLLER://h:2",
        "advertised.listeners=CONTROLLER://0.0.0.0:9093,PLAINTEXT://h:1",
        "advertised.listeners=SSL://h:1",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listener.security.protocol.map=PLAINTEXT:NONE,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name=INTERNAL",
        "inter.broker.listener.name=PLAINTEXT",
        "inter.broker.listener.name=plaintext",
        "inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
        "early.start.listeners=CONTROLLER",
        "early.start.listeners=LATE",
        "controller.quorum.bootstrap.servers=",
        "controller.quorum.bootstrap.servers=localhost",
        "controller.quorum.bootstrap.servers=[::1]:9093,host:1",
        "controller.quorum.voters=1@localhost:9093",
        "controller.quorum.voters=2@localhost:9093",
        "controller.quorum.voters=1:9093",
        "controller.quorum.voters=1@localhost",
        "controller.listener.names=CONTROLLER,PLAINTEXT",
        "controller.listener.names=",
        "broker.heartbeat.interval.ms=9000",
        "transaction.state.log.min.isr=0",
        "share.coordinator.append.linger.ms=-2",
        "no.such.key=1",
        "# comment \\\n!\nbroker.rack : a\\\n   b\\u00e4\\t\\:c",
        "broker.rack=\\u00zz",
        "broker.rack\\ with=\\= x\\",
    ],
    CONTROLLER: [
        "",
        "controller.quorum.voters=",
        "controller.quorum.voters=7@localhost:9093",
        "listeners=CONTROLLER://:1,OTHER://:2\nlistener.security.protocol.map=OTHER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners=PLAINTEXT://:1",
        "inter.broker.listener.name=CONTROLLER",
        "listeners=CONTROLLER://0.0.0.0:9093",
        "controller.quorum.auto.join.enable=true",
    ],
    BROKER: [
        "",
        "controller.quorum.voters=2@localhost:9093",
        "controller.quorum.voters=1@localhost:9093",
        "controller.quorum.bootstrap.servers=",
        "listeners=PLAINTEXT://:1,CONTROLLER://:2",
        "controller.quorum.auto.join.enable=true",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT",
        "cordoned.log.dirs=/elsewhere",
    ],
}

TEXTS = [file + lines + "\n" for file, variants in VARIANTS.items() for lines in variants]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = Path(__file__).with_name("ConfigFacts.java")
    return compile_java([source], tmp_path_factory.mktemp("classes"))


def test_the_table_is_that_of_apache_kafka(classes: Path) -> None:
    done = run_java("ConfigFacts", ["table"], classes=classes)
    assert done.returncode == 0, done.stderr.decode()
    compared = 0
    for line in done.stdout.decode().splitlines():
        table, name, *theirs, is_internal = line.split("\t")
        key = TABLES[table].get(name)
        if key is None:
            assert is_internal == "true", f"{name} is missing"
            continue
        assert facts_of(key, theirs[2]) == theirs, name
        assert key.internal == (is_internal == "true"), name
        compared += 1
    assert compared >= 340 + 33 + 17 + 3


def facts_of(key: ConfigKey, their_validator: str) -> list[str]:
    default = "null" if key.default_text is None else key.default_text
    # That a list must not be empty is something that Apache Kafka checks and does not say.
    allows = "" if key.allows == "not empty" else key.allows
    if "$" in their_validator or "@" in their_validator:
        allows = their_validator  # a validator without words
    return [key.type.name, default, allows, key.importance, key.update_mode.value]


def test_files_are_judged_as_apache_kafka_judges_them(classes: Path) -> None:
    stdin = "\n".join(base64.b64encode(text.encode("latin-1")).decode() for text in TEXTS)
    done = run_java("ConfigFacts", ["judge"], classes=classes, stdin=stdin.encode())
    assert done.returncode == 0, done.stderr.decode()
    theirs = done.stdout.decode().splitlines()
    assert len(theirs) == len(TEXTS)
    differences = [
        f"{text}  theirs: {their[:300]}\n  ours: {our[:300]}"
        for text, their in zip(TEXTS, theirs, strict=True)
        if not same(our := judge(text), their)
    ]
    assert not differences, "\n".join(differences)


def same(our: str, their: str) -> bool:
    return our == their or (our.startswith("refused") and their.startswith("refused"))


def judge(text: str) -> str:
    try:
        entries = {entry.key: entry.value for entry in parse_properties(text)}
        config = NodeConfig(entries)
        problems = relation_problems(config)
    except ConfigError as error:
        return f"refused\t{error}"
    if problems:
        return f"refused\t{problems}"
    fields = [
        "ok",
        f"[{', '.join(config.log_dirs)}]",
        str(config.log_retention_ms),
        str(config.log_roll_ms),
        str(config.log_flush_interval_ms),
        config.inter_broker_listener_name,
        *(f"{quoted(key)}={quoted(value)}" for key, value in sorted(entries.items())),
    ]
    return "\t".join(fields)


def quoted(text: str) -> str:
    return base64.b64encode(text.encode("utf-16-be")).decode()
