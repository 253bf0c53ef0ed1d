"""Snapshots of the metadata: file names, the writer that a state machine fills, and reading them back.

    OFFSET-EPOCH.checkpoint        20 and 10 digits; OFFSET is that of the first record after the snapshot
    OFFSET-EPOCH.checkpoint.part   being written (Kafka puts a random infix before the suffix); worthless after a crash
    OFFSET-EPOCH.checkpoint.deleted

A snapshot is a log of its own, with offsets from 0 and the epoch of its name: a control batch with SNAPSHOT_HEADER and,
from kraft.version 1 on, KRAFT_VERSION and KRAFT_VOTERS; batches of metadata records; a control batch with
SNAPSHOT_FOOTER. Nothing in it is older than the high watermark, so all of it is committed. The one exception is 0-0,
the bootstrap snapshot, which formatting writes, with control records alone.
Counterparts in Kafka: Snapshots, RecordsSnapshotWriter, RecordsSnapshotReader (KIP-630, KIP-853).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from protocol.errors import DecodeError
from protocol.ids import OffsetAndEpoch
from protocol.messages.control_records import SnapshotFooterRecord, SnapshotHeaderRecord
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.builder import RecordsBuilder
from protocol.records.control import ControlRecordType
from protocol.schema import Message
from raft.log import Buffer, RawSnapshotReader, RawSnapshotWriter
from raft.records import (
    ControlRecord,
    control_batch,
    control_records,
    data_records,
    encode_metadata_record,
    kraft_version_record,
    voters_record,
)
from raft.voters import VoterSet

SUFFIX = ".checkpoint"
PARTIAL_SUFFIX = ".checkpoint.part"
DELETED_SUFFIX = ".checkpoint.deleted"
_OFFSET_DIGITS, _EPOCH_DIGITS = 20, 10

BATCH_SIZE_BYTES = 128 * 1024
READ_SIZE_BYTES = 1024 * 1024
RECORDS_AT_A_TIME = 256


class SnapshotName(NamedTuple):
    snapshot_id: OffsetAndEpoch
    suffix: str


def file_name(snapshot_id: OffsetAndEpoch, suffix: str = SUFFIX) -> str:
    return f"{snapshot_id.offset:0{_OFFSET_DIGITS}}-{snapshot_id.epoch:0{_EPOCH_DIGITS}}{suffix}"


def parse_file_name(name: str) -> SnapshotName | None:
    """None for the name of anything but a snapshot."""
    suffix = next((suffix for suffix in (PARTIAL_SUFFIX, DELETED_SUFFIX, SUFFIX) if name.endswith(suffix)), None)
    offset, dash, rest = name[:_OFFSET_DIGITS], name[_OFFSET_DIGITS : _OFFSET_DIGITS + 1], name[_OFFSET_DIGITS + 1 :]
    epoch = rest[:_EPOCH_DIGITS]
    if suffix is None or dash != "-" or not (offset + epoch).isdecimal() or len(epoch) != _EPOCH_DIGITS:
        return None
    return SnapshotName(OffsetAndEpoch(int(offset), int(epoch)), suffix)


# ---- writing


def header_batch(snapshot_id: OffsetAndEpoch, timestamp: int, now_ms: int, membership: MembershipAt) -> bytes:
    records = [
        ControlRecord(ControlRecordType.SNAPSHOT_HEADER, SnapshotHeaderRecord(last_contained_log_timestamp=timestamp))
    ]
    if membership.kraft_version > 0:
        records.append(kraft_version_record(membership.kraft_version))
        if membership.voters is not None:
            records.append(voters_record(membership.voters))
    return control_batch(records, 0, snapshot_id.epoch, now_ms)


class MembershipAt(msgspec.Struct, frozen=True):
    """kraft.version and voters as of an offset."""

    kraft_version: int
    voters: VoterSet | None


class SnapshotWriter:
    """Collects records into batches. `append` writes to the page cache; `finish` closes with the footer, and leaves it
    to the owner to freeze the raw snapshot."""

    def __init__(self, raw: RawSnapshotWriter, timestamp: int, now_ms: int, membership: MembershipAt) -> None:
        self._raw = raw
        self._now_ms = now_ms
        header = header_batch(raw.snapshot_id, timestamp, now_ms, membership)
        raw.append(header)
        self._next_offset = next(iter_batches(header)).next_offset
        self._builder: RecordsBuilder | None = None

    @property
    def snapshot_id(self) -> OffsetAndEpoch:
        return self._raw.snapshot_id

    @property
    def size(self) -> int:
        return self._raw.size + (0 if self._builder is None else self._builder.size)

    def append(self, records: Iterable[tuple[Message, int]]) -> None:
        for message, version in records:
            if self._builder is None:
                self._builder = RecordsBuilder(self._next_offset, partition_leader_epoch=self.snapshot_id.epoch)
            self._builder.append(self._now_ms, None, encode_metadata_record(message, version))
            if self._builder.size >= BATCH_SIZE_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._builder is not None:
            self._raw.append(self._builder.build())
            self._next_offset = self._builder.last_offset + 1
            self._builder = None

    def finish(self) -> None:
        self._flush()
        footer = ControlRecord(ControlRecordType.SNAPSHOT_FOOTER, SnapshotFooterRecord())
        self._raw.append(control_batch([footer], self._next_offset, self.snapshot_id.epoch, self._now_ms))


# ---- reading


class SnapshotError(Exception):
    """A snapshot that is not whole or not intact. It holds committed records, so there is no going on without it."""


def read_all(raw: RawSnapshotReader) -> bytes:
    """Waits for the disk."""
    parts: list[bytes] = []
    position = 0
    while position < raw.size:
        part = raw.read(position, READ_SIZE_BYTES)
        if not part:
            break
        parts.append(part)
        position += len(part)
    return b"".join(parts)


def intact_batches(snapshot_id: OffsetAndEpoch, content: Buffer) -> Iterator[RecordBatch]:
    """All the batches, in order; SnapshotError where one is damaged."""
    try:
        for batch in iter_batches(memoryview(content)):
            if not batch.is_valid_crc():
                raise SnapshotError(f"{file_name(snapshot_id)} is damaged at byte {batch.position}")
            yield batch
    except DecodeError as error:
        raise SnapshotError(f"{file_name(snapshot_id)}: {error}") from None


def read_control_records(snapshot_id: OffsetAndEpoch, content: Buffer) -> list[ControlRecord]:
    """Those of all its control batches, the header first."""
    records: list[ControlRecord] = []
    for batch in intact_batches(snapshot_id, content):
        if batch.is_control:
            records += _checked(snapshot_id, batch)
    if not records or not isinstance(records[0].message, SnapshotHeaderRecord):
        raise SnapshotError(f"{file_name(snapshot_id)} does not begin with a header")
    return records


def read_last_contained_timestamp(raw: RawSnapshotReader) -> int:
    """From the header alone. Waits for the disk."""
    head = raw.read(0, READ_SIZE_BYTES)
    try:
        batch = next(iter_batches(memoryview(head), partial_tail=True))
    except (StopIteration, DecodeError):
        raise SnapshotError(f"{file_name(raw.snapshot_id)} does not begin with a batch") from None
    records = _checked(raw.snapshot_id, batch) if batch.is_control else []
    return _header(raw.snapshot_id, records).last_contained_log_timestamp


def _checked(snapshot_id: OffsetAndEpoch, batch: RecordBatch) -> list[ControlRecord]:
    try:
        return control_records(batch)
    except DecodeError as error:
        raise SnapshotError(f"{file_name(snapshot_id)}: {error}") from None


def _header(snapshot_id: OffsetAndEpoch, records: Sequence[ControlRecord]) -> SnapshotHeaderRecord:
    message = records[0].message if records else None
    if not isinstance(message, SnapshotHeaderRecord):
        raise SnapshotError(f"{file_name(snapshot_id)} does not begin with a header")
    return message


class LoadedSnapshot:
    """A snapshot in memory, for a listener to replay in its own time: each of `batches` is decoded as it is asked
    for."""

    def __init__(self, snapshot_id: OffsetAndEpoch, content: Buffer) -> None:
        self.snapshot_id = snapshot_id
        self.control_records = read_control_records(snapshot_id, content)
        self._content = content

    @property
    def last_contained_log_offset(self) -> int:
        return self.snapshot_id.offset - 1

    @property
    def last_contained_log_timestamp(self) -> int:
        return _header(self.snapshot_id, self.control_records).last_contained_log_timestamp

    @property
    def batches(self) -> Iterator[Sequence[tuple[Message, int]]]:
        """The metadata records, a few hundred at a time. Raises SnapshotError."""
        chunk: list[tuple[Message, int]] = []
        for batch in iter_batches(memoryview(self._content)):
            if batch.is_control:
                continue
            for record in self._records(batch):
                chunk.append(record)
                if len(chunk) >= RECORDS_AT_A_TIME:
                    yield chunk
                    chunk = []
        if chunk:
            yield chunk

    def _records(self, batch: RecordBatch) -> Iterator[tuple[Message, int]]:
        try:
            yield from data_records(batch)
        except DecodeError as error:
            raise SnapshotError(f"{file_name(self.snapshot_id)}: {error}") from None
