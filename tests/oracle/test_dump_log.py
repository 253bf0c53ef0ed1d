"""`barnabas dump-log` beside Apache Kafka's tool, over every file of a directory that Apache Kafka wrote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from tests.support.apache_kafka import running_kafka
from tests.support.java_tools import run
from tests.support.librdkafka import DEADLINE_S, create_topic

ROOT = Path(__file__).resolve().parents[2]
DECODER_FLAGS = {
    "__cluster_metadata": "--cluster-metadata-decoder",
    "__consumer_offsets": "--offsets-decoder",
    "__transaction_state": "--transaction-log-decoder",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("kafka")
    properties = {"transaction.state.log.num.partitions": "1", "offsets.topic.num.partitions": "1"}
    with running_kafka(directory, properties) as kafka:
        write_everything(kafka.bootstrap)
        kafka.stop()
        yield kafka.data


def write_everything(bootstrap: str) -> None:
    """Every codec, headers, nulls, several segments, committed and aborted transactions, groups with offsets."""
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        create_topic(bootstrap, codec, config={"segment.bytes": "1048576", "index.interval.bytes": "1000"})
        producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "enable.idempotence": True})
        for number in range(1500):
            key = None if number % 5 == 0 else f"key {number % 50}"
            value = None if number % 7 == 0 else f"{number} {'x' * 900}"
            producer.produce(codec, value, key=key, headers={"h": b"1"} if number % 3 else None)
            if number % 100 == 0:
                producer.flush(DEADLINE_S)
        assert producer.flush(DEADLINE_S) == 0
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "dumped"})
    producer.init_transactions(DEADLINE_S)
    for number in range(4):
        producer.begin_transaction()
        producer.produce("none", f"transaction {number}")
        producer.flush(DEADLINE_S)
        if number % 2:
            producer.abort_transaction(DEADLINE_S)
        else:
            producer.commit_transaction(DEADLINE_S)
    for protocol in ("classic", "consumer"):
        settings = {"bootstrap.servers": bootstrap, "group.id": f"dumped {protocol}", "auto.offset.reset": "earliest"}
        consumer = Consumer({**settings, "group.protocol": protocol})
        consumer.subscribe(["none"])
        assert consumer.poll(DEADLINE_S) is not None
        consumer.commit(asynchronous=False)
        consumer.close()


def ours(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "broker", "dump-log", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def files_of(data: Path) -> dict[str, list[Path]]:
    """The files to dump, by the decoder flag that Apache Kafka's tool needs for them."""
    files: dict[str, list[Path]] = {}
    for path in sorted(data.rglob("*")):
        if path.suffix in (".log", ".checkpoint", ".index", ".timeindex", ".txnindex", ".snapshot"):
            topic = path.parent.name.rpartition("-")[0]
            flag = "--cluster-metadata-decoder" if path.suffix == ".checkpoint" else DECODER_FLAGS.get(topic, "")
            files.setdefault(flag, []).append(path)
    return files


@pytest.mark.parametrize("detail", [[], ["--print-data-log"]], ids=["batches", "records"])
def test_prints_what_apache_kafkas_tool_prints(data: Path, detail: list[str]) -> None:
    files = files_of(data)
    assert {path.suffix for paths in files.values() for path in paths} >= {".log", ".index", ".timeindex", ".snapshot"}
    for flag, paths in files.items():
        flags = [*detail, *([flag] if flag and detail else [])]
        done = ours(*detail, *paths)
        assert done.returncode == 0, done.stderr
        theirs = run("4.3.1", "dump-log", *flags, "--files", ",".join(map(str, paths)))
        assert lines_of(done.stdout) == lines_of(theirs)


def lines_of(text: str) -> list[str]:
    # Apache Kafka maps indexes that it preallocated again and says so; that is about its own run.
    return [line.rstrip() for line in text.splitlines() if not line.startswith("SLF4J")]


def test_damage_is_told(data: Path, tmp_path: Path) -> None:
    segment = next((data / "gzip-0").glob("*.log"))
    content = bytearray(segment.read_bytes())
    content[200] ^= 1
    damaged = tmp_path / segment.name
    damaged.write_bytes(content + b"\0" * 30)
    done = ours(damaged)
    assert done.returncode == 1
    assert "isvalid: false" in done.stdout
    assert "Found 30 invalid bytes at the end" in done.stdout
    (tmp_path / "00000000000000000000.index").write_bytes(bytes([0, 0, 0, 1, 0, 0, 0, 9]))
    done = ours(tmp_path / "00000000000000000000.index")
    assert done.returncode == 1
    assert "Mismatches in" in done.stderr
