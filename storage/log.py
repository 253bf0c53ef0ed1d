"""One partition's log, and KRaft's metadata log: segments in a directory, and the offsets that say what they mean.

    log start offset <= last stable offset <= high watermark <= log end offset;   recovery point <= log end offset

Below the recovery point everything is on disk, and only a flush raises it; at the log's end the next record goes; high
watermark and log start move at the owner's word. Owns the files of the directory, the producer state and the leader
epochs; knows nothing of replicas, and starts nothing by itself: the owner passes the time in, asks what is due
(`flush_due`, `take_deletions`) and does it.

One owner, on one thread, calls everything that changes the log. Reading (`read`, `offset_for_timestamp`, ...) may run
on other threads beside it: `segments` is replaced, never changed, and segment.py does the rest. What waits for the disk
is cut in two: `flush_begin` gives a job for an executor, `flush_done` takes it back; opening, closing and reading may
run there whole.

A failed append leaves nothing behind. If the disk is full that is all (DiskFullError); after any other OSError, and
after an exception between write and bookkeeping, the log refuses everything (`failure`) and its directory belongs
offline.

Kafka's counterpart: UnifiedLog and LocalLog; KIP-74, KIP-98, KIP-101, KIP-107, KIP-320.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from protocol.errors import ApiError, ErrorCode, StorageError
from protocol.ids import TopicPartition, Uuid
from protocol.records.batch import HEADER_BYTES
from protocol.wire import Buffer
from storage import checkpoints
from storage.failures import TransientStorageError, storage_error
from storage.files import Files
from storage.flushing import FlushJob
from storage.leader_epochs import LeaderEpochs
from storage.loading import LogLoader
from storage.log_config import LogConfig
from storage.log_reading import NO_TIMESTAMP, ReadableLog, floor_of
from storage.offset_index import RELATIVE_OFFSET_MAX
from storage.open_segments import OpenSegments
from storage.opening import RandRange, draw_jitter_ms, read_leader_epochs, rebuild_leader_epochs, settle_topic_id
from storage.producer_entry import TRANSACTION_VERSION_UNKNOWN, VerificationGuard
from storage.producer_state import ProducerAnalysis, ProducerState
from storage.recovery import replay_segments
from storage.retention import count_deletable
from storage.segment import DELETED, SUFFIXES, Segment
from storage.time_lookup import TimestampAndOffset
from storage.transaction_index import AbortedTransaction
from storage.validation import AppendOrigin, ValidatedAppend, validate_assigned

__all__ = ["NO_TIMESTAMP", "AppendInfo", "Deletion", "Log", "TimestampAndOffset", "remove_files"]

_NEVER: Final = -1
"""No batch fits below."""

logger = logging.getLogger(__name__)


class AppendInfo(msgspec.Struct, frozen=True, gc=False):
    """What an append did. A duplicate of an earlier batch was not written; the offsets are those of the earlier one."""

    first_offset: int
    last_offset: int
    max_timestamp: int
    log_append_time: int
    """-1 unless the topic's timestamps are those of the append."""
    log_start_offset: int
    size: int
    records_count: int
    is_duplicate: bool


class Deletion(NamedTuple):
    """Files that count no more, to be removed once `due_ms` has come."""

    paths: list[str]
    due_ms: int


class Log(ReadableLog):
    """See the module; made by `open`."""

    def __init__(
        self,
        files: Files,
        directory: str,
        topic_partition: TopicPartition,
        config: LogConfig,
        *,
        topic_id: Uuid | None,
        segments: list[Segment],
        log_start_offset: int,
        log_end_offset: int,
        recovery_point: int,
        leader_epochs: LeaderEpochs,
        producer_state: ProducerState,
        open_segments: OpenSegments,
        randrange: RandRange | None,
        now_ms: int,
        are_names_synced: bool,
        is_parent_synced: bool,
    ) -> None:
        self.files = files
        self.directory = directory
        self.log_dir = directory.rpartition("/")[0]
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.config = config
        self.segments = segments
        self.active = segments[-1]
        self.active.activate()
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset
        self.high_watermark = log_start_offset
        self.recovery_point = recovery_point
        self.leader_epochs = leader_epochs
        self.producer_state = producer_state
        self.last_flush_ms = now_ms
        self.failure: StorageError | None = None
        self.truncated_bytes_at_open = 0
        self._open_segments = open_segments
        self._randrange = randrange
        self._deletions: list[Deletion] = []
        self._first_unstable_offset: int | None = None
        self._flushing: FlushJob | None = None
        self._unsynced_snapshots: list[str] = []
        self._unsynced_seals: list[Segment] = []
        """Segments that were rolled since the last flush: their batches may have been synced before."""
        self._names_changed = not are_names_synced
        self._names_removed = False
        self._active_at_open = self.active
        # What certainly goes into the active segment: batches that end, whose last offset is and whose largest
        # timestamp is at most here. Found by `_is_roll_due`, void when the segment or the configuration changes.
        self._fitting_size = _NEVER
        self._fitting_offset = _NEVER
        self._fitting_timestamp = _NEVER
        self._parent_synced = is_parent_synced
        self._update_first_unstable_offset()

    @classmethod
    def open(
        cls,
        files: Files,
        directory: str,
        topic_partition: TopicPartition,
        config: LogConfig,
        *,
        now_ms: int,
        recovery_point: int = 0,
        log_start_offset: int = 0,
        clean_shutdown: bool = False,
        is_parent_synced: bool = False,
        topic_id: Uuid | None = None,
        open_segments: OpenSegments | None = None,
        randrange: RandRange | None = None,
        max_transaction_timeout_ms: int = 900_000,
        transaction_verification_enabled: bool = True,
    ) -> Log:
        """Create the log, or load it and recover it as needed. May take long: it belongs on an executor.

        `is_parent_synced` says that the directory was there, and its parent synced since; else the first flush does it.

        OSError as it comes, for the caller knows more of the directory; CorruptLogError where synced data is damaged;
        ApiError(INCONSISTENT_TOPIC_ID) if the directory belongs to another topic.
        """
        if open_segments is None:
            open_segments = OpenSegments()
        if not files.is_dir(directory):
            files.make_dirs(directory)
        topic_id = settle_topic_id(files, directory, topic_id)
        known_epochs = read_leader_epochs(files, directory)
        leader_epochs = LeaderEpochs() if known_epochs is None else known_epochs
        producer_state = ProducerState(
            files,
            directory,
            max_transaction_timeout_ms=max_transaction_timeout_ms,
            producer_id_expiration_ms=config.producer_id_expiration_ms,
            transaction_verification_enabled=transaction_verification_enabled,
        )
        loaded = LogLoader(
            files,
            directory,
            config,
            open_segments,
            producer_state,
            leader_epochs,
            now_ms=now_ms,
            clean_shutdown=clean_shutdown,
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
            randrange=randrange,
        ).load()
        if known_epochs is None:
            rebuild_leader_epochs(leader_epochs, loaded.segments)
        log = cls(
            files,
            directory,
            topic_partition,
            config,
            topic_id=topic_id,
            segments=loaded.segments,
            log_start_offset=loaded.log_start_offset,
            log_end_offset=loaded.log_end_offset,
            recovery_point=loaded.recovery_point,
            leader_epochs=leader_epochs,
            producer_state=producer_state,
            open_segments=open_segments,
            randrange=randrange,
            now_ms=now_ms,
            # Whoever closes an empty log may find nothing to sync, not even its names.
            are_names_synced=clean_shutdown and is_parent_synced and loaded.log_end_offset > 0,
            is_parent_synced=is_parent_synced,
        )
        log.truncated_bytes_at_open = loaded.truncated_bytes
        return log

    # appending

    def append(
        self,
        append: ValidatedAppend,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: AppendOrigin = AppendOrigin.CLIENT,
        guard: VerificationGuard | None = None,
        transaction_version: int = TRANSACTION_VERSION_UNKNOWN,
    ) -> AppendInfo:
        """As leader: the one batch of prepare_append gets the next offsets.

        ApiError where the producer's state or the segment size forbids it.
        """
        append.assign(self.log_end_offset, leader_epoch)
        if origin is AppendOrigin.CLIENT:
            info = self._append_plain(append)
            if info is not None:
                return info
        return self._append(append, origin, guard, transaction_version, now_ms)

    def _append_plain(self, append: ValidatedAppend) -> AppendInfo | None:
        """What `_append` does, for what nearly every append of a client is: it surely fits into the active segment, the
        leader is the same as before, and it is the next of its producer, or of nobody. Else None, and nothing is done.
        """
        batch, last_offset = append.batches[0], append.last_offset
        segment, state = self.active, self.producer_state
        if (
            segment.size + append.size > self._fitting_size
            or last_offset > self._fitting_offset
            or append.max_timestamp > self._fitting_timestamp
            or batch.partition_leader_epoch != self.leader_epochs.latest
            or self.failure is not None
        ):
            return None
        producer = None
        if batch.producer_id >= 0:
            producer = state.next_in_order(batch)
            if producer is None:
                return None
        try:
            segment.append(append)
        except OSError as e:
            raise self._write_failed(e) from e
        try:
            self.log_end_offset = state.map_end_offset = last_offset + 1
            if producer is not None:
                producer.add_batch_in_order(batch)
        except BaseException as e:
            self.failure = StorageError(self.log_dir, f"{self.topic_partition}: {e!r} after a write")
            raise
        return self._info(append, last_offset)

    def append_as_follower(self, records: Buffer, *, leader_epoch: int, now_ms: int) -> AppendInfo:
        """Batches as the leader has them. UnexpectedAppendOffset if they begin before the log's end."""
        append = validate_assigned(
            records, origin=AppendOrigin.REPLICATION, leader_epoch=leader_epoch, next_offset=self.log_end_offset
        )
        return self._append(append, AppendOrigin.REPLICATION, None, TRANSACTION_VERSION_UNKNOWN, now_ms)

    def append_as_raft_leader(self, records: Buffer, *, leader_epoch: int, now_ms: int) -> AppendInfo:
        """Batches to which the metadata log's leader gave offsets and its epoch."""
        append = validate_assigned(
            records, origin=AppendOrigin.RAFT_LEADER, leader_epoch=leader_epoch, next_offset=self.log_end_offset
        )
        return self._append(append, AppendOrigin.RAFT_LEADER, None, TRANSACTION_VERSION_UNKNOWN, now_ms)

    def _append(
        self,
        append: ValidatedAppend,
        origin: AppendOrigin,
        guard: VerificationGuard | None,
        transaction_version: int,
        now_ms: int,
    ) -> AppendInfo:
        if self.failure is not None:
            raise self.failure
        size = append.size
        if not append.batches:
            return self._info(append, self.log_end_offset - 1)
        if size > self.config.segment_bytes:
            message = f"{size} bytes exceed segment.bytes, {self.config.segment_bytes}"
            raise ApiError(ErrorCode.RECORD_LIST_TOO_LARGE, message)
        analysis = None
        for batch in append.batches:
            if batch.producer_id >= 0:
                analysis = self.producer_state.analyze(
                    append.batches, origin, guard=guard, transaction_version=transaction_version
                )
                if analysis.duplicate is not None:
                    return self._duplicate_info(analysis)
                break
        try:
            if self._is_roll_due(append, now_ms):
                self._roll(append.first_offset, now_ms)
            self.active.append(append)
        except OSError as e:
            raise self._write_failed(e) from e
        try:
            self._take_in(append, analysis)
        except BaseException as e:
            # The bytes are in the file and the rest is not: nothing can be said of this log any more.
            self.failure = StorageError(self.log_dir, f"{self.topic_partition}: {e!r} after a write")
            raise
        return self._info(append, append.last_offset)

    def _take_in(self, append: ValidatedAppend, analysis: ProducerAnalysis | None) -> None:
        """What was written becomes part of the log."""
        epochs = self.leader_epochs
        for batch in append.batches:
            if batch.partition_leader_epoch != epochs.latest:
                if batch.partition_leader_epoch >= 0:
                    epochs.assign(batch.partition_leader_epoch, batch.base_offset)
                elif batch.magic < 2:
                    # A leader that writes old formats knows no epochs; what is known here would mislead.
                    epochs.clear()
        self.log_end_offset = next_offset = append.last_offset + 1
        state = self.producer_state
        if analysis is not None:
            state.update(analysis)
            for completed in analysis.completed:
                if completed.is_aborted:
                    self.active.aborted.append(
                        AbortedTransaction(
                            completed.producer_id,
                            completed.first_offset,
                            completed.last_offset,
                            state.last_stable_offset(completed),
                        )
                    )
                state.complete_transaction(completed)
            self._update_first_unstable_offset()
        state.map_end_offset = next_offset

    def _info(self, append: ValidatedAppend, last_offset: int) -> AppendInfo:
        return AppendInfo(
            append.first_offset,
            last_offset,
            append.max_timestamp,
            append.log_append_time,
            self.log_start_offset,
            append.size,
            append.records_count,
            False,
        )

    def _duplicate_info(self, analysis: ProducerAnalysis) -> AppendInfo:
        known = analysis.duplicate
        assert known is not None
        return AppendInfo(
            known.first_offset,
            known.last_offset,
            known.timestamp,
            known.timestamp,
            self.log_start_offset,
            0,
            0,
            True,
        )

    def _write_failed(self, error: OSError) -> StorageError:
        failure = storage_error(self.log_dir, error, f"appending to {self.topic_partition}")
        try:
            self.active.cut_back()
        except OSError as e:
            failure = StorageError(self.log_dir, f"removing what a failed append to {self.topic_partition} left: {e}")
        if not isinstance(failure, TransientStorageError):
            self.failure = failure
        return failure

    def _check_usable(self) -> None:
        if self.failure is not None:
            raise self.failure

    # rolling

    def _is_roll_due(self, append: ValidatedAppend, now_ms: int) -> bool:
        segment, config = self.active, self.config
        size = segment.size
        if size + append.size > config.segment_bytes:
            return True
        if not 0 <= append.last_offset - segment.base_offset <= RELATIVE_OFFSET_MAX:
            return True
        if not size:
            return False
        entries_left = min(
            config.offset_index_entries_max - len(segment.offset_index.positions),
            config.time_index_entries_max - len(segment.time_index.timestamps),
        )
        longest_ms = config.segment_ms - segment.roll_jitter_ms
        if segment.time_waited_for_roll(now_ms, append.max_timestamp) > longest_ms or entries_left <= 0:
            return True
        # A batch gets one entry of an index at most, and has a header at least.
        self._fitting_size = min(config.segment_bytes, size + entries_left * HEADER_BYTES)
        self._fitting_offset = segment.base_offset + RELATIVE_OFFSET_MAX
        self._fitting_timestamp = segment.first_timestamp + longest_ms if segment.first_timestamp >= 0 else _NEVER
        return False

    def roll(self, now_ms: int) -> None:
        """Begin a new segment at the log's end, unless the active one is empty."""
        self._check_usable()
        try:
            self._roll(self.log_end_offset, now_ms)
        except OSError as e:
            raise self._write_failed(e) from e

    def skip_to(self, offset: int, now_ms: int) -> None:
        """Go on at an offset beyond the end: what this is a copy of has no records before it."""
        self._check_usable()
        try:
            self._roll(offset, now_ms)
        except OSError as e:
            raise self._write_failed(e) from e
        self.log_end_offset = offset

    def _roll(self, base_offset: int, now_ms: int) -> None:
        old = self.active
        if old.size == 0 and old.base_offset == base_offset:
            return
        assert base_offset >= self.log_end_offset and base_offset > old.base_offset, (base_offset, old)
        if self.recovery_point >= base_offset:
            old.seal()  # Recovery would not look at it any more.
        else:
            old.complete_indexes()
            old.awaits_seal = True
        try:
            new = self._create_segment(base_offset, now_ms)
        except OSError:
            old.awaits_seal = False
            raise
        self._unsynced_seals.append(old)
        self._snapshot_producers(base_offset)
        old.deactivate()
        self._activate(new, [*self.segments, new])

    def _create_segment(self, base_offset: int, now_ms: int) -> Segment:
        segment = Segment(
            self.files,
            self.directory,
            base_offset,
            0,
            self._open_segments,
            index_interval_bytes=self.config.index_interval_bytes,
            now_ms=now_ms,
            roll_jitter_ms=draw_jitter_ms(self.config, self._randrange),
        )
        for suffix in SUFFIXES:
            if self.files.exists(segment.path(suffix)):
                logger.warning("removing %s, which is in the way of a new segment", segment.path(suffix))
                self.files.remove(segment.path(suffix))
        segment.create()
        return segment

    def _activate(self, segment: Segment, segments: list[Segment]) -> None:
        segment.activate()
        self._fitting_size = _NEVER
        self.segments = segments
        self.active = segment
        self._names_changed = True

    def _snapshot_producers(self, base_offset: int) -> None:
        """A snapshot at the new segment's base spares recovery the segments before; without it, it takes longer."""
        state = self.producer_state
        state.map_end_offset = base_offset
        try:
            path = state.take_snapshot(sync=False)
        except OSError as e:
            logger.warning("%s: no producer snapshot at %d: %s", self.topic_partition, base_offset, e)
            return
        if path is not None:
            self._unsynced_snapshots.append(path)

    # offsets

    @property
    def last_stable_offset(self) -> int:
        """Where read_committed ends: before the first transaction that is open, and never beyond the high watermark."""
        unstable, high_watermark = self._first_unstable_offset, self.high_watermark
        return high_watermark if unstable is None or unstable > high_watermark else unstable

    def _update_first_unstable_offset(self) -> None:
        unstable = self.producer_state.first_unstable_offset
        self._first_unstable_offset = None if unstable is None else max(unstable, self.log_start_offset)

    def update_high_watermark(self, offset: int) -> int:
        """Set it, as a follower does, to what lies within the log."""
        offset = min(max(offset, self.log_start_offset), self.log_end_offset)
        self._set_high_watermark(offset)
        return offset

    def _set_high_watermark(self, offset: int) -> None:
        self.high_watermark = offset
        if self._first_unstable_offset is not None:
            self.producer_state.on_high_watermark(offset)
            self._update_first_unstable_offset()

    def advance_high_watermark(self, offset: int) -> bool:
        """Raise it; whether that was a change."""
        assert offset <= self.log_end_offset, (offset, self.log_end_offset)
        if offset <= self.high_watermark:
            return False
        self.high_watermark = offset
        if self._first_unstable_offset is not None:
            self._set_high_watermark(offset)
        return True

    def advance_log_start_offset(self, offset: int) -> bool:
        """Nothing below is served any more; whether that was a change. ApiError beyond the high watermark.

        Whole segments below go with the next `delete_old_segments`.
        """
        if offset > self.high_watermark:
            message = f"log start offset {offset} beyond the high watermark {self.high_watermark}"
            raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, message)
        if offset <= self.log_start_offset:
            return False
        self.log_start_offset = offset
        self.leader_epochs.truncate_from_start(offset)
        self.producer_state.on_log_start_offset(offset)
        self._update_first_unstable_offset()
        return True

    # truncation

    def truncate_to(self, offset: int, now_ms: int) -> bool:
        """Remove everything at and behind `offset`, and the batch that contains it; whether anything went.

        Before, the owner brings the recovery point's checkpoint down to `truncation_point(offset)` (see directory.py):
        what comes in the place of the removed is not on disk, whatever an old checkpoint says.
        """
        self._check_usable()
        if offset >= self.log_end_offset:
            # An epoch that began here without a record yet has to go all the same.
            self.leader_epochs.truncate_from_end(self.log_end_offset)
            return False
        if offset < self.segments[0].base_offset:
            self.truncate_fully_and_start_at(offset, now_ms)
            return True
        if offset < self.high_watermark:
            logger.warning("%s: truncating to %d, below %d", self.topic_partition, offset, self.high_watermark)
        self._discard_flush()
        try:
            self._truncate_segments(offset, now_ms)
            self.leader_epochs.truncate_from_end(offset)
            self.log_start_offset = min(self.log_start_offset, offset)
            self._rebuild_producers(offset, now_ms)
        except (OSError, ApiError) as e:
            self.failure = StorageError(self.log_dir, f"truncating {self.topic_partition}: {e}")
            raise self.failure from e
        self.update_high_watermark(self.high_watermark)
        return True

    def truncation_point(self, offset: int) -> int:
        """Where the records end that `truncate_to(offset)` keeps: at `offset`, or at the start of its batch."""
        if offset >= self.log_end_offset or offset < self.segments[0].base_offset:
            return offset
        try:
            place = self.segments[floor_of(self.segments, offset)].find(offset)
        except OSError as e:
            raise storage_error(self.log_dir, e, f"reading {self.topic_partition}") from e
        return offset if place is None else min(place.base_offset, offset)

    def _truncate_segments(self, offset: int, now_ms: int) -> None:
        self.recovery_point = min(self.recovery_point, self.truncation_point(offset))
        keep = floor_of(self.segments, offset) + 1
        kept, removed = self.segments[:keep], self.segments[keep:]
        self.active.is_active = False
        self._activate(kept[-1], kept)
        self.log_end_offset = offset
        # From the end backwards: a crash in between must leave no gap with records behind it.
        self._delete(removed[::-1], now_ms)
        self._names_removed |= bool(removed)
        kept[-1].truncate_to(offset, now_ms)

    def _rebuild_producers(self, end_offset: int, now_ms: int) -> None:
        state = self.producer_state
        knew_producers = bool(state.producers) or not state.is_empty()
        state.truncate_and_reload(self.log_start_offset, end_offset, now_ms)
        if state.map_end_offset < end_offset:
            if knew_producers or state.producers:
                replay_segments(state, self.segments, end_offset)
            state.map_end_offset = end_offset
        self._snapshot_producers(end_offset)
        self._update_first_unstable_offset()

    def truncate_fully_and_start_at(self, offset: int, now_ms: int, log_start_offset: int | None = None) -> None:
        """Remove everything; the log is empty and goes on at `offset`."""
        self._check_usable()
        self._discard_flush()
        try:
            self.active.is_active = False
            self._delete(self.segments[::-1], now_ms)
            self._names_removed = True
            new = self._create_segment(offset, now_ms)
            self._activate(new, [new])
            self.leader_epochs.clear()
            self.producer_state.truncate_fully_and_start_at(offset)
        except OSError as e:
            self.failure = StorageError(self.log_dir, f"truncating {self.topic_partition}: {e}")
            raise self.failure from e
        self.log_end_offset = offset
        self.log_start_offset = offset if log_start_offset is None else log_start_offset
        # Not even the removal of what was there is on disk.
        self.recovery_point = 0
        self._update_first_unstable_offset()
        self.update_high_watermark(offset)

    # retention and deletion

    def has_old_segments(self, now_ms: int) -> bool:
        """Whether `delete_old_segments` has something to do; may read time indexes, so it belongs on an executor."""
        return self._count_deletable(now_ms) > 0

    def _count_deletable(self, now_ms: int) -> int:
        return count_deletable(
            self.segments,
            self.config,
            log_start_offset=self.log_start_offset,
            high_watermark=self.high_watermark,
            log_end_offset=self.log_end_offset,
            now_ms=now_ms,
        )

    def delete_old_segments(self, now_ms: int) -> int:
        """Apply retention: how many segments went. Their files are renamed and wait in `take_deletions`."""
        self._check_usable()
        try:
            count = self._count_deletable(now_ms)
            if not count:
                return 0
            if count == len(self.segments):
                self._roll(self.log_end_offset, now_ms)
            removed, kept = self.segments[:count], self.segments[count:]
            self.segments = kept
            self.advance_log_start_offset(kept[0].base_offset)
            self._delete(removed, now_ms)
        except OSError as e:
            raise self._write_failed(e) from e
        logger.info("%s: deleted %d segments, starts at %d", self.topic_partition, count, self.log_start_offset)
        return count

    def _delete(self, segments: Sequence[Segment], now_ms: int) -> None:
        paths = []
        if self._flushing is not None:
            self._flushing.leave_out(segments)
        for segment in segments:
            paths += segment.mark_deleted()
            snapshot = self.producer_state.snapshots.mark_for_deletion(segment.base_offset)
            if snapshot is not None:
                paths.append(snapshot)
        if paths:
            self._deletions.append(Deletion(paths, now_ms + self.config.file_delete_delay_ms))

    @property
    def next_deletion_ms(self) -> int | None:
        """When the first of the files set aside may be removed."""
        return min((deletion.due_ms for deletion in self._deletions), default=None)

    def take_deletions(self, now_ms: int) -> list[str]:
        """The files to remove now, with `remove_files` on an executor. A crash before leaves them to the next start."""
        due = [deletion for deletion in self._deletions if deletion.due_ms <= now_ms]
        self._deletions = [deletion for deletion in self._deletions if deletion.due_ms > now_ms]
        return [path for deletion in due for path in deletion.paths]

    # flushing

    @property
    def unflushed_messages(self) -> int:
        return self.log_end_offset - max(self.recovery_point, self.log_start_offset)

    def flush_due(self, now_ms: int) -> int | None:
        """Up to where a flush is wanted: flush.messages or flush.ms has come, or a segment was rolled."""
        unflushed = self.unflushed_messages
        if unflushed <= 0:
            return None
        if unflushed >= self.config.flush_messages or now_ms - self.last_flush_ms >= self.config.flush_ms:
            return self.log_end_offset
        rolled_at = self.active.base_offset
        return rolled_at if rolled_at > self.recovery_point else None

    @property
    def is_flushing(self) -> bool:
        return self._flushing is not None

    def flush_begin(self, up_to: int | None = None) -> FlushJob | None:
        """A job to bring everything below `up_to` (the log's end) to disk; None if it is there. One at a time."""
        self._check_usable()
        assert self._flushing is None, self.topic_partition
        offset = self.log_end_offset if up_to is None else min(up_to, self.log_end_offset)
        if offset <= self.recovery_point:
            return None
        first = floor_of(self.segments, self.recovery_point)
        segments = [segment for segment in self.segments[first:] if segment.base_offset < offset]
        sealed = [segment for segment in self._unsynced_seals if segment in self.segments and segment not in segments]
        epochs = self.leader_epochs
        job = FlushJob(
            self.files,
            self.directory,
            self.log_dir,
            offset,
            [(segment, segment is not self.active) for segment in (*sealed, *segments)],
            leader_epochs=checkpoints.encode_leader_epochs(epochs.entries) if epochs.dirty else None,
            snapshots=self._unsynced_snapshots,
            sync_removals=self._names_removed,
            sync_directory=self._names_changed,
            sync_parent=not self._parent_synced,
        )
        epochs.dirty = False
        self._unsynced_snapshots = []
        self._unsynced_seals = []
        self._names_changed = self._names_removed = False
        self._flushing = job
        return job

    def flush_done(self, job: FlushJob, now_ms: int) -> None:
        """Back from the executor without an error: the recovery point moves, unless the log was truncated meanwhile."""
        if job is not self._flushing:
            return
        self._flushing = None
        for segment in job.sealed:
            if segment.awaits_seal:
                segment.sealed()
                self._open_segments.use(segment)
        # What was rolled since still awaits its seal, and until then recovery has to look at it.
        unsealed = (each.base_offset for each in self._unsynced_seals if each.awaits_seal and each in self.segments)
        offset = min((job.offset, *unsealed))
        self._parent_synced = True
        self.last_flush_ms = now_ms
        self.recovery_point = max(self.recovery_point, offset)

    def _discard_flush(self) -> None:
        """What the job under way syncs is not what the log will hold; what it writes is to be written again."""
        if self._flushing is not None:
            sealed = self._flushing.sealed
            self._unsynced_seals += sealed
            self._flushing.leave_out(sealed)
            self._flushing = None
            self._names_changed = self._names_removed = True
            self.leader_epochs.dirty = True

    def flush(self, now_ms: int, up_to: int | None = None) -> None:
        """All of it here and now, for closing and for tests."""
        job = self.flush_begin(up_to)
        if job is not None:
            try:
                job.run()
            except StorageError as e:
                self.failure = e
                raise
            self.flush_done(job, now_ms)

    def fail(self, failure: StorageError) -> None:
        """The directory is offline: refuse everything from now on."""
        self.failure = failure

    # the end

    def prepare(self) -> None:
        """Open what the first append needs; may wait for the disk, so it belongs on an executor."""
        try:
            self.active.prepare()
        except OSError as e:
            raise storage_error(self.log_dir, e, f"opening {self.topic_partition}") from e

    def close(self, now_ms: int) -> None:
        """Sync everything and bring index files and snapshot up to date, so that a clean stop needs no recovery."""
        self._check_usable()
        self._discard_flush()
        try:
            self.flush(now_ms)
            self._sync_what_no_flush_needed()
            if self.leader_epochs.dirty:
                self._write_leader_epochs()
            has_producers = bool(self.producer_state.producers)
            if self.producer_state.take_snapshot(sync=has_producers) is not None and has_producers:
                # Without the snapshot, Kafka takes a log that was stopped cleanly for one without producers.
                self.files.sync_dir(self.directory)
        except OSError as e:
            raise storage_error(self.log_dir, e, f"closing {self.topic_partition}") from e
        finally:
            self.close_files()

    def _sync_what_no_flush_needed(self) -> None:
        """Indexes and names may have changed since the last batch was synced; the next start relies on them."""
        for segment in self._unsynced_seals:
            if segment in self.segments:
                segment.seal()
                segment.sync_indexes()
        self._unsynced_seals = []
        self.active.seal(sync=True)
        if self._names_removed or (self._names_changed and self.active is not self._active_at_open):
            self.files.sync_dir(self.directory)
            self._names_changed = self._names_removed = False

    def _write_leader_epochs(self) -> None:
        data = checkpoints.encode_leader_epochs(self.leader_epochs.entries)
        self.files.write_atomically(f"{self.directory}/{checkpoints.LEADER_EPOCH_CHECKPOINT}", data)
        self.leader_epochs.dirty = False

    def close_files(self) -> None:
        """Give back descriptors and refuse further use; nothing is written."""
        self.failure = StorageError(self.log_dir, f"{self.topic_partition} is closed")
        for segment in self.segments:
            segment.is_active = False
            segment.release()
            self._open_segments.forget(segment)

    def moved_to(self, directory: str) -> None:
        """The directory was renamed (a future log takes its place, a deleted one goes). The next flush syncs that."""
        self.directory = directory
        self._parent_synced = False
        self.producer_state.snapshots.directory = directory
        for segment in self.segments:
            segment.moved_to(directory)

    def assign_topic_id(self, topic_id: Uuid) -> None:
        """ApiError(INCONSISTENT_TOPIC_ID) if the log has another."""
        try:
            self.topic_id = settle_topic_id(self.files, self.directory, topic_id)
        except OSError as e:
            raise storage_error(self.log_dir, e, "writing partition.metadata") from e

    def update_config(self, config: LogConfig) -> None:
        self.config = config
        self._fitting_size = _NEVER
        self.producer_state.producer_id_expiration_ms = config.producer_id_expiration_ms

    @property
    def size_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    @property
    def is_empty(self) -> bool:
        return self.log_start_offset == self.log_end_offset

    def __repr__(self) -> str:
        return (
            f"Log({self.topic_partition}, [{self.log_start_offset}, {self.log_end_offset}),"
            f" high_watermark={self.high_watermark}, recovery_point={self.recovery_point},"
            f" segments={len(self.segments)}, directory={self.directory})"
        )


def remove_files(files: Files, paths: Sequence[str]) -> None:
    for path in paths:
        assert path.endswith(DELETED), path
        try:
            files.remove(path)
        except FileNotFoundError:
            continue
