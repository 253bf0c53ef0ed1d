"""Segments and snapshots: a line a batch, and below it a line a record."""

from __future__ import annotations

import mmap
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from broker.dump_log.as_json import message_as_json
from broker.dump_log.decoders import RecordDecoder
from broker.logs import escape
from protocol.errors import DecodeError
from protocol.messages.control_records import (
    KRaftVersionRecord,
    LeaderChangeMessage,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    VotersRecord,
)
from protocol.records.batch import CURRENT_MAGIC, RecordBatch, read_batch
from protocol.records.control import ControlRecordType, decode_control_key, decode_end_transaction_marker
from protocol.records.record import Record
from protocol.schema import Message, decode
from storage.files import DiskFiles

_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
_BOOTSTRAP_CHECKPOINT = "bootstrap.checkpoint"

# What Kafka's tool prints before a control record of KRaft, and the message that it holds.
_KRAFT_CONTROL_RECORDS: dict[ControlRecordType, tuple[str, type[Message]]] = {
    ControlRecordType.LEADER_CHANGE: ("LeaderChange:", LeaderChangeMessage),
    ControlRecordType.SNAPSHOT_HEADER: ("SnapshotHeader", SnapshotHeaderRecord),
    ControlRecordType.SNAPSHOT_FOOTER: ("SnapshotFooter", SnapshotFooterRecord),
    ControlRecordType.KRAFT_VERSION: ("KRaftVersion", KRaftVersionRecord),
    ControlRecordType.KRAFT_VOTERS: ("KRaftVoters", VotersRecord),
}


class LogDump(NamedTuple):
    is_deep: bool  # a line a record
    prints_data: bool
    skips_record_metadata: bool
    max_bytes: int | None
    decoder: RecordDecoder


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """The content of a file, of any size, without reading it at once."""
    file = DiskFiles().open(str(path))
    try:
        size = file.size()
        yield memoryview(mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)) if size else memoryview(b"")
    finally:
        file.close()


def dump_batches(path: Path, options: LogDump) -> bool:
    """Whether every batch is whole and matches its checksum."""
    print(_title(path))
    is_sound = True
    gaps: list[tuple[int, int]] = []
    last_offset: int | None = None
    with mapped(path) as content:
        end = len(content) if options.max_bytes is None else min(options.max_bytes, len(content))
        position = 0
        try:
            while position < end and (batch := read_batch(content, position, end)) is not None:
                is_valid = batch.is_valid_crc()
                is_sound &= is_valid
                print(batch_line(batch, position, is_valid=is_valid))
                if options.is_deep:
                    last_offset = _dump_records(batch, options, last_offset, gaps)
                position += batch.size
        except DecodeError as error:
            is_sound = False
            print(f"{path}: {error}", file=sys.stderr)
        if position < end and options.max_bytes is None:
            is_sound = False
            print(f"Found {end - position} invalid bytes at the end of {path.name}")
    if gaps:
        # No damage: compaction and aborted appends leave gaps.
        print(f"Non-consecutive offsets in {path}", file=sys.stderr)
        for before, after in gaps:
            print(f"  {before} is followed by {after}", file=sys.stderr)
    return is_sound


def batch_line(batch: RecordBatch, position: int, *, is_valid: bool) -> str:
    if batch.magic == CURRENT_MAGIC:
        horizon = batch.delete_horizon_ms
        head = (
            f"baseOffset: {batch.base_offset} lastOffset: {batch.last_offset} count: {batch.records_count} "
            f"baseSequence: {batch.base_sequence} lastSequence: {batch.last_sequence} "
            f"producerId: {batch.producer_id} producerEpoch: {batch.producer_epoch} "
            f"partitionLeaderEpoch: {batch.partition_leader_epoch} isTransactional: {_java(batch.is_transactional)} "
            f"isControl: {_java(batch.is_control)} "
            f"deleteHorizonMs: {'OptionalLong.empty' if horizon is None else f'OptionalLong[{horizon}]'}"
        )
    else:
        head = f"offset: {batch.last_offset}"
    codec = _CODECS[batch.compression] if batch.compression < len(_CODECS) else f"unknown ({batch.compression})"
    return (
        f"{head} position: {position} {_TIMESTAMP_TYPES[batch.timestamp_type]}: {batch.max_timestamp} "
        f"size: {batch.size} magic: {batch.magic} compresscodec: {codec} crc: {batch.crc} isvalid: {_java(is_valid)}"
    )


def _dump_records(
    batch: RecordBatch, options: LogDump, last_offset: int | None, gaps: list[tuple[int, int]]
) -> int | None:
    for record in batch.records():
        if last_offset is not None and record.offset != last_offset + 1:
            gaps.append((last_offset, record.offset))
        last_offset = record.offset
        parts = [] if options.skips_record_metadata else [_record_metadata(batch, record)]
        if options.prints_data and not batch.is_control:
            key, value = options.decoder(record)
            parts += [f"key: {escape(key)}"] if key is not None else []
            parts += [f"payload: {escape(value)}"] if value is not None else []
        print("|", " ".join(parts))
    return last_offset


def _record_metadata(batch: RecordBatch, record: Record) -> str:
    text = (
        f"offset: {record.offset} {_TIMESTAMP_TYPES[batch.timestamp_type]}: {record.timestamp} "
        f"keySize: {_size(record.key)} valueSize: {_size(record.value)}"
    )
    if batch.magic == CURRENT_MAGIC:
        names = ",".join(escape(name) for name, _ in record.headers)
        text += f" sequence: {record.sequence} headerKeys: [{names}]"
    return f"{text} {_control_record(record)}" if batch.is_control else text


def _control_record(record: Record) -> str:
    kind = decode_control_key(record.key)
    if kind in (ControlRecordType.ABORT, ControlRecordType.COMMIT):
        marker = decode_end_transaction_marker(record.key, record.value)
        return f"endTxnMarker: {kind.name} coordinatorEpoch: {marker.coordinator_epoch}"
    if kind not in _KRAFT_CONTROL_RECORDS or record.value is None or len(record.value) < 2:
        return f"controlType: {kind.name}({kind.value})"
    title, cls = _KRAFT_CONTROL_RECORDS[kind]
    # These hold their version as their first field.
    version = min(int.from_bytes(record.value[:2], "big"), cls.SPEC.versions.highest)
    return f"{title} {message_as_json(decode(cls, version, record.value), version)}"


def _title(path: Path) -> str:
    if path.name == _BOOTSTRAP_CHECKPOINT:
        return "KRaft bootstrap snapshot"
    snapshot = re.fullmatch(r"(\d+)-(\d+)\.checkpoint.*", path.name)
    if snapshot:
        return f"Snapshot end offset: {int(snapshot[1])}, epoch: {int(snapshot[2])}"
    stem = path.name.partition(".")[0]
    return f"Log starting offset: {int(stem)}" if stem.isdecimal() else "Log"


def _size(data: bytes | None) -> int:
    return -1 if data is None else len(data)


def _java(value: bool) -> str:
    return "true" if value else "false"
