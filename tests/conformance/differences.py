"""What this broker answers differently on purpose, each with the reason; docs/differences.md is written from here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.cases import Case

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences.md"


def anything(_: Any) -> bool:
    return True


def is_(*values: Any) -> Callable[[Any], bool]:
    return lambda value: value in values


@dataclass(frozen=True)
class Difference:
    """Cases and places are regular expressions over `Case.id` and the path of a value."""

    api: str
    cases: str
    places: str
    what: str
    reason: str
    kafka: Callable[[Any], bool] = anything
    here: Callable[[Any], bool] = anything

    def covers(self, case: Case, where: str, expected: Any, actual: Any) -> bool:
        return (
            self.api in ("every API", case.api)
            and re.search(self.cases, case.id) is not None
            and re.search(self.places, where) is not None
            and self.kafka(expected)
            and self.here(actual)
        )


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "every API",
        "",
        r"error_message$",
        "More errors come with a message.",
        "Apache Kafka often sends the code alone; a text helps people and harms nobody.",
        kafka=is_(None, ""),
        here=is_("a text"),
    ),
    Difference(
        "Produce",
        "wrong_attributes|garbage_inside|wrong_sizes",
        r"error_code$",
        "Records that cannot be decompressed or parsed, and unknown codecs, are INVALID_RECORD.",
        "Apache Kafka fails on them and answers UNKNOWN_SERVER_ERROR.",
        kafka=is_(-1),
        here=is_(87),
    ),
    Difference(
        "Produce",
        "wrong_attributes|a_transactional_batch_out_of_the_blue",
        r"error_code$",
        "A transactional batch is refused with INVALID_TXN_STATE.",
        "Transactions are not served yet.",
        kafka=is_(53),
        here=is_(48),
    ),
    Difference(
        "Produce",
        "garbage_inside",
        r"^3: |base_offset$",
        "A record whose headers or lengths do not fit is INVALID_RECORD.",
        "Apache Kafka skips the headers of uncompressed records unseen and stores what no client can read.",
    ),
    Difference(
        "Produce",
        "the_same_partition_twice",
        "",
        "A partition that stands twice in a request gets both batches, and two results.",
        "Apache Kafka loses one of the two without an error.",
    ),
    Difference(
        "Fetch",
        "max_bytes_of_a_partition|max_bytes_of_the_request",
        r"^[78]: ",
        "A negative limit of bytes is a limit of nothing: the first batch comes.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR.",
    ),
    Difference(
        "Fetch",
        "isolation",
        r"^[34]: ",
        "An isolation level that does not exist is read_uncommitted.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR.",
    ),
    Difference(
        "ListOffsets",
        "isolation",
        r"^(9|1\d): ",
        "An isolation level that does not exist is read_uncommitted.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR.",
    ),
    Difference(
        "Fetch",
        "as_a_follower_that_is_none",
        "node_endpoints",
        "The endpoint of the leader comes with the error, for followers, too.",
        "Apache Kafka sends it to consumers alone; no follower looks at it.",
    ),
    Difference(
        "FindCoordinator",
        "of_shares_that_are_off",
        r"error_code$",
        "A share group has no coordinator: INVALID_REQUEST.",
        "Share groups are not served yet; Apache Kafka creates their topic even where the feature is off.",
        kafka=is_(15),
        here=is_(42),
    ),
    Difference(
        "JoinGroup",
        "protocols_twice",
        "",
        "A protocol that a member names twice counts where it stands first.",
        "Apache Kafka lets the rest of the list win; no client sends such a list.",
    ),
    Difference(
        "Produce",
        "without_records",
        "it waits",
        "Null in place of records is answered with INVALID_RECORD.",
        "Apache Kafka fails on it and never answers.",
    ),
    Difference(
        "JoinGroup",
        "a_protocol_without_name",
        "it waits",
        "A protocol whose name is empty is one like others.",
        "Apache Kafka fails once the group is complete, and never answers.",
    ),
    Difference(
        "AlterConfigs",
        "shapes_at_the_controller",
        r"null resources\.configs\.value",
        "A value that is null is refused by controllers as by brokers.",
        "Apache Kafka's controllers take it for a deletion, and its brokers refuse it before they ask one.",
        kafka=is_(0),
        here=is_(42),
    ),
    Difference(
        "IncrementalAlterConfigs",
        "shapes_at_the_controller",
        r"null resources\.configs\.value",
        "A value that is null is refused by controllers as by brokers.",
        "Apache Kafka's controllers take it for a deletion, and its brokers refuse it before they ask one.",
        kafka=is_(0),
        here=is_(42),
    ),
    Difference(
        "CreateDelegationToken",
        "shapes",
        r"null owner_principal_type}\.",
        "An owner with a name but without a type is answered as any other.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR.",
    ),
    Difference(
        "IncrementalAlterConfigs",
        "refused_of_the_broker",
        r"^6: ",
        "A key of brokers that nobody knows is refused.",
        "Apache Kafka stores it, since a plug-in might read it; here there are none, and a typing error shows.",
    ),
    Difference(
        "DescribeConfigs",
        "a_kind_that_does_not_exist_among_others",
        "",
        "A kind of resource that does not exist is an error of that resource.",
        "Apache Kafka refuses the whole request for it.",
    ),
    Difference(
        "DescribeConfigs",
        "the_broker",
        r"configs\.(barnabas\.|metrics\.(port|host)\b)",
        "There are keys of our own: metrics.port, metrics.host, and those which begin with barnabas.",
        "They set what Apache Kafka does not have.",
    ),
    Difference(
        "ApiVersions",
        "a_tag_twice",
        "",
        "Tagged fields out of order close the connection.",
        "Nobody can tell which of two is meant.",
    ),
    Difference(
        "ApiVersions",
        "unknown_version_with_an_old_header",
        "",
        "An unknown version is answered whatever the header is like.",
        "Apache Kafka expects a flexible header with every unknown version and hangs up otherwise.",
    ),
    Difference(
        "Metadata",
        "null_name_without_id|shapes",
        r"^1: Metadata v\d+(\.|$)|null topics\.name",
        "A topic with neither a name nor an id is INVALID_TOPIC_EXCEPTION, and the others are as usual.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR for the whole request.",
    ),
    Difference(
        "DescribeTopicPartitions",
        "an_empty_name",
        "",
        "An empty topic name is answered with INVALID_TOPIC_EXCEPTION, other topics as usual.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR for every topic of the request.",
    ),
)


@dataclass(frozen=True)
class Unserved:
    """APIs that Apache Kafka advertises on its broker or controller listeners (or both), and this node does not."""

    apis: tuple[str, ...]
    listeners: tuple[str, ...]
    reason: str


UNSERVED: tuple[Unserved, ...] = (
    Unserved(
        (
            "AddPartitionsToTxn",
            "AddOffsetsToTxn",
            "EndTxn",
            "WriteTxnMarkers",
            "TxnOffsetCommit",
            "DescribeTransactions",
            "ListTransactions",
        ),
        ("broker",),
        "Transactions are not served yet.",
    ),
    Unserved(
        ("ConsumerGroupHeartbeat", "ConsumerGroupDescribe", "StreamsGroupHeartbeat", "StreamsGroupDescribe"),
        ("broker",),
        "The newer protocols of consumer and streams groups are not served yet.",
    ),
    Unserved(
        (
            "ShareGroupHeartbeat",
            "ShareGroupDescribe",
            "ShareFetch",
            "ShareAcknowledge",
            "InitializeShareGroupState",
            "ReadShareGroupState",
            "WriteShareGroupState",
            "DeleteShareGroupState",
            "ReadShareGroupStateSummary",
            "DescribeShareGroupOffsets",
            "AlterShareGroupOffsets",
            "DeleteShareGroupOffsets",
        ),
        ("broker",),
        "Share groups are not served yet.",
    ),
    Unserved(("DescribeClientQuotas",), ("broker",), "Quotas have no effect yet."),
    Unserved(("AlterClientQuotas",), ("broker", "controller"), "Quotas have no effect yet."),
    Unserved(
        ("DescribeUserScramCredentials", "AlterUserScramCredentials"),
        ("broker", "controller"),
        "There is no SASL yet, so users would be of no use.",
    ),
    Unserved(
        ("DescribeDelegationToken",),
        ("controller",),
        "Apache Kafka's controllers advertise it and then answer UNKNOWN_SERVER_ERROR.",
    ),
)

seen: set[Difference] = set()


def excused(case: Case, where: str, expected: Any, actual: Any) -> bool:
    for difference in DIFFERENCES:
        if difference.covers(case, where, expected, actual):
            seen.add(difference)
            return True
    return False


HEAD = """\
# Where answers differ from Apache Kafka's

Generated from `tests/conformance/differences.py` by `make docs`; edit that table.

`make conformance` sends the same requests to Apache Kafka 4.3.1 and to Barnabas and compares the answers field by
field. What it lets pass, besides ids, ports, times and the words of messages:

| API | here | why |
|---|---|---|
"""


HEAD_OF_UNSERVED = """
## APIs that are not advertised

What Apache Kafka 4.3.1 advertises and Barnabas does not. Clients see that it is not there before they ask.

| APIs | on listeners of the | why |
|---|---|---|
"""


def document() -> str:
    rows = [f"| {each.api} | {each.what} | {each.reason} |\n" for each in DIFFERENCES]
    unserved = [
        f"| {', '.join(each.apis)} | {' and the '.join(each.listeners)} | {each.reason} |\n" for each in UNSERVED
    ]
    return HEAD + "".join(rows) + HEAD_OF_UNSERVED + "".join(unserved)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
