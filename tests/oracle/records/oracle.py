"""Questions to Kafka's own record classes: each a line to RecordsOracle.java, many at once, and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from protocol.records.batch import RecordBatch
from protocol.records.record import Record
from tests.support.kafka_peer import compile_java, run_java

SOURCE = Path(__file__).parent / "RecordsOracle.java"
MAIN_CLASS = "org.apache.kafka.storage.internals.log.RecordsOracle"
NOW = 1_700_000_000_000
"""The oracle's clock."""


class Answer(NamedTuple):
    """`text` if Kafka agreed; else the name of the error code and the places of the records at fault."""

    text: str | None
    error: str = ""
    places: str = ""


@cache
def _classes() -> Path:
    return compile_java([SOURCE], Path(mkdtemp(prefix="records-oracle-")))


def ask(questions: Sequence[Sequence[object]]) -> list[Answer]:
    lines = "\n".join("\t".join(map(str, question)) for question in questions)
    done = run_java(MAIN_CLASS, classes=_classes(), stdin=lines.encode() + b"\n", heap="512m")
    assert done.returncode == 0, done.stderr.decode()
    answers = [line.split("\t", 1) for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(questions)
    return [Answer(rest) if status == "OK" else Answer(None, *rest.split("\t")) for status, rest in answers]


def texts(questions: Sequence[Sequence[object]]) -> list[str]:
    """The answers to questions that have one."""
    answers = ask(questions)
    for question, answer in zip(questions, answers, strict=True):
        assert answer.text is not None, (answer, question)
    return [answer.text or "" for answer in answers]


def hexed(data: bytes | None) -> str:
    return "-" if data is None else data.hex()


def describe_record(record: Record) -> str:
    headers = ",".join(f"{_as_java_reads(name).encode().hex()}={hexed(value)}" for name, value in record.headers)
    fields = (record.offset, record.timestamp, record.sequence, hexed(record.key), hexed(record.value), headers)
    return ":".join(map(str, fields))


def _as_java_reads(name: str) -> str:
    """What is not UTF-8 is lost to Java, and kept by us as surrogates."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def describe_batch(batch: RecordBatch) -> str:
    """A batch in the oracle's words."""
    records = list(batch.records())
    header = (
        batch.base_offset,
        batch.last_offset,
        batch.partition_leader_epoch,
        batch.magic,
        batch.compression,
        batch.timestamp_type,
        batch.max_timestamp,
        batch.producer_id,
        batch.producer_epoch,
        batch.base_sequence,
        batch.last_sequence,
        len(records),
        int(batch.is_transactional),
        int(batch.is_control),
        -1 if batch.delete_horizon_ms is None else batch.delete_horizon_ms,
    )
    return ",".join(map(str, header)) + "|" + " ".join(map(describe_record, records))
