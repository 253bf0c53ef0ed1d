"""A broker that was unregistered while it runs, as Apache Kafka allows: it leads nothing until it starts anew, and
loses nothing."""

from __future__ import annotations

import time
from pathlib import Path

from tests.conformance.client import Client
from tests.conformance.records import batch, fill
from tests.support.node import running_node

DEADLINE_S = 30.0


def leader_of(client: Client, topic: str) -> int:
    (described,) = client.quietly("Metadata", topics=[{"name": topic}])["topics"]
    (partition,) = described["partitions"]
    return int(partition["leader_id"])


def test_it_registers_when_it_starts_again(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        client = Client(node.port, "unregister")
        topic = client.create()
        fill(client, topic, batch(b"a", b"b"))
        assert client.quietly("UnregisterBroker", broker_id=1)["error_code"] == 0
        deadline = time.monotonic() + DEADLINE_S
        while leader_of(client, topic[0]) != -1:
            assert time.monotonic() < deadline
        assert client.quietly("DescribeCluster", include_fenced_brokers=True)["brokers"] == []
        client.close()
        node.restart()
        client = Client(node.port, "unregister")
        client.await_topic(topic[0])
        assert leader_of(client, topic[0]) == 1
        fill(client, topic, batch(b"c"))
        asked = [{"partition_index": 0, "timestamp": -1}]
        (offsets,) = client.quietly("ListOffsets", replica_id=-1, topics=[{"name": topic[0], "partitions": asked}])[
            "topics"
        ]
        assert offsets["partitions"][0]["offset"] == 3
        client.close()
