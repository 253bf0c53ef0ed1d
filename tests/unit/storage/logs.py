"""Logs in memory and batches to put into them, for the tests of storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol.ids import TopicPartition
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.builder import build_batch, build_end_transaction_marker
from protocol.records.control import EndTransactionMarker
from protocol.records.record import Record
from storage.files import Files
from storage.log import AppendInfo, Log
from storage.log_config import LogConfig
from storage.validation import AppendOrigin, ValidationRules, prepare_append
from tests.support.memory_files import MemoryFiles

TP = TopicPartition("t", 0)
DIRECTORY = "/data/t-0"
NOW = 1_700_000_000_000
FAR = 2**62


def batch(
    count: int = 1,
    *,
    timestamp: int = NOW,
    value: bytes = b"value",
    producer_id: int = -1,
    producer_epoch: int = 0,
    sequence: int = 0,
    is_transactional: bool = False,
    compression: int = 0,
    offset: int = 0,
    leader_epoch: int = -1,
) -> bytes:
    """`count` records, a millisecond apart."""
    producing = producer_id >= 0
    return build_batch(
        [Record(offset + i, timestamp + i, b"k%d" % i, value, []) for i in range(count)],
        base_offset=offset,
        producer_id=producer_id,
        producer_epoch=producer_epoch if producing else -1,
        base_sequence=sequence if producing else -1,
        is_transactional=is_transactional,
        compression=compression,
        partition_leader_epoch=leader_epoch,
    )


def open_log(files: Files, config: LogConfig | None = None, **options: Any) -> Log:
    options.setdefault("now_ms", NOW)
    return Log.open(files, DIRECTORY, TP, LogConfig() if config is None else config, **options)


def new_log(config: LogConfig | None = None, files: MemoryFiles | None = None) -> Log:
    return open_log(MemoryFiles() if files is None else files, config)


def append(
    log: Log,
    data: bytes | None = None,
    *,
    leader_epoch: int = 0,
    now_ms: int = NOW,
    origin: AppendOrigin = AppendOrigin.CLIENT,
    **options: Any,
) -> AppendInfo:
    rules = ValidationRules(timestamp_after_max_ms=2**62, max_message_bytes=1 << 24)
    prepared = prepare_append(batch() if data is None else data, rules, now_ms=now_ms, origin=origin)
    return log.append(prepared, leader_epoch=leader_epoch, now_ms=now_ms, origin=origin, **options)


def append_marker(
    log: Log, producer_id: int, *, commit: bool, producer_epoch: int = 0, leader_epoch: int = 0
) -> AppendInfo:
    data = build_end_transaction_marker(
        EndTransactionMarker(commit, 0), timestamp=NOW, producer_id=producer_id, producer_epoch=producer_epoch
    )
    return append(log, data, leader_epoch=leader_epoch, origin=AppendOrigin.COORDINATOR, transaction_version=1)


def stored(log: Log) -> list[RecordBatch]:
    """Every batch of the log, read through its slices."""
    found: list[RecordBatch] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, 1 << 20, max_offset=log.log_end_offset).read()
        batches = list(iter_batches(data, partial_tail=True))
        if not batches:
            break
        found += batches
        offset = batches[-1].next_offset
    return found


def offsets(log: Log) -> list[tuple[int, int]]:
    return [(each.base_offset, each.last_offset) for each in stored(log)]


def names(files: Files, directory: str = DIRECTORY) -> list[str]:
    return files.list_dir(directory)


def log_bytes(files: Files, log: Log) -> dict[int, bytes]:
    return {each.base_offset: files.read_bytes(each.path()) for each in log.segments}


def flip(files: MemoryFiles, path: str, position: int, bit: int = 0) -> None:
    data = bytearray(files.read_bytes(path))
    data[position] ^= 1 << bit
    files.write_bytes(path, data, sync=True)


def records_of(batches: Sequence[RecordBatch]) -> list[tuple[int, bytes | None]]:
    return [(record.offset, record.value) for each in batches for record in each.records()]
