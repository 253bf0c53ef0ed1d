"""Opening the directory of a log: tidy up what a crash left, load the segments, recover after an unclean stop.

In order: files marked .deleted or .cleaned go; finished swaps of the cleaner (.swap) take the place of what they
replace; segments with offsets too far apart are split (overflow.py); the rest are segments. After a clean stop only the
tail of the last one is looked at. Otherwise every segment from the one with the recovery point on is scanned
(recovery.py): where the valid batches end, the log ends, and what follows is deleted. At last leader epochs and
producer state are brought to the log's end.

Works on objects of its own only: one log a task, on any thread. Kafka's counterpart: LogLoader.
"""

from __future__ import annotations

import logging
import re
from struct import Struct
from typing import Final, NamedTuple

from storage.files import Files
from storage.leader_epochs import LeaderEpochs
from storage.log_config import LogConfig
from storage.offset_index import ENTRY_BYTES, CorruptIndex
from storage.open_segments import OpenSegments
from storage.opening import RandRange, draw_jitter_ms
from storage.overflow import split_overflowing
from storage.producer_state import ProducerState
from storage.recovery import CHUNK_BYTES, SegmentScan, replay_batch, replay_segments
from storage.segment import (
    CLEANED,
    DELETED,
    INDEX,
    LOG,
    SUFFIXES,
    SWAP,
    TIME_INDEX,
    TRANSACTION_INDEX,
    Segment,
    batches_of,
)

_SNAPSHOT_DELETED: Final = ".checkpoint.deleted"
_SEGMENT_FILE: Final = re.compile(r"(\d{20})(\.[a-z]+)")
_LOG_FILE: Final = re.compile(r"\d{20}\.log")
_INDEX_TAIL: Final = Struct(">ii")

logger = logging.getLogger(__name__)


class LoadedLog(NamedTuple):
    segments: list[Segment]
    log_start_offset: int
    log_end_offset: int
    recovery_point: int
    truncated_bytes: int
    """What recovery cut off the tail, whole segments included."""


class LogLoader:
    """Loads one log. `producer_state` and `leader_epochs` come as read from disk and are right afterwards."""

    def __init__(
        self,
        files: Files,
        directory: str,
        config: LogConfig,
        open_segments: OpenSegments,
        producer_state: ProducerState,
        leader_epochs: LeaderEpochs,
        *,
        now_ms: int,
        clean_shutdown: bool,
        recovery_point: int,
        log_start_offset: int,
        randrange: RandRange | None,
    ) -> None:
        self._files = files
        self._directory = directory
        self._config = config
        self._open_segments = open_segments
        self._producer_state = producer_state
        self._leader_epochs = leader_epochs
        self._now_ms = now_ms
        self._clean_shutdown = clean_shutdown
        self._recovery_point = recovery_point
        self._log_start_offset = log_start_offset
        self._randrange = randrange
        self._truncated_bytes = 0

    def load(self) -> LoadedLog:
        segments = self._load_segments(self._split_overflowing(self._tidy()))
        if self._producer_state.snapshots.offsets:
            self._producer_state.remove_stray_snapshots({segment.base_offset for segment in segments})
        log_end_offset = self._clean_end(segments) if self._clean_shutdown else None
        if log_end_offset is None:
            log_end_offset = self._recover(segments)
            recovery_point = min(self._recovery_point, log_end_offset)
        else:
            recovery_point = log_end_offset
        if log_end_offset < self._log_start_offset:
            self._delete_all(segments, log_end_offset)
        if not segments:
            log_end_offset = self._log_start_offset
            recovery_point = min(recovery_point, log_end_offset)
            segments.append(self._new_segment(log_end_offset))
        log_start_offset = max(self._log_start_offset, segments[0].base_offset)
        self._leader_epochs.truncate_from_end(log_end_offset)
        self._leader_epochs.truncate_from_start(log_start_offset)
        self._load_producers(segments, log_start_offset, log_end_offset)
        # Thousands of logs may be loaded that nobody will use.
        segments[-1].close_file()
        return LoadedLog(segments, log_start_offset, log_end_offset, recovery_point, self._truncated_bytes)

    # files

    def _tidy(self) -> list[str]:
        """Remove and rename what an interrupted operation left; the names that remain."""
        names = self._files.list_dir(self._directory)
        if not any(name.endswith((DELETED, CLEANED, SWAP)) for name in names):
            return names
        cleaned_from = min((int(name[:20]) for name in names if name.endswith(CLEANED)), default=None)
        swapped = []
        for name in names:
            if name.endswith(SWAP) and (cleaned_from is None or int(name[:20]) < cleaned_from):
                swapped.append(name)
            elif name.endswith((DELETED, CLEANED, SWAP)) and not name.endswith(_SNAPSHOT_DELETED):
                # A swap at or behind a .cleaned file belongs to a split that was not finished.
                self._files.remove(self._path(name))
        if swapped:
            self._finish_swap(swapped)
        return self._files.list_dir(self._directory)

    def _split_overflowing(self, names: list[str]) -> list[str]:
        base_offsets = sorted(int(name[:20]) for name in names if _LOG_FILE.fullmatch(name))
        has_split = False
        for swapped in split_overflowing(self._files, self._directory, base_offsets):
            # One at a time: a swap replaces all from its first offset to its last.
            self._finish_swap(swapped)
            has_split = True
        return self._files.list_dir(self._directory) if has_split else names

    def _finish_swap(self, swapped: list[str]) -> None:
        first_offset, end_offset = 2**63 - 1, -1
        for name in swapped:
            if name.endswith(LOG + SWAP):
                first_offset = min(first_offset, int(name[:20]))
                end_offset = max(end_offset, self._end_of_swap(name))
        for name in self._files.list_dir(self._directory):
            match = _SEGMENT_FILE.match(name)
            if match and not name.endswith(SWAP) and first_offset <= int(match[1]) < end_offset:
                self._files.remove(self._path(name))
        for name in swapped:
            self._files.rename(self._path(name), self._path(name.removesuffix(SWAP)))
        logger.info("%s: finished the replacement of segments %d to %d", self._directory, first_offset, end_offset)

    def _end_of_swap(self, name: str) -> int:
        end_offset = int(name[:20])
        file = self._files.open(self._path(name))
        for batch in batches_of(file, 0, file.size(), name):
            end_offset = batch.next_offset
        return end_offset

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def _load_segments(self, names: list[str]) -> list[Segment]:
        found: dict[int, set[str]] = {}
        for name in names:
            match = _SEGMENT_FILE.fullmatch(name)
            if match and match[2] in SUFFIXES:
                found.setdefault(int(match[1]), set()).add(match[2])
        segments = []
        for base_offset, suffixes in sorted(found.items()):
            if LOG in suffixes:
                segments.append(self._load_segment(base_offset))
            else:
                for suffix in suffixes:
                    logger.warning("%s: removing %020d%s, which has no segment", self._directory, base_offset, suffix)
                    self._files.remove(self._path(f"{base_offset:020d}{suffix}"))
        for segment in segments if self._clean_shutdown else segments[: self._first_to_scan(segments)]:
            self._load_indexes(segment, found[segment.base_offset], segments)
        return segments

    def _load_segment(self, base_offset: int) -> Segment:
        size = self._files.file_size(self._path(f"{base_offset:020d}{LOG}"))
        return self._segment(base_offset, size)

    def _segment(self, base_offset: int, size: int) -> Segment:
        return Segment(
            self._files,
            self._directory,
            base_offset,
            size,
            self._open_segments,
            index_interval_bytes=self._config.index_interval_bytes,
            now_ms=self._now_ms,
            roll_jitter_ms=draw_jitter_ms(self._config, self._randrange),
        )

    def _new_segment(self, base_offset: int) -> Segment:
        segment = self._segment(base_offset, 0)
        segment.create()
        return segment

    def _load_indexes(self, segment: Segment, suffixes: set[str], segments: list[Segment]) -> None:
        """Make good what is missing; what is there is read when it is needed, but for aborted transactions."""
        if segment.size and not {INDEX, TIME_INDEX} <= suffixes:
            logger.warning("%r lacks an index, rebuilding it", segment)
            segment.rebuild_indexes()
            segment.seal(sync=True)
        if TRANSACTION_INDEX in suffixes:
            try:
                segment.load_aborted()
            except CorruptIndex as e:
                logger.warning("rebuilding the index of aborted transactions of %r: %s", segment, e)
                self._rebuild_aborted(segment, segments)
                segment.indexes_changed = True
                segment.seal(sync=True)

    def _rebuild_aborted(self, segment: Segment, segments: list[Segment]) -> None:
        state = ProducerState(self._files, self._directory)
        state.snapshots.offsets = [offset for offset in state.snapshots.offsets if offset <= segment.base_offset]
        state.truncate_and_reload(-1, segment.base_offset, self._now_ms)
        replay_segments(state, segments, segment.base_offset)
        segment.aborted = []
        for batch in segment.batches(0):
            if batch.has_producer_id:
                replay_batch(state, batch, segment.aborted)

    def _delete_all(self, segments: list[Segment], log_end_offset: int) -> None:
        logger.warning(
            "%s: deleting all segments, they end at %d, before the log start offset %d",
            self._directory,
            log_end_offset,
            self._log_start_offset,
        )
        for segment in segments:
            self._truncated_bytes += segment.size
            segment.mark_deleted()
        segments.clear()
        self._leader_epochs.clear()
        self._producer_state.truncate_fully_and_start_at(self._log_start_offset)

    # the end of the log

    def _clean_end(self, segments: list[Segment]) -> int | None:
        """The log's end after a clean stop; None if the last segment does not end with a whole batch."""
        if not segments:
            return 0
        last = segments[-1]
        if last.size == 0:
            return last.base_offset
        next_offset, valid_bytes = last.end_from(self._indexed_position(last))
        if valid_bytes != last.size:
            next_offset, valid_bytes = last.end_from(0)
        last.release()
        if valid_bytes == last.size:
            return next_offset
        logger.error("%r ends within a batch after a clean stop, recovering the log", last)
        return None

    def _indexed_position(self, segment: Segment) -> int:
        """Where the batch of the last entry of the index begins, if that entry makes sense, else 0."""
        data = self._files.read_bytes(segment.path(INDEX))
        if not data or len(data) % ENTRY_BYTES:
            return 0
        relative_offset, position = _INDEX_TAIL.unpack_from(data, len(data) - ENTRY_BYTES)
        if not 0 < position < segment.size:
            return 0
        header = segment.file().pread(8, position)
        base_offset = int.from_bytes(header, "big")
        return position if segment.base_offset <= base_offset <= segment.base_offset + relative_offset else 0

    def _recover(self, segments: list[Segment]) -> int:
        """Scan from the recovery point on; the log's end."""
        if not segments:
            return 0
        first = self._first_to_scan(segments)
        self._load_producers(segments[:first], self._log_start_offset, segments[first].base_offset)
        next_offset = segments[first].base_offset
        buffer = bytearray(CHUNK_BYTES)
        for number in range(first, len(segments)):
            scan = SegmentScan(
                segments[number],
                self._producer_state,
                self._leader_epochs,
                self._recovery_point,
                buffer,
                may_have_holes=self._config.is_compacted,
            )
            next_offset = scan.run()
            buffer = scan.buffer
            if scan.problem is None and number + 1 < len(segments):
                problem = self._seam_problem(next_offset, segments[number + 1].base_offset)
                if problem is not None:
                    scan.cut(problem)
            if scan.problem is not None:
                self._truncate(segments, number, scan)
                break
            if number + 1 < len(segments):
                segments[number].seal()
                self._producer_state.take_snapshot(sync=False)
        if self._log_start_offset <= next_offset < self._recovery_point:
            logger.error(
                "%s ends at %d, before its recovery point %d: synced data is missing",
                self._directory,
                next_offset,
                self._recovery_point,
            )
        return next_offset

    def _seam_problem(self, next_offset: int, following: int) -> str | None:
        """Why the next segment cannot follow on one that ends before `next_offset`.

        After a power cut the name of a new segment may be there without the end of the one before, which was not synced
        yet. A hole must not stay: no replica would notice it. Compaction, though, leaves holes.
        """
        if next_offset > following:
            return "what follows was truncated and has come back"
        if next_offset < following and not self._config.is_compacted:
            return f"the end is missing, offsets {next_offset} to {following - 1},"
        return None

    def _first_to_scan(self, segments: list[Segment]) -> int:
        """The number of the segment with the recovery point; those before are sealed and synced."""
        following = segments[1:]
        return sum(segment.base_offset <= self._recovery_point for segment in following)

    def _truncate(self, segments: list[Segment], number: int, scan: SegmentScan) -> None:
        segment = segments[number]
        lost_bytes = segment.size - scan.valid_bytes + sum(later.size for later in segments[number + 1 :])
        logger.warning(
            "%r: %s at position %d, cutting off %d bytes", segment, scan.problem, scan.valid_bytes, lost_bytes
        )
        segment.size = scan.valid_bytes
        segment.cut_back()
        for later in segments[number + 1 :]:
            later.mark_deleted()
            self._producer_state.snapshots.mark_for_deletion(later.base_offset)
        del segments[number + 1 :]
        self._truncated_bytes += lost_bytes

    # producers

    def _load_producers(self, segments: list[Segment], log_start_offset: int, end_offset: int) -> None:
        """Bring the producer state to `end_offset`: the latest snapshot, and the batches behind it."""
        state = self._producer_state
        state.truncate_and_reload(log_start_offset, end_offset, self._now_ms)
        if state.map_end_offset < end_offset:
            replay_segments(state, segments, end_offset)
        state.take_snapshot(sync=False)
