"""Metadata and DescribeTopicPartitions: which topics, which of them exist, and what is said of their partitions."""

from __future__ import annotations

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Client

cases = Cases()
UNKNOWN_ID = bytes(range(16))


@cases("Metadata", ALL)
def one_topic(b: Client, v: int) -> None:
    name, _ = b.create(partitions=3)
    b.ask("Metadata", v, topics=[{"name": name}])


@cases("Metadata", ALL)
def no_topics(b: Client, v: int) -> None:
    if v == 0:
        return  # there an empty list means all topics
    b.ask("Metadata", v, topics=[])


@cases("Metadata", ALL, since=1)
def all_topics(b: Client, v: int) -> None:
    name, _ = b.create()
    answer = b.quietly("Metadata", v, topics=None)
    b.note("all", sorted(topic for topic in answer["topics"] if topic["name"] == name))
    answer["topics"] = []
    b.note("the rest", answer)


@cases("Metadata", [0])
def all_topics_of_v0(b: Client, v: int) -> None:
    name, _ = b.create()
    answer = b.quietly("Metadata", v, topics=[])
    b.note("all", [topic for topic in answer["topics"] if topic["name"] == name])


@cases("Metadata", ALL, since=4)
def unknown_topic(b: Client, v: int) -> None:
    b.ask("Metadata", v, topics=[{"name": b.name("unknown")}], allow_auto_topic_creation=False)


@cases("Metadata", ALL)
def auto_creation(b: Client, v: int) -> None:
    wanted = [{"name": b.name("new")}]
    b.ask("Metadata", v, topics=wanted, allow_auto_topic_creation=True)
    b.await_topic(b.name("new"), 2)
    b.ask("Metadata", v, topics=wanted, allow_auto_topic_creation=True)


@cases("Metadata", ENDS)
def invalid_names(b: Client, v: int) -> None:
    for name in ("", ".", "..", "a b", "a/b", "x" * 250, "ünknown"):
        b.ask("Metadata", v, topics=[{"name": name}], allow_auto_topic_creation=True)


@cases("Metadata", ENDS, since=4)
def invalid_names_without_creation(b: Client, v: int) -> None:
    for name in ("", ".", "..", "a b", "x" * 250):
        b.ask("Metadata", v, topics=[{"name": name}], allow_auto_topic_creation=False)


@cases("Metadata", ENDS)
def colliding_name(b: Client, v: int) -> None:
    b.create("with.dots")
    b.ask("Metadata", v, topics=[{"name": b.name("with_dots")}], allow_auto_topic_creation=True)


@cases("Metadata", ENDS, since=4)
def several_of_which_one_is_unknown(b: Client, v: int) -> None:
    names = [b.create("z")[0], b.name("unknown"), b.create("a", partitions=2)[0]]
    b.ask("Metadata", v, topics=[{"name": name} for name in names], allow_auto_topic_creation=False)


@cases("Metadata", ENDS)
def the_same_topic_twice(b: Client, v: int) -> None:
    name, _ = b.create()
    b.ask("Metadata", v, topics=[{"name": name}, {"name": name}])


@cases("Metadata", [12, 13])
def by_id(b: Client, v: int) -> None:
    _, topic_id = b.create(partitions=2)
    b.ask("Metadata", v, topics=[{"topic_id": topic_id, "name": None}], allow_auto_topic_creation=False)


@cases("Metadata", [12, 13])
def unknown_id(b: Client, v: int) -> None:
    _, topic_id = b.create()
    b.ask("Metadata", v, topics=[{"topic_id": UNKNOWN_ID, "name": None}, {"topic_id": topic_id, "name": None}])


@cases("Metadata", [12, 13])
def ids_and_names_mixed(b: Client, v: int) -> None:
    _, topic_id = b.create()
    b.ask("Metadata", v, topics=[{"topic_id": topic_id, "name": None}, {"name": b.create("other")[0]}])


@cases("Metadata", [10, 11])
def an_id_before_it_was_allowed(b: Client, v: int) -> None:
    name, topic_id = b.create()
    b.ask("Metadata", v, topics=[{"topic_id": topic_id, "name": name}])


@cases("Metadata", [10, 11, 12, 13])
def null_name_without_id(b: Client, v: int) -> None:
    b.ask("Metadata", v, topics=[{"name": None}])


@cases("Metadata", ALL, since=8)
def authorized_operations(b: Client, v: int) -> None:
    name, _ = b.create()
    b.ask(
        "Metadata",
        v,
        topics=[{"name": name}, {"name": b.name("unknown")}],
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=True,
        include_topic_authorized_operations=True,
    )


@cases("Metadata", LAST)
def an_internal_topic(b: Client, v: int) -> None:
    b.quietly("FindCoordinator", key_type=0, coordinator_keys=["any"])
    b.await_topic("__consumer_offsets", 3)
    b.ask("Metadata", v, topics=[{"name": "__consumer_offsets"}])


@cases("Metadata", LAST)
def an_internal_topic_that_is_made_by_asking(b: Client, v: int) -> None:
    """As its coordinator wants it, whoever asks first."""
    name = "__transaction_state"
    b.ask("Metadata", v, topics=[{"name": name}], allow_auto_topic_creation=False)
    b.ask("Metadata", v, topics=[{"name": name}], allow_auto_topic_creation=True)
    b.await_topic(name, 3)
    b.ask("Metadata", v, topics=[{"name": name}])
    b.ask("DescribeConfigs", 4, resources=[{"resource_type": 2, "resource_name": name, "configuration_keys": None}])
    b.quietly("DeleteTopics", 6, topics=[{"name": name}], timeout_ms=30000)


def described(b: Client, *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None) -> None:
    place = None if cursor is None else {"topic_name": cursor[0], "partition_index": cursor[1]}
    topics = [{"name": name} for name in names]
    b.ask("DescribeTopicPartitions", 0, topics=topics, response_partition_limit=limit, cursor=place)


@cases("DescribeTopicPartitions")
def topics(b: Client, v: int) -> None:
    described(b, b.create("b", partitions=3)[0], b.create("a")[0])


@cases("DescribeTopicPartitions")
def unknown_and_invalid(b: Client, v: int) -> None:
    described(b, b.create("b")[0], b.name("unknown"), "a b", "x" * 250, ".")


@cases("DescribeTopicPartitions")
def an_empty_name(b: Client, v: int) -> None:
    described(b, b.create()[0], "")


@cases("DescribeTopicPartitions")
def limits(b: Client, v: int) -> None:
    names = (b.create("b", partitions=3)[0], b.create("a", partitions=3)[0])
    for limit in (1, 2, 3, 4, 6, 7, 10, 11):
        described(b, *names, limit=limit)


@cases("DescribeTopicPartitions")
def a_limit_of_nothing(b: Client, v: int) -> None:
    name, _ = b.create()
    for limit in (0, -1):
        described(b, name, limit=limit)


@cases("DescribeTopicPartitions")
def cursors(b: Client, v: int) -> None:
    first, _ = b.create("a", partitions=3)
    second, _ = b.create("b", partitions=3)
    for place in ((first, 0), (first, 2), (first, 3), (first, 9), (second, 1), (b.name("aa"), 0), (b.name("c"), 0)):
        described(b, first, second, cursor=place, limit=2)


@cases("DescribeTopicPartitions")
def a_cursor_before_the_first_partition(b: Client, v: int) -> None:
    name, _ = b.create()
    described(b, name, cursor=(name, -1))


@cases("DescribeTopicPartitions")
def a_cursor_over_all_topics(b: Client, v: int) -> None:
    name, _ = b.create(partitions=2)
    described(b, name, name, cursor=(name, 1))


@cases("DescribeTopicPartitions")
def all_topics_page_by_page(b: Client, v: int) -> None:
    first, _ = b.create("a", partitions=3)
    b.create("b", partitions=2)
    for place, limit in (((first, 0), 1), ((first, 1), 1), ((first, 1), 2), ((first, 0), 4), ((first, 2), 3)):
        described(b, cursor=place, limit=limit)


@cases("DescribeTopicPartitions")
def the_same_twice(b: Client, v: int) -> None:
    name, _ = b.create(partitions=2)
    described(b, name, name, limit=3)


@cases.parametrize()
def test_metadata(case: Case, pair: Pair) -> None:
    pair.compare(case)
