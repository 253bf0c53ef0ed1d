"""Produce: what is stored, what is refused with which error, and idempotence; InitProducerId.

Not asked: null for records. Apache Kafka never answers it.
"""

from __future__ import annotations

import struct
import time
from typing import Any

from crc32c import crc32c

from protocol.records.builder import RecordsBuilder
from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Answer, Client
from tests.conformance.records import batch, produced, stored

cases = Cases()
UNKNOWN_ID = bytes(range(16))
HOUR_MS = 3_600_000


@cases("Produce", ALL)
def plain(b: Client, v: int) -> None:
    topic = b.create()
    for acks in (-1, 1):
        produced(b, v, topic, batch(b"one", b"two", None), acks=acks)
    stored(b, topic)


@cases("Produce", ALL)
def unknown_topic_and_partition(b: Client, v: int) -> None:
    topic = b.create()
    produced(b, v, (b.name("unknown"), UNKNOWN_ID), batch(b"x"))
    produced(b, v, topic, batch(b"x"), partition=7)
    produced(b, v, topic, batch(b"x"), partition=-1)


@cases("Produce", ALL)
def without_answer(b: Client, v: int) -> None:
    topic = b.create()
    topics = [{"name": topic[0], "topic_id": topic[1], "partition_data": [{"index": 0, "records": batch(b"quiet")}]}]
    b.send_only("Produce", v, acks=0, timeout_ms=1000, topic_data=topics)
    produced(b, v, topic, batch(b"loud"))
    stored(b, topic)


@cases("Produce", ENDS)
def without_answer_and_refused(b: Client, v: int) -> None:
    """The only way to tell a producer without acknowledgements of an error is to close its connection."""
    topics = [{"name": b.name("?"), "topic_id": UNKNOWN_ID, "partition_data": [{"index": 0, "records": batch(b"x")}]}]
    b.send_only("Produce", v, acks=0, timeout_ms=1000, topic_data=topics)
    b.ask("DescribeCluster", 0)


@cases("Produce", ENDS)
def several_partitions(b: Client, v: int) -> None:
    name, topic_id = b.create(partitions=3)
    other, other_id = b.create("other")
    rows = [{"index": index, "records": batch(b"x" * index)} for index in (2, 0, 9, 1)]
    topics = [
        {"name": name, "topic_id": topic_id, "partition_data": rows},
        {"name": other, "topic_id": other_id, "partition_data": rows[1:2]},
    ]
    b.ask("Produce", v, acks=-1, timeout_ms=10000, topic_data=topics)


@cases("Produce", ENDS)
def the_same_partition_twice(b: Client, v: int) -> None:
    name, topic_id = b.create()
    rows = [{"index": 0, "records": batch(value)} for value in (b"first", b"second")]
    topics = [{"name": name, "topic_id": topic_id, "partition_data": rows}]
    b.ask("Produce", v, acks=-1, timeout_ms=10000, topic_data=topics)
    stored(b, (name, topic_id))


@cases("Produce", ENDS)
def nothing_at_all(b: Client, v: int) -> None:
    topic = b.create()
    b.ask("Produce", v, acks=-1, timeout_ms=10000, topic_data=[])
    b.ask("Produce", v, acks=-1, timeout_ms=10000, topic_data=[{"name": topic[0], "topic_id": topic[1]}])


@cases("Produce", ENDS)
def wrong_acks(b: Client, v: int) -> None:
    topic = b.create()
    for acks in (2, -2, 100):
        produced(b, v, topic, batch(b"x"), acks=acks)


def changed(data: bytes, at: int, pattern: str, value: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(pattern, copy, at, value)
    return bytes(copy)


@cases("Produce", ENDS)
def wrong_crc(b: Client, v: int) -> None:
    topic = b.create()
    produced(b, v, topic, changed(batch(b"x"), 17, ">I", 12345))
    produced(b, v, topic, batch(b"xyz", b"y")[:-1] + b"\x77")
    stored(b, topic)


@cases("Produce", ENDS)
def wrong_magic(b: Client, v: int) -> None:
    topic = b.create()
    for magic in (0, 1, 3, -1):
        produced(b, v, topic, changed(batch(b"x"), 16, ">b", magic))


@cases("Produce", ENDS)
def wrong_sizes(b: Client, v: int) -> None:
    topic = b.create()
    good = batch(b"x")
    for length in (0, -1, 13, 48, 49, len(good) - 13, len(good) + 100, 2**31 - 1):
        produced(b, v, topic, changed(good, 8, ">i", length))
    for size in (1, 11, 12, 16, 17, 30, 60, len(good) - 1):
        produced(b, v, topic, good[:size])
    produced(b, v, topic, good + b"\0")


@cases("Produce", ENDS)
def no_records(b: Client, v: int) -> None:
    topic = b.create()
    produced(b, v, topic, b"")
    produced(b, v, topic, batch())


def resealed(data: bytes) -> bytes:
    return changed(data, 17, ">I", crc32c(data[21:]))


@cases("Produce", ENDS)
def wrong_counts(b: Client, v: int) -> None:
    topic = b.create()
    good = batch(b"x", b"y")
    for count in (0, 1, 3, -1, 2**31 - 1):
        produced(b, v, topic, resealed(changed(good, 57, ">i", count)))
    for delta in (0, 2, -1, 2**31 - 1):
        produced(b, v, topic, resealed(changed(good, 23, ">i", delta)))


@cases("Produce", ENDS)
def wrong_attributes(b: Client, v: int) -> None:
    topic = b.create()
    for attributes in (5, 6, 7, 8, 16, 32, 64, 128, 1 << 8, -1):
        produced(b, v, topic, resealed(changed(batch(b"x"), 21, ">h", attributes)))


@cases("Produce", ENDS)
def base_offset_of_the_producer(b: Client, v: int) -> None:
    topic = b.create()
    produced(b, v, topic, changed(batch(b"x"), 0, ">q", 77))
    stored(b, topic)


@cases("Produce", ENDS)
def garbage_inside(b: Client, v: int) -> None:
    topic = b.create()
    good = batch(b"xxxx", b"yyyy")
    for at in (61, 62, 64, 66, 68):
        produced(b, v, topic, resealed(changed(good, at, ">b", 0x55)))
    for codec in (1, 2, 3, 4):
        produced(b, v, topic, resealed(changed(good, 21, ">h", codec)))


@cases("Produce", ENDS)
def two_batches(b: Client, v: int) -> None:
    topic = b.create()
    produced(b, v, topic, batch(b"x") + batch(b"y"))
    stored(b, topic)


@cases("Produce", ENDS)
def a_control_batch(b: Client, v: int) -> None:
    topic = b.create()
    control = RecordsBuilder(is_control=True)
    control.append(1000, b"\x00\x00\x00\x01", b"\x00\x00\x00\x00\x00\x00")
    produced(b, v, topic, control.build())


@cases("Produce", ENDS)
def a_transactional_batch_out_of_the_blue(b: Client, v: int) -> None:
    topic = b.create()
    data = batch(b"x", producer_id=5, producer_epoch=0, base_sequence=0, is_transactional=True)
    produced(b, v, topic, data)


@cases("Produce", ENDS)
def too_large(b: Client, v: int) -> None:
    topic = b.create(configs={"max.message.bytes": "200"})
    produced(b, v, topic, batch(b"x" * 300))
    produced(b, v, topic, batch(b"x" * 110))
    produced(b, v, topic, batch(b"x" * 3000, compression=1))


@cases("Produce", ENDS)
def codecs(b: Client, v: int) -> None:
    topic = b.create()
    for codec in (1, 2, 3, 4):
        produced(b, v, topic, batch(b"x" * 500, b"y" * 100, compression=codec))
    stored(b, topic)


@cases("Produce", LAST)
def codecs_of_the_topic(b: Client, v: int) -> None:
    for name in ("gzip", "snappy", "lz4", "zstd", "uncompressed", "producer"):
        topic = b.create(name, configs={"compression.type": name})
        produced(b, v, topic, batch(b"x" * 500, b"y" * 100))
        produced(b, v, topic, batch(b"x" * 500, compression=1))
        stored(b, topic)


@cases("Produce", ALL)
def log_append_time(b: Client, v: int) -> None:
    topic = b.create(configs={"message.timestamp.type": "LogAppendTime"})
    produced(b, v, topic, batch(b"x", b"y"))
    produced(b, v, topic, batch(b"x", compression=1))
    stored(b, topic)


@cases("Produce", ENDS)
def timestamps_out_of_range(b: Client, v: int) -> None:
    now = int(time.time() * 1000)
    bounds = {"message.timestamp.before.max.ms": str(HOUR_MS), "message.timestamp.after.max.ms": str(HOUR_MS)}
    topic = b.create(configs=bounds)
    for timestamp in (now, now - 2 * HOUR_MS, now + 2 * HOUR_MS, now - HOUR_MS // 2, -1):
        produced(b, v, topic, batch(b"x", b"y", timestamp=timestamp))


@cases("Produce", ENDS)
def no_timestamp(b: Client, v: int) -> None:
    topic = b.create()
    produced(b, v, topic, batch(b"x", timestamp=-1))
    produced(b, v, topic, batch(b"x", timestamp=-5))
    stored(b, topic)


@cases("Produce", ENDS)
def without_key_to_a_compacted_topic(b: Client, v: int) -> None:
    topic = b.create(configs={"cleanup.policy": "compact"})
    produced(b, v, topic, batch(b"x", b"y", key=None))
    mixed = RecordsBuilder()
    for key in (b"a", None, b"b", None):
        mixed.append(1000, key, b"v")
    produced(b, v, topic, mixed.build())
    produced(b, v, topic, batch(b"x"))


@cases("Produce", LAST)
def too_few_in_sync(b: Client, v: int) -> None:
    topic = b.create(configs={"min.insync.replicas": "2"})
    for acks in (-1, 1):
        produced(b, v, topic, batch(b"x"), acks=acks)
    stored(b, topic)


@cases("Produce", LAST)
def to_an_internal_topic(b: Client, v: int) -> None:
    b.quietly("FindCoordinator", key_type=0, coordinator_keys=["any"])
    topic_id = b.await_topic("__consumer_offsets", 3)
    produced(b, v, ("__consumer_offsets", topic_id), batch(b"x"), partition=2)


@cases("Produce", LAST)
def to_an_internal_topic_made_by_hand(b: Client, v: int) -> None:
    """Only the client id of Kafka's own admin may write there."""
    name = "__share_group_state"
    # Apache Kafka has made it by now if another case has asked it for the coordinator of a share group.
    b.quietly("DeleteTopics", 6, topics=[{"name": name}], timeout_ms=30000)
    topic = {"name": name, "num_partitions": 1, "replication_factor": 1}
    b.ask("CreateTopics", 7, topics=[topic], timeout_ms=30000)
    topic_id = b.await_topic(name)
    for acks in (-1, 1, 2):
        produced(b, v, (name, topic_id), batch(b"x"), acks=acks)
    produced(b, v, (name, topic_id), batch(b"x"), partition=1)
    data = [{"index": 0, "records": batch(b"allowed")}]
    topics = [{"name": name, "topic_id": topic_id, "partition_data": data}]
    values = {"acks": -1, "timeout_ms": 10000, "topic_data": topics}
    connection = b.connect()
    b.note("as an admin", connection.receive("Produce", v, connection.send("Produce", v, values, "__admin_client")))
    stored(b, (name, topic_id))
    b.ask("DeleteTopics", 6, topics=[{"name": name}], timeout_ms=30000)


def init(b: Client, v: int = 5, **values: Any) -> Answer:
    return b.ask("InitProducerId", v, **{"transactional_id": None, "transaction_timeout_ms": 60000, **values})


def sequenced(b: Client, v: int, topic: tuple[str, bytes], producer: Answer, sequence: int, **options: Any) -> None:
    values = options.pop("values", (b"x",))
    epoch = options.pop("epoch", producer["producer_epoch"])
    data = batch(*values, producer_id=producer["producer_id"], producer_epoch=epoch, base_sequence=sequence, **options)
    produced(b, v, topic, data)


@cases("Produce", ALL)
def idempotent(b: Client, v: int) -> None:
    topic, producer = b.create(), init(b)
    for sequence in (0, 1, 2, 3, 4, 5, 6):
        sequenced(b, v, topic, producer, sequence)
    for sequence in (6, 2, 1, 0, 8, 7, -1):
        sequenced(b, v, topic, producer, sequence)
    stored(b, topic)


@cases("Produce", ENDS)
def sequences_of_several_records(b: Client, v: int) -> None:
    topic, producer = b.create(), init(b)
    sequenced(b, v, topic, producer, 0, values=(b"a", b"b", b"c"))
    sequenced(b, v, topic, producer, 0, values=(b"a", b"b"))
    sequenced(b, v, topic, producer, 1, values=(b"b", b"c"))
    sequenced(b, v, topic, producer, 0, values=(b"a", b"b", b"c"))
    sequenced(b, v, topic, producer, 3, values=(b"d",))
    sequenced(b, v, topic, producer, 5, values=(b"d",))


@cases("Produce", ENDS)
def a_first_sequence_of_any_number(b: Client, v: int) -> None:
    topic, producer = b.create(), init(b)
    sequenced(b, v, topic, producer, 100)
    sequenced(b, v, topic, producer, 101)
    sequenced(b, v, topic, producer, 99)


@cases("Produce", ENDS)
def sequences_wrap(b: Client, v: int) -> None:
    topic, producer = b.create(), init(b)
    last = 2**31 - 1
    sequenced(b, v, topic, producer, last - 1, values=(b"a", b"b", b"c"))
    sequenced(b, v, topic, producer, 1)
    sequenced(b, v, topic, producer, last - 1, values=(b"a", b"b", b"c"))
    sequenced(b, v, topic, producer, 3)


@cases("Produce", ENDS)
def epochs(b: Client, v: int) -> None:
    topic, producer = b.create(), init(b)
    sequenced(b, v, topic, producer, 0, epoch=1)
    sequenced(b, v, topic, producer, 1, epoch=0)
    sequenced(b, v, topic, producer, 5, epoch=2)
    sequenced(b, v, topic, producer, 0, epoch=2)
    sequenced(b, v, topic, producer, 0, epoch=2)
    sequenced(b, v, topic, producer, 1, epoch=-1)


@cases("Produce", ENDS)
def two_idempotent_batches(b: Client, v: int) -> None:
    topic, producer = b.create(), init(b)
    ids = {"producer_id": producer["producer_id"], "producer_epoch": 0}
    produced(b, v, topic, batch(b"a", base_sequence=0, **ids) + batch(b"b", base_sequence=1, **ids))


@cases("Produce", ENDS)
def an_unknown_producer_id(b: Client, v: int) -> None:
    topic = b.create()
    sequenced(b, v, topic, {"producer_id": 987654, "producer_epoch": 3}, 17)
    sequenced(b, v, topic, {"producer_id": 987654, "producer_epoch": 3}, 19)


@cases("InitProducerId", ALL)
def new_ids(b: Client, v: int) -> None:
    init(b, v)
    init(b, v)


@cases("InitProducerId", ALL)
def odd_timeouts(b: Client, v: int) -> None:
    for timeout in (0, -1, 2**31 - 1):
        init(b, v, transaction_timeout_ms=timeout)


@cases("InitProducerId", [3, 4, 5])
def with_an_id(b: Client, v: int) -> None:
    init(b, v, producer_id=1234, producer_epoch=3)
    init(b, v, producer_id=1234, producer_epoch=-1)
    init(b, v, producer_id=-1, producer_epoch=3)


@cases("InitProducerId", ENDS)
def an_empty_transactional_id(b: Client, v: int) -> None:
    init(b, v, transactional_id="")


@cases.parametrize()
def test_produce(case: Case, pair: Pair) -> None:
    pair.compare(case)
