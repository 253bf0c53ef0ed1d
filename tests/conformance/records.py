"""Batches to produce, and requests that several files make."""

from __future__ import annotations

from typing import Any

from protocol.records.builder import RecordsBuilder
from tests.conformance.client import Answer, Client


def batch(*values: bytes | None, key: bytes | None = b"k", timestamp: int = 1000, **options: Any) -> bytes:
    """Records a millisecond apart."""
    builder = RecordsBuilder(**options)
    for index, value in enumerate(values):
        builder.append(timestamp + index, key, value, [("h", b"1"), ("n", None)])
    return builder.build()


def produced(
    b: Client,
    v: int,
    topic: tuple[str, bytes],
    records: bytes | None,
    *,
    acks: int = -1,
    partition: int = 0,
) -> Answer:
    data = [{"index": partition, "records": records}]
    topics = [{"name": topic[0], "topic_id": topic[1], "partition_data": data}]
    return b.ask("Produce", v, acks=acks, timeout_ms=10000, topic_data=topics)


def fill(b: Client, topic: tuple[str, bytes], *batches: bytes, partition: int = 0) -> None:
    """Store without comparing; it must work."""
    for records in batches:
        data = [{"index": partition, "records": records}]
        topics = [{"name": topic[0], "topic_id": topic[1], "partition_data": data}]
        answer = b.quietly("Produce", acks=-1, timeout_ms=10000, topic_data=topics)
        assert answer["responses"][0]["partition_responses"][0]["error_code"] == 0, answer


def stored(b: Client, topic: tuple[str, bytes], offset: int = 0) -> None:
    asked = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
    topics = [{"topic_id": topic[1], "partitions": [asked]}]
    b.ask("Fetch", 13, max_wait_ms=0, max_bytes=1 << 20, topics=topics)
