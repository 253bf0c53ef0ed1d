"""What Raft tells the state machines on top of it, in order: snapshots, committed batches, who leads.

A listener that registers is fed everything from the start: the latest snapshot, then the log from there to the high
watermark, and what follows. The node's own leadership is told only once the listener has been fed past the record that
opened the epoch, and with it all records of earlier epochs; any other change of leader as soon as it is known.
Batches that this node appended itself are handed on as the objects that they were; all others are read from the log and
decoded record by record as the listener walks them, so no batch, however large, holds up the event loop by itself.
Counterparts in Kafka: RaftClient.Listener, ListenerContext, BatchReader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, overload

import msgspec

from protocol.errors import DecodeError
from protocol.ids import OffsetAndEpoch
from protocol.records.batch import RecordBatch, iter_batches
from protocol.schema import Message
from raft.events import ChangeLeader
from raft.log import BOOTSTRAP_SNAPSHOT_ID, Buffer
from raft.records import ControlRecord, control_records, data_records
from raft.snapshots import LoadedSnapshot

READ_SIZE_BYTES = 256 * 1024
SLICE_S = 0.005
TAIL_BATCHES_MAX = 1024

VersionedRecord = tuple[Message, int]


class LazyRecords(Sequence[VersionedRecord]):
    """The records of a batch, decoded anew by each walk over them. Raises DecodeError at one that is unknown."""

    __slots__ = ("_batch",)

    def __init__(self, batch: RecordBatch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return self._batch.records_count

    def __iter__(self) -> Iterator[VersionedRecord]:
        return data_records(self._batch)

    @overload
    def __getitem__(self, index: int) -> VersionedRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[VersionedRecord]: ...
    def __getitem__(self, index: int | slice) -> VersionedRecord | Sequence[VersionedRecord]:
        return list(self)[index]


class CommittedBatch(msgspec.Struct, frozen=True):
    """One batch of the log: metadata records, or the control records of Raft, never both."""

    base_offset: int
    last_offset: int
    epoch: int
    append_timestamp: int
    size_bytes: int
    records: Sequence[VersionedRecord] = ()
    control_records: Sequence[ControlRecord] = ()


def committed_batch(batch: RecordBatch, records: Sequence[VersionedRecord] | None = None) -> CommittedBatch:
    """From the batch in the log. `records` are the objects that it was built from, if they are at hand."""
    is_control = batch.is_control
    return CommittedBatch(
        batch.base_offset,
        batch.last_offset,
        batch.partition_leader_epoch,
        batch.max_timestamp,
        batch.size,
        () if is_control else LazyRecords(batch) if records is None else records,
        control_records(batch) if is_control else (),
    )


class Listener(Protocol):
    """A state machine. The calls are short (what takes long is queued by the listener), and come from the event
    loop."""

    def on_commit(self, batch: CommittedBatch) -> None: ...

    def on_load_snapshot(self, snapshot: LoadedSnapshot) -> None:
        """Forget everything: the state is now what the snapshot says."""
        ...

    def on_leader_change(self, leader_id: int | None, epoch: int) -> None: ...


class Source(Protocol):
    """Where a feed finds what to tell: the driver."""

    @property
    def committed_offset(self) -> int: ...
    @property
    def log_start_offset(self) -> int: ...
    @property
    def latest_snapshot_id(self) -> OffsetAndEpoch | None: ...
    def appended(self, base_offset: int) -> CommittedBatch | None: ...
    def monotonic(self) -> float: ...
    async def read_committed(self, offset: int, max_bytes: int) -> Buffer: ...
    async def load_snapshot(self, snapshot_id: OffsetAndEpoch) -> LoadedSnapshot | None: ...


class Tail:
    """The newest batches of this node's own, as leader, by base offset: what followers of the log read from memory."""

    def __init__(self) -> None:
        self._batches: dict[int, CommittedBatch] = {}

    def add(self, batch: CommittedBatch) -> None:
        self._batches[batch.base_offset] = batch
        if len(self._batches) > TAIL_BATCHES_MAX:
            del self._batches[next(iter(self._batches))]

    def get(self, base_offset: int) -> CommittedBatch | None:
        return self._batches.get(base_offset)

    def forget_before(self, offset: int) -> None:
        while self._batches and next(iter(self._batches.values())).last_offset < offset:
            del self._batches[next(iter(self._batches))]

    def clear(self) -> None:
        self._batches.clear()


class Feed:
    """Brings one listener up to date, and keeps it there; a task of its own."""

    def __init__(
        self, listener: Listener, source: Source, leader: ChangeLeader | None, on_fault: Callable[[Exception], None]
    ) -> None:
        self._listener = listener
        self._source = source
        self._leader = leader
        self._on_fault = on_fault
        self._wake = asyncio.Event()
        self._wake.set()
        self._slice_end_s = 0.0
        self.next_offset = -1  # nothing yet
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        self._wake.set()

    def change_leader(self, leader: ChangeLeader) -> None:
        self._leader = leader
        self._wake.set()

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    @property
    def is_at_rest(self) -> bool:
        """The listener has been told all there is to tell."""
        return not self._wake.is_set() and not self._has_news

    @property
    def _has_news(self) -> bool:
        return self.next_offset < self._source.committed_offset or (self._leader is not None and self._may_tell_leader)

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._slice_end_s = self._source.monotonic() + SLICE_S
                await self._advance()
        except asyncio.CancelledError:
            raise
        except Exception as fault:
            self._on_fault(fault)

    async def _advance(self) -> None:
        self._tell_leader()
        while self.next_offset < self._source.committed_offset:
            if not await self._load_snapshot():
                await self._tell_batches()
            self._tell_leader()

    @property
    def _may_tell_leader(self) -> bool:
        leader = self._leader
        return leader is not None and (leader.start_offset is None or self.next_offset > leader.start_offset)

    def _tell_leader(self) -> None:
        leader = self._leader
        if leader is not None and self._may_tell_leader:
            self._leader = None
            self._listener.on_leader_change(leader.leader_id, leader.epoch)

    async def _load_snapshot(self) -> bool:
        """If the listener is new, or what it needs next is no longer in the log."""
        if self.next_offset >= max(0, self._source.log_start_offset):
            return False
        snapshot_id = self._source.latest_snapshot_id
        if snapshot_id is None or snapshot_id == BOOTSTRAP_SNAPSHOT_ID:
            # What formatting left concerns Raft alone.
            assert self._source.log_start_offset == 0, "the log's start is gone and no snapshot covers it"
            self.next_offset = 0
            return True
        snapshot = await self._source.load_snapshot(snapshot_id)
        if snapshot is not None:  # else a newer one took its place meanwhile
            self.next_offset = snapshot_id.offset
            self._listener.on_load_snapshot(snapshot)
        return True

    async def _tell_batches(self) -> None:
        batch = self._source.appended(self.next_offset)
        if batch is not None and batch.last_offset < self._source.committed_offset:
            self._tell(batch)
            await self._maybe_pause()
            return
        for read in self._intact(await self._source.read_committed(self.next_offset, READ_SIZE_BYTES)):
            if read.last_offset >= self.next_offset:
                self._tell(committed_batch(read))
                self._tell_leader()
                await self._maybe_pause()

    def _tell(self, batch: CommittedBatch) -> None:
        assert batch.base_offset == self.next_offset, (batch, self.next_offset)
        self.next_offset = batch.last_offset + 1
        self._listener.on_commit(batch)

    def _intact(self, records: Buffer) -> Iterator[RecordBatch]:
        """Committed records that cannot be read are no reason to skip them."""
        for batch in iter_batches(memoryview(records), partial_tail=True):
            if not batch.is_valid_crc():
                raise DecodeError(f"the committed batch at offset {batch.base_offset} is damaged")
            yield batch

    async def _maybe_pause(self) -> None:
        if self._source.monotonic() >= self._slice_end_s:
            await asyncio.sleep(0)
            self._slice_end_s = self._source.monotonic() + SLICE_S
