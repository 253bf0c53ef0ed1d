"""What Raft needs of a log: the outline that the pure machine keeps of it, and the Protocols that the driver works on.

The machine never touches the log. It keeps a `LogOutline` (offsets, epochs, snapshot ids), changes it as it emits the
effects that change the log, and so knows at each moment what the log will hold once the effects so far are performed.
The driver asserts that the two agree. Counterparts in Kafka: RaftLog, LeaderEpochFileCache, ValidOffsetAndEpoch.

    start_offset <= end_offset; epochs ascend strictly, their start offsets ascend; if start_offset > 0, a snapshot
    covers it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from protocol.ids import OffsetAndEpoch

Buffer = bytes | bytearray | memoryview

# The snapshot that formatting leaves behind: voters and kraft.version, never replicated.
BOOTSTRAP_SNAPSHOT_ID = OffsetAndEpoch(0, 0)


class ValidationKind(Enum):
    VALID = "valid"
    DIVERGING = "diverging"
    SNAPSHOT = "snapshot"


class Validation(NamedTuple):
    """How a follower's position relates to this log: same history; where it left it; or which snapshot it needs."""

    kind: ValidationKind
    at: OffsetAndEpoch


class EpochStart(NamedTuple):
    epoch: int
    start_offset: int


@dataclass(slots=True)
class LogOutline:
    """The log as far as its shape goes. `epochs` are the leader epochs with the offset of their first record."""

    start_offset: int = 0
    end_offset: int = 0
    epochs: list[EpochStart] = field(default_factory=list)
    snapshots: list[OffsetAndEpoch] = field(default_factory=list)

    @property
    def latest_snapshot(self) -> OffsetAndEpoch | None:
        return self.snapshots[-1] if self.snapshots else None

    @property
    def earliest_snapshot(self) -> OffsetAndEpoch | None:
        return self.snapshots[0] if self.snapshots else None

    @property
    def last_epoch(self) -> int:
        """The epoch of the last record, or of the snapshot that an empty log stands on."""
        if self.epochs:
            return self.epochs[-1].epoch
        snapshot = self.latest_snapshot
        if snapshot is None:
            return 0
        assert snapshot.offset == self.start_offset == self.end_offset, self
        return snapshot.epoch

    @property
    def end(self) -> OffsetAndEpoch:
        return OffsetAndEpoch(self.end_offset, self.last_epoch)

    def append(self, epoch: int, base_offset: int, last_offset: int) -> None:
        assert base_offset >= self.end_offset and last_offset >= base_offset, (self, base_offset, last_offset)
        self.assign_epoch(epoch, base_offset)
        self.end_offset = last_offset + 1

    def assign_epoch(self, epoch: int, start_offset: int) -> None:
        if not self.epochs or epoch > self.epochs[-1].epoch:
            while self.epochs and self.epochs[-1].start_offset >= start_offset:
                self.epochs.pop()  # an epoch in which nothing was written
            self.epochs.append(EpochStart(epoch, start_offset))
        assert epoch == self.epochs[-1].epoch, (self, epoch)

    def end_offset_for_epoch(self, epoch: int) -> OffsetAndEpoch:
        """The largest epoch at or before `epoch` that the log knows, and where it ends."""
        if not self.epochs or epoch > self.epochs[-1].epoch:
            return self.end
        if epoch == self.epochs[-1].epoch:
            found = OffsetAndEpoch(self.end_offset, epoch)
        else:
            index = bisect_right(self.epochs, epoch, key=lambda entry: entry.epoch)
            floor = self.epochs[index - 1].epoch if index else epoch
            found = OffsetAndEpoch(self.epochs[index].start_offset, floor)
        earliest = self.earliest_snapshot
        if earliest is not None and found.offset == earliest.offset and found.epoch == epoch:
            return earliest  # the smallest epoch of the log: the snapshot at its start says which one ended there
        return found

    def validate(self, offset: int, epoch: int) -> Validation:
        """Whether a replica whose log ends at `offset`, last record in `epoch`, has a prefix of this log."""
        if self.start_offset == 0 and offset == 0:
            return Validation(ValidationKind.VALID, OffsetAndEpoch(0, 0))
        earliest = self.earliest_snapshot
        if earliest is not None and (
            offset < self.start_offset
            or (offset == self.start_offset and epoch != earliest.epoch)
            or epoch < earliest.epoch
        ):
            return Validation(ValidationKind.SNAPSHOT, self.snapshots[-1])
        end = self.end_offset_for_epoch(epoch)
        if end.epoch != epoch or end.offset < offset:
            return Validation(ValidationKind.DIVERGING, end)
        return Validation(ValidationKind.VALID, OffsetAndEpoch(offset, epoch))

    def truncation_offset(self, divergence: OffsetAndEpoch) -> int:
        """Where to cut after a leader said that our histories part at or before `divergence`."""
        if divergence.epoch == 0:
            return min(divergence.offset, self.end_offset)
        local = self.end_offset_for_epoch(divergence.epoch)
        return min(local.offset, divergence.offset) if local.epoch == divergence.epoch else local.offset

    def truncate_to(self, offset: int) -> None:
        assert self.start_offset <= offset <= self.end_offset, (self, offset)
        self.end_offset = offset
        del self.epochs[bisect_left(self.epochs, offset, key=lambda entry: entry.start_offset) :]

    def truncate_to_snapshot(self, snapshot_id: OffsetAndEpoch) -> None:
        """Drop every record: the log now starts, empty, where the snapshot ends."""
        self.start_offset = self.end_offset = snapshot_id.offset
        self.epochs.clear()
        self.forget_snapshots_before(snapshot_id)

    def add_snapshot(self, snapshot_id: OffsetAndEpoch) -> None:
        if snapshot_id not in self.snapshots:
            insort(self.snapshots, snapshot_id)

    def advance_start(self, snapshot_id: OffsetAndEpoch) -> None:
        """Records and snapshots before the snapshot were deleted."""
        assert snapshot_id in self.snapshots and snapshot_id.offset <= self.end_offset, (self, snapshot_id)
        self.start_offset = max(self.start_offset, snapshot_id.offset)
        self.forget_snapshots_before(snapshot_id)
        index = bisect_right(self.epochs, self.start_offset, key=lambda entry: entry.start_offset)
        if index:
            self.epochs[:index] = [EpochStart(self.epochs[index - 1].epoch, self.start_offset)]

    def forget_snapshots_before(self, snapshot_id: OffsetAndEpoch) -> None:
        del self.snapshots[: bisect_left(self.snapshots, snapshot_id)]

    def copy(self) -> LogOutline:
        return LogOutline(self.start_offset, self.end_offset, list(self.epochs), list(self.snapshots))


class LogRange(Protocol):
    """Bytes of the log from the beginning of a batch on; they may end within one. `read_nowait` gives None where it
    would have to wait for the disk; `read` may wait, and may run in another thread."""

    @property
    def base_offset(self) -> int:
        """Of the first batch, which may begin before the offset asked for. May wait for the disk."""
        ...

    def read_nowait(self) -> Buffer | None: ...
    def read(self) -> Buffer: ...


class RawSnapshotWriter(Protocol):
    """A snapshot being written under a temporary name. `freeze` makes it durable, then visible; `close` gives it up if
    it was not frozen. Both may wait for the disk and may run in another thread."""

    @property
    def snapshot_id(self) -> OffsetAndEpoch: ...
    @property
    def size(self) -> int: ...
    def append(self, data: Buffer) -> None: ...
    def freeze(self) -> None: ...
    def close(self) -> None: ...


class RawSnapshotReader(Protocol):
    """A frozen snapshot. `read` may wait for the disk and may run in another thread."""

    @property
    def snapshot_id(self) -> OffsetAndEpoch: ...
    @property
    def size(self) -> int: ...
    def read(self, position: int, max_bytes: int) -> bytes: ...


class NoRoom(Exception):
    """An append that left nothing behind, because the disk is full, say; later the same may succeed."""


class ReplicatedLog(Protocol):
    """The metadata log. One owner, the driver; only what `prepare_sync`, `read` and the snapshot files hand out may be
    used from another thread. Failing writes raise StorageError, after which the log is not used again; appends may also
    raise NoRoom."""

    def outline(self) -> LogOutline:
        """A fresh outline of what is on disk."""
        ...

    @property
    def start_offset(self) -> int: ...

    @property
    def end_offset(self) -> int: ...

    @property
    def latest_snapshot_id(self) -> OffsetAndEpoch | None: ...

    @property
    def size(self) -> int:
        """Bytes in segments."""
        ...

    def append_as_leader(self, batches: Buffer, epoch: int) -> None:
        """Append batches whose offsets and leader epoch are already in place."""
        ...

    def append_as_follower(self, batches: Sequence[Buffer], epoch: int) -> None:
        """Append a leader's batches, none of them of a later epoch."""
        ...

    def read(self, start_offset: int, max_bytes: int, end_offset: int) -> LogRange:
        """From the batch that holds `start_offset` on, below `end_offset`, up to `max_bytes` but at least one batch."""
        ...

    def truncate_to(self, offset: int) -> None: ...

    def truncate_to_snapshot(self, snapshot_id: OffsetAndEpoch) -> None: ...

    def begin_sync(self) -> Callable[[], None]:
        """A job, for any thread, that makes durable all that was appended before this call. One at a time."""
        ...

    def end_sync(self) -> None:
        """The job succeeded."""
        ...

    def advance_high_watermark(self, offset: int) -> None: ...

    def create_snapshot(self, snapshot_id: OffsetAndEpoch) -> RawSnapshotWriter: ...

    def add_snapshot(self, snapshot_id: OffsetAndEpoch) -> None:
        """A snapshot was frozen."""
        ...

    def open_snapshot(self, snapshot_id: OffsetAndEpoch) -> RawSnapshotReader | None: ...

    def snapshot_to_keep(self, now_ms: int) -> OffsetAndEpoch | None:
        """By retention, the oldest snapshot to keep; None if nothing that lies before it has to go."""
        ...

    def delete_before(self, snapshot_id: OffsetAndEpoch) -> None:
        """Segments and snapshots wholly before the snapshot no longer count."""
        ...

    def take_deletions(self, now_ms: int) -> Callable[[], None] | None:
        """A job, for any thread, that removes the files which no longer count, once nobody can be reading them."""
        ...

    def close(self) -> None:
        """Sync and close. May wait for the disk."""
        ...

    def abandon(self) -> None:
        """Close after a failure: nothing more is written."""
        ...
