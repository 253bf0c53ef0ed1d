"""Error codes that take some preparation, for which the other files have no place."""

from __future__ import annotations

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, Case, Cases
from tests.conformance.client import Client, Pending
from tests.conformance.groups import MEMBER_ID_REQUIRED, join, joins, values_of_join
from tests.conformance.records import batch, produced

cases = Cases()

TOPIC, METADATA_VERSION, LEVEL = 2, "metadata.version", 30
GROUP_MAX_SIZE = 3


@cases("JoinGroup", ALL)
def one_member_too_many(b: Client, v: int) -> None:
    """The first is alone in its generation, so that those who come later wait for it."""
    group = b.name("g")
    b.quietly("JoinGroup", 3, **values_of_join(group))
    parked: list[Pending] = [joins(b, 3, group) for _ in range(GROUP_MAX_SIZE)]
    for each in parked:
        assert each.waits()
    refused = join(b, v, group)
    if refused["error_code"] == MEMBER_ID_REQUIRED:
        join(b, v, group, member_id=refused["member_id"])


@cases("OffsetCommit", ALL)
def between_join_and_sync(b: Client, v: int) -> None:
    name, topic_id = b.create()
    me = b.quietly("JoinGroup", 3, **values_of_join(b.name("g")))
    topics = [
        {"name": name, "topic_id": topic_id, "partitions": [{"partition_index": 0, "committed_offset": 5}]},
    ]
    member = {"generation_id_or_member_epoch": me["generation_id"], "member_id": me["member_id"]}
    b.ask("OffsetCommit", v, group_id=b.name("g"), topics=topics, **member)


@cases("Produce", ENDS)
def more_than_a_segment(b: Client, v: int) -> None:
    topic = b.create(configs={"segment.bytes": "1048576", "max.message.bytes": "4000000"})
    produced(b, v, topic, batch(b"x" * 1_100_000))


@cases("AlterConfigs", ALL)
@cases("IncrementalAlterConfigs", ALL)
def names_that_no_topic_can_have(b: Client, v: int) -> None:
    api = b.case.partition("-")[0]
    for name in ("in valid", ".", "x" * 250):
        row = {"name": "retention.ms", "value": "1000"}
        b.ask(api, v, resources=[{"resource_type": TOPIC, "resource_name": name, "configs": [row]}])


@cases("UpdateFeatures", ALL)
def features_without_time(b: Client, v: int) -> None:
    update = {"feature": METADATA_VERSION, "max_version_level": LEVEL}
    for timeout_ms in (0, -1):
        b.ask("UpdateFeatures", v, timeout_ms=timeout_ms, feature_updates=[update])


@cases("ListPartitionReassignments", ALL)
def reassignments_without_time(b: Client, v: int) -> None:
    for timeout_ms in (0, -1):
        b.ask("ListPartitionReassignments", v, timeout_ms=timeout_ms, topics=None)


@cases.parametrize()
def test_rare_errors(case: Case, pair: Pair) -> None:
    pair.compare(case)
