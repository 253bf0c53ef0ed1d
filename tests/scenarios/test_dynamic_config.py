"""Every key that works and can change at run time is changed at run time, over the wire, and the running node shows it.

A key of topics is set in three ways: on the topic, on the broker, and as the default of all brokers. What a single node
cannot show is listed in `NOT_SHOWN`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.definition import Effect
from config.dynamic import TOPIC_SYNONYMS
from config.keys import BROKER_KEYS, TOPIC_KEYS
from protocol.records.batch import iter_batches
from tests.conformance.client import Client, Closed
from tests.conformance.records import batch
from tests.support.apache_kafka import free_ports
from tests.support.node import BarnabasNode, running_node

DEADLINE_S = 60.0
TOPIC, BROKER = 2, 4
SET, DELETE = 0, 1
MESSAGE_TOO_LARGE, INVALID_TIMESTAMP, OUT_OF_ORDER, INVALID_RECORD = 10, 32, 45, 87
GZIP, LZ4, ZSTD = 1, 3, 4

NOT_SHOWN = {
    "internal.segment.bytes": "as segment.bytes, for tests",
    "min.insync.replicas": "a partition of one replica never needs more than one: tests/unit/broker/replication",
    "num.replica.fetchers": "one node fetches from nobody: tests/unit/broker/replication/test_fetchers.py",
    "num.recovery.threads.per.data.dir": "how many logs are recovered at once shows in time alone",
    "unclean.leader.election.enable": "needs a replica that is out of sync: tests/unit/broker/controller",
}

PROPERTIES = {
    "log.initial.task.delay.ms": "0",
    "log.retention.check.interval.ms": "100",
    "log.flush.offset.checkpoint.interval.ms": "100",
    "producer.id.expiration.check.interval.ms": "100",
    # Not at the same time the effect of another key: batches here may be of any time, and nothing is deleted.
    "log.retention.ms": "-1",
}


class Topic:
    """A topic of a running node, and what a client or a look at its directory tells of it."""

    def __init__(self, client: Client, data: Path, name: str, topic_id: bytes) -> None:
        self.client = client
        self.name = name
        self.id = topic_id
        self.timestamp = 0
        self.directory = next(data.glob(f"**/{name}-0"))

    def set(self, key: str, value: str) -> None:
        alter(self.client, TOPIC, self.name, (key, SET, value))

    def produce(self, records: bytes, acks: int = -1) -> dict[str, Any]:
        data = [{"index": 0, "records": records}]
        answer = self.client.quietly(
            "Produce",
            acks=acks,
            timeout_ms=10000,
            topic_data=[{"name": self.name, "topic_id": self.id, "partition_data": data}],
        )
        partition: dict[str, Any] = answer["responses"][0]["partition_responses"][0]
        return partition

    def error(self, records: bytes) -> int:
        code = self.produce(records)["error_code"]
        assert isinstance(code, int)
        return code

    def stored(self, offset: int) -> Any:
        asked = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 24}
        answer = self.client.quietly(
            "Fetch", max_wait_ms=0, max_bytes=1 << 24, topics=[{"topic_id": self.id, "partitions": [asked]}]
        )
        return next(iter_batches(memoryview(answer["responses"][0]["partitions"][0]["records"])))

    def offset(self, timestamp: int) -> int:
        asked = {"partition_index": 0, "timestamp": timestamp}
        answer = self.client.quietly("ListOffsets", replica_id=-1, topics=[{"name": self.name, "partitions": [asked]}])
        offset = answer["topics"][0]["partitions"][0]["offset"]
        assert isinstance(offset, int)
        return offset

    def segments(self) -> int:
        return len(list(self.directory.glob("*.log")))

    def recovery_point(self) -> int:
        for line in (self.directory.parent / "recovery-point-offset-checkpoint").read_text().splitlines()[2:]:
            name, partition, offset = line.split()
            if (name, partition) == (self.name, "0"):
                return int(offset)
        return 0


def alter(client: Client, kind: int, name: str, *changes: tuple[str, int, str | None]) -> None:
    configs = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in changes]
    resource = {"resource_type": kind, "resource_name": name, "configs": configs}
    (answer,) = client.quietly("IncrementalAlterConfigs", resources=[resource])["responses"]
    assert answer["error_code"] == 0, answer


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "nothing of it shows"
        time.sleep(0.02)


def now_ms() -> int:
    return int(time.time() * 1000)


Change = Callable[[], None]
"""Sets the key to the value that the check is about."""


def refuses_large_batches(topic: Topic, change: Change) -> None:
    assert topic.error(batch(b"x" * 5000)) == 0
    change()
    assert topic.error(batch(b"x" * 5000)) == MESSAGE_TOO_LARGE


def compresses(topic: Topic, change: Change) -> None:
    assert topic.stored(topic.produce(batch(b"v"))["base_offset"]).attributes & 7 == 0
    change()
    assert topic.stored(topic.produce(batch(b"v"))["base_offset"]).attributes & 7 == GZIP


def compresses_more(codec: str) -> Callable[[Topic, Change], None]:
    values = batch(*(b"%d" % (number * number) for number in range(5000)))

    def check(topic: Topic, change: Change) -> None:
        topic.set("compression.type", codec)
        before = topic.stored(topic.produce(values)["base_offset"]).batch_length
        change()
        after = topic.stored(topic.produce(values)["base_offset"]).batch_length
        assert after < before

    return check


def rolls_at_a_size(topic: Topic, change: Change) -> None:
    for _ in range(2):
        assert topic.error(batch(b"x" * 600_000)) == 0
    assert topic.segments() == 1
    change()
    assert topic.error(batch(b"x" * 600_000)) == 0
    assert topic.segments() == 2


def rolls_with_age(topic: Topic, change: Change) -> None:
    for timestamp in (1000, 5000):
        assert topic.error(batch(b"v", timestamp=timestamp)) == 0
    assert topic.segments() == 1
    change()
    assert topic.error(batch(b"v", timestamp=5000)) == 0
    assert topic.segments() == 2


def rolls_earlier_than_with_age(topic: Topic, change: Change) -> None:
    """Each new segment draws by how much: with a bound of an hour, not the least is one in millions."""
    change()
    topic.set("segment.ms", "3600000")
    for timestamp in (0, 3_600_001):  # the second is the first of a segment that was made after the change
        assert topic.error(batch(b"v", timestamp=timestamp)) == 0
    before = topic.segments()
    assert topic.error(batch(b"v", timestamp=3_600_001 + 3_599_999)) == 0
    assert topic.segments() == before + 1


def begin_segment(topic: Topic) -> None:
    """What is said of indexes holds for segments begun afterwards."""
    topic.set("segment.ms", "1")
    before = topic.segments()
    for _ in range(2):
        topic.timestamp += 5000
        assert topic.error(batch(b"v", timestamp=topic.timestamp)) == 0
    assert topic.segments() > before
    topic.set("segment.ms", "604800000")


def fills_an_index(topic: Topic) -> bool:
    before = topic.segments()
    for _ in range(10):
        assert topic.error(batch(b"v" * 100, timestamp=topic.timestamp)) == 0
    return topic.segments() > before


def rolls_when_the_index_is_full(topic: Topic, change: Change) -> None:
    topic.set("index.interval.bytes", "0")
    begin_segment(topic)
    assert not fills_an_index(topic)
    change()
    begin_segment(topic)
    assert fills_an_index(topic)


def indexes_every_batch(topic: Topic, change: Change) -> None:
    topic.set("segment.index.bytes", "48")
    begin_segment(topic)
    assert not fills_an_index(topic)
    change()
    begin_segment(topic)
    assert fills_an_index(topic)


def reaches_the_disk(topic: Topic, change: Change) -> None:
    assert topic.error(batch(b"v")) == 0
    time.sleep(0.3)  # checkpoints are written every 0.1 s
    assert topic.recovery_point() == 0
    change()
    assert topic.error(batch(b"v")) == 0
    until(lambda: topic.recovery_point() == 2)


def deletes_what_is_old(topic: Topic, change: Change) -> None:
    assert topic.error(batch(b"v", timestamp=1000)) == 0
    time.sleep(0.3)  # old segments are looked for every 0.1 s
    assert topic.offset(-2) == 0
    change()
    until(lambda: topic.offset(-2) == 1)


def deletes_what_is_too_much(topic: Topic, change: Change) -> None:
    topic.set("segment.ms", "1")
    for timestamp in (1000, 2000, 3000):
        assert topic.error(batch(b"v", timestamp=timestamp)) == 0
    time.sleep(0.3)
    assert topic.offset(-2) == 0
    change()
    until(lambda: topic.offset(-2) > 0)


def removes_files_at_once(topic: Topic, change: Change) -> None:
    change()
    assert topic.error(batch(b"v", timestamp=1000)) == 0
    topic.set("retention.ms", "1")
    until(lambda: topic.offset(-2) == 1)
    until(lambda: not list(topic.directory.glob("*.deleted")))  # a minute later, were it not for the change


def wants_keys(topic: Topic, change: Change) -> None:
    assert topic.error(batch(b"v", key=None)) == 0
    change()
    assert topic.error(batch(b"v", key=None)) == INVALID_RECORD


def stamps(topic: Topic, change: Change) -> None:
    assert topic.produce(batch(b"v"))["log_append_time_ms"] == -1
    change()
    assert topic.produce(batch(b"v"))["log_append_time_ms"] > 0


def refuses_the_past(topic: Topic, change: Change) -> None:
    assert topic.error(batch(b"v", timestamp=1000)) == 0
    change()
    assert topic.error(batch(b"v", timestamp=1000)) == INVALID_TIMESTAMP


def refuses_the_future(topic: Topic, change: Change) -> None:
    assert topic.error(batch(b"v", timestamp=now_ms() + 600_000)) == 0
    change()
    assert topic.error(batch(b"v", timestamp=now_ms() + 600_000)) == INVALID_TIMESTAMP


OF_TOPICS: dict[str, tuple[str, Callable[[Topic, Change], None]]] = {
    "cleanup.policy": ("compact", wants_keys),
    "compression.gzip.level": ("9", compresses_more("gzip")),
    "compression.lz4.level": ("17", compresses_more("lz4")),
    "compression.type": ("gzip", compresses),
    "compression.zstd.level": ("19", compresses_more("zstd")),
    "file.delete.delay.ms": ("0", removes_files_at_once),
    "flush.messages": ("1", reaches_the_disk),
    "flush.ms": ("1", reaches_the_disk),
    "index.interval.bytes": ("0", indexes_every_batch),
    "max.message.bytes": ("1000", refuses_large_batches),
    "message.timestamp.after.max.ms": ("1000", refuses_the_future),
    "message.timestamp.before.max.ms": ("1000", refuses_the_past),
    "message.timestamp.type": ("LogAppendTime", stamps),
    "retention.bytes": ("1", deletes_what_is_too_much),
    "retention.ms": ("1", deletes_what_is_old),
    "segment.bytes": ("1048576", rolls_at_a_size),
    "segment.index.bytes": ("48", rolls_when_the_index_is_full),
    "segment.jitter.ms": ("3600000", rolls_earlier_than_with_age),
    "segment.ms": ("1000", rolls_with_age),
}

# What the key has before, where the default would be no other than the new value, or too near.
BEFORE = {"compression.gzip.level": "1", "compression.lz4.level": "1", "compression.zstd.level": "-5"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BarnabasNode]:
    with running_node(tmp_path_factory.mktemp("dynamic"), PROPERTIES) as running:
        yield running


@pytest.fixture
def client(node: BarnabasNode, request: pytest.FixtureRequest) -> Iterator[Client]:
    made = Client(node.port, request.node.name)
    yield made
    for name in ("1", ""):
        resource: dict[str, Any] = {"resource_type": BROKER, "resource_name": name, "configs": []}
        made.quietly("AlterConfigs", resources=[resource])
    made.close()


@pytest.mark.parametrize("where", ["topic", "broker", "all brokers"])
@pytest.mark.parametrize("key", OF_TOPICS)
def test_keys_of_topics(node: BarnabasNode, client: Client, key: str, where: str) -> None:
    value, check = OF_TOPICS[key]
    topic = Topic(client, node.data, *client.create())
    kind, name = {"topic": (TOPIC, topic.name), "broker": (BROKER, "1"), "all brokers": (BROKER, "")}[where]
    name_there = key if where == "topic" else TOPIC_SYNONYMS[key][0].name
    if key in BEFORE:
        alter(client, kind, name, (name_there, SET, BEFORE[key]))
    check(topic, lambda: alter(client, kind, name, (name_there, SET, value)))


def test_a_silent_producer_is_forgotten_after_producer_id_expiration_ms(node: BarnabasNode, client: Client) -> None:
    topic = Topic(client, node.data, *client.create())
    ids = client.quietly("InitProducerId", transactional_id=None, transaction_timeout_ms=1000)
    identity = {"producer_id": ids["producer_id"], "producer_epoch": ids["producer_epoch"]}
    # Silence is counted from the last batch's own timestamp.
    assert topic.error(batch(b"v", timestamp=int(time.time() * 1000), base_sequence=0, **identity)) == 0
    assert topic.error(batch(b"v", base_sequence=7, **identity)) == OUT_OF_ORDER
    alter(client, BROKER, "1", ("producer.id.expiration.ms", SET, "1"))
    until(lambda: topic.error(batch(b"v", base_sequence=7, **identity)) == 0)


def is_served(port: int, *, within_s: float = 10.0) -> bool:
    """Whether a new connection is answered."""
    probe = Client(port, "probe")
    try:
        connection = probe.connect()
        connection.socket.settimeout(within_s)
        connection.receive("ApiVersions", 0, connection.send("ApiVersions", 0, {}))
    except (Closed, TimeoutError, OSError):
        return False
    finally:
        probe.close()
    return True


@pytest.mark.parametrize("name", ["1", ""])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max.connections", "3"),
        ("max.connections.per.ip", "3"),
        ("max.connections.per.ip.overrides", "127.0.0.1:3"),
        ("listener.name.plaintext.max.connections", "3"),
    ],
)
def test_limits_of_connections(node: BarnabasNode, client: Client, key: str, value: str, name: str) -> None:
    client.quietly("ApiVersions", 0)
    others = [client.connect() for _ in range(2)]
    for other in others:
        other.receive("ApiVersions", 0, other.send("ApiVersions", 0, {}))
    assert is_served(node.port)
    alter(client, BROKER, name, (key, SET, value))
    assert not is_served(node.port)
    others[0].close()
    until(lambda: is_served(node.port))
    alter(client, BROKER, name, (key, DELETE, None))
    assert all(is_served(node.port) for _ in range(3))


def test_connections_above_a_new_limit_are_closed(node: BarnabasNode, client: Client) -> None:
    others = [client.connect() for _ in range(5)]
    for other in others:
        other.receive("ApiVersions", 0, other.send("ApiVersions", 0, {}))
    alter(client, BROKER, "1", ("max.connections", SET, "2"))
    closed = 0
    for other in others:
        try:
            other.receive("ApiVersions", 0, other.send("ApiVersions", 0, {}))
        except Closed:
            closed += 1
    assert closed == 4, "one more than the client's own may stay"


@pytest.mark.parametrize("prefix", ["", "listener.name.plaintext."])
def test_connections_wait_for_their_turn(node: BarnabasNode, client: Client, prefix: str) -> None:
    client.quietly("ApiVersions", 0)
    alter(client, BROKER, "1", (prefix + "max.connection.creation.rate", SET, "2"))
    started = time.monotonic()
    assert all(is_served(node.port, within_s=DEADLINE_S) for _ in range(6))
    # Two come at once, and then one every half second.
    assert time.monotonic() - started > 1.5


def test_listeners_come_and_go(tmp_path: Path) -> None:
    # Where nothing is advertised all listeners are, and what is advertised cannot go.
    with running_node(tmp_path / "node", {"advertised.listeners": "PLAINTEXT://127.0.0.1:0"}) as running:
        client = Client(running.port, "listeners")
        (port,) = free_ports(1)
        asked = {"resource_type": BROKER, "resource_name": "1", "configuration_keys": ["listeners"]}
        (shown,) = client.quietly("DescribeConfigs", resources=[asked])["results"][0]["configs"]
        protocols = "EXTRA:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        alter(
            client,
            BROKER,
            "1",
            ("listeners", SET, f"{shown['value']},EXTRA://127.0.0.1:{port}"),
            ("listener.security.protocol.map", SET, protocols),
        )
        assert is_served(port)
        there = Client(port, "extra")
        there.quietly("ApiVersions", 0)
        alter(client, BROKER, "1", ("listeners", DELETE, None))
        with pytest.raises(Closed):
            there.quietly("ApiVersions", 0)
        there.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
        assert is_served(running.port)
        client.close()


def test_new_partitions_avoid_cordoned_directories(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    with running_node(tmp_path / "node", {"log.dirs": f"{first},{second}"}) as running:
        client = Client(running.port, "cordoned")
        client.create("before", partitions=2)
        assert [len(list(each.glob("*before-*"))) for each in (first, second)] == [1, 1]
        alter(client, BROKER, "1", ("cordoned.log.dirs", SET, str(first)))

        def avoids() -> bool:
            name = f"try-{time.monotonic_ns()}"
            client.create(name, partitions=2)
            return not list(first.glob(f"*{name}-*"))

        # The controller is told with a heartbeat, which is sent at once.
        until(avoids)
        client.close()


def test_dynamic_settings_are_in_force_after_a_restart(tmp_path: Path) -> None:
    with running_node(tmp_path / "node") as running:
        client = Client(running.port, "restart")
        alter(client, BROKER, "1", ("max.connections.per.ip", SET, "2"), ("message.max.bytes", SET, "1000"))
        client.close()
        running.restart()
        client = Client(running.port, "restart")
        topic = Topic(client, running.data, *client.create())
        assert topic.error(batch(b"x" * 5000)) == MESSAGE_TOO_LARGE
        client.connect().send("ApiVersions", 0, {})
        assert not is_served(running.port)
        client.close()


def test_every_key_that_can_change_is_here() -> None:
    text = Path(__file__).read_text()
    shown = {*OF_TOPICS, *(synonyms[0].name for key, synonyms in TOPIC_SYNONYMS.items() if key in OF_TOPICS)}
    keys = [*TOPIC_KEYS.values(), *(key for key in BROKER_KEYS.values() if not key.is_read_only)]
    missing = [
        key.name
        for key in keys
        if key.effect is Effect.EFFECT and key.name not in {*shown, *NOT_SHOWN} and f'"{key.name}"' not in text
    ]
    assert missing == []
