"""Checkpoints of a log directory on demand: recovery points and log start offsets, for who wants them on disk now.

One is written at a time; those who ask meanwhile share the next. Without demand they are written from time to time
(`maintenance.py`), which is soon enough for all that a recovery can find out by itself. Where the records begin that a
client has deleted it cannot.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.replication.replica_manager import ReplicaManager

Done = asyncio.Future[None]


class Checkpoints:
    def __init__(self, manager: ReplicaManager) -> None:
        self._manager = manager
        self._next: dict[str, Done | None] = {}
        """By directory where one is being written: those who wait for the next."""

    def write(self, log_dir: str) -> Done:
        """Done when all that is so now is on disk, or the directory has failed or has no room (`is_checkpoint_due`)."""
        if log_dir not in self._next:
            done: Done = asyncio.get_running_loop().create_future()
            self._begin(log_dir, done)
            return done
        waiting = self._next[log_dir]
        if waiting is None:
            waiting = self._next[log_dir] = asyncio.get_running_loop().create_future()
        return waiting

    def _begin(self, log_dir: str, done: Done) -> None:
        directories = self._manager.directories
        directory = directories.directories[log_dir]
        if not directory.is_online:
            self._next.pop(log_dir, None)
            _finish(done)
            return
        self._next[log_dir] = None
        job = directories.begin_checkpoint(directory)
        # Without news there may still be one on its way that says the same: to be waited for in the lane.
        written = self._manager.run_in_order(log_dir, _nothing if job is None else job.run)
        written.add_done_callback(lambda _: self._written(log_dir, done))

    def _written(self, log_dir: str, done: Done) -> None:
        _finish(done)
        waiting = self._next.pop(log_dir)
        if waiting is not None:
            self._begin(log_dir, waiting)


def _nothing() -> None:
    pass


def _finish(done: Done) -> None:
    if not done.done():
        done.set_result(None)
