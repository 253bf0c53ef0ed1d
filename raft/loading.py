"""Reading back, at start, what the log says of Raft itself: kraft.version and the voters.

Waits for the disk; the driver runs it off the event loop, before anyone else has the log.
Counterpart in Kafka: KRaftControlRecordStateMachine.updateState.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol.errors import DecodeError
from protocol.records.batch import iter_batches
from raft.log import LogOutline, ReplicatedLog
from raft.records import ControlRecord, control_records
from raft.snapshots import SnapshotError, read_all, read_control_records
from raft.voters import BOOTSTRAP_OFFSET, Membership, VoterSet

READ_SIZE_BYTES = 1024 * 1024


def load_membership(log: ReplicatedLog, outline: LogOutline, static_voters: VoterSet) -> Membership:
    """From the latest snapshot and the whole log after it, committed or not. Raises SnapshotError, DecodeError."""
    membership = Membership(static_voters)
    offset = outline.start_offset
    snapshot_id = outline.latest_snapshot
    if snapshot_id is not None:
        raw = log.open_snapshot(snapshot_id)
        if raw is None:
            raise SnapshotError(f"snapshot {snapshot_id} is gone")
        for record in read_control_records(snapshot_id, read_all(raw)):
            _apply(membership, max(snapshot_id.offset - 1, BOOTSTRAP_OFFSET), record)
        offset = snapshot_id.offset
    while offset < outline.end_offset:
        offset = _load_log(log, outline, offset, membership)
    return membership


def _load_log(log: ReplicatedLog, outline: LogOutline, offset: int, membership: Membership) -> int:
    next_offset = offset
    content = memoryview(log.read(offset, READ_SIZE_BYTES, outline.end_offset).read())
    for batch in iter_batches(content, partial_tail=True):
        if batch.base_offset >= offset and batch.is_control:
            _apply_all(membership, batch.base_offset, control_records(batch))
        next_offset = batch.next_offset
    if next_offset <= offset:
        raise DecodeError(f"the metadata log cannot be read at offset {offset}")
    return next_offset


def _apply_all(membership: Membership, base_offset: int, records: Iterable[ControlRecord]) -> None:
    for offset, record in enumerate(records, base_offset):
        _apply(membership, offset, record)


def _apply(membership: Membership, offset: int, record: ControlRecord) -> None:
    voters, kraft_version = record.voters, record.kraft_version
    if voters is not None:
        membership.add_voters(offset, voters)
    if kraft_version is not None:
        membership.add_kraft_version(offset, kraft_version)
