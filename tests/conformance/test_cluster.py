"""What is asked of the controller about the cluster: the quorum, elections, reassignments, brokers, features. On
brokers' listeners, and on the controller's."""

from __future__ import annotations

from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Answer, Client

cases = Cases()

PREFERRED, UNCLEAN = 0, 1
UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3
METADATA_VERSION = 30


def partitions_of(name: str, *partitions: int) -> dict[str, Any]:
    return {"topic": name, "partitions": list(partitions)}


# The quorum.


Asked = list[tuple[str, list[int]]]


def quorum(b: Client, v: int, *topics: tuple[str, list[int]]) -> Answer:
    asked = [
        {"topic_name": name, "partitions": [{"partition_index": index} for index in indexes]}
        for name, indexes in topics
    ]
    return b.quietly("DescribeQuorum", v, topics=asked)


def note_quorum(b: Client, v: int, answer: Answer) -> None:
    """Offsets grow by themselves: only how they stand to each other is the same everywhere."""
    for topic in answer["topics"]:
        for partition in topic["partitions"]:
            high_watermark = partition["high_watermark"]
            partition["high_watermark"] = high_watermark > 0
            partition["leader_epoch"] = partition["leader_epoch"] > 0
            for voter in partition["current_voters"]:
                voter["log_end_offset"] = voter["log_end_offset"] >= high_watermark
    b.note(f"DescribeQuorum v{v}", answer)


@cases("DescribeQuorum", ALL)
def the_quorum(b: Client, v: int) -> None:
    for each in (b, b.at_controller()):
        note_quorum(b, v, quorum(each, v, ("__cluster_metadata", [0])))


@cases("DescribeQuorum", ALL)
def no_quorum(b: Client, v: int) -> None:
    cases_of_topics: list[Asked] = [
        [("unknown", [0])],
        [("__cluster_metadata", [1])],
        [("__cluster_metadata", [])],
        [("__cluster_metadata", [0, 1])],
        [("__cluster_metadata", [0]), ("unknown", [0, 5])],
        [],
    ]
    for topics in cases_of_topics:
        for each in (b, b.at_controller()):
            note_quorum(b, v, quorum(each, v, *topics))


# Elections.


@cases("ElectLeaders", ALL)
def needless_elections(b: Client, v: int) -> None:
    name, _ = b.create(partitions=2)
    for each in (b, b.at_controller()):
        for election_type in (PREFERRED, UNCLEAN):
            asked = [
                partitions_of(name, 0, 1),
                partitions_of(b.name("unknown"), 0),
                partitions_of("__consumer_offsets", 99),
            ]
            each.ask("ElectLeaders", v, election_type=election_type, topic_partitions=asked, timeout_ms=5000)


@cases("ElectLeaders", ALL)
def elections_of_nothing(b: Client, v: int) -> None:
    name, _ = b.create()
    b.ask("ElectLeaders", v, election_type=PREFERRED, topic_partitions=[], timeout_ms=5000)
    b.ask("ElectLeaders", v, election_type=PREFERRED, topic_partitions=[partitions_of(name)], timeout_ms=5000)
    b.ask("ElectLeaders", v, election_type=PREFERRED, topic_partitions=[partitions_of("", -1)], timeout_ms=5000)


@cases("ElectLeaders", ALL)
def elections_everywhere(b: Client, v: int) -> None:
    name, _ = b.create(partitions=3)
    for election_type in (PREFERRED, UNCLEAN):
        answer = b.quietly("ElectLeaders", v, election_type=election_type, topic_partitions=None, timeout_ms=5000)
        results = answer.pop("replica_election_results")
        b.note("the rest", answer)
        b.note("of the topic", [result for result in results if result["topic"] == name])


@cases("ElectLeaders", ALL, since=1)
def unknown_kinds_of_elections(b: Client, v: int) -> None:
    for election_type in (2, -1, 127):
        asked = [partitions_of(b.name("unknown"), 0)]
        b.ask("ElectLeaders", v, election_type=election_type, topic_partitions=asked, timeout_ms=5000)
        b.ask("ElectLeaders", v, election_type=election_type, topic_partitions=None, timeout_ms=5000)


@cases("ElectLeaders", LAST)
def elections_without_time(b: Client, v: int) -> None:
    name, _ = b.create()
    for timeout_ms in (0, -1):
        asked = [partitions_of(name, 0)]
        b.ask("ElectLeaders", v, election_type=PREFERRED, topic_partitions=asked, timeout_ms=timeout_ms)


@cases("ElectLeaders", LAST)
def requests_without_time(b: Client, v: int) -> None:
    """Of all kinds that the controller holds to a deadline, and of some that it does not."""
    name, _ = b.create()
    topic = {"name": b.name("new"), "num_partitions": 1, "replication_factor": 1}
    move = {"name": name, "partitions": [{"partition_index": 0, "replicas": [1]}]}
    for timeout_ms in (0, -1):
        b.ask("CreateTopics", 7, topics=[topic], timeout_ms=timeout_ms, validate_only=True)
        b.ask("DeleteTopics", 5, topic_names=[name], timeout_ms=timeout_ms)
        b.ask("DeleteTopics", 6, topics=[{"name": name}], timeout_ms=timeout_ms)
        b.ask("CreatePartitions", 3, topics=[{"name": name, "count": 2, "assignments": None}], timeout_ms=timeout_ms)
        b.ask("AlterPartitionReassignments", 1, topics=[move], timeout_ms=timeout_ms)
        b.ask("AlterPartitionReassignments", 1, topics=[], timeout_ms=timeout_ms)
        b.ask("ListPartitionReassignments", 0, topics=None, timeout_ms=timeout_ms)
        b.ask("UpdateFeatures", 2, feature_updates=[], timeout_ms=timeout_ms)


# Reassignments.


def moves(b: Client, v: int, name: str, *partitions: tuple[int, list[int] | None], **fields: Any) -> None:
    rows = [{"partition_index": index, "replicas": replicas} for index, replicas in partitions]
    topics = [{"name": name, "partitions": rows}]
    b.ask("AlterPartitionReassignments", v, topics=topics, timeout_ms=5000, **fields)


@cases("AlterPartitionReassignments", ALL)
def a_move_to_where_it_is(b: Client, v: int) -> None:
    name, _ = b.create(partitions=2)
    for each in (b, b.at_controller()):
        moves(each, v, name, (0, [1]), (1, [1]))
    b.ask("ListPartitionReassignments", 0, topics=[{"name": name, "partition_indexes": [0, 1]}], timeout_ms=5000)


@cases("AlterPartitionReassignments", ALL)
def moves_that_cannot_be(b: Client, v: int) -> None:
    name, _ = b.create()
    for target in ([], [2], [1, 2], [1, 1], [-1], [1, 1, 1]):
        moves(b, v, name, (0, target))
        moves(b, v, name, (0, target), allow_replication_factor_change=False)


@cases("AlterPartitionReassignments", ALL)
def moves_of_what_is_not_there(b: Client, v: int) -> None:
    name, _ = b.create()
    moves(b, v, b.name("unknown"), (0, [1]), (1, None))
    moves(b, v, name, (9, [1]), (-1, None), (0, [1]))
    moves(b, v, "", (0, [1]))
    moves(b, v, name)
    b.ask("AlterPartitionReassignments", v, topics=[], timeout_ms=5000)


@cases("AlterPartitionReassignments", ALL)
def cancelling_no_move(b: Client, v: int) -> None:
    name, _ = b.create()
    moves(b, v, name, (0, None))
    moves(b, v, name, (0, None), (0, [1]))


@cases("ListPartitionReassignments", ALL)
def no_moves(b: Client, v: int) -> None:
    name, _ = b.create(partitions=2)
    cases_of_topics: list[Asked | None] = [
        None,
        [],
        [(name, [0, 1])],
        [(name, [])],
        [(b.name("unknown"), [0])],
        [(name, [7, -1])],
    ]
    for each in (b, b.at_controller()):
        for topics in cases_of_topics:
            asked = None if topics is None else [{"name": t, "partition_indexes": indexes} for t, indexes in topics]
            each.ask("ListPartitionReassignments", v, topics=asked, timeout_ms=5000)


# Brokers.


@cases("UnregisterBroker", ALL)
def unknown_brokers(b: Client, v: int) -> None:
    for each in (b, b.at_controller()):
        for broker_id in (2, -1, 2147483647):
            each.ask("UnregisterBroker", v, broker_id=broker_id)


@cases("DescribeCluster", ALL)
def controllers(b: Client, v: int) -> None:
    controller = b.at_controller()
    for endpoint_type in (1, 2, 0, 3, -1):
        controller.ask("DescribeCluster", v, endpoint_type=endpoint_type)
    controller.ask(
        "DescribeCluster", v, endpoint_type=2, include_cluster_authorized_operations=True, include_fenced_brokers=True
    )


# Features.


def updates(b: Client, v: int, *features: tuple[str, int, int], validate_only: bool = False) -> None:
    rows = [
        {
            "feature": name,
            "max_version_level": level,
            "upgrade_type": upgrade_type,
            "allow_downgrade": upgrade_type != UPGRADE,
        }
        for name, level, upgrade_type in features
    ]
    b.ask("UpdateFeatures", v, feature_updates=rows, validate_only=validate_only, timeout_ms=5000)


@cases("UpdateFeatures", ALL)
def the_level_that_is(b: Client, v: int) -> None:
    for each in (b, b.at_controller()):
        for name, level in (("metadata.version", METADATA_VERSION), ("kraft.version", 1), ("group.version", 0)):
            updates(each, v, (name, level, UPGRADE))
            updates(each, v, (name, level, SAFE_DOWNGRADE))


@cases("UpdateFeatures", ALL)
def no_updates(b: Client, v: int) -> None:
    updates(b, v)
    updates(b, v, validate_only=True)


@cases("UpdateFeatures", ALL)
def unknown_features(b: Client, v: int) -> None:
    for name in ("unknown", "", "x" * 1000):
        for level in (0, 1):
            updates(b, v, (name, level, UPGRADE))
            updates(b, v, (name, level, SAFE_DOWNGRADE))


@cases("UpdateFeatures", ALL)
def levels_too_high(b: Client, v: int) -> None:
    for name, level in (("metadata.version", 999), ("kraft.version", 2), ("group.version", 9), ("share.version", 2)):
        updates(b, v, (name, level, UPGRADE))
        updates(b, v, (name, level, SAFE_DOWNGRADE))


@cases("UpdateFeatures", ALL)
def levels_too_low(b: Client, v: int) -> None:
    for name, level in (
        ("metadata.version", 0),
        ("metadata.version", 6),
        ("kraft.version", 0),
        ("metadata.version", -1),
    ):
        for upgrade_type in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
            updates(b, v, (name, level, upgrade_type), validate_only=True)


@cases("UpdateFeatures", ALL, since=1)
def only_validated(b: Client, v: int) -> None:
    for level in (29, 28, 20, 7):
        for upgrade_type in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
            updates(b, v, ("metadata.version", level, upgrade_type), validate_only=True)
    answer = b.quietly("ApiVersions", 3, client_software_name="x", client_software_version="1")
    b.note("levels", [each for each in answer["finalized_features"] if each["name"] == "metadata.version"])


@cases("UpdateFeatures", ALL, since=1)
def unknown_kinds_of_upgrades(b: Client, v: int) -> None:
    for upgrade_type in (0, 4, -1):
        updates(b, v, ("metadata.version", METADATA_VERSION, upgrade_type))
        updates(b, v, ("metadata.version", 29, upgrade_type), validate_only=True)


@cases("UpdateFeatures", ENDS)
def all_or_nothing(b: Client, v: int) -> None:
    updates(b, v, ("kraft.version", 1, UPGRADE), ("metadata.version", 999, UPGRADE))
    updates(b, v, ("metadata.version", METADATA_VERSION, UPGRADE), ("unknown", 1, UPGRADE))


@cases.parametrize()
def test_cluster(case: Case, pair: Pair) -> None:
    pair.compare(case)
