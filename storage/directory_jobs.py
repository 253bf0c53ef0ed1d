"""What LogDirectories hands to an executor, and the directory it is done for.

A job is made on the owner's thread with all it needs, run once on another, and taken back; see directory.py for the
order that some of them have to keep.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import NamedTuple

from protocol.errors import ApiError, StorageError
from protocol.ids import TopicPartition, Uuid
from storage.checkpoints import MetaProperties
from storage.directory_names import DirectoryName
from storage.failures import storage_error
from storage.files import Files, Lock
from storage.log import Log, remove_files
from storage.log_config import LogConfig
from storage.open_segments import OpenSegments


class LogSettings(NamedTuple):
    """What all logs of a node share."""

    open_segments: OpenSegments
    randrange: Callable[[int, int], int] | None = None
    max_transaction_timeout_ms: int = 900_000
    transaction_verification_enabled: bool = True


class LogDirectory:
    """One of log.dirs."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.meta_properties: MetaProperties | None = None
        self.lock: Lock | None = None
        self.failure: StorageError | None = None
        self.had_clean_shutdown = False
        self.is_loaded = False
        self.logs_count = 0
        """With those about to be created."""
        self.recovery_points: dict[TopicPartition, int] = {}
        """What the checkpoint on disk says, or will once the jobs made so far have run."""
        self.log_start_offsets: dict[TopicPartition, int] = {}
        self.is_checkpoint_due = False
        """A checkpoint could not be written, for want of room: what is on disk is older than the two above."""

    @property
    def id(self) -> Uuid | None:
        return None if self.meta_properties is None else self.meta_properties.directory_id

    @property
    def is_online(self) -> bool:
        return self.failure is None

    def file(self, name: str) -> str:
        return f"{self.path}/{name}"


class CheckpointJob:
    """Writes checkpoints of one directory."""

    def __init__(self, files: Files, directory: LogDirectory, contents: dict[str, bytes]) -> None:
        self._files = files
        self.directory = directory
        self._contents = contents

    def run(self) -> None:
        for name, data in self._contents.items():
            try:
                self._files.write_atomically(self.directory.file(name), data)
            except OSError as e:
                self.directory.is_checkpoint_due = True
                raise storage_error(self.directory.path, e, f"writing {name}") from e


class LoadJob:
    """Opens a log, or creates it. `run` raises nothing: `LogDirectories.loaded` looks at the outcome."""

    def __init__(
        self,
        files: Files,
        directory: LogDirectory,
        name: DirectoryName,
        path: str,
        config: LogConfig,
        settings: LogSettings,
        *,
        now_ms: int,
        topic_id: Uuid | None = None,
        checkpoint: CheckpointJob | None = None,
        is_old: bool = False,
    ) -> None:
        """`is_old`: found when the directory was loaded, and synced then."""
        self.directory = directory
        self.name = name
        self.log: Log | None = None
        self.failure: StorageError | ApiError | None = None
        self._files = files
        self._path = path
        self._config = config
        self._settings = settings
        self._now_ms = now_ms
        self._topic_id = topic_id
        self._checkpoint = checkpoint
        self._is_old = is_old
        self._recovery_point = directory.recovery_points.get(name.topic_partition, 0)
        self._log_start_offset = directory.log_start_offsets.get(name.topic_partition, 0)

    @property
    def writes_checkpoint(self) -> bool:
        """Then it has to wait its turn among the jobs of its directory; else it may run beside them."""
        return self._checkpoint is not None

    def run(self) -> None:
        try:
            if self._checkpoint is not None:
                self._checkpoint.run()
            self.log = self._open()
        except OSError as e:
            self.failure = storage_error(self.directory.path, e, f"opening {self._path}")
        except (StorageError, ApiError) as e:
            self.failure = e

    def _open(self) -> Log:
        settings = self._settings
        return Log.open(
            self._files,
            self._path,
            self.name.topic_partition,
            self._config,
            now_ms=self._now_ms,
            recovery_point=self._recovery_point,
            log_start_offset=self._log_start_offset,
            clean_shutdown=self.directory.had_clean_shutdown,
            is_parent_synced=self._is_old,
            topic_id=self._topic_id,
            open_segments=settings.open_segments,
            randrange=settings.randrange,
            max_transaction_timeout_ms=settings.max_transaction_timeout_ms,
            transaction_verification_enabled=settings.transaction_verification_enabled,
        )


class CloseJob:
    """Flushes and closes one log."""

    def __init__(self, log: Log, now_ms: int) -> None:
        self.log = log
        self.failure: StorageError | None = None
        self._now_ms = now_ms

    def run(self) -> None:
        try:
            self.log.close(self._now_ms)
        except StorageError as e:
            self.failure = e


class TreeRemoval:
    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path

    def __call__(self) -> None:
        try:
            self._files.remove_tree(self._path)
        except OSError as e:
            raise storage_error(posixpath.dirname(self._path), e, f"removing {self._path}") from e


class FilesRemoval:
    def __init__(self, files: Files, log_dir: str, paths: list[str]) -> None:
        self._files = files
        self._log_dir = log_dir
        self._paths = paths

    def __call__(self) -> None:
        try:
            remove_files(self._files, self._paths)
        except OSError as e:
            raise storage_error(self._log_dir, e, f"removing {self._paths[0]}") from e
