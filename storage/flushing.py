"""The part of a flush that waits for the disk.

Made by the log's owner, run once on an executor, given back to the owner: see Log.flush_begin. Everything that recovery
will rely on below the new recovery point is synced here, in an order that a crash may cut anywhere: leader epochs,
removed names, batches, the indexes of sealed segments, producer snapshots, new names. An error is final: nothing is
synced a second time after a failure, because the kernel may have dropped what it could not write and report success
(the directory goes offline).

The indexes of segments just rolled are written here, too: those of a full segment take too long for the event loop.
Before the owner truncates or deletes such a segment it has the job leave it out, so that nothing is written in the
place of what comes next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from protocol.errors import StorageError
from storage.checkpoints import LEADER_EPOCH_CHECKPOINT
from storage.files import Files
from storage.segment import Segment

T = TypeVar("T")


class FlushJob:
    def __init__(
        self,
        files: Files,
        directory: str,
        log_dir: str,
        offset: int,
        segments: Sequence[tuple[Segment, bool]],
        *,
        leader_epochs: bytes | None,
        snapshots: Sequence[str],
        sync_removals: bool,
        sync_directory: bool,
        sync_parent: bool,
    ) -> None:
        """`segments` come with whether they are sealed."""
        self.offset = offset
        """Everything below is on disk after `run`."""
        self._files = files
        self._directory = directory
        self._log_dir = log_dir
        self._segments = segments
        self._leader_epochs = leader_epochs
        self._snapshots = snapshots
        self._sync_removals = sync_removals
        self._sync_directory = sync_directory or leader_epochs is not None
        self._sync_parent = sync_parent
        self._writing = threading.Lock()
        self._left_out: set[Segment] = set()

    @property
    def sealed(self) -> list[Segment]:
        """Those whose index files are up to date after `run`."""
        return [segment for segment, is_sealed in self._segments if is_sealed and segment not in self._left_out]

    def leave_out(self, segments: Iterable[Segment]) -> None:
        """The index files of these segments are the owner's again; one that is just being written is waited for."""
        with self._writing:
            self._left_out.update(segments)

    def run(self) -> None:
        """StorageError if anything could not be synced."""
        try:
            self._run()
        except OSError as e:
            # A full disk is no exception here: what a sync could not write may be lost.
            raise StorageError(self._log_dir, f"syncing {self._directory}: {e}") from e

    def _run(self) -> None:
        files = self._files
        if self._leader_epochs is not None:
            path = f"{self._directory}/{LEADER_EPOCH_CHECKPOINT}"
            _unless_gone(lambda data: files.write_atomically(path, data, sync_directory=False), self._leader_epochs)
        if self._sync_removals:
            # A segment that was truncated away must not come back beside what took its place.
            _unless_gone(files.sync_dir, self._directory)
        for segment, is_sealed in self._segments:
            _unless_gone(_sync_batches, segment)
            if is_sealed:
                _unless_gone(self._seal, segment)
        for path in self._snapshots:
            _unless_gone(files.sync_file, path)
        if self._sync_directory:
            _unless_gone(files.sync_dir, self._directory)
        if self._sync_parent:
            files.sync_dir(self._log_dir)

    def _seal(self, segment: Segment) -> None:
        with self._writing:
            if segment in self._left_out:
                return
            if segment.awaits_seal:
                segment.write_indexes()
        segment.sync_indexes()


def _sync_batches(segment: Segment) -> None:
    segment.file().sync()


def _unless_gone(step: Callable[[T], None], argument: T) -> None:
    """The owner may have deleted the file, or the whole log, since it made the job: then there is nothing to sync."""
    try:
        step(argument)
    except FileNotFoundError:
        return
