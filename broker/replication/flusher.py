"""Brings logs to disk: off the loop, one sync a log at a time, one lane a log directory.

Whoever wants a log synced asks; what is asked while a sync runs is covered by the next (group commit). A directory that
takes its time holds up nobody else: its lane is its own. A failed sync is never tried again: the directory is offline.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from broker.environment import Clock, Executor
from broker.metrics.counters import Durations
from protocol.errors import StorageError
from storage.flushing import FlushJob

if TYPE_CHECKING:
    from broker.replication.replica import Replica


class Flusher:
    def __init__(self, executor: Executor, clock: Clock) -> None:
        self._executor = executor
        self._clock = clock
        self._again: set[Replica] = set()
        """Replicas to be flushed once more when the flush under way is done."""
        self.durations = Durations()
        """Of syncs, waits for the lane included."""

    def request(self, replica: Replica, up_to: int | None = None) -> None:
        """Syncs everything below `up_to`, or the log's end; `has_synced` tells the replica."""
        log = replica.log
        if log.failure is not None or replica.is_stopped:
            return
        if replica.is_writing:
            replica.when_idle(lambda: self.request(replica, up_to))
            return
        if log.is_flushing:
            self._again.add(replica)
            return
        job = log.flush_begin(up_to)
        if job is None:
            return
        started_s = self._clock.monotonic()
        future = self._executor.lane(log.log_dir).run(job.run)
        future.add_done_callback(lambda done: self._done(replica, job, done, started_s))

    def _done(self, replica: Replica, job: FlushJob, future: asyncio.Future[None], started_s: float) -> None:
        self.durations.add(self._clock.monotonic() - started_s)
        log = replica.log
        is_wanted = replica in self._again
        self._again.discard(replica)
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            if not isinstance(error, StorageError):
                error = StorageError(log.log_dir, f"syncing {log.topic_partition}: {error!r}")
            replica.storage_failed(error)
            if is_wanted:
                self.request(replica)  # in another directory: the log that failed was replaced meanwhile
            return
        replica.when_idle(lambda: self._take_back(replica, job, is_wanted))

    def _take_back(self, replica: Replica, job: FlushJob, is_wanted: bool) -> None:
        replica.log.flush_done(job, self._clock.wall_ms())
        if not replica.is_stopped:
            replica.has_synced()
            if is_wanted:
                self.request(replica)
