"""OffsetCommit, OffsetFetch, OffsetDelete: with a membership and without."""

from __future__ import annotations

import struct
from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, Case, Cases
from tests.conformance.client import Client
from tests.conformance.groups import alone

cases = Cases()
UNKNOWN_ID = bytes(range(16))
Topic = tuple[str, bytes]


def subscription(*topics: str) -> bytes:
    """As the Java consumer writes it, version 0."""
    names = b"".join(struct.pack(">h", len(each)) + each.encode() for each in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", -1)


def committed(
    b: Client,
    v: int,
    group: str,
    topic: Topic,
    offset: int = 5,
    index: int = 0,
    metadata: str | None = "m",
    **values: Any,
) -> None:
    row = {
        "partition_index": index,
        "committed_offset": offset,
        "committed_leader_epoch": values.pop("epoch", -1),
        "committed_metadata": metadata,
    }
    topics = [{"name": topic[0], "topic_id": topic[1], "partitions": [row]}]
    b.ask("OffsetCommit", v, group_id=group, topics=topics, **values)


def fetched(b: Client, v: int, group: str, *topics: Topic, indexes: tuple[int, ...] = (0, 1), **values: Any) -> None:
    rows: Any = [{"name": name, "topic_id": identity, "partition_indexes": list(indexes)} for name, identity in topics]
    rows = rows or None
    named = None if rows is None else [{key: row[key] for key in ("name", "partition_indexes")} for row in rows]
    member: dict[str, Any] = {key: values.pop(key) for key in ("member_id", "member_epoch") if key in values}
    groups = [{"group_id": group, "topics": rows, **member}]
    if v < 2 and named is None:
        named = []
    b.ask("OffsetFetch", v, group_id=group, topics=named, groups=groups, **values)


@cases("OffsetCommit", ALL)
def without_membership(b: Client, v: int) -> None:
    topic = b.create(partitions=2)
    committed(b, v, b.name("g"), topic)
    committed(b, v, b.name("g"), topic, 7, 1, metadata="", epoch=3)
    committed(b, v, b.name("g"), topic, 9, 0, metadata=None)
    fetched(b, 9, b.name("g"), topic)


@cases("OffsetCommit", ALL)
def with_membership(b: Client, v: int) -> None:
    topic = b.create()
    me = alone(b, b.name("g"))
    right = {"generation_id_or_member_epoch": me["generation_id"], "member_id": me["member_id"]}
    committed(b, v, b.name("g"), topic, **right)
    wrong: list[dict[str, Any]] = [
        {"generation_id_or_member_epoch": 0},
        {"generation_id_or_member_epoch": 5},
        {"generation_id_or_member_epoch": -1},
        {"member_id": "nobody"},
        {"member_id": ""},
        {"member_id": "", "generation_id_or_member_epoch": -1},
    ]
    for change in wrong:
        committed(b, v, b.name("g"), topic, 6, **{**right, **change})
    fetched(b, 9, b.name("g"), topic)


@cases("OffsetCommit", ALL)
def to_unknown_groups(b: Client, v: int) -> None:
    topic = b.create()
    committed(b, v, b.name("new"), topic, member_id="m", generation_id_or_member_epoch=3)
    committed(b, v, b.name("new"), topic, member_id="m")
    committed(b, v, b.name("new"), topic, generation_id_or_member_epoch=3)
    committed(b, v, "", topic)


@cases("OffsetCommit", ALL)
def to_unknown_topics(b: Client, v: int) -> None:
    topic = b.create()
    committed(b, v, b.name("g"), (b.name("unknown"), UNKNOWN_ID))
    committed(b, v, b.name("g"), topic, index=5)
    committed(b, v, b.name("g"), topic, index=-1)
    fetched(b, 9, b.name("g"))


@cases("OffsetCommit", ENDS)
def odd_values(b: Client, v: int) -> None:
    """offset.metadata.max.bytes is 64."""
    topic = b.create()
    committed(b, v, b.name("g"), topic, metadata="x" * 64)
    committed(b, v, b.name("g"), topic, metadata="x" * 65)
    committed(b, v, b.name("g"), topic, metadata="ü" * 40)
    committed(b, v, b.name("g"), topic, offset=-1)
    committed(b, v, b.name("g"), topic, offset=-2)
    committed(b, v, b.name("g"), topic, offset=2**62)
    fetched(b, 9, b.name("g"), topic)


@cases("OffsetCommit", ENDS)
def nothing(b: Client, v: int) -> None:
    topic = b.create()
    b.ask("OffsetCommit", v, group_id=b.name("g"), topics=[])
    b.ask("OffsetCommit", v, group_id=b.name("g"), topics=[{"name": topic[0], "topic_id": topic[1], "partitions": []}])
    b.ask("DescribeGroups", 6, groups=[b.name("g")])


@cases("OffsetCommit", ENDS)
def several(b: Client, v: int) -> None:
    first, second = b.create("b", partitions=2), b.create("a")
    rows = [{"partition_index": index, "committed_offset": index + 3} for index in (1, 0, 4)]
    wanted = (second, (b.name("unknown"), UNKNOWN_ID), first)
    topics = [{"name": name, "topic_id": identity, "partitions": rows} for name, identity in wanted]
    b.ask("OffsetCommit", v, group_id=b.name("g"), topics=topics)


@cases("OffsetCommit", [2, 3, 4])
def retention_times(b: Client, v: int) -> None:
    topic = b.create()
    for retention in (-1, 0, 1000):
        committed(b, v, b.name("g"), topic, retention_time_ms=retention)


@cases("OffsetFetch", ALL)
def of_topics(b: Client, v: int) -> None:
    topic, other = b.create(partitions=2), b.create("other")
    for index in (0, 1):
        rows = [{"partition_index": index, "committed_offset": index + 5, "committed_metadata": "m"}]
        b.quietly("OffsetCommit", 9, group_id=b.name("g"), topics=[{"name": topic[0], "partitions": rows}])
    fetched(b, v, b.name("g"), topic, other)
    fetched(b, v, b.name("g"), topic, indexes=(1, 7, 0))
    fetched(b, v, b.name("g"), topic, indexes=())
    fetched(b, v, b.name("g"), (b.name("unknown"), UNKNOWN_ID))
    fetched(b, v, b.name("no-group"), topic)
    fetched(b, v, "", topic)


@cases("OffsetFetch", ALL, since=2)
def of_all_topics(b: Client, v: int) -> None:
    topic = b.create(partitions=2)
    rows = [{"partition_index": 1, "committed_offset": 5, "committed_leader_epoch": 2, "committed_metadata": None}]
    b.quietly("OffsetCommit", 9, group_id=b.name("g"), topics=[{"name": topic[0], "partitions": rows}])
    fetched(b, v, b.name("g"))
    fetched(b, v, b.name("no-group"))
    fetched(b, v, "")


@cases("OffsetFetch", ENDS)
def of_no_topics(b: Client, v: int) -> None:
    b.ask("OffsetFetch", v, group_id=b.name("g"), topics=[], groups=[{"group_id": b.name("g"), "topics": []}])


@cases("OffsetFetch", [7, 8, 10])
def stable_offsets(b: Client, v: int) -> None:
    topic = b.create()
    committed(b, 9, b.name("g"), topic)
    fetched(b, v, b.name("g"), topic, require_stable=True)


@cases("OffsetFetch", [8, 9, 10])
def several_groups(b: Client, v: int) -> None:
    topic = b.create()
    committed(b, 9, b.name("a"), topic)
    rows = [{"name": topic[0], "topic_id": topic[1], "partition_indexes": [0]}]
    names = (b.name("b"), b.name("a"), b.name("a"), "")
    groups = [{"group_id": name, "topics": rows if index % 2 else None} for index, name in enumerate(names)]
    b.ask("OffsetFetch", v, groups=groups)
    b.ask("OffsetFetch", v, groups=[])


@cases("OffsetFetch", [9, 10])
def as_a_member(b: Client, v: int) -> None:
    topic = b.create()
    me = alone(b, b.name("g"))
    for member, epoch in (
        (me["member_id"], me["generation_id"]),
        (me["member_id"], 7),
        ("nobody", 1),
        ("", 1),
        (None, -1),
        ("", -1),
    ):
        fetched(b, v, b.name("g"), topic, member_id=member, member_epoch=epoch)


@cases("OffsetFetch", [9, 10])
def of_a_deleted_topic(b: Client, v: int) -> None:
    topic = b.create()
    committed(b, 9, b.name("g"), topic)
    b.quietly("DeleteTopics", topics=[{"name": topic[0]}], timeout_ms=10000)
    b.settle()
    fetched(b, v, b.name("g"), topic)


def forgets(b: Client, group: str, *wanted: tuple[str, int]) -> None:
    topics = [{"name": name, "partitions": [{"partition_index": index}]} for name, index in wanted]
    b.ask("OffsetDelete", 0, group_id=group, topics=topics)


@cases("OffsetDelete")
def of_an_empty_group(b: Client, v: int) -> None:
    topic = b.create(partitions=2)
    for index in (0, 1):
        committed(b, 9, b.name("g"), topic, index=index)
    forgets(b, b.name("g"), (topic[0], 0))
    fetched(b, 9, b.name("g"))
    forgets(b, b.name("g"), (topic[0], 0))
    forgets(b, b.name("g"), (topic[0], 9))
    forgets(b, b.name("g"), (b.name("unknown"), 0))
    forgets(b, b.name("g"))
    forgets(b, b.name("g"), (topic[0], 1))
    b.ask("DescribeGroups", 6, groups=[b.name("g")])


@cases("OffsetDelete")
def of_no_group(b: Client, v: int) -> None:
    topic = b.create()
    forgets(b, b.name("g"), (topic[0], 0))
    forgets(b, "", (topic[0], 0))


@cases("OffsetDelete")
def of_subscribed_topics(b: Client, v: int) -> None:
    topic, other = b.create(), b.create("other")
    protocols = [{"name": "range", "metadata": subscription(topic[0])}]
    me = alone(b, b.name("g"), protocols=protocols)
    member = {"generation_id_or_member_epoch": me["generation_id"], "member_id": me["member_id"]}
    for each in (topic, other):
        committed(b, 9, b.name("g"), each, **member)
    forgets(b, b.name("g"), (topic[0], 0), (other[0], 0))
    fetched(b, 9, b.name("g"))


@cases("OffsetDelete")
def of_a_busy_group_of_another_kind(b: Client, v: int) -> None:
    topic = b.create()
    alone(b, b.name("g"), protocol_type="connect")
    forgets(b, b.name("g"), (topic[0], 0))


@cases("OffsetDelete")
def of_a_busy_group_with_strange_metadata(b: Client, v: int) -> None:
    topic = b.create()
    alone(b, b.name("g"), protocols=[{"name": "range", "metadata": b"\x01"}])
    forgets(b, b.name("g"), (topic[0], 0))


@cases.parametrize()
def test_group_offsets(case: Case, pair: Pair) -> None:
    pair.compare(case)
