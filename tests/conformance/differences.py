"""What this broker answers differently on purpose, each with the reason; docs/differences.md is written from here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.cases import Case

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences.md"


@dataclass(frozen=True)
class Difference:
    """Cases and places are regular expressions over `Case.id` and the path of a value."""

    api: str
    cases: str
    places: str
    what: str
    reason: str

    def covers(self, case: Case, where: str) -> bool:
        return (
            self.api == case.api
            and re.search(self.cases, case.id) is not None
            and re.search(self.places, where) is not None
        )


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "Metadata",
        "null_name_without_id",
        "",
        "A topic with neither a name nor an id is answered with INVALID_TOPIC_EXCEPTION, the rest of the request as usual.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR for the whole request.",
    ),
    Difference(
        "DescribeTopicPartitions",
        "an_empty_name",
        "",
        "An empty topic name is answered with INVALID_TOPIC_EXCEPTION, other topics as usual.",
        "Apache Kafka fails on it and answers UNKNOWN_SERVER_ERROR for every topic of the request.",
    ),
    Difference(
        "CreatePartitions",
        "grow_refused",
        "error_message",
        "UNKNOWN_TOPIC_OR_PARTITION comes with a message.",
        "Apache Kafka gives none; a text helps people and harms nobody.",
    ),
)

seen: set[Difference] = set()


def excused(case: Case, where: str) -> bool:
    for difference in DIFFERENCES:
        if difference.covers(case, where):
            seen.add(difference)
            return True
    return False
