"""A metadata log in memory that forgets what was not synced when its machine loses power.

`Disk` is what survives: `MemoryLog` works on it as `KafkaMetadataLog` does on files, `MemoryQuorumState` likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from protocol.ids import OffsetAndEpoch
from protocol.records.batch import RecordBatch, iter_batches
from raft.log import Buffer, LogOutline
from raft.quorum_state import ElectionState, decode, encode


@dataclass
class Disk:
    """`batches` are in the page cache, those below `synced_offset` also on the platter."""

    start_offset: int = 0
    batches: list[bytes] = field(default_factory=list)
    synced_offset: int = 0
    cuts: int = 0
    snapshots: dict[OffsetAndEpoch, bytes] = field(default_factory=dict)
    quorum_state: bytes | None = None
    syncs: int = 0

    def lose_power(self, kept_unsynced: int = 0) -> None:
        """What was not synced is gone, but for some batches that happened to be written back."""
        ends = [batch.next_offset for batch in self.views()]
        synced = sum(end <= self.synced_offset for end in ends)
        del self.batches[synced + kept_unsynced :]
        self.synced_offset = ends[len(self.batches) - 1] if self.batches else self.start_offset

    def views(self) -> list[RecordBatch]:
        return [batch for data in self.batches for batch in iter_batches(data)]


class MemoryQuorumState:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def read(self) -> ElectionState | None:
        content = self._disk.quorum_state
        return None if content is None else decode(content)

    def write(self, state: ElectionState, kraft_version: int) -> None:
        self._disk.quorum_state = encode(state, kraft_version)


@dataclass
class MemoryRange:
    base_offset: int
    content: bytes
    is_cold: bool = False

    def read_nowait(self) -> Buffer | None:
        return None if self.is_cold else self.content

    def read(self) -> Buffer:
        return self.content


class MemorySnapshotWriter:
    def __init__(self, disk: Disk, snapshot_id: OffsetAndEpoch) -> None:
        self._disk = disk
        self._content = bytearray()
        self.snapshot_id = snapshot_id

    @property
    def size(self) -> int:
        return len(self._content)

    def append(self, data: Buffer) -> None:
        self._content += data

    def freeze(self) -> None:
        self._disk.snapshots[self.snapshot_id] = bytes(self._content)

    def close(self) -> None:
        self._content.clear()


class MemorySnapshotReader:
    def __init__(self, snapshot_id: OffsetAndEpoch, content: bytes) -> None:
        self.snapshot_id = snapshot_id
        self.size = len(content)
        self._content = content

    def read(self, position: int, max_bytes: int) -> bytes:
        return self._content[position : position + max_bytes]


class MemoryLog:
    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.high_watermark = disk.start_offset
        self.is_closed = False
        self.reads_are_cold = False
        self.keep_from: OffsetAndEpoch | None = None
        latest = self.latest_snapshot_id
        if latest is not None and (latest.epoch, latest.offset) > (self.outline().last_epoch, self.end_offset):
            self.truncate_to_snapshot(latest)

    def outline(self) -> LogOutline:
        outline = LogOutline(self.disk.start_offset, self.disk.start_offset, [], sorted(self.disk.snapshots))
        for batch in self.disk.views():
            outline.append(batch.partition_leader_epoch, batch.base_offset, batch.last_offset)
        return outline

    @property
    def start_offset(self) -> int:
        return self.disk.start_offset

    @property
    def end_offset(self) -> int:
        views = self.disk.views()
        return views[-1].next_offset if views else self.disk.start_offset

    @property
    def latest_snapshot_id(self) -> OffsetAndEpoch | None:
        return max(self.disk.snapshots, default=None)

    @property
    def size(self) -> int:
        return sum(map(len, self.disk.batches))

    def append_as_leader(self, batches: Buffer, epoch: int) -> None:
        for batch in iter_batches(batches):
            assert batch.partition_leader_epoch == epoch
            self._append(batch)

    def append_as_follower(self, batches: Sequence[Buffer], epoch: int) -> None:
        for data in batches:
            for batch in iter_batches(data):
                assert batch.partition_leader_epoch <= epoch
                self._append(batch)

    def _append(self, batch: RecordBatch) -> None:
        assert batch.base_offset == self.end_offset, (batch, self.end_offset)
        self.disk.batches.append(bytes(batch.buffer))

    def read(self, start_offset: int, max_bytes: int, end_offset: int) -> MemoryRange:
        chosen: list[RecordBatch] = []
        size = 0
        for batch in self.disk.views():
            if batch.last_offset < start_offset or batch.next_offset > end_offset:
                continue
            if chosen and size + batch.size > max_bytes:
                break
            chosen.append(batch)
            size += batch.size
        assert chosen, (start_offset, end_offset, self.end_offset)
        return MemoryRange(
            chosen[0].base_offset, b"".join(bytes(batch.buffer) for batch in chosen), self.reads_are_cold
        )

    def truncate_to(self, offset: int) -> None:
        assert offset >= self.high_watermark, (offset, self.high_watermark)
        keep = [bytes(batch.buffer) for batch in self.disk.views() if batch.next_offset <= offset]
        self.disk.batches = keep
        self.disk.synced_offset = min(self.disk.synced_offset, offset)
        self.disk.cuts += 1

    def truncate_to_snapshot(self, snapshot_id: OffsetAndEpoch) -> None:
        self.disk.batches.clear()
        self.disk.start_offset = self.disk.synced_offset = self.high_watermark = snapshot_id.offset
        self.disk.cuts += 1
        self._forget_snapshots_before(snapshot_id)

    def _forget_snapshots_before(self, snapshot_id: OffsetAndEpoch) -> None:
        for older in [other for other in self.disk.snapshots if other < snapshot_id]:
            del self.disk.snapshots[older]

    def begin_sync(self) -> Callable[[], None]:
        end_offset, cuts = self.end_offset, self.disk.cuts

        def sync() -> None:
            self.disk.syncs += 1
            if self.disk.cuts == cuts:
                self.disk.synced_offset = max(self.disk.synced_offset, end_offset)

        return sync

    def end_sync(self) -> None:
        pass

    def advance_high_watermark(self, offset: int) -> None:
        assert self.high_watermark <= offset <= self.end_offset, (self.high_watermark, offset, self.end_offset)
        self.high_watermark = offset

    def create_snapshot(self, snapshot_id: OffsetAndEpoch) -> MemorySnapshotWriter:
        return MemorySnapshotWriter(self.disk, snapshot_id)

    def add_snapshot(self, snapshot_id: OffsetAndEpoch) -> None:
        assert snapshot_id in self.disk.snapshots

    def open_snapshot(self, snapshot_id: OffsetAndEpoch) -> MemorySnapshotReader | None:
        content = self.disk.snapshots.get(snapshot_id)
        return None if content is None else MemorySnapshotReader(snapshot_id, content)

    def snapshot_to_keep(self, now_ms: int) -> OffsetAndEpoch | None:
        return self.keep_from

    def delete_before(self, snapshot_id: OffsetAndEpoch) -> None:
        kept = [bytes(batch.buffer) for batch in self.disk.views() if batch.base_offset >= snapshot_id.offset]
        self.disk.batches = kept
        self.disk.start_offset = max(self.disk.start_offset, snapshot_id.offset)
        self._forget_snapshots_before(snapshot_id)

    def take_deletions(self, now_ms: int) -> Callable[[], None] | None:
        return None

    def close(self) -> None:
        self.begin_sync()()
        self.is_closed = True

    def abandon(self) -> None:
        self.is_closed = True
