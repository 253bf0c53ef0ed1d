"""The two brokers under comparison, with the same settings, and the comparison of their transcripts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conformance.cases import Case
from tests.conformance.client import Client, Exchange
from tests.conformance.differences import excused
from tests.conformance.inventory import Finding, findings, gathered, recorded
from tests.conformance.normal import Normaliser
from tests.support.apache_kafka import ApacheKafka
from tests.support.node import running_node

# Small limits, so that a case can go beyond them; nothing is deleted for being old, as tests choose their times.
PROPERTIES = {
    "node.id": "1",
    "broker.rack": "rack-1",
    "num.partitions": "2",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "group.max.session.timeout.ms": "60000",
    "group.max.size": "3",
    "offset.metadata.max.bytes": "64",
    "log.retention.ms": "-1",
    "socket.request.max.bytes": "4194304",
    "max.request.partition.size.limit": "10",
    # One for tests, which is shown only where it is set, and one that nobody knows.
    "log.initial.task.delay.ms": "30000",
    "plugin.setting": "abc",
}
LEVELS = ("group", "transaction", "share", "streams", "eligible.leader.replicas")
"""Features at level 0, as a cluster of ours has them until they are served."""

ABSENT = "(absent)"
COORDINATOR_LOAD_IN_PROGRESS = 14
STOPPED = "the case went wrong"


compared: set[str] = set()
"""The cases of this session so far."""


class Ports(NamedTuple):
    broker: int
    controller: int


@dataclass(frozen=True)
class Pair:
    kafka: Ports
    ours: Ports
    is_writing_inventory: bool = False

    def compare(self, case: Case) -> None:
        compared.add(case.id)
        with ThreadPoolExecutor(2) as threads:
            (theirs, exchanges), (mine, _) = threads.map(_run, (self.kafka, self.ours), (case, case))
        stopped = [f"{label}: {answer}" for label, answer in theirs.items() if label.endswith(STOPPED)]
        problems = stopped + [
            f"{where}\n    Apache Kafka: {expected!r}\n    here:         {actual!r}"
            for where, expected, actual in differences(theirs, mine)
            if not excused(case, where, expected, actual)
        ]
        if problems:
            pytest.fail(f"{case.id}\n" + "\n".join(problems), pytrace=False)
        self._note_down(case, findings(exchanges))

    def _note_down(self, case: Case, found: set[Finding]) -> None:
        gathered.update(found)
        news = set() if self.is_writing_inventory else found - recorded()
        if news:
            lines = "\n".join(" ".join(map(str, each)) for each in sorted(news))
            pytest.fail(f"{case.id} is not in the inventory (make conformance-table):\n{lines}", pytrace=False)


def _run(ports: Ports, case: Case) -> tuple[dict[str, Any], list[Exchange]]:
    """The answers by step (the number and the request), and the requests that they are of."""
    client = Client(ports.broker, case.id, controller_port=ports.controller)
    try:
        case.steps(client, case.version)
    except Exception as error:  # compared, too, so that the answers before it are seen
        client.note(STOPPED, repr(error))
    finally:
        client.close()
    steps = Normaliser(ports).transcript(client.transcript)
    return {f"{number}: {label}": answer for number, (label, answer) in enumerate(steps, 1)}, client.compared


def differences(expected: Any, actual: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places where two values differ."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in (*expected, *(actual.keys() - expected.keys())):
            place = f"{where}.{key}" if where else key
            yield from differences(expected.get(key, ABSENT), actual.get(key, ABSENT), place)
    elif isinstance(expected, list | tuple) and isinstance(actual, list | tuple) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif expected != actual:
        yield where, expected, actual


def warm_up(port: int) -> Ports:
    """Until producer ids are given and groups have their coordinators: both begin with a moment of refusals."""
    client = Client(port, "warm-up")
    deadline = time.monotonic() + 30
    client.quietly("FindCoordinator", key_type=0, coordinator_keys=["any"])
    client.await_topic("__consumer_offsets", 3)
    while (  # the id last, so that both brokers have given one when this is over
        client.quietly("DescribeGroups", groups=[f"group-{number}" for number in range(20)])["groups"][0]["error_code"]
        == COORDINATOR_LOAD_IN_PROGRESS
        or client.quietly("InitProducerId", transactional_id=None, transaction_timeout_ms=1000)["error_code"]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    metadata_log = {"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0}]}
    (controller,) = client.quietly("DescribeQuorum", topics=[metadata_log])["nodes"]
    client.close()
    return Ports(port, controller["listeners"][0]["port"])


@contextmanager
def running_pair(directory: Path, *, is_writing_inventory: bool = False) -> Iterator[Pair]:
    kafka = ApacheKafka(directory / "kafka", properties=PROPERTIES, heap="256m")
    levels = [flag for feature in LEVELS for flag in ("--feature", f"{feature}.version=0")]
    try:
        kafka.format("--standalone", *levels)
        kafka.start()
        with running_node(directory / "ours", PROPERTIES) as node:
            yield Pair(warm_up(kafka.port), warm_up(node.port), is_writing_inventory)
    finally:
        kafka.kill()
