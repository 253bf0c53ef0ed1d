"""Record batches between us and Apache Kafka's own classes: read, written, validated, and followed by producer."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.errors import ApiError, ErrorCode
from protocol.records.batch import iter_batches
from protocol.records.builder import (
    COVERED,
    build_batch,
    build_control_batch,
    build_end_transaction_marker,
    seal,
)
from protocol.records.compression import CompressionType
from protocol.records.control import ControlRecordType, EndTransactionMarker
from protocol.records.record import Record
from storage.files import DiskFiles
from storage.producer_snapshot import decode_snapshot
from storage.producer_state import ProducerState
from storage.validation import (
    AppendOrigin,
    RecordValidationError,
    ValidatedAppend,
    ValidationRules,
    validate_for_append,
)
from tests.oracle.records.oracle import NOW, Answer, ask, describe_batch, describe_record, texts

CODECS = list(CompressionType)
LEVELS: dict[CompressionType, list[int | None]] = {
    CompressionType.GZIP: [None, -1, 1, 9],
    CompressionType.LZ4: [None, 1, 9, 17],
    CompressionType.ZSTD: [None, -5, 3, 19],
}


def some_records(source: random.Random, count: int, *, base_offset: int = 0, gaps: bool = False) -> list[Record]:
    offset, result = base_offset, []
    for _ in range(count):
        size = source.choice([0, 3, 40, 3000])
        content = source.choice([bytes(size), source.randbytes(size), (b"text " * 1000)[:size]])
        key = source.choice([None, b"", b"key%d" % source.randrange(100)])
        value = source.choice([None, content, content])
        headers = [
            (source.choice(["", "h", "ключ"]), source.choice([None, b"", b"x"]))
            for _ in range(source.choice([0, 0, 2]))
        ]
        result.append(Record(offset, NOW + source.randrange(-500, 500), key, value, headers))
        offset += source.randrange(1, 4) if gaps else 1
    return result


def test_kafka_reads_what_we_write() -> None:
    source = random.Random(1)
    written = []
    for codec in CODECS:
        for level in LEVELS.get(codec, [None]):
            for count in (1, 5, 300):
                records = some_records(source, count, base_offset=source.randrange(2**40), gaps=True)
                written += [
                    build_batch(records, compression=codec, compression_level=level),
                    build_batch(records, compression=codec, log_append_time=NOW, partition_leader_epoch=3),
                    build_batch(records, compression=codec, delete_horizon_ms=NOW + 99),
                    build_batch(
                        records,
                        compression=codec,
                        producer_id=5,
                        producer_epoch=2,
                        base_sequence=2**31 - 2,
                        is_transactional=True,
                    ),
                ]
    written.append(build_batch([], base_offset=3, last_offset=9, max_timestamp=NOW, producer_id=1, producer_epoch=0))
    written.append(
        build_end_transaction_marker(EndTransactionMarker(False, 2), timestamp=NOW, producer_id=4, producer_epoch=1)
    )
    written.append(written[0] + written[5] + written[-1])
    for data, text in zip(written, texts([("read", data.hex()) for data in written]), strict=True):
        assert text == ";".join(describe_batch(batch) for batch in iter_batches(data))


def test_we_read_what_kafka_writes() -> None:
    source = random.Random(2)
    questions, expected = [], []
    for codec in CODECS:
        for level in LEVELS.get(codec, [None]):
            for count in (1, 7, 400):
                records = some_records(source, count, base_offset=source.randrange(2**40), gaps=True)
                for append_time, producer in ((-1, (-1, -1, -1, 0)), (NOW, (9, 3, 77, 1))):
                    line = " ".join(map(describe_record, records))
                    number = "" if level is None else level
                    questions.append(("write", int(codec), number, records[0].offset, append_time, *producer, 6, line))
                    expected.append((records, codec, append_time, producer))
    for answer, (records, codec, append_time, producer) in zip(texts(questions), expected, strict=True):
        (batch,) = iter_batches(bytes.fromhex(answer))
        assert batch.is_valid_crc() and batch.compression == codec and batch.partition_leader_epoch == 6
        assert (batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.is_transactional) == producer
        read = list(batch.records())
        assert [(each.offset, each.key, each.value, each.headers) for each in read] == [
            (each.offset, each.key, each.value, each.headers) for each in records
        ]
        times = [append_time if append_time >= 0 else each.timestamp for each in records]
        assert [each.timestamp for each in read] == times
        ours = build_batch(
            records,
            compression=codec,
            log_append_time=append_time if append_time >= 0 else None,
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=producer[2],
            is_transactional=bool(producer[3]),
            partition_leader_epoch=6,
        )
        if codec == CompressionType.NONE:
            assert bytes.fromhex(answer) == ours


def test_control_batches_are_kafkas_byte_for_byte() -> None:
    markers = [(commit, 3, 70, NOW, 2, 9, 1) for commit in (0, 1)]
    answers = texts([*(("marker", *each) for each in markers), ("control", 2, 5, NOW, 6), ("control", 3, 0, NOW, 0)])
    for answer, (commit, coordinator_epoch, offset, timestamp, leader_epoch, producer_id, epoch) in zip(
        answers, markers, strict=False
    ):
        assert bytes.fromhex(answer) == build_end_transaction_marker(
            EndTransactionMarker(bool(commit), coordinator_epoch),
            timestamp=timestamp,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_offset=offset,
            partition_leader_epoch=leader_epoch,
        )
    for answer, record_type, offset, leader_epoch in (
        (answers[2], ControlRecordType.LEADER_CHANGE, 5, 6),
        (answers[3], ControlRecordType.SNAPSHOT_HEADER, 0, 0),
    ):
        (batch,) = iter_batches(bytes.fromhex(answer))
        (record,) = batch.records()
        assert record.value is not None
        assert bytes.fromhex(answer) == build_control_batch(
            record_type,
            record.value,
            timestamp=NOW,
            base_offset=offset,
            partition_leader_epoch=leader_epoch,
        )


# validation


class Case:
    """A batch and the rules it meets, for both sides."""

    def __init__(
        self, data: bytes, rules: ValidationRules, origin: AppendOrigin = AppendOrigin.CLIENT, version: int = 9
    ) -> None:
        self.data = data
        self.rules = rules
        self.origin = origin
        self.version = version

    def question(self) -> tuple[object, ...]:
        rules = self.rules
        return (
            "validate",
            self.origin.name,
            self.version,
            rules.max_message_bytes,
            "" if rules.compression is None else int(rules.compression),
            int(rules.is_compacted),
            "LogAppendTime" if rules.timestamp_type else "CreateTime",
            rules.timestamp_before_max_ms,
            rules.timestamp_after_max_ms,
            self.data.hex(),
        )

    def ours(self) -> ValidatedAppend | RecordValidationError:
        try:
            return validate_for_append(
                self.data,
                self.rules,
                first_offset=500,
                leader_epoch=7,
                now_ms=NOW,
                origin=self.origin,
                allow_zstd=self.version >= 7 or self.origin != AppendOrigin.CLIENT,
            )
        except RecordValidationError as error:
            return error


def resealed(data: bytes, payload: bytes, **fields: int) -> bytes:
    (batch,) = iter_batches(data)
    for name, value in fields.items():
        setattr(batch, name, value)
    covered = COVERED.pack(
        batch.attributes,
        batch.last_offset_delta,
        batch.base_timestamp,
        batch.max_timestamp,
        batch.producer_id,
        batch.producer_epoch,
        batch.base_sequence,
        batch.records_count,
    )
    return seal(batch.base_offset, batch.partition_leader_epoch, covered, payload) + covered + payload


def some_rules(source: random.Random) -> ValidationRules:
    return ValidationRules(
        max_message_bytes=source.choice([1_048_588, 1_048_588, 5000]),
        compression=source.choice([None, None, *CODECS]),
        is_compacted=source.random() < 0.3,
        timestamp_type=source.choice([0, 0, 1]),
        timestamp_before_max_ms=source.choice([2**63 - 1, 450]),
        timestamp_after_max_ms=source.choice([3_600_000, 450]),
    )


def good_cases(source: random.Random) -> Iterator[Case]:
    for _ in range(300):
        records = some_records(source, source.choice([1, 3, 30]))
        producer = source.choice([(-1, -1, -1, False), (-1, -1, 0, False), (8, 1, 5, False), (8, 1, 5, True)])
        data = build_batch(
            records,
            compression=source.choice(CODECS),
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=producer[2],
            is_transactional=producer[3],
            max_timestamp=source.choice([None, None, NOW + 12345]),
            partition_leader_epoch=source.randrange(-1, 9),
        )
        origin = source.choice([AppendOrigin.CLIENT, AppendOrigin.CLIENT, AppendOrigin.COORDINATOR])
        yield Case(data, some_rules(source), origin, source.choice([3, 7, 13]))


def broken_cases(source: random.Random) -> Iterator[Case]:
    good = build_batch(some_records(source, 3), producer_id=8, producer_epoch=1, base_sequence=5)
    plain = ValidationRules()
    yield from (Case(data, plain) for data in (b"", good[:10], good[:16], good[:40], good[:-1], good + good))
    yield from (Case(good + tail, plain) for tail in (b"x", good[:11], good[:16], good[:-1], bytes(12), bytes(20)))
    yield from (Case(good[:16] + bytes([magic]) + good[17:], plain) for magic in (0, 1, 3, 127, 255))
    yield from (Case(good[:8] + struct.pack(">i", length) + good[12:], plain) for length in (-1, 0, 13, 2**31 - 1))
    yield Case(good[:-1] + b"!", plain)
    yield Case(build_batch([Record(5, NOW, None, b"")]), plain)
    marker = build_end_transaction_marker(EndTransactionMarker(True, 1), timestamp=NOW, producer_id=8, producer_epoch=1)
    yield from (Case(marker, plain, origin) for origin in (AppendOrigin.CLIENT, AppendOrigin.COORDINATOR))
    yield Case(marker, ValidationRules(compression=4), AppendOrigin.COORDINATOR)
    for fields in (
        {"records_count": 0, "last_offset_delta": -1},
        {"records_count": -1},
        {"records_count": -1, "last_offset_delta": -2},
        {"records_count": 2},
        {"last_offset_delta": 3},
        {"last_offset_delta": -3},
        {"records_count": 4, "last_offset_delta": 3},
        {"records_count": 2, "last_offset_delta": 1},
        {"records_count": 2**31 - 1, "last_offset_delta": 2**31 - 2},
        {"attributes": 0x05},
        {"attributes": 0x20},
        {"base_sequence": -1},
        {"base_sequence": -7},
        {"producer_id": -9},
        {"attributes": 0x40},
        {"attributes": 0x0100},
    ):
        yield Case(resealed(good, good[61:], **fields), plain)
    for codec in CODECS:
        batch = build_batch(some_records(source, 6), compression=codec)
        for _ in range(60):
            payload = bytearray(batch[61:])
            for _ in range(source.choice([1, 2])):
                payload[source.randrange(len(payload))] = source.randrange(256)
            cut = source.choice([len(payload), len(payload), source.randrange(len(payload))])
            yield Case(resealed(batch, bytes(payload[:cut])), some_rules(source))


@pytest.fixture(scope="module")
def verdicts() -> dict[str, list[tuple[Case, Answer]]]:
    source = random.Random(3)
    kinds = {"good": list(good_cases(source)), "broken": list(broken_cases(source))}
    answers = iter(ask([case.question() for cases in kinds.values() for case in cases]))
    return {kind: [(case, next(answers)) for case in cases] for kind, cases in kinds.items()}


def assert_same_refusal(ours: ValidatedAppend | RecordValidationError, kafka: Answer, case: Case) -> None:
    assert isinstance(ours, RecordValidationError), (kafka, case.data.hex())
    if kafka.error == "UNKNOWN_SERVER_ERROR":  # Kafka stumbles; we know what is wrong
        assert ours.code in (ErrorCode.INVALID_RECORD, ErrorCode.CORRUPT_MESSAGE)
        return
    if kafka.error in ("INVALID_RECORD", "CORRUPT_MESSAGE") and not kafka.places:
        assert ours.code.name == kafka.error, (ours, case.data.hex())
        return
    assert ours.code.name == kafka.error, (ours, case.data.hex())
    assert ",".join(str(error.batch_index) for error in ours.record_errors) == kafka.places


def assert_same_result(ours: ValidatedAppend, kafka: Answer) -> None:
    assert kafka.text is not None
    max_timestamp, data = kafka.text.split("\t")
    assert ours.max_timestamp == int(max_timestamp)
    written = b"".join(ours.buffers)
    if not ours.was_recompressed:
        assert written.hex() == data
        return
    (mine,), (theirs,) = iter_batches(written), iter_batches(bytes.fromhex(data))
    assert mine.is_valid_crc() and describe_batch(mine) == describe_batch(theirs)


def test_good_batches_are_judged_as_by_kafka(verdicts: dict[str, list[tuple[Case, Answer]]]) -> None:
    accepted = 0
    for case, kafka in verdicts["good"]:
        ours = case.ours()
        if kafka.text is None:
            assert_same_refusal(ours, kafka, case)
        elif isinstance(ours, RecordValidationError):
            # Kafka's check of the recompressed size is in the caller of what the oracle runs.
            assert ours.code == ErrorCode.MESSAGE_TOO_LARGE and len(kafka.text) // 2 > case.rules.max_message_bytes
        else:
            accepted += 1
            assert_same_result(ours, kafka)
    assert 80 < accepted < 300


def test_what_kafka_refuses_we_refuse(verdicts: dict[str, list[tuple[Case, Answer]]]) -> None:
    accepted = stricter = 0
    for case, kafka in verdicts["broken"]:
        ours = case.ours()
        if kafka.text is None:
            assert_same_refusal(ours, kafka, case)
        elif isinstance(ours, RecordValidationError):
            stricter += 1
        else:
            accepted += 1
            assert_same_result(ours, kafka)
    assert accepted > 20 and stricter < 5


# producers


class Twins:
    """A history of appends, told to Kafka's ProducerStateManager and to ours."""

    def __init__(self, ours: ProducerState, theirs: Path) -> None:
        self.state = ours
        self.questions: list[tuple[object, ...]] = [("producers", theirs)]
        self.expected: list[str] = [""]
        self.offset = 0

    def append(self, origin: AppendOrigin, *batches: bytes, version: int = 0) -> None:
        data = b"".join(batches)
        self.questions.append(("append", origin.name, version, data.hex()))
        views = list(iter_batches(data))
        try:
            analysis = self.state.analyze(views, origin, transaction_version=version)
        except ApiError as error:
            self.expected.append(error.code.name)
            return
        if analysis.duplicate is not None:
            self.expected.append(f"duplicate {analysis.duplicate.first_offset} {analysis.duplicate.last_offset}")
            return
        self.state.update(analysis)
        stable = []
        for each in analysis.completed:
            aborted = str(each.is_aborted).lower()
            lso = self.state.last_stable_offset(each)
            stable.append(f"{each.producer_id}/{each.first_offset}/{each.last_offset}/{aborted}/{lso}")
            self.state.complete_transaction(each)
        self.offset = self.state.map_end_offset = views[-1].next_offset
        unstable = [self.state.first_unstable_offset, self.state.first_undecided_offset]
        self.expected.append(",".join(stable) + "".join(f" {-1 if each is None else each}" for each in unstable))


def some_append(source: random.Random, twins: Twins) -> None:
    producer_id = source.randrange(4)
    entry = twins.state.producers.get(producer_id)
    epoch, sequence, is_open = 0, 0, False
    if entry is not None:
        epoch, is_open = max(entry.producer_epoch, 0), entry.current_txn_first_offset is not None
        sequence = (entry.last_sequence + 1) % 2**31
    epoch = max(0, epoch + source.choice([0, 0, 0, 0, 1, -1]))
    origin = source.choice([AppendOrigin.CLIENT] * 3 + [AppendOrigin.COORDINATOR, AppendOrigin.REPLICATION])
    if source.random() < 0.3 and origin != AppendOrigin.CLIENT:
        marker = EndTransactionMarker(source.random() < 0.5, source.choice([3, 3, 3, 4, 2]))
        data = build_end_transaction_marker(
            marker, timestamp=NOW, producer_id=producer_id, producer_epoch=epoch, base_offset=twins.offset
        )
        twins.append(origin, data, version=source.choice([0, 1, 2]))
        return
    count = source.randrange(1, 4)
    first = source.choice(
        [sequence] * 6 + [0, 0, max(sequence - source.randrange(1, 9), 0), (sequence + 1) % 2**31, 2**31 - 2]
    )
    data = build_batch(
        [Record(twins.offset + i, NOW - source.randrange(1000), b"k", b"v") for i in range(count)],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=first,
        is_transactional=is_open if source.random() < 0.9 else not is_open,
    )
    twins.append(origin, data)


def test_producers_as_kafka_follows_them(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    twins = Twins(ProducerState(DiskFiles(), str(ours), transaction_verification_enabled=False), theirs)
    source = random.Random(4)
    for _ in range(3000):
        some_append(source, twins)
    path = twins.state.take_snapshot()
    *answers, snapshot, loaded = ask([*twins.questions, ("snapshot",), ("load", path)])
    for question, answer, expected in zip(twins.questions, answers, twins.expected, strict=True):
        assert (answer.error if answer.text is None else answer.text) == expected, question
    outcomes = [expected.split(" ")[0] for expected in twins.expected]
    for outcome in ("duplicate", "OUT_OF_ORDER_SEQUENCE_NUMBER", "INVALID_PRODUCER_EPOCH", "INVALID_TXN_STATE"):
        assert outcomes.count(outcome) > 10
    assert snapshot.text is not None and path is not None
    theirs_bytes = bytes.fromhex(snapshot.text)
    assert theirs_bytes == Path(path).read_bytes()
    assert [entry.producer_id for entry in decode_snapshot(theirs_bytes)] == sorted(twins.state.producers)
    assert loaded.text == " ".join(
        f"{entry.producer_id},{entry.producer_epoch},{entry.coordinator_epoch},{entry.last_timestamp},"
        f"{-1 if entry.current_txn_first_offset is None else entry.current_txn_first_offset},"
        f"{entry.last_sequence},{entry.last_data_offset},{entry.last_offset_delta}"
        for _, entry in sorted(twins.state.producers.items())
    )
