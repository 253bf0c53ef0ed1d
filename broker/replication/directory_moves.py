"""Moving replicas between the log directories of this broker (KIP-113).

A move makes a *future* log in the other directory, under a name that ends in -future, and copies the partition there
while it goes on being served. When next to nothing is missing, one callback of the loop copies the rest, gives the
future log the partition's name, and lets it take the old one's place: nothing can come in between. The old log goes as
a deleted topic's does. What was copied is synced before that, so a move makes nothing less durable; the one sync that
the loop itself waits for, of the old log's name, comes once a move.

A node that stops or dies in the middle goes on with the copy at its next start. If it dies between the two renames of
the last step, so that there is a future log and no other, the future log is complete, and is taken (`adopt`).

A future log belongs to its move: either a thread copies, or the loop finishes, never both. Counterpart:
ReplicaAlterLogDirsManager and its thread, Partition.maybeReplaceCurrentWithFutureReplica, LogManager.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

from broker.metadata.registrations import is_reserved_directory
from broker.replication.replica import Replica
from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import ZERO_UUID, TopicPartition, Uuid
from storage.directory import CheckpointJob
from storage.directory_names import NAME_BYTES_MAX, DirectoryKind, marked_name
from storage.failures import TransientStorageError
from storage.log import Log

if TYPE_CHECKING:
    from broker.replication.replica_manager import ReplicaManager

logger = logging.getLogger(__name__)

COPY_BYTES: Final = 1024 * 1024
COPIES_PER_TURN: Final = 16
"""Before the thread looks whether the move is still wanted."""
LAST_BYTES_MAX: Final = 2 * 1024 * 1024
"""What the loop copies itself, in a few milliseconds."""
PREFERRED_MAX: Final = 10_000
"""Partitions to come whose directory is remembered; then the oldest are forgotten."""
RETRY_S: Final = 1.0

AssignDirectory = Callable[[Uuid, int, Uuid], None]
"""(topic id, partition, directory id): the replica lies there from now on."""


class _Turn(Enum):
    MORE = "there is more to copy"
    CAUGHT_UP = "there was nothing more a moment ago"
    PARTED = "the log is not what was copied: it was cut back, or begins where the copy has not come"


class _Move:
    __slots__ = ("future", "is_cancelled", "path", "previous", "replica", "task")

    def __init__(
        self, replica: Replica, path: str, future: Log | None = None, previous: asyncio.Task[None] | None = None
    ) -> None:
        self.replica = replica
        self.path = path
        self.future = future
        self.previous = previous
        """An earlier move of the partition elsewhere, to be cleaned up first."""
        self.is_cancelled = False
        self.task: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        has_failed = self.future is not None and self.future.failure is not None
        return not (self.is_cancelled or self.replica.is_stopped or has_failed)


class DirectoryMoves:
    def __init__(self, manager: ReplicaManager) -> None:
        self._manager = manager
        self._directories = manager.directories
        self._moves: dict[TopicPartition, _Move] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        """Also those of moves that were given up and are not cleaned up yet."""
        self._preferred: dict[TopicPartition, str] = {}
        self._is_stopping = False
        self.assign_directory: AssignDirectory = lambda topic_id, partition, directory_id: None

    def __len__(self) -> int:
        return len(self._moves)

    # Asking.

    def move(self, topic_partition: TopicPartition, path: str) -> None:
        """Has the partition lie in the directory `path`: begins a move, turns or ends one under way. A partition that
        is not here yet will be made there, and that is REPLICA_NOT_AVAILABLE. ApiError."""
        self._check_target(topic_partition, path)
        manager = self._manager
        replica = manager.find(*topic_partition)
        if replica is None:
            code = manager.why_missing(*topic_partition)
            if code != ErrorCode.KAFKA_STORAGE_ERROR:
                self._prefer(topic_partition, path)
            raise ApiError(ErrorCode.REPLICA_NOT_AVAILABLE if code == ErrorCode.NOT_LEADER_OR_FOLLOWER else code)
        under_way = self._moves.get(topic_partition)
        if under_way is not None:
            if under_way.path == path and under_way.replica is replica:
                return
            self._cancel(under_way)
        if replica.log.log_dir == path:
            return
        if self._directories.offline:
            # The partition may have a future log there.
            raise ApiError(ErrorCode.KAFKA_STORAGE_ERROR, "no move begins while a log directory is offline")
        self._begin(_Move(replica, path, previous=None if under_way is None else under_way.task))

    def _check_target(self, topic_partition: TopicPartition, path: str) -> None:
        if len(marked_name(topic_partition, DirectoryKind.FUTURE, ZERO_UUID)) > NAME_BYTES_MAX:
            raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, "the topic's name is too long for a future log")
        directory = self._directories.directories.get(path)
        if directory is None:
            raise ApiError(ErrorCode.LOG_DIR_NOT_FOUND, f"{path} is none of log.dirs")
        if not directory.is_online:
            raise ApiError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path} is offline")

    def _prefer(self, topic_partition: TopicPartition, path: str) -> None:
        self._preferred[topic_partition] = path
        if len(self._preferred) > PREFERRED_MAX:
            del self._preferred[next(iter(self._preferred))]

    def take_preferred(self, topic_partition: TopicPartition) -> str | None:
        """Where a partition that is about to be made here was asked to lie."""
        return self._preferred.pop(topic_partition, None)

    # Starting.

    def resume(self, replica: Replica) -> None:
        """Goes on with what was under way when the node stopped."""
        future = self._directories.future_logs.get(replica.topic_partition)
        if future is None or replica.topic_partition in self._moves:
            return
        move = _Move(replica, future.log_dir, future)
        if future.topic_id != replica.topic_id:
            self._drop(move)
        else:
            self._begin(move)

    def adopt(self, topic_partition: TopicPartition, topic_id: Uuid, assigned: Uuid | None) -> Log | None:
        """The future log of a partition that has no other: the last step of its move was cut short. Not while the other
        may be in a directory that is offline or, as the metadata has `assigned` the partition, not here any more."""
        directories = self._directories
        future = directories.future_logs.get(topic_partition)
        if future is None or future.topic_id != topic_id or directories.offline:
            return None
        if assigned is not None and not is_reserved_directory(assigned) and directories.by_id(assigned) is None:
            return None
        logger.warning("%s was about to become the log of the partition; it does", future.directory)
        self._write(directories.replace_with_future(topic_partition, self._manager.clock.wall_ms()))
        return future

    def drop_strays(self) -> None:
        """Future logs of partitions that are not this broker's."""
        manager = self._manager
        for topic_partition, future in list(self._directories.future_logs.items()):
            if manager.find(*topic_partition) is None and manager.offline_topic_id(topic_partition) is None:
                logger.warning("%s is of no partition of this broker; it is deleted", future.directory)
                self._delete(topic_partition)

    async def stop(self) -> None:
        """Futures stay as they are, for the next start."""
        self._is_stopping = True
        for move in self._moves.values():
            move.is_cancelled = True
        if self._tasks:
            await asyncio.wait(self._tasks)

    # Moving.

    def _begin(self, move: _Move) -> None:
        name = move.replica.topic_partition
        logger.info("Moving %s from %s to %s.", name, move.replica.log.log_dir, move.path)
        self._moves[name] = move
        move.task = asyncio.get_running_loop().create_task(self._run(move))
        self._tasks.add(move.task)
        move.task.add_done_callback(self._tasks.discard)

    def _cancel(self, move: _Move) -> None:
        move.is_cancelled = True
        self._moves.pop(move.replica.topic_partition, None)

    async def _run(self, move: _Move) -> None:
        name = move.replica.topic_partition
        if move.previous is not None:
            await asyncio.wait([move.previous])
            move.previous = None
        try:
            while move.is_wanted:
                if await self._advance_safely(move):
                    return
            logger.info("Moving %s to %s is given up.", name, move.path)
        except StorageError as failure:
            self._manager.storage_failed(failure)
        except Exception:
            logger.exception("moving %s to %s failed", name, move.path)
        finally:
            if self._moves.get(name) is move:
                del self._moves[name]
        if not self._is_stopping:
            self._drop(move)

    async def _advance_safely(self, move: _Move) -> bool:
        try:
            return await self._advance(move)
        except TransientStorageError as failure:
            logger.warning("moving %s: %s", move.replica.topic_partition, failure)
            await asyncio.sleep(RETRY_S)
            return False

    async def _advance(self, move: _Move) -> bool:
        """One turn; true when the future log is in its place."""
        manager, replica = self._manager, move.replica
        if move.future is None:
            move.future = await self._create(move)
        if not move.is_wanted:
            return False
        lane = manager.executor.lane(f"{move.path}:move")
        turn = await lane.run(_copy_some, replica.log, move.future, replica.state.leader_epoch, manager.clock.wall_ms())
        if not move.is_wanted or turn is _Turn.MORE:
            return False
        if turn is _Turn.PARTED:
            self._drop(move)
            move.future = None
            return False
        if await self._advance_start(move):
            return False
        finished: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def finish() -> None:
            try:
                finished.set_result(self._finish(move))
            except Exception as error:
                finished.set_exception(error)

        replica.when_idle(finish)
        return await finished

    async def _advance_start(self, move: _Move) -> bool:
        """Has the copy begin where the log begins by now, on disk: records that were deleted meanwhile must not be back
        after a crash. Whether that was a change."""
        current, future, directory = move.replica.log, move.future, self._directories.directories[move.path]
        assert future is not None
        future.update_high_watermark(current.high_watermark)
        is_change = future.advance_log_start_offset(min(current.log_start_offset, future.high_watermark))
        if is_change or directory.is_checkpoint_due:
            await self._manager.checkpoints.write(move.path)
            if directory.is_checkpoint_due:
                raise TransientStorageError(move.path, "there is no room for where logs begin")
        return is_change

    async def _create(self, move: _Move) -> Log:
        manager, directories, replica = self._manager, self._directories, move.replica
        job = directories.begin_create(
            replica.topic_partition,
            replica.topic_id,
            replica.settings.log_config,
            manager.clock.wall_ms(),
            directory=directories.directories[move.path],
            is_future=True,
        )
        await manager.executor.lane(move.path).run(job.run)
        if isinstance(job.failure, StorageError) and not isinstance(job.failure, TransientStorageError):
            manager.storage_failed(job.failure)
        future = directories.loaded(job)
        if future is None:
            raise job.failure or StorageError(move.path, "the log directory is offline")
        return future

    def _finish(self, move: _Move) -> bool:
        """On the loop, while nothing is written: copies what is missing, if that is little, and replaces the log."""
        replica, future = move.replica, move.future
        current, now_ms = replica.log, self._manager.clock.wall_ms()
        assert future is not None
        if not move.is_wanted or _has_parted(current, future):
            return False
        try:
            _copy(current, future, replica.state.leader_epoch, now_ms, LAST_BYTES_MAX, wait=False)
        except BlockingIOError:
            return False
        if future.log_end_offset < current.log_end_offset or future.log_start_offset < current.log_start_offset:
            return False
        if replica.settings.is_synced and future.recovery_point < current.recovery_point:
            # What was acknowledged as synced must be. It is the little that came since the last turn.
            future.flush(now_ms)
        for entry in current.leader_epochs.entries:
            if entry.epoch > future.leader_epochs.latest:
                future.leader_epochs.assign(entry.epoch, entry.start_offset)
        future.update_config(current.config)
        self._replace(replica, future, now_ms)
        return True

    def _replace(self, replica: Replica, future: Log, now_ms: int) -> None:
        directories, current = self._directories, replica.log
        name = replica.topic_partition
        # First, so that whoever reads the old log on another thread and fails is not taken for a sign of a bad disk.
        replica.replace_log(future)
        try:
            jobs = directories.replace_with_future(name, now_ms)
        except StorageError:
            replica.replace_log(current)
            raise
        self._write(jobs)
        logger.info("%s lies in %s now.", name, future.log_dir)
        directory_id = directories.of(future).id
        if directory_id is not None:
            self.assign_directory(replica.topic_id, name.partition, directory_id)
        self._manager.request_flush(replica)
        replica.advance_high_watermark()

    # Giving up.

    def _drop(self, move: _Move) -> None:
        name = move.replica.topic_partition
        if move.future is not None and self._directories.future_logs.get(name) is move.future:
            self._delete(name)

    def _delete(self, topic_partition: TopicPartition) -> None:
        try:
            job = self._directories.delete(topic_partition, self._manager.clock.wall_ms(), is_future=True)
        except StorageError as failure:
            self._manager.storage_failed(failure)
        else:
            self._write([] if job is None else [job])

    def _write(self, jobs: list[CheckpointJob]) -> None:
        for job in jobs:
            self._manager.run_in_order(job.directory.path, job.run)


# On the copying thread, but for the last copy.


def _copy_some(current: Log, future: Log, leader_epoch: int, now_ms: int) -> _Turn:
    if _has_parted(current, future):
        return _Turn.PARTED
    try:
        for _ in range(COPIES_PER_TURN):
            if not _copy(current, future, leader_epoch, now_ms, COPY_BYTES, wait=True):
                break
        else:
            return _Turn.MORE
        future.flush(now_ms)
        # What came while it was synced, so that little is left for the loop.
        _copy(current, future, leader_epoch, now_ms, COPY_BYTES, wait=True)
    except ApiError as error:
        if error.code != ErrorCode.OFFSET_OUT_OF_RANGE:
            raise
        return _Turn.MORE  # The beginning was deleted on the way to it.
    return _Turn.CAUGHT_UP


def _has_parted(current: Log, future: Log) -> bool:
    is_new = future.is_empty and future.log_end_offset == 0
    if not is_new and future.log_end_offset < current.log_start_offset:
        return True
    if future.log_end_offset > current.log_end_offset:
        return True
    epoch = future.leader_epochs.latest
    if epoch < 0:
        return False
    end = current.end_offset_for_epoch(epoch)
    return end.epoch != epoch or end.offset < future.log_end_offset


def _copy(current: Log, future: Log, leader_epoch: int, now_ms: int, max_bytes: int, *, wait: bool) -> bool:
    """Copies whole batches; whether there were any. Without `wait` a BlockingIOError where the disk would be waited
    for."""
    end_offset = current.log_end_offset
    start_offset = max(future.log_end_offset, current.log_start_offset)
    found = current.read(start_offset, min(max_bytes, future.config.segment_bytes), max_offset=end_offset, wait=wait)
    data = found.read() if wait else found.read_nowait()
    if data is None:
        raise BlockingIOError
    begins = start_offset > future.log_end_offset or not future.size_bytes
    if not data:
        if future.log_end_offset < end_offset:
            # The log does not end with a batch: all were deleted, or those before the end are compacted away.
            if begins:
                future.truncate_fully_and_start_at(end_offset, now_ms)
            else:
                future.skip_to(end_offset, now_ms)
        return False
    if begins and found.first_offset != future.log_end_offset:
        # Where the log begins, or in the middle of the batch in which it does. Later, compaction has left a hole.
        future.truncate_fully_and_start_at(found.first_offset, now_ms, current.log_start_offset)
    future.append_as_follower(data, leader_epoch=leader_epoch, now_ms=now_ms)
    return True
