"""The log directories of a node: what is in them, who may use them, and what happens when one fails.

    meta.properties, .lock, .kafka_cleanshutdown          whose directory this is, who has it, how it was left
    recovery-point-offset-checkpoint, log-start-offset-checkpoint, replication-offset-checkpoint
    <topic>-<partition>/                                  the logs; other names in directory_names.py

Owns the map of partitions to logs over all directories; the metadata log is not among them. Starts no threads: what
waits for the disk is a job, run by the caller on an executor, `run` there and `done` back on the owner's thread. Jobs
of one directory that write its checkpoints (CheckpointJob, LoadJob) must run in the order they were made: one lane a
directory.

What a checkpoint on disk says must never be newer than the log it is read for: before a log is truncated below it, or
made anew under an old name, it is rewritten (`checkpoint_before_truncation`, `begin_create`). So recovery may trust it.

A directory that fails goes offline with all its logs; the others go on. Kafka's counterpart: LogManager; KIP-112,
KIP-858.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable, Iterable, Sequence

from protocol.errors import ApiError, DecodeError, StorageError
from protocol.ids import METADATA_TOPIC_NAME, TopicPartition, Uuid, uuid_to_string
from storage import checkpoints
from storage.checkpoints import MetaProperties
from storage.directory_jobs import (
    CheckpointJob,
    CloseJob,
    FilesRemoval,
    LoadJob,
    LogDirectory,
    LogSettings,
    TreeRemoval,
)
from storage.directory_names import DirectoryKind, DirectoryName, log_name, marked_name, parse_name
from storage.failures import CorruptLogError, TransientStorageError, storage_error
from storage.files import Files, make_dirs_durably
from storage.log import Log
from storage.log_config import LogConfig
from storage.open_segments import OpenSegments

__all__ = [
    "CheckpointJob",
    "CloseJob",
    "DirectoryError",
    "LoadJob",
    "LogDirectories",
    "LogDirectory",
    "LogSettings",
    "read_meta_properties",
    "write_meta_properties",
]

logger = logging.getLogger(__name__)


class DirectoryError(Exception):
    """The directories cannot be used as they are; the text is for the operator."""


class LogDirectories:
    """See the module. `open` first, then `begin_load`, the jobs, `loaded` for each, `end_load`."""

    def __init__(
        self,
        files: Files,
        paths: Sequence[str],
        *,
        settings: LogSettings | None = None,
        new_uuid: Callable[[], Uuid],
    ) -> None:
        self._files = files
        self._settings = LogSettings(OpenSegments()) if settings is None else settings
        self._new_uuid = new_uuid
        self.directories = {path: LogDirectory(path) for path in (posixpath.normpath(path) for path in paths)}
        if len(self.directories) < len(paths):
            raise DirectoryError(f"a directory is named twice in log.dirs: {', '.join(paths)}")
        self.logs: dict[TopicPartition, Log] = {}
        self.future_logs: dict[TopicPartition, Log] = {}
        self.stray_directories: list[str] = []
        self.cordoned: frozenset[str] = frozenset()
        """Directories that get no new logs as long as there are others (KIP-1066)."""
        self.corrupt: dict[TopicPartition, CorruptLogError] = {}
        """Partitions whose log was refused; their directories are fine."""
        self._doomed: list[tuple[str, int]] = []

    # directories

    def open(self) -> None:
        """Make, read and lock the directories. DirectoryError if another process has one, or if none is usable."""
        for directory in self.directories.values():
            try:
                self._open_directory(directory)
            except BlockingIOError as e:
                self.release_locks()
                raise DirectoryError(f"{directory.path} is in use: {e}") from None
            except (OSError, DecodeError) as e:
                self._take_offline(directory, StorageError(directory.path, f"opening it: {e}"))
        self._check_any_online()

    def _open_directory(self, directory: LogDirectory) -> None:
        files, path = self._files, directory.path
        if not files.is_dir(path):
            make_dirs_durably(files, path)
        directory.lock = files.lock(directory.file(checkpoints.LOCK))
        directory.meta_properties = read_meta_properties(files, path)

    def _check_any_online(self) -> None:
        if not self.online:
            reasons = "; ".join(str(directory.failure) for directory in self.directories.values())
            raise DirectoryError(f"no log directory is usable: {reasons}")

    @property
    def online(self) -> list[LogDirectory]:
        return [directory for directory in self.directories.values() if directory.is_online]

    @property
    def offline(self) -> list[LogDirectory]:
        return [directory for directory in self.directories.values() if not directory.is_online]

    def verify_identity(self, cluster_id: str | None, node_id: int) -> str:
        """The cluster's id. DirectoryError unless every directory was formatted for this node of this cluster (None:
        any, but one)."""
        ids: dict[Uuid, str] = {}
        for directory in self.online:
            properties = directory.meta_properties
            if properties is None:
                raise DirectoryError(
                    f"{directory.path} is not formatted: it has no {checkpoints.META_PROPERTIES}. A directory that is "
                    "added to a node is formatted with `barnabas format --ignore-formatted -t CLUSTER_ID -c FILE` (and "
                    "--standalone where the node is a cluster by itself), CLUSTER_ID being that of the others"
                )
            if properties.node_id not in (node_id, None):
                raise DirectoryError(f"{directory.path} belongs to node {properties.node_id}, this is node {node_id}")
            if properties.cluster_id is None:
                raise DirectoryError(f"{directory.path}: {checkpoints.META_PROPERTIES} names no cluster.id")
            cluster_id = properties.cluster_id if cluster_id is None else cluster_id
            if properties.cluster_id != cluster_id:
                raise DirectoryError(f"{directory.path} belongs to cluster {properties.cluster_id}, not {cluster_id}")
            if directory.id is not None and ids.setdefault(directory.id, directory.path) != directory.path:
                name = uuid_to_string(directory.id)
                raise DirectoryError(f"{ids[directory.id]} and {directory.path} have the same directory.id {name}")
        assert cluster_id is not None  # one directory at least is online
        return cluster_id

    def ensure_ids(self) -> None:
        """Give an id to each directory that has none, as those formatted before KIP-858; after `verify_identity`."""
        for directory in self.online:
            properties = directory.meta_properties
            if properties is None or properties.directory_id is not None:
                continue
            properties = properties._replace(directory_id=self._new_uuid())
            try:
                write_meta_properties(self._files, directory.path, properties)
            except OSError as e:
                self._take_offline(directory, storage_error(directory.path, e, "writing meta.properties"))
                continue
            directory.meta_properties = properties
        self._check_any_online()

    def by_id(self, directory_id: Uuid) -> LogDirectory | None:
        return next((directory for directory in self.online if directory.id == directory_id), None)

    def of(self, log: Log) -> LogDirectory:
        return self.directories[log.log_dir]

    def disk_usage(self, path: str) -> tuple[int, int]:
        """Bytes of the volume in all, and those that are left to us; may wait for the disk."""
        return self._files.disk_usage(path)

    def release_locks(self) -> None:
        for directory in self.directories.values():
            if directory.lock is not None:
                directory.lock.release()
                directory.lock = None

    # failing

    def fail(self, path: str, failure: StorageError) -> list[TopicPartition]:
        """`path` is not to be used any more: the partitions that go with it. DirectoryError if it was the last one."""
        directory = self.directories[path]
        if not directory.is_online:
            return []
        self._take_offline(directory, failure)
        lost = []
        for logs in (self.logs, self.future_logs):
            for topic_partition, log in list(logs.items()):
                if log.log_dir == path:
                    del logs[topic_partition]
                    log.close_files()
                    log.fail(failure)
                    lost.append(topic_partition)
        self._check_any_online()
        return lost

    def _take_offline(self, directory: LogDirectory, failure: StorageError) -> None:
        logger.error("taking %s offline: %s", directory.path, failure)
        directory.failure = failure
        if directory.lock is not None:
            directory.lock.release()
            directory.lock = None

    # loading

    def broker_epoch_at_clean_shutdown(self) -> int | None:
        """The broker epoch all directories were left with; None unless each of them was left cleanly (KIP-966)."""
        epochs = set()
        for directory in self.directories.values():
            if not directory.is_online:
                return None
            try:
                data = self._files.read_bytes(directory.file(checkpoints.CLEAN_SHUTDOWN))
            except OSError:
                return None
            epochs.add(checkpoints.decode_clean_shutdown(data))
        return epochs.pop() if len(epochs) == 1 else None

    def begin_load(self, config_of: Callable[[str], LogConfig], now_ms: int) -> list[LoadJob]:
        """The logs to open, as jobs that may run in any order. Reads the small files and lists the directories."""
        jobs = []
        for directory in self.online:
            try:
                jobs += self._begin_load_directory(directory, config_of, now_ms)
            except OSError as e:
                self._take_offline(directory, storage_error(directory.path, e, "reading it"))
        self._check_any_online()
        return jobs

    def _begin_load_directory(
        self, directory: LogDirectory, config_of: Callable[[str], LogConfig], now_ms: int
    ) -> list[LoadJob]:
        files = self._files
        marker = directory.file(checkpoints.CLEAN_SHUTDOWN)
        directory.had_clean_shutdown = files.exists(marker)
        if directory.had_clean_shutdown:
            # Gone before the first log is touched: a crash from now on is an unclean stop (KAFKA-10471).
            files.remove(marker)
        files.sync_dir(directory.path)
        directory.recovery_points = self._read_offsets(directory, checkpoints.RECOVERY_POINT_CHECKPOINT)
        directory.log_start_offsets = self._read_offsets(directory, checkpoints.LOG_START_OFFSET_CHECKPOINT)
        jobs = []
        for entry in files.list_dir(directory.path):
            path = directory.file(entry)
            if "-" not in entry or not files.is_dir(path):
                continue
            name = parse_name(entry)
            if name is None:
                logger.warning("%s is no log, leaving it alone", path)
            elif name.topic_partition.topic == METADATA_TOPIC_NAME:
                continue
            elif name.kind is DirectoryKind.DELETE:
                self._doomed.append((path, now_ms))
            elif name.kind is DirectoryKind.STRAY:
                self.stray_directories.append(path)
            else:
                directory.logs_count += 1
                config = config_of(name.topic_partition.topic)
                jobs.append(LoadJob(files, directory, name, path, config, self._settings, now_ms=now_ms, is_old=True))
        return jobs

    def _read_offsets(self, directory: LogDirectory, name: str) -> dict[TopicPartition, int]:
        try:
            return checkpoints.decode_offsets(self._files.read_bytes(directory.file(name)))
        except FileNotFoundError:
            return {}
        except DecodeError as e:
            # Without it recovery looks at everything, and logs start with their first segment.
            logger.warning("%s: ignoring %s: %s", directory.path, name, e)
            return {}

    def loaded(self, job: LoadJob) -> Log | None:
        """The job has run: its log takes its place. None if it was refused or its directory has failed.

        DirectoryError where the node must not start: two logs of one partition, no descriptors left, a full disk.
        """
        topic_partition, directory = job.name.topic_partition, job.directory
        if job.log is None:
            directory.logs_count -= 1
            self._not_loaded(topic_partition, directory, job.failure)
            return None
        if not directory.is_online:
            job.log.close_files()
            return None
        logs = self.future_logs if job.name.kind is DirectoryKind.FUTURE else self.logs
        other = logs.get(topic_partition)
        if other is not None:
            raise DirectoryError(
                f"{topic_partition} has two logs, {other.directory} and {job.log.directory}; remove one of them, rather"
                " the one in a directory that failed lately"
            )
        logs[topic_partition] = job.log
        return job.log

    def _not_loaded(
        self, topic_partition: TopicPartition, directory: LogDirectory, failure: StorageError | ApiError | None
    ) -> None:
        assert failure is not None, f"the job for {topic_partition} did not run"
        if isinstance(failure, CorruptLogError):
            logger.error("%s cannot be opened: %s", topic_partition, failure)
            self.corrupt[topic_partition] = failure
        elif isinstance(failure, TransientStorageError):
            if not directory.is_loaded:
                raise DirectoryError(f"{topic_partition} cannot be opened: {failure}")
            logger.error("%s cannot be created: %s", topic_partition, failure)
        elif isinstance(failure, StorageError):
            if directory.is_online:
                self.fail(directory.path, failure)
        else:
            raise failure

    def end_load(self) -> None:
        """All jobs of begin_load have been through `loaded`."""
        for directory in self.online:
            directory.is_loaded = True

    def load(self, config_of: Callable[[str], LogConfig], now_ms: int) -> None:
        """All of it, here and now."""
        for job in self.begin_load(config_of, now_ms):
            job.run()
            self.loaded(job)
        self.end_load()

    # logs

    def log(self, topic_partition: TopicPartition) -> Log | None:
        return self.logs.get(topic_partition)

    def all_logs(self) -> list[Log]:
        return [*self.logs.values(), *self.future_logs.values()]

    def begin_create(
        self,
        topic_partition: TopicPartition,
        topic_id: Uuid,
        config: LogConfig,
        now_ms: int,
        *,
        directory: LogDirectory | None = None,
        is_future: bool = False,
    ) -> LoadJob:
        """A job that makes an empty log, in the directory with the fewest unless one is given; then `loaded`."""
        assert topic_partition not in (self.future_logs if is_future else self.logs), topic_partition
        if topic_partition in self.corrupt:
            raise self.corrupt[topic_partition]
        if directory is None:
            open_ones = [each for each in self.online if each.path not in self.cordoned] or self.online
            directory = min(open_ones, key=lambda each: each.logs_count)
        directory.logs_count += 1
        checkpoint = None
        is_known = topic_partition in directory.recovery_points or topic_partition in directory.log_start_offsets
        if is_known or directory.is_checkpoint_due:
            # What the checkpoints say is about a log that was here before.
            checkpoint = self._checkpoint(directory, without=topic_partition)
        name = DirectoryName(topic_partition, DirectoryKind.FUTURE if is_future else DirectoryKind.LOG)
        entry = marked_name(topic_partition, name.kind, self._new_uuid()) if is_future else log_name(topic_partition)
        return LoadJob(
            self._files,
            directory,
            name,
            directory.file(entry),
            config,
            self._settings,
            now_ms=now_ms,
            topic_id=topic_id,
            checkpoint=checkpoint,
        )

    def create(self, topic_partition: TopicPartition, topic_id: Uuid, config: LogConfig, now_ms: int) -> Log:
        """Here and now; StorageError if that fails."""
        job = self.begin_create(topic_partition, topic_id, config, now_ms)
        job.run()
        failure = job.failure
        log = self.loaded(job)
        if log is None:
            assert failure is not None
            raise failure
        return log

    def delete(self, topic_partition: TopicPartition, now_ms: int, *, is_future: bool = False) -> CheckpointJob | None:
        """Rename the log's directory, for `take_deletions` to remove later; the checkpoints to rewrite now.

        None if there is no such log; StorageError if it may be in a directory that is offline.
        """
        return self._set_aside(topic_partition, DirectoryKind.DELETE, now_ms, is_future)

    def mark_stray(self, topic_partition: TopicPartition, now_ms: int) -> CheckpointJob | None:
        """The log is not of a partition of this broker: it is kept under another name."""
        return self._set_aside(topic_partition, DirectoryKind.STRAY, now_ms, is_future=False)

    def _set_aside(
        self, topic_partition: TopicPartition, kind: DirectoryKind, now_ms: int, is_future: bool
    ) -> CheckpointJob | None:
        logs = self.future_logs if is_future else self.logs
        log = logs.pop(topic_partition, None)
        if log is None:
            if self.offline:
                path = self.offline[0].path
                raise StorageError(path, f"{topic_partition} may be in this directory, which is offline")
            return None
        directory = self.of(log)
        path = directory.file(marked_name(topic_partition, kind, self._new_uuid()))
        delay_ms = log.config.file_delete_delay_ms
        log.close_files()
        self._rename(log, log.directory, path)
        log.moved_to(path)
        directory.logs_count -= 1
        if kind is DirectoryKind.STRAY:
            self.stray_directories.append(path)
        else:
            self._doomed.append((path, now_ms + delay_ms))
        return self._checkpoint(directory, without=topic_partition)

    def replace_with_future(self, topic_partition: TopicPartition, now_ms: int) -> list[CheckpointJob]:
        """The future log, which has caught up, becomes the log; the one it replaces, if any, is deleted (KIP-113). The
        checkpoints to write. After StorageError all is as it was.

        The old log is renamed first, and for good: a crash in between leaves one log, which is complete, and not two.
        """
        future, current = self.future_logs[topic_partition], self.logs.get(topic_partition)
        aside = ""
        if current is not None:
            future.update_high_watermark(current.high_watermark)
            aside = self.of(current).file(marked_name(topic_partition, DirectoryKind.DELETE, self._new_uuid()))
            self._rename(current, current.directory, aside)
        path = self.of(future).file(log_name(topic_partition))
        try:
            if current is not None:
                self._sync_names(current)
            self._rename(future, future.directory, path)
        except StorageError:
            if current is not None:
                self._rename(current, aside, current.directory)
            raise
        future.moved_to(path)
        del self.future_logs[topic_partition]
        self.logs[topic_partition] = future
        jobs = [self._checkpoint(self.of(future))]
        if current is not None:
            current.close_files()
            current.moved_to(aside)
            self.of(current).logs_count -= 1
            self._doomed.append((aside, now_ms + current.config.file_delete_delay_ms))
            jobs.append(self._checkpoint(self.of(current)))
        return jobs

    def _sync_names(self, log: Log) -> None:
        try:
            self._files.sync_dir(log.log_dir)
        except OSError as e:
            raise storage_error(log.log_dir, e, f"syncing {log.log_dir}") from e

    def _rename(self, log: Log, old: str, new: str) -> None:
        try:
            self._files.rename(old, new)
        except OSError as e:
            raise storage_error(log.log_dir, e, f"renaming {old}") from e

    def take_deletions(self, now_ms: int) -> list[Callable[[], None]]:
        """Removals of files and directories whose time has come, each to be called on an executor."""
        jobs: list[Callable[[], None]] = []
        due = [path for path, due_ms in self._doomed if due_ms <= now_ms]
        self._doomed = [(path, due_ms) for path, due_ms in self._doomed if due_ms > now_ms]
        for path in due:
            jobs.append(TreeRemoval(self._files, path))
        for log in self.logs.values():  # A future log belongs to whoever copies it.
            if log.next_deletion_ms is not None and (paths := log.take_deletions(now_ms)):
                jobs.append(FilesRemoval(self._files, log.log_dir, paths))
        return jobs

    # checkpoints

    def begin_checkpoint(self, directory: LogDirectory) -> CheckpointJob | None:
        """Recovery points and log start offsets as they are; None if the files say the same."""
        recovery_points, log_start_offsets = self._offsets(directory)
        is_known = recovery_points == directory.recovery_points and log_start_offsets == directory.log_start_offsets
        if is_known and not directory.is_checkpoint_due:
            return None
        directory.is_checkpoint_due = False
        return self._checkpoint(directory)

    def checkpoint_before_truncation(self, log: Log, offset: int) -> CheckpointJob | None:
        """To be run before `log.truncate_to(offset)`; None if the checkpoint is not beyond it anyway."""
        directory = self.of(log)
        point = log.truncation_point(offset)
        if directory.recovery_points.get(log.topic_partition, 0) <= point and not directory.is_checkpoint_due:
            return None
        return self._checkpoint(directory, lowered={log.topic_partition: point})

    def _offsets(self, directory: LogDirectory) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        recovery_points, log_start_offsets = {}, {}
        for log in self.all_logs():
            if log.log_dir == directory.path:
                recovery_points[log.topic_partition] = log.recovery_point
                if log.log_start_offset > log.segments[0].base_offset:
                    log_start_offsets[log.topic_partition] = log.log_start_offset
        return recovery_points, log_start_offsets

    def _checkpoint(
        self,
        directory: LogDirectory,
        *,
        without: TopicPartition | None = None,
        lowered: dict[TopicPartition, int] | None = None,
    ) -> CheckpointJob:
        recovery_points, log_start_offsets = self._offsets(directory)
        # A log that was refused, or is not loaded yet, keeps its lines, or the next start would take it for another.
        for offsets, old in (
            (recovery_points, directory.recovery_points),
            (log_start_offsets, directory.log_start_offsets),
        ):
            for topic_partition, offset in old.items():
                if topic_partition in self.corrupt or not directory.is_loaded:
                    offsets.setdefault(topic_partition, offset)
        if lowered is not None:
            recovery_points.update(lowered)
        if without is not None:
            recovery_points.pop(without, None)
            log_start_offsets.pop(without, None)
        directory.recovery_points, directory.log_start_offsets = recovery_points, log_start_offsets
        return CheckpointJob(
            self._files,
            directory,
            {
                checkpoints.RECOVERY_POINT_CHECKPOINT: checkpoints.encode_offsets(recovery_points),
                checkpoints.LOG_START_OFFSET_CHECKPOINT: checkpoints.encode_offsets(log_start_offsets),
            },
        )

    def begin_checkpoint_high_watermarks(
        self, directory: LogDirectory, high_watermarks: dict[TopicPartition, int]
    ) -> CheckpointJob:
        data = checkpoints.encode_offsets(high_watermarks)
        return CheckpointJob(self._files, directory, {checkpoints.REPLICATION_OFFSET_CHECKPOINT: data})

    def read_high_watermarks(self, directory: LogDirectory) -> dict[TopicPartition, int]:
        return self._read_offsets(directory, checkpoints.REPLICATION_OFFSET_CHECKPOINT)

    # stopping

    def begin_close(self, now_ms: int) -> list[CloseJob]:
        """Jobs that close the logs, in any order; then `end_close`."""
        return [CloseJob(log, now_ms) for log in self.all_logs()]

    def end_close(self, jobs: Iterable[CloseJob], broker_epoch: int) -> None:
        """Write the checkpoints and, where every log was closed well, the mark of a clean stop; give up the locks."""
        failed = {job.log.log_dir for job in jobs if job.failure is not None}
        for directory in self.online:
            if directory.path in failed or not directory.is_loaded:
                continue
            try:
                self._checkpoint(directory).run()
                data = checkpoints.encode_clean_shutdown(broker_epoch)
                marker = directory.file(checkpoints.CLEAN_SHUTDOWN)
                self._files.write_bytes(marker, data, sync=True)
                self._files.sync_dir(directory.path)
            except (OSError, StorageError) as e:
                logger.error("%s was not stopped cleanly: %s", directory.path, e)
        self.release_locks()

    def close(self, now_ms: int, broker_epoch: int = -1) -> None:
        """All of it, here and now."""
        jobs = self.begin_close(now_ms)
        for job in jobs:
            job.run()
        self.end_close(jobs, broker_epoch)


def read_meta_properties(files: Files, path: str) -> MetaProperties | None:
    """None if the directory is not formatted; DecodeError if the file is not what it should be."""
    try:
        return checkpoints.decode_meta_properties(files.read_bytes(f"{path}/{checkpoints.META_PROPERTIES}"))
    except FileNotFoundError:
        return None


def write_meta_properties(files: Files, path: str, properties: MetaProperties) -> None:
    files.write_atomically(f"{path}/{checkpoints.META_PROPERTIES}", checkpoints.encode_meta_properties(properties))
