"""Index files and producer snapshots: a line an entry, each entry compared with the log that it points into."""

from __future__ import annotations

import itertools
import sys
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from broker.dump_log.batches import mapped
from protocol.errors import DecodeError
from protocol.records.batch import RecordBatch, read_batch
from protocol.records.record import NO_TIMESTAMP
from storage import transaction_index
from storage.producer_snapshot import decode_snapshot

_OFFSET_ENTRY = Struct(">ii")
_TIME_ENTRY = Struct(">qi")


def dump_offset_index(path: Path, *, sanity_only: bool, is_quiet: bool) -> bool:
    base_offset = _base_offset(path)
    with mapped(path) as content:
        entries = list(_offset_entries(bytes(content), base_offset))
        is_whole = len(content) % _OFFSET_ENTRY.size == 0
    if not entries:
        print(f"{path} is empty.")
        return is_whole
    if sanity_only:
        return _report_sanity(path, is_whole and all(a < b for a, b in itertools.pairwise(entries)))
    mismatches: list[tuple[int, int]] = []
    with mapped(path.with_suffix(".log")) as log:
        for offset, position in entries:
            batch = _batch_at(log, position)
            if batch is None or batch.last_offset != offset:
                mismatches.append((offset, -1 if batch is None else batch.last_offset))
            if not is_quiet:
                print(f"offset: {offset} position: {position}")
    if mismatches:
        print(f"Mismatches in :{path}", file=sys.stderr)
        for offset, found in mismatches:
            print(f"  Index offset: {offset}, log offset: {found}", file=sys.stderr)
    return is_whole and not mismatches


def dump_time_index(path: Path, *, sanity_only: bool, is_quiet: bool) -> bool:
    base_offset = _base_offset(path)
    with mapped(path) as content:
        entries = list(_time_entries(bytes(content), base_offset))
        is_whole = len(content) % _TIME_ENTRY.size == 0
    if sanity_only:
        return _report_sanity(path, is_whole and all(a < b for a, b in itertools.pairwise(entries)))
    problems: list[str] = []
    previous = NO_TIMESTAMP
    positions = _positions(path.with_suffix(".index"), base_offset)
    with mapped(path.with_suffix(".log")) as log:
        for timestamp, offset in entries:
            problem = _problem_with_time_entry(log, positions, timestamp, offset)
            if problem is None and timestamp <= previous:
                problem = f"Index timestamp: {timestamp}, Previously indexed timestamp: {previous}"
            if problem is not None:
                problems.append(problem)
            if not is_quiet:
                print(f"timestamp: {timestamp} offset: {offset}")
            previous = timestamp
    if problems:
        print(f"Mismatches in :{path}", file=sys.stderr)
        for problem in problems:
            print(f"  {problem}", file=sys.stderr)
    return is_whole and not problems


def dump_transaction_index(path: Path) -> bool:
    with mapped(path) as content:
        for entry in transaction_index.decode(_base_offset(path), bytes(content)):
            print(
                f"version: 0 producerId: {entry.producer_id} firstOffset: {entry.first_offset} "
                f"lastOffset: {entry.last_offset} lastStableOffset: {entry.last_stable_offset}"
            )
    return True


def dump_producer_snapshot(path: Path) -> bool:
    with mapped(path) as content:
        for entry in decode_snapshot(bytes(content)):
            # Without a transaction, Kafka's tool prints an empty OptionalLong.
            first = entry.current_txn_first_offset
            line = (
                f"producerId: {entry.producer_id} producerEpoch: {entry.producer_epoch} "
                f"coordinatorEpoch: {entry.coordinator_epoch} "
                f"currentTxnFirstOffset: {'OptionalLong.empty' if first is None else f'OptionalLong[{first}]'} "
                f"lastTimestamp: {entry.last_timestamp}"
            )
            if entry.batches:
                batch = entry.batches[0]
                line += (
                    f" firstSequence: {batch.first_sequence} lastSequence: {batch.last_sequence} "
                    f"lastOffset: {batch.last_offset} offsetDelta: {batch.offset_delta} timestamp: {batch.timestamp}"
                )
            print(line)
    return True


def _problem_with_time_entry(
    log: memoryview, positions: list[tuple[int, int]], timestamp: int, offset: int
) -> str | None:
    slot = bisect_right(positions, (offset, sys.maxsize))
    position = positions[slot - 1][1] if slot else 0
    batch = _batch_at(log, position)
    while batch is not None and batch.last_offset < offset:
        position += batch.size
        batch = _batch_at(log, position)
    if batch is None or batch.last_offset != offset:
        return f"Indexed offset: {offset}, found log offset: {-1 if batch is None else batch.last_offset}"
    newest = max((record.timestamp for record in batch.records()), default=NO_TIMESTAMP)
    return None if newest == timestamp else f"Index timestamp: {timestamp}, log timestamp: {newest}"


def _positions(path: Path, base_offset: int) -> list[tuple[int, int]]:
    if not path.exists():
        return []
    with mapped(path) as content:
        return list(_offset_entries(bytes(content), base_offset))


def _offset_entries(content: bytes, base_offset: int) -> Iterator[tuple[int, int]]:
    """(offset, position), up to the zeros in which the file of an active segment of Apache Kafka ends."""
    whole = len(content) - len(content) % _OFFSET_ENTRY.size
    for number, (relative, position) in enumerate(_OFFSET_ENTRY.iter_unpack(content[:whole])):
        if relative == 0 and (number > 0 or position == 0):
            return
        yield base_offset + relative, position


def _time_entries(content: bytes, base_offset: int) -> Iterator[tuple[int, int]]:
    whole = len(content) - len(content) % _TIME_ENTRY.size
    for number, (timestamp, relative) in enumerate(_TIME_ENTRY.iter_unpack(content[:whole])):
        if relative == 0 and (number > 0 or timestamp == 0):
            return
        yield timestamp, base_offset + relative


def _batch_at(log: memoryview, position: int) -> RecordBatch | None:
    if not 0 <= position < len(log):
        return None
    try:
        return read_batch(log, position, len(log))
    except DecodeError:
        return None


def _report_sanity(path: Path, is_sane: bool) -> bool:
    print(f"{path} {'passed' if is_sane else 'failed'} sanity check.", file=sys.stdout if is_sane else sys.stderr)
    return is_sane


def _base_offset(path: Path) -> int:
    stem = path.name.partition(".")[0]
    if not stem.isdecimal():
        raise DecodeError(f"the name {path.name} does not begin with an offset")
    return int(stem)
