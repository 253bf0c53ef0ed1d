"""CreateTopics, DeleteTopics, CreatePartitions: every refusal, and what became of the topics afterwards.

Not asked: more than 10000 partitions at once. Apache Kafka's controller resigns over it.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, Case, Cases
from tests.conformance.client import Client

cases = Cases()
UNKNOWN_ID = bytes(range(16))


def topic(name: str, partitions: int = 1, factor: int = 1, **configs: str | None) -> dict[str, Any]:
    settings = [{"name": key.replace("_", "."), "value": value} for key, value in configs.items()]
    return {"name": name, "num_partitions": partitions, "replication_factor": factor, "configs": settings}


def assigned(name: str, *replicas: list[int], partitions: int = -1, factor: int = -1) -> dict[str, Any]:
    rows = [{"partition_index": index, "broker_ids": ids} for index, ids in enumerate(replicas)]
    return {**topic(name, partitions, factor), "assignments": rows}


def creates(b: Client, v: int, *topics: dict[str, Any], validate_only: bool = False) -> None:
    b.ask("CreateTopics", v, topics=list(topics), timeout_ms=30000, validate_only=validate_only)


def shows(b: Client, *names: str) -> None:
    """What brokers know; Apache Kafka's may learn of a change a moment after the answer."""
    b.settle()
    wanted = [{"name": name} for name in names]
    b.ask("Metadata", 9, topics=wanted, allow_auto_topic_creation=False)


@cases("CreateTopics", ALL)
def plain(b: Client, v: int) -> None:
    name = b.name("t")
    creates(b, v, topic(name, 3))
    b.await_topic(name, 3)
    shows(b, name)


@cases("CreateTopics", ALL)
def with_configs(b: Client, v: int) -> None:
    name = b.name("t")
    creates(b, v, topic(name, 1, 1, cleanup_policy="compact", retention_ms="1234567", max_message_bytes="2048"))
    b.await_topic(name)
    wanted = {"resource_type": 2, "resource_name": name, "configuration_keys": ["cleanup.policy", "retention.ms"]}
    b.ask("DescribeConfigs", 4, resources=[wanted])


@cases("CreateTopics", ALL)
def defaults(b: Client, v: int) -> None:
    name = b.name("t")
    creates(b, v, topic(name, -1, -1))
    b.await_topic(name, 2)
    shows(b, name)


@cases("CreateTopics", ALL)
def validate_only(b: Client, v: int) -> None:
    creates(b, v, topic(b.name("t"), 3), topic(b.name("u"), 0), topic(b.name("v"), -1, -1), validate_only=True)
    shows(b, b.name("t"))


@cases("CreateTopics", ALL)
def it_exists(b: Client, v: int) -> None:
    name, _ = b.create()
    creates(b, v, topic(name))
    creates(b, v, topic(name), validate_only=True)


@cases("CreateTopics", ALL)
def mixed(b: Client, v: int) -> None:
    name, _ = b.create()
    creates(b, v, topic(name), topic(b.name("good"), 2), topic(b.name("none"), 0), topic("in valid"))


@cases("CreateTopics", ENDS)
def no_topics(b: Client, v: int) -> None:
    creates(b, v)


@cases("CreateTopics", ENDS)
def invalid_names(b: Client, v: int) -> None:
    for name in ("", ".", "..", "a b", "a/b", "x" * 250, "ünknown", "a:b", "a\0b"):
        creates(b, v, topic(name))
    creates(b, v, topic("x" * 249), validate_only=True)


@cases("CreateTopics", ENDS)
def colliding_names(b: Client, v: int) -> None:
    b.create("with.dots")
    creates(b, v, topic(b.name("with_dots")))
    creates(b, v, topic(b.name("other_dots")), topic(b.name("other.dots")))


@cases("CreateTopics", ENDS)
def internal_names(b: Client, v: int) -> None:
    creates(b, v, topic("__cluster_metadata"))


@cases("CreateTopics", ENDS)
def the_same_twice(b: Client, v: int) -> None:
    name = b.name("t")
    creates(b, v, topic(name, 1), topic(b.name("other"), 1), topic(name, 2))
    shows(b, name)


@cases("CreateTopics", ENDS)
def wrong_numbers(b: Client, v: int) -> None:
    for partitions, factor in ((0, 1), (-2, 1), (1, 0), (1, -2), (1, 2), (1, 32767), (0, 0), (-1, 2)):
        creates(b, v, topic(b.name("t"), partitions, factor))


@cases("CreateTopics", ENDS)
def assignments(b: Client, v: int) -> None:
    creates(b, v, assigned(b.name("t"), [1], [1]))
    b.await_topic(b.name("t"), 2)
    shows(b, b.name("t"))


@cases("CreateTopics", ENDS)
def wrong_assignments(b: Client, v: int) -> None:
    wrong: list[list[list[int]]] = [[[]], [[1, 1]], [[2]], [[1], []], [[1], [1, 2]], [[-1]], [[1, 2], [1]]]
    for replicas in wrong:
        creates(b, v, assigned(b.name("t"), *replicas))
    creates(b, v, assigned(b.name("t"), [1], partitions=1))
    creates(b, v, assigned(b.name("t"), [1], factor=1))
    creates(b, v, assigned(b.name("t"), [1], partitions=1, factor=1))


@cases("CreateTopics", ENDS)
def assignments_with_gaps(b: Client, v: int) -> None:
    for indexes in ((1,), (0, 2), (0, 0), (-1, 0)):
        rows = [{"partition_index": index, "broker_ids": [1]} for index in indexes]
        creates(b, v, {**topic(b.name("t"), -1, -1), "assignments": rows})


@cases("CreateTopics", ENDS)
def wrong_configs(b: Client, v: int) -> None:
    name = b.name("t")
    creates(b, v, topic(name, no_such_key="1"))
    creates(b, v, topic(name, retention_ms="soon"))
    creates(b, v, topic(name, retention_ms="-2"))
    creates(b, v, topic(name, cleanup_policy="burn"))
    creates(b, v, topic(name, cleanup_policy=""))
    creates(b, v, topic(name, min_insync_replicas="0"))
    creates(b, v, topic(name, compression_type="rar"))
    creates(b, v, topic(name, retention_ms=None))
    creates(b, v, topic(name, segment_bytes="1"))
    creates(b, v, topic(name, message_timestamp_type="Never"))


@cases("CreateTopics", ENDS)
def a_config_twice(b: Client, v: int) -> None:
    asked = topic(b.name("t"))
    asked["configs"] = [{"name": "retention.ms", "value": value} for value in ("1000", "2000")]
    creates(b, v, asked)
    b.await_topic(b.name("t"))
    wanted = {"resource_type": 2, "resource_name": b.name("t"), "configuration_keys": ["retention.ms"]}
    b.ask("DescribeConfigs", 4, resources=[wanted])


def deletes(b: Client, v: int, *names: str) -> None:
    b.ask("DeleteTopics", v, topic_names=list(names), topics=[{"name": each} for each in names], timeout_ms=30000)


@cases("DeleteTopics", ALL)
def delete(b: Client, v: int) -> None:
    name, _ = b.create()
    deletes(b, v, name)
    shows(b, name)


@cases("DeleteTopics", ALL)
def delete_unknown(b: Client, v: int) -> None:
    deletes(b, v, b.name("unknown"))


@cases("DeleteTopics", ENDS)
def delete_mixed(b: Client, v: int) -> None:
    name, _ = b.create()
    deletes(b, v, b.name("unknown"), name)
    deletes(b, v)
    deletes(b, v, "a b")
    deletes(b, v, "")


@cases("DeleteTopics", ENDS)
def delete_twice_in_one_request(b: Client, v: int) -> None:
    name, _ = b.create()
    deletes(b, v, name, name)
    shows(b, name)


@cases("DeleteTopics", [6])
def delete_by_id(b: Client, v: int) -> None:
    _, topic_id = b.create()
    b.note("id", {"topic_id": topic_id})
    b.ask("DeleteTopics", v, topics=[{"topic_id": topic_id}], timeout_ms=30000)
    b.ask("DeleteTopics", v, topics=[{"topic_id": topic_id}], timeout_ms=30000)
    b.ask("DeleteTopics", v, topics=[{"topic_id": UNKNOWN_ID}], timeout_ms=30000)


@cases("DeleteTopics", [6])
def delete_by_name_and_id(b: Client, v: int) -> None:
    name, topic_id = b.create()
    b.ask("DeleteTopics", v, topics=[{"name": name, "topic_id": topic_id}], timeout_ms=30000)
    shows(b, name)


@cases("DeleteTopics", [6])
def delete_by_neither(b: Client, v: int) -> None:
    b.ask("DeleteTopics", v, topics=[{}], timeout_ms=30000)


@cases("DeleteTopics", [6])
def delete_the_same_by_name_and_by_id(b: Client, v: int) -> None:
    name, topic_id = b.create()
    b.ask("DeleteTopics", v, topics=[{"name": name}, {"topic_id": topic_id}], timeout_ms=30000)
    shows(b, name)


@cases("DeleteTopics", [6])
def delete_the_same_id_twice(b: Client, v: int) -> None:
    name, topic_id = b.create()
    b.ask("DeleteTopics", v, topics=[{"topic_id": topic_id}, {"topic_id": topic_id}], timeout_ms=30000)
    shows(b, name)


@cases("DeleteTopics", [6])
def create_again_has_a_new_id(b: Client, v: int) -> None:
    name, first = b.create()
    deletes(b, v, name)
    _, second = b.create()
    b.note("ids", [{"topic_id": first}, {"topic_id": second}])


def grows(b: Client, v: int, name: str, count: int, *replicas: list[int], validate_only: bool = False) -> None:
    rows = [{"broker_ids": ids} for ids in replicas] or None
    asked = {"name": name, "count": count, "assignments": rows}
    b.ask("CreatePartitions", v, topics=[asked], timeout_ms=30000, validate_only=validate_only)


@cases("CreatePartitions", ALL)
def grow(b: Client, v: int) -> None:
    name, _ = b.create()
    grows(b, v, name, 3)
    b.await_topic(name, 3)
    shows(b, name)


@cases("CreatePartitions", ALL)
def grow_refused(b: Client, v: int) -> None:
    name, _ = b.create(partitions=2)
    for count in (2, 1, 0, -1, -7):
        grows(b, v, name, count)
    grows(b, v, b.name("unknown"), 3)
    grows(b, v, "a b", 3)
    shows(b, name)


@cases("CreatePartitions", ALL)
def grow_validate_only(b: Client, v: int) -> None:
    name, _ = b.create()
    grows(b, v, name, 3, validate_only=True)
    shows(b, name)


@cases("CreatePartitions", ENDS)
def grow_assigned(b: Client, v: int) -> None:
    name, _ = b.create()
    grows(b, v, name, 3, [1], [1])
    b.await_topic(name, 3)
    shows(b, name)


@cases("CreatePartitions", ENDS)
def grow_wrongly_assigned(b: Client, v: int) -> None:
    name, _ = b.create()
    grows(b, v, name, 3, [1])
    grows(b, v, name, 2, [1], [1])
    grows(b, v, name, 2, [2])
    grows(b, v, name, 2, [1, 1])
    grows(b, v, name, 2, [])
    grows(b, v, name, 2, [1, 2])
    shows(b, name)


@cases("CreatePartitions", ENDS)
def grow_with_an_empty_assignment(b: Client, v: int) -> None:
    name, _ = b.create()
    b.ask("CreatePartitions", v, topics=[{"name": name, "count": 2, "assignments": []}], timeout_ms=30000)


@cases("CreatePartitions", ENDS)
def grow_twice_in_one_request(b: Client, v: int) -> None:
    name, _ = b.create()
    other, _ = b.create("other")
    rows = [{"name": each, "count": count, "assignments": None} for each, count in ((name, 2), (other, 2), (name, 3))]
    b.ask("CreatePartitions", v, topics=rows, timeout_ms=30000)
    shows(b, name)


@cases.parametrize()
def test_topics(case: Case, pair: Pair) -> None:
    pair.compare(case)
