"""The producers of one log: who may append what next, and which transactions are still open in it.

Owns the map of producer ids, the transactions that are undecided or whose marker is not replicated yet (the first of
them bounds the last stable offset), the verifications under way, and the snapshots that make all of this survive. The
log asks `analyze` before it writes and merges the answer with `update` and `complete_transaction` after it wrote, so a
refused or failed append leaves no trace; after a truncation or a restart it reloads and replays. `map_end_offset` is
the offset behind the last batch seen.

A producer is forgotten when it was idle for producer.id.expiration.ms and has no transaction open. Not owned: what
sequences and epochs mean (producer_entry.py), the snapshot format (producer_snapshot.py), the transaction index.
Kafka's counterpart: ProducerStateManager and UnifiedLog.analyzeAndValidateProducerState; KIP-98, KIP-890.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.records.batch import RecordBatch
from storage.files import Files
from storage.producer_entry import (
    TRANSACTION_VERSION_UNKNOWN,
    BatchMetadata,
    CompletedTransaction,
    ProducerAppendInfo,
    ProducerStateEntry,
    Transaction,
    VerificationGuard,
    VerificationStateEntry,
)
from storage.producer_snapshot import ProducerSnapshots
from storage.validation import AppendOrigin

LATE_TRANSACTION_BUFFER_MS: Final = 5 * 60 * 1000

logger = logging.getLogger(__name__)


class ProducerAnalysis:
    """What an append will change. With a `duplicate` nothing is to be written: the batch is in the log already."""

    __slots__ = ("appends", "completed", "duplicate")

    def __init__(self) -> None:
        self.appends: dict[int, ProducerAppendInfo] = {}
        self.completed: list[CompletedTransaction] = []
        self.duplicate: BatchMetadata | None = None


class Transactions:
    """Transactions by their first offset, in its order."""

    __slots__ = ("_by_offset", "_offsets")

    def __init__(self) -> None:
        self._by_offset: dict[int, Transaction] = {}
        self._offsets: list[int] = []

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[Transaction]:
        return (self._by_offset[offset] for offset in self._offsets)

    @property
    def first(self) -> Transaction | None:
        return self._by_offset[self._offsets[0]] if self._offsets else None

    def add(self, transaction: Transaction) -> None:
        offset = transaction.first_offset
        if offset not in self._by_offset:
            insort(self._offsets, offset)
        self._by_offset[offset] = transaction

    def pop(self, first_offset: int) -> Transaction:
        transaction = self._by_offset.pop(first_offset)
        del self._offsets[bisect_left(self._offsets, first_offset)]
        return transaction

    def remove_decided_before(self, offset: int) -> None:
        for transaction in list(self):
            if transaction.last_offset is not None and transaction.last_offset < offset:
                self.pop(transaction.first_offset)

    def clear(self) -> None:
        self._by_offset.clear()
        self._offsets.clear()


class ProducerState:
    """See the module. All times are wall-clock milliseconds, given in."""

    def __init__(
        self,
        files: Files,
        directory: str,
        *,
        max_transaction_timeout_ms: int = 900_000,
        producer_id_expiration_ms: int = 86_400_000,
        transaction_verification_enabled: bool = True,
    ) -> None:
        self.max_transaction_timeout_ms = max_transaction_timeout_ms
        self.producer_id_expiration_ms = producer_id_expiration_ms
        self.transaction_verification_enabled = transaction_verification_enabled
        self.snapshots = ProducerSnapshots(files, directory)
        self.producers: dict[int, ProducerStateEntry] = {}
        self.map_end_offset = 0
        self._verifications: dict[int, VerificationStateEntry] = {}
        self._ongoing = Transactions()
        self._unreplicated = Transactions()
        self._last_snapshot_offset = 0

    # appending

    def analyze(
        self,
        batches: Sequence[RecordBatch],
        origin: AppendOrigin,
        *,
        guard: VerificationGuard | None = None,
        transaction_version: int = TRANSACTION_VERSION_UNKNOWN,
    ) -> ProducerAnalysis:
        """Check batches whose offsets are assigned, without changing a producer; ApiError if one breaks a rule."""
        analysis = ProducerAnalysis()
        for batch in batches:
            if not batch.has_producer_id:
                continue
            if origin == AppendOrigin.CLIENT:
                entry = self.producers.get(batch.producer_id)
                analysis.duplicate = entry.find_duplicate(batch) if entry is not None else None
                if analysis.duplicate is not None:
                    return analysis
            if batch.is_transactional and origin in (AppendOrigin.CLIENT, AppendOrigin.COORDINATOR):
                self._check_transaction(batch, guard)
            append = analysis.appends.get(batch.producer_id)
            if append is None:
                append = analysis.appends[batch.producer_id] = self._prepare(batch.producer_id, origin)
            completed = append.append(batch, transaction_version)
            if completed is not None:
                analysis.completed.append(completed)
            if batch.is_transactional:
                self._end_verification(batch)
        return analysis

    def next_in_order(self, batch: RecordBatch) -> ProducerStateEntry | None:
        """The entry of the batch's producer, where a client's batch is what follows its last one and has nothing to do
        with transactions. Then an analysis would find but one thing to do once it is written: `add_batch_in_order`."""
        entry = self.producers.get(batch.producer_id)
        if entry is None or batch.producer_id in self._verifications or not entry.is_followed_by(batch):
            return None
        return entry

    def update(self, analysis: ProducerAnalysis) -> None:
        """Merge what was analysed, once it is written. Its completed transactions follow by complete_transaction."""
        for producer_id, append in analysis.appends.items():
            entry = self.producers.get(producer_id)
            if entry is None:
                self.producers[producer_id] = append.updated
            else:
                entry.merge(append.updated)
            for transaction in append.started:
                self._ongoing.add(transaction)

    def replay(self, batches: Iterable[RecordBatch]) -> None:
        """Take in batches of the log itself, as loading and recovery find them."""
        analysis = self.analyze(list(batches), AppendOrigin.REPLICATION, transaction_version=0)
        self.update(analysis)
        for completed in analysis.completed:
            self.complete_transaction(completed)

    def _prepare(self, producer_id: int, origin: AppendOrigin) -> ProducerAppendInfo:
        entry = self.producers.get(producer_id)
        if entry is None:
            entry = ProducerStateEntry(producer_id)
        return ProducerAppendInfo(entry, origin, self._verifications.get(producer_id))

    # transactions

    @property
    def first_unstable_offset(self) -> int | None:
        """The start of the first transaction that is undecided, or decided by a marker beyond the high watermark."""
        ongoing, unreplicated = self._ongoing.first, self._unreplicated.first
        if ongoing is None:
            return None if unreplicated is None else unreplicated.first_offset
        if unreplicated is None or ongoing.first_offset < unreplicated.first_offset:
            return ongoing.first_offset
        return unreplicated.first_offset

    @property
    def first_undecided_offset(self) -> int | None:
        """The start of the first transaction without a marker."""
        first = self._ongoing.first
        return None if first is None else first.first_offset

    def last_stable_offset(self, completed: CompletedTransaction) -> int:
        """What the last stable offset will be once this transaction is completed; for the transaction index."""
        for transaction in self._ongoing:
            if transaction.producer_id != completed.producer_id:
                return transaction.first_offset
        return completed.last_offset + 1

    def complete_transaction(self, completed: CompletedTransaction) -> None:
        """The marker is written (and indexed); the transaction stays unstable until the high watermark passes it."""
        transaction = self._ongoing.pop(completed.first_offset)
        self._unreplicated.add(transaction._replace(last_offset=completed.last_offset))

    def on_high_watermark(self, high_watermark: int) -> None:
        if self._unreplicated:
            self._unreplicated.remove_decided_before(high_watermark)

    def has_late_transaction(self, now_ms: int) -> bool:
        """Whether the oldest open transaction hangs: it should have timed out long ago."""
        oldest = self._ongoing.first
        entry = self.producers.get(oldest.producer_id) if oldest is not None else None
        if entry is None or entry.last_timestamp <= 0:
            return False
        return now_ms - entry.last_timestamp > self.max_transaction_timeout_ms + LATE_TRANSACTION_BUFFER_MS

    def has_ongoing_transaction(self, producer_id: int, producer_epoch: int) -> bool:
        """With a newer epoch the transaction known here may be over."""
        entry = self.producers.get(producer_id)
        return (
            entry is not None and entry.current_txn_first_offset is not None and entry.producer_epoch == producer_epoch
        )

    def maybe_start_verification(
        self, producer_id: int, sequence: int, producer_epoch: int, supports_epoch_bump: bool, now_ms: int
    ) -> VerificationGuard | None:
        """The guard to append with after the coordinator confirmed the transaction; None if it is open here already."""
        self._check_current_epoch(producer_id, producer_epoch)
        if self.has_ongoing_transaction(producer_id, producer_epoch):
            return None
        verification = self._verifications.get(producer_id)
        if verification is None:
            verification = VerificationStateEntry(now_ms, sequence, producer_epoch, supports_epoch_bump)
            self._verifications[producer_id] = verification
        verification.update(sequence, producer_epoch)
        return verification.guard

    def _check_transaction(self, batch: RecordBatch, guard: VerificationGuard | None) -> None:
        """The first records of a transaction need the coordinator's word that it is open here (KIP-890)."""
        if self.has_ongoing_transaction(batch.producer_id, batch.producer_epoch):
            return
        self._check_current_epoch(batch.producer_id, batch.producer_epoch)
        if not self.transaction_verification_enabled or batch.is_control:
            return
        verification = self._verifications.get(batch.producer_id)
        if verification is None or verification.guard is not guard:
            raise ApiError(ErrorCode.INVALID_TXN_STATE, "the records do not belong to an open transaction")

    def _check_current_epoch(self, producer_id: int, producer_epoch: int) -> None:
        entry = self.producers.get(producer_id)
        if entry is not None and producer_epoch < entry.producer_epoch:
            message = f"epoch {producer_epoch} of producer {producer_id} is older than {entry.producer_epoch}"
            raise ApiError(ErrorCode.INVALID_PRODUCER_EPOCH, message)

    def _end_verification(self, batch: RecordBatch) -> None:
        verification = self._verifications.get(batch.producer_id)
        if verification is None:
            return
        # A marker with the epoch of the verification: the producer has begun its next transaction with it already.
        if verification.supports_epoch_bump and batch.is_control and batch.producer_epoch == verification.epoch:
            return
        del self._verifications[batch.producer_id]

    # expiry, truncation, snapshots

    def remove_expired(self, now_ms: int) -> None:
        for producer_id in [key for key, entry in self.producers.items() if self._is_expired(entry, now_ms)]:
            del self.producers[producer_id]
        limit = now_ms - self.producer_id_expiration_ms
        for producer_id in [key for key, entry in self._verifications.items() if entry.timestamp <= limit]:
            del self._verifications[producer_id]

    def _is_expired(self, entry: ProducerStateEntry, now_ms: int) -> bool:
        if entry.current_txn_first_offset is not None:
            return False
        return now_ms - entry.last_timestamp >= self.producer_id_expiration_ms

    def truncate_and_reload(self, log_start_offset: int, log_end_offset: int, now_ms: int) -> None:
        """Go back to the latest snapshot in range if the state is not that of `log_end_offset`.

        The caller replays the log from `map_end_offset` on. The log's end is at or below the high watermark then.
        """
        for offset in list(self.snapshots.offsets):
            if offset > log_end_offset or offset <= log_start_offset:
                self.snapshots.delete(offset)
        if log_end_offset == self.map_end_offset:
            self.on_log_start_offset(log_start_offset)
            return
        self._clear()
        self._load_snapshot(log_start_offset, now_ms)

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Forget everything, the snapshots too."""
        self._clear()
        for old in list(self.snapshots.offsets):
            self.snapshots.delete(old)
        self._last_snapshot_offset = 0
        self.map_end_offset = offset

    def on_log_start_offset(self, log_start_offset: int) -> None:
        self._unreplicated.remove_decided_before(log_start_offset)
        self.map_end_offset = max(self.map_end_offset, log_start_offset)
        latest = self.snapshots.latest
        self._last_snapshot_offset = log_start_offset if latest is None else latest

    def take_snapshot(self, *, sync: bool = True) -> str | None:
        """Write a snapshot at the map's end, unless there is one: its path."""
        if self.map_end_offset <= self._last_snapshot_offset:
            return None
        path = self.snapshots.write(self.map_end_offset, self.producers.values(), sync=sync)
        self._last_snapshot_offset = self.map_end_offset
        return path

    def remove_stray_snapshots(self, segment_base_offsets: Collection[int]) -> None:
        self.snapshots.remove_strays(segment_base_offsets)

    def is_empty(self) -> bool:
        return not self.producers and not self._unreplicated

    def _clear(self) -> None:
        self.producers.clear()
        self._ongoing.clear()
        self._unreplicated.clear()

    def _load_snapshot(self, log_start_offset: int, now_ms: int) -> None:
        while (offset := self.snapshots.latest) is not None:
            try:
                entries = self.snapshots.read(offset)
            except DecodeError as error:
                logger.warning("removing %s: %s", self.snapshots.path(offset), error)
                self.snapshots.delete(offset)
                continue
            for entry in entries:
                if not self._is_expired(entry, now_ms):
                    self.load_entry(entry)
            self.map_end_offset = self._last_snapshot_offset = offset
            return
        self.map_end_offset = self._last_snapshot_offset = log_start_offset

    def load_entry(self, entry: ProducerStateEntry) -> None:
        self.producers[entry.producer_id] = entry
        if entry.current_txn_first_offset is not None:
            self._ongoing.add(Transaction(entry.producer_id, entry.current_txn_first_offset))
