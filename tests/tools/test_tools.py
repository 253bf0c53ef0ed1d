"""A few of the commands of docs/tools.md, some of each kind; `make tools-table` runs all."""

from __future__ import annotations

from pathlib import Path

from tests.support.kafka_peer import kafka_libs
from tests.tools.commands import DIFFERENCES
from tests.tools.running import ROWS, results
from tests.tools.table import DIFFERS, DOCUMENT, reason, verdict

SOME = (
    "kafka-cluster cluster-id $B",
    "kafka-metadata-quorum $B describe --status",
    "kafka-topics $B --create --topic orders --partitions 3",
    "kafka-topics $B --create --topic letters",
    "kafka-topics $B --describe --topic orders",
    "kafka-console-producer $B --topic letters",
    "kafka-console-consumer $B --topic letters --group readers",
    "kafka-consumer-groups $B --describe --group readers",
    "kafka-consumer-groups $B --reset-offsets --group readers --topic letters --to-earliest",
    "kafka-delete-records $B --offset-json-file $files/delete-two.json",
    "kafka-log-dirs $B --describe --topic-list letters --broker-list 1",
    "kafka-dump-log --files $data/letters-0/00000000000000000000.log",
)


def test_every_command_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    assert [row.line for row in ROWS if f"| `{row.shown}` |" not in text] == [], "make tools-table"
    assert DIFFERS not in text


def test_every_difference_is_of_a_command() -> None:
    reasons = {reason(row) for row in ROWS}
    assert [why for why in DIFFERENCES.values() if why not in reasons] == []


def test_some_commands_print_the_same(tmp_path: Path) -> None:
    kafka_libs()
    rows = [row for row in ROWS if row.line.startswith(SOME)]
    assert len(rows) >= len(SOME)
    different = [
        f"{row.line}\n  Apache Kafka: {theirs}\n  here:         {ours}"
        for row, (theirs, ours) in results(tmp_path, rows)
        if verdict(row, (theirs, ours)) == DIFFERS
    ]
    assert not different, "\n".join(different)
