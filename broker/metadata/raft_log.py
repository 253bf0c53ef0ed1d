"""The metadata log on disk: what Raft needs of a log (`raft/log.py`), on a log of storage and snapshot files beside it.

    __cluster_metadata-0/
      00000000000000000000.log .index .timeindex     segments, as of any partition
      leader-epoch-checkpoint  partition.metadata  quorum-state
      00000000000000000000-0000000000.checkpoint     written by formatting: voters and kraft.version
      00000000000000000127-0000000003.checkpoint     a snapshot of all records below 127; .part while it is written

Retention works on snapshots: while log and snapshots together are larger than `metadata.max.retention.bytes`, or the
oldest snapshot is older than `metadata.max.retention.ms`, that snapshot goes, and with it the segments before the next
one; the newest snapshot always stays. A new snapshot also ends the active segment. Kafka does not do that; here it
makes the segments before a snapshot deletable whole, and lets recovery begin behind it, for what a snapshot covers was
synced before the snapshot was.

Directory entries of snapshots: what begins before the log does, and all that was never finished, is removed at start.
Counterparts in Kafka: KafkaRaftLog, FileRawSnapshotWriter, FileRawSnapshotReader, MetadataLogConfig (KIP-630).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple

from protocol.errors import StorageError
from protocol.ids import METADATA_TOPIC_ID, OffsetAndEpoch
from raft.events import MAX_BATCH_SIZE_BYTES, METADATA_TOPIC_PARTITION
from raft.log import Buffer, EpochStart, LogOutline, NoRoom
from raft.snapshots import (
    DELETED_SUFFIX,
    PARTIAL_SUFFIX,
    SUFFIX,
    file_name,
    parse_file_name,
    read_last_contained_timestamp,
)
from storage.failures import TransientStorageError, storage_error
from storage.files import File, Files
from storage.flushing import FlushJob
from storage.log import Log, remove_files
from storage.log_config import LogConfig
from storage.log_slice import LogSlice

logger = logging.getLogger(__name__)

DIRECTORY_NAME: Final = str(METADATA_TOPIC_PARTITION)


class MetadataLogConfig(NamedTuple):
    """`metadata.log.*` and `metadata.max.retention.*`, with Kafka's defaults."""

    segment_bytes: int = 1024 * 1024 * 1024
    segment_ms: int = 7 * 24 * 3600 * 1000
    retention_bytes: int = 100 * 1024 * 1024
    retention_ms: int = 7 * 24 * 3600 * 1000
    file_delete_delay_ms: int = 60_000

    def log_config(self) -> LogConfig:
        """Time and size alone delete nothing: snapshots do, by moving the log's start."""
        return LogConfig(
            segment_bytes=self.segment_bytes,
            segment_ms=self.segment_ms,
            retention_bytes=-1,
            retention_ms=-1,
            max_message_bytes=MAX_BATCH_SIZE_BYTES,
            file_delete_delay_ms=self.file_delete_delay_ms,
        )


class KafkaMetadataLog:
    """See the module; made by `open`. One owner, on one thread, but for the jobs and readers that it hands out."""

    def __init__(
        self, log: Log, config: MetadataLogConfig, snapshots: Sequence[OffsetAndEpoch], now_ms: Callable[[], int]
    ) -> None:
        self._log = log
        self._config = config
        self._snapshots = sorted(snapshots)
        self._sizes: dict[OffsetAndEpoch, int] = {}
        self._timestamps: dict[OffsetAndEpoch, int] = {}
        self._now_ms = now_ms
        self._job: FlushJob | None = None
        self._deleted_snapshots: list[tuple[int, str]] = []

    @classmethod
    def open(
        cls, files: Files, log_dir: str, config: MetadataLogConfig, *, now_ms: Callable[[], int]
    ) -> KafkaMetadataLog:
        """Create it, or load and recover it. Waits for the disk. StorageError, OSError."""
        directory = f"{log_dir}/{DIRECTORY_NAME}"
        found = _find_snapshots(files, directory)
        log = Log.open(
            files,
            directory,
            METADATA_TOPIC_PARTITION,
            config.log_config(),
            now_ms=now_ms(),
            recovery_point=max((snapshot.offset for snapshot in found), default=0),
            topic_id=METADATA_TOPIC_ID,
        )
        if log.log_end_offset == 0:
            # Votes are kept in there, and must outlive a power cut before the log itself is synced for the first time.
            files.sync_dir(log_dir)
        kept = [snapshot_id for snapshot_id in found if snapshot_id.offset >= log.log_start_offset]
        if log.log_start_offset > 0 and not kept:
            raise StorageError(log_dir, f"{directory} starts at {log.log_start_offset}, and no snapshot covers that")
        for snapshot_id in found:
            if snapshot_id not in kept:
                files.remove(f"{directory}/{file_name(snapshot_id)}")
        opened = cls(log, config, kept, now_ms)
        opened._start_at_snapshot_beyond_end()
        return opened

    def _start_at_snapshot_beyond_end(self) -> None:
        """A snapshot that was fetched, and a crash before the log was cut for it."""
        latest = self.latest_snapshot_id
        epoch = max(self._log.leader_epochs.latest, 0)
        if latest is not None and (latest.epoch, latest.offset) > (epoch, self._log.log_end_offset):
            self.truncate_to_snapshot(latest)

    # what is there

    def outline(self) -> LogOutline:
        log = self._log
        epochs = [EpochStart(entry.epoch, entry.start_offset) for entry in log.leader_epochs.entries]
        return LogOutline(log.log_start_offset, log.log_end_offset, epochs, list(self._snapshots))

    @property
    def directory(self) -> str:
        return self._log.directory

    @property
    def start_offset(self) -> int:
        return self._log.log_start_offset

    @property
    def end_offset(self) -> int:
        return self._log.log_end_offset

    @property
    def latest_snapshot_id(self) -> OffsetAndEpoch | None:
        return self._snapshots[-1] if self._snapshots else None

    @property
    def size(self) -> int:
        return self._log.size_bytes

    def read(self, start_offset: int, max_bytes: int, end_offset: int) -> MetadataRange:
        return MetadataRange(self._log, start_offset, max_bytes, end_offset)

    # changing it

    def append_as_leader(self, batches: Buffer, epoch: int) -> None:
        try:
            self._log.append_as_raft_leader(batches, leader_epoch=epoch, now_ms=self._now_ms())
        except TransientStorageError as error:
            raise NoRoom(str(error)) from error

    def append_as_follower(self, batches: Sequence[Buffer], epoch: int) -> None:
        try:
            self._log.append_as_follower(b"".join(batches), leader_epoch=epoch, now_ms=self._now_ms())
        except TransientStorageError as error:
            raise NoRoom(str(error)) from error

    def truncate_to(self, offset: int) -> None:
        self._log.truncate_to(offset, self._now_ms())

    def truncate_to_snapshot(self, snapshot_id: OffsetAndEpoch) -> None:
        self._log.truncate_fully_and_start_at(snapshot_id.offset, self._now_ms())
        self._forget_before(snapshot_id)

    def begin_sync(self) -> Callable[[], None]:
        self._job = self._log.flush_begin()
        return _nothing if self._job is None else self._job.run

    def end_sync(self) -> None:
        if self._job is not None:
            self._log.flush_done(self._job, self._now_ms())
            self._job = None

    def advance_high_watermark(self, offset: int) -> None:
        self._log.advance_high_watermark(offset)

    def close(self) -> None:
        self._log.close(self._now_ms())

    def abandon(self) -> None:
        self._log.close_files()

    # snapshots

    def create_snapshot(self, snapshot_id: OffsetAndEpoch) -> SnapshotFileWriter:
        return SnapshotFileWriter(self._log.files, self._log.directory, snapshot_id)

    def add_snapshot(self, snapshot_id: OffsetAndEpoch) -> None:
        if snapshot_id not in self._snapshots:
            self._snapshots = sorted([*self._snapshots, snapshot_id])
        if snapshot_id.offset <= self._log.log_end_offset:
            self._log.roll(self._now_ms())

    def open_snapshot(self, snapshot_id: OffsetAndEpoch) -> SnapshotFileReader | None:
        if snapshot_id not in self._snapshots:
            return None
        return SnapshotFileReader(self._log.files, self._log.directory, snapshot_id)

    def snapshot_to_keep(self, now_ms: int) -> OffsetAndEpoch | None:
        """Goes up the snapshots while the lower ones must go."""
        keep = None
        size = self.size + sum(map(self._size_of, self._snapshots))
        for snapshot_id, following in pairwise(self._snapshots):
            if following.offset > self._log.high_watermark or not self._must_go(snapshot_id, size, now_ms):
                break
            keep = following
            size -= self._size_of(snapshot_id) + self._log_bytes_between(snapshot_id.offset, following.offset)
        return keep

    def _must_go(self, snapshot_id: OffsetAndEpoch, size: int, now_ms: int) -> bool:
        config = self._config
        is_too_large = 0 <= config.retention_bytes < size
        return is_too_large or (
            config.retention_ms >= 0 and now_ms - self._timestamp_of(snapshot_id) > config.retention_ms
        )

    def _size_of(self, snapshot_id: OffsetAndEpoch) -> int:
        if snapshot_id not in self._sizes:
            self._sizes[snapshot_id] = SnapshotFileReader(self._log.files, self._log.directory, snapshot_id).size
        return self._sizes[snapshot_id]

    def _timestamp_of(self, snapshot_id: OffsetAndEpoch) -> int:
        if snapshot_id not in self._timestamps:
            reader = SnapshotFileReader(self._log.files, self._log.directory, snapshot_id)
            self._timestamps[snapshot_id] = read_last_contained_timestamp(reader)
        return self._timestamps[snapshot_id]

    def _log_bytes_between(self, start_offset: int, end_offset: int) -> int:
        """Of the segments that would go when the log's start moves from one offset to the other."""
        segments = self._log.segments
        return sum(
            segment.size
            for segment, following in pairwise(segments)
            if start_offset < following.base_offset <= end_offset
        )

    def delete_before(self, snapshot_id: OffsetAndEpoch) -> None:
        self._log.advance_log_start_offset(snapshot_id.offset)
        self._log.delete_old_segments(self._now_ms())
        self._forget_before(snapshot_id)

    def _forget_before(self, snapshot_id: OffsetAndEpoch) -> None:
        due_ms = self._now_ms() + self._config.file_delete_delay_ms
        forgotten = [older for older in self._snapshots if older < snapshot_id]
        self._snapshots = [kept for kept in self._snapshots if kept >= snapshot_id]
        for older in forgotten:
            logger.info("snapshot %s is no longer needed", file_name(older))
            self._sizes.pop(older, None)
            self._timestamps.pop(older, None)
            path = f"{self._log.directory}/{file_name(older)}"
            deleted_path = f"{self._log.directory}/{file_name(older, DELETED_SUFFIX)}"
            try:
                self._log.files.rename(path, deleted_path)
            except OSError as error:
                raise storage_error(self._log.log_dir, error, f"renaming {path}") from error
            self._deleted_snapshots.append((due_ms, deleted_path))

    def take_deletions(self, now_ms: int) -> Callable[[], None] | None:
        paths = self._log.take_deletions(now_ms)
        snapshots = [path for due_ms, path in self._deleted_snapshots if due_ms <= now_ms]
        self._deleted_snapshots = [entry for entry in self._deleted_snapshots if entry[0] > now_ms]
        if not paths and not snapshots:
            return None
        return partial(_remove, self._log.files, paths, snapshots)


def _nothing() -> None:
    """All is durable already."""


def _remove(files: Files, segments: Sequence[str], snapshots: Sequence[str]) -> None:
    remove_files(files, segments)
    for path in snapshots:
        files.remove(path)


def _find_snapshots(files: Files, directory: str) -> list[OffsetAndEpoch]:
    """The finished ones; what was being written or deleted is removed."""
    if not files.is_dir(directory):
        return []
    found = []
    for name in files.list_dir(directory):
        parsed = parse_file_name(name)
        if parsed is None:
            continue
        if parsed.suffix == SUFFIX:
            found.append(parsed.snapshot_id)
        else:
            logger.info("removing %s/%s", directory, name)
            files.remove(f"{directory}/{name}")
    return found


class MetadataRange:
    """A read of the log, found at once if the index is at hand, else when `read` may wait for it."""

    def __init__(self, log: Log, start_offset: int, max_bytes: int, end_offset: int) -> None:
        self._log = log
        self._asked = (start_offset, max_bytes, end_offset)
        try:
            self._slice: LogSlice | None = log.read(start_offset, max_bytes, max_offset=end_offset, wait=False)
        except BlockingIOError:
            self._slice = None

    @property
    def base_offset(self) -> int:
        return self._located().first_offset

    def read_nowait(self) -> Buffer | None:
        return None if self._slice is None else self._slice.read_nowait()

    def read(self) -> Buffer:
        return self._located().read()

    def _located(self) -> LogSlice:
        if self._slice is None:
            start_offset, max_bytes, end_offset = self._asked
            self._slice = self._log.read(start_offset, max_bytes, max_offset=end_offset)
        return self._slice


class SnapshotFileWriter:
    """Writes OFFSET-EPOCH.checkpoint.part; `freeze` syncs it and gives it its name."""

    def __init__(self, files: Files, directory: str, snapshot_id: OffsetAndEpoch) -> None:
        self.snapshot_id = snapshot_id
        self._files = files
        self._directory = directory
        self._path = f"{directory}/{file_name(snapshot_id, PARTIAL_SUFFIX)}"
        self._size = 0
        self._is_open = True
        try:
            self._file: File = files.open(self._path, create=True)
            self._file.truncate(0)
        except OSError as error:
            raise self._failure(error, "creating") from error

    def _failure(self, error: OSError, doing: str) -> StorageError:
        return storage_error(self._directory.rpartition("/")[0], error, f"{doing} {self._path}")

    @property
    def size(self) -> int:
        return self._size

    def append(self, data: Buffer) -> None:
        assert self._is_open, self._path
        try:
            self._file.pwritev([data], self._size)
        except OSError as error:
            raise self._failure(error, "writing") from error
        self._size += len(data)

    def freeze(self) -> None:
        assert self._is_open, self._path
        self._is_open = False
        try:
            self._file.sync()
            self._file.close()
            self._files.rename(self._path, f"{self._directory}/{file_name(self.snapshot_id)}")
            self._files.sync_dir(self._directory)
        except OSError as error:
            raise self._failure(error, "syncing") from error

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._file.close()
            self._files.remove(self._path)


class SnapshotFileReader:
    """An open snapshot stays readable when it is deleted."""

    def __init__(self, files: Files, directory: str, snapshot_id: OffsetAndEpoch) -> None:
        self.snapshot_id = snapshot_id
        self._directory = directory
        self._path = f"{directory}/{file_name(snapshot_id)}"
        try:
            self._file = files.open(self._path)
            self.size = self._file.size()
        except OSError as error:
            raise storage_error(directory.rpartition("/")[0], error, f"opening {self._path}") from error

    def read(self, position: int, max_bytes: int) -> bytes:
        try:
            return self._file.pread(max(0, min(max_bytes, self.size - position)), position)
        except OSError as error:
            raise storage_error(self._directory.rpartition("/")[0], error, f"reading {self._path}") from error
