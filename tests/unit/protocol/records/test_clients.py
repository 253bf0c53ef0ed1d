"""Batches between us and the record code of Python clients, every codec both ways."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.record import default_records as aiokafka_records
from kafka.record import default_records as kafka_python_records

from protocol.records.batch import iter_batches
from protocol.records.builder import build_batch
from protocol.records.compression import CompressionType
from protocol.records.record import Record

TEXT = b"".join(b'{"id": %d}' % i for i in range(30_000))
RECORDS = [Record(i, 1000 + i, b"key", TEXT[i * 100_000 : (i + 1) * 100_000], [("h", b"x")]) for i in range(3)]

each_client = pytest.mark.parametrize(
    "client", [aiokafka_records, kafka_python_records], ids=["aiokafka", "kafka-python"]
)
each_codec = pytest.mark.parametrize("codec", list(CompressionType))


def skip_without_codec(client: Any, codec: int) -> None:
    if client is kafka_python_records and codec == CompressionType.SNAPPY:
        pytest.skip("kafka-python brings no snappy")


@each_client
@each_codec
def test_we_read_theirs(client: Any, codec: int) -> None:
    skip_without_codec(client, codec)
    builder = client.DefaultRecordBatchBuilder(2, int(codec), False, -1, -1, -1, 1 << 20)
    for record in RECORDS:
        builder.append(record.offset, record.timestamp, record.key, record.value, record.headers)
    (batch,) = iter_batches(bytes(builder.build()))
    assert batch.is_valid_crc() and batch.compression == codec
    assert list(batch.records()) == RECORDS


@each_client
@each_codec
def test_they_read_ours(client: Any, codec: int) -> None:
    skip_without_codec(client, codec)
    theirs = client.DefaultRecordBatch(build_batch(RECORDS, compression=codec))
    assert theirs.validate_crc()
    read = [Record(x.offset, x.timestamp, bytes(x.key), bytes(x.value), list(x.headers)) for x in theirs]
    assert read == RECORDS
