"""What one producer last did in a log, and the rules its next batch has to keep.

A ProducerStateEntry holds the epoch, the last five batches and the open transaction of a producer id. A retried batch
is found among the five by its sequences. A ProducerAppendInfo checks the batches of one append against the entry and
collects their effect in a copy; nothing changes before the log has written them, then the copy is merged. Sequences run
to 2^31 - 1 and wrap to 0; a new epoch starts at 0; a producer of which nothing is known may start anywhere, because
retention may have removed what it wrote. Kafka's counterpart: ProducerStateEntry, ProducerAppendInfo,
VerificationStateEntry, VerificationGuard; KIP-98, KIP-360, KIP-890.
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.records.batch import CONTROL_FLAG, NO_PRODUCER_EPOCH, TRANSACTIONAL_FLAG, RecordBatch
from protocol.records.control import EndTransactionMarker, decode_end_transaction_marker
from protocol.records.record import NO_SEQUENCE, NO_TIMESTAMP, SEQUENCE_MAX, decrement_sequence
from storage.validation import AppendOrigin

BATCHES_RETAINED: Final = 5
"""As many batches as an idempotent producer may have in flight."""
PRODUCER_EPOCH_MAX: Final = 2**15 - 1
TRANSACTION_VERSION_UNKNOWN: Final = -1
_MORE_THAN_DATA: Final = TRANSACTIONAL_FLAG | CONTROL_FLAG

logger = logging.getLogger(__name__)


class BatchMetadata(NamedTuple):
    """A batch that was appended; `offset_delta` also spans its sequences."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_sequence(self) -> int:
        return decrement_sequence(self.last_sequence, self.offset_delta)

    @property
    def first_offset(self) -> int:
        return self.last_offset - self.offset_delta


class Transaction(NamedTuple):
    """A transaction of a producer; `last_offset` is that of its marker, once it is decided."""

    producer_id: int
    first_offset: int
    last_offset: int | None = None


class CompletedTransaction(NamedTuple):
    """A transaction that a marker at `last_offset` has just decided."""

    producer_id: int
    first_offset: int
    last_offset: int
    is_aborted: bool


class VerificationGuard:
    """A proof, by identity, that one verification of a transaction was asked for and answered."""

    __slots__ = ()


class VerificationStateEntry:
    """A transaction's first append that awaits the coordinator's word (KIP-890).

    The lowest sequence seen of the epoch is the only one that may go first: else a later batch, verified sooner, would
    make the earlier one out of order for ever.
    """

    __slots__ = ("epoch", "guard", "lowest_sequence", "supports_epoch_bump", "timestamp")

    def __init__(self, timestamp: int, sequence: int, epoch: int, supports_epoch_bump: bool) -> None:
        self.timestamp = timestamp
        self.guard = VerificationGuard()
        self.lowest_sequence = sequence
        self.epoch = epoch
        self.supports_epoch_bump = supports_epoch_bump

    def update(self, sequence: int, epoch: int) -> None:
        if epoch > self.epoch or (epoch == self.epoch and sequence < self.lowest_sequence):
            self.epoch = epoch
            self.lowest_sequence = sequence


_new: Final = tuple.__new__
"""As `BatchMetadata(...)`, which is a call of Python more."""


class ProducerStateEntry:
    """One producer. `batches` are the last ones of the current epoch, oldest first."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "current_txn_first_offset",
        "last_timestamp",
        "producer_epoch",
        "producer_id",
    )

    def __init__(
        self,
        producer_id: int,
        producer_epoch: int = NO_PRODUCER_EPOCH,
        coordinator_epoch: int = -1,
        last_timestamp: int = NO_TIMESTAMP,
        current_txn_first_offset: int | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.coordinator_epoch = coordinator_epoch
        self.last_timestamp = last_timestamp
        self.current_txn_first_offset = current_txn_first_offset
        self.batches: tuple[BatchMetadata, ...] = ()

    @property
    def first_sequence(self) -> int:
        return self.batches[0].first_sequence if self.batches else NO_SEQUENCE

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    @property
    def first_data_offset(self) -> int:
        return self.batches[0].first_offset if self.batches else -1

    @property
    def last_data_offset(self) -> int:
        return self.batches[-1].last_offset if self.batches else -1

    @property
    def last_offset_delta(self) -> int:
        return self.batches[-1].offset_delta if self.batches else 0

    def copy_without_batches(self) -> ProducerStateEntry:
        return ProducerStateEntry(
            self.producer_id,
            self.producer_epoch,
            self.coordinator_epoch,
            self.last_timestamp,
            self.current_txn_first_offset,
        )

    def add_batch(
        self, producer_epoch: int, last_sequence: int, last_offset: int, offset_delta: int, timestamp: int
    ) -> None:
        self.set_epoch(producer_epoch)
        batch = BatchMetadata(last_sequence, last_offset, offset_delta, timestamp)
        self.batches = (*self.batches[1 - BATCHES_RETAINED :], batch)
        self.last_timestamp = timestamp

    def is_followed_by(self, batch: RecordBatch) -> bool:
        """Whether the batch carries on in this epoch, outside of transactions, with the next sequence."""
        batches = self.batches
        if (
            not batches
            or batch.producer_epoch != self.producer_epoch
            or batch.attributes & _MORE_THAN_DATA
            or self.current_txn_first_offset is not None
        ):
            return False
        last_sequence = batches[-1].last_sequence
        return batch.base_sequence == (0 if last_sequence == SEQUENCE_MAX else last_sequence + 1)

    def add_batch_in_order(self, batch: RecordBatch) -> None:
        """Takes in a batch that was written, and of which `is_followed_by` was true."""
        delta, timestamp = batch.last_offset_delta, batch.max_timestamp
        last_sequence = (batch.base_sequence + delta) & SEQUENCE_MAX
        added = _new(BatchMetadata, (last_sequence, batch.base_offset + delta, delta, timestamp))
        self.batches = (*self.batches[1 - BATCHES_RETAINED :], added)
        self.last_timestamp = timestamp

    def set_epoch(self, producer_epoch: int) -> None:
        """Another epoch forgets the batches of the one before."""
        if self.producer_epoch != producer_epoch:
            self.batches = ()
            self.producer_epoch = producer_epoch

    def merge(self, newer: ProducerStateEntry) -> None:
        self.set_epoch(newer.producer_epoch)
        self.batches = (self.batches + newer.batches)[-BATCHES_RETAINED:]
        self.coordinator_epoch = newer.coordinator_epoch
        self.current_txn_first_offset = newer.current_txn_first_offset
        self.last_timestamp = newer.last_timestamp

    def find_duplicate(self, batch: RecordBatch) -> BatchMetadata | None:
        """The retained batch that has exactly the sequences of this one."""
        if batch.producer_epoch != self.producer_epoch:
            return None
        last_sequence = batch.last_sequence
        for known in self.batches:
            if known.last_sequence == last_sequence and known.first_sequence == batch.base_sequence:
                return known
        return None

    def __repr__(self) -> str:
        return (
            f"ProducerStateEntry(producer_id={self.producer_id}, producer_epoch={self.producer_epoch},"
            f" coordinator_epoch={self.coordinator_epoch}, last_timestamp={self.last_timestamp},"
            f" current_txn_first_offset={self.current_txn_first_offset}, batches={self.batches})"
        )


class ProducerAppendInfo:
    """The effect of one append on one producer; `updated` has only the batches of the append."""

    __slots__ = ("_current", "_origin", "_verification", "started", "updated")

    def __init__(
        self,
        current: ProducerStateEntry,
        origin: AppendOrigin,
        verification: VerificationStateEntry | None = None,
    ) -> None:
        self._current = current
        self._origin = origin
        self._verification = verification
        self.updated = current.copy_without_batches()
        self.started: list[Transaction] = []

    @property
    def producer_id(self) -> int:
        return self.updated.producer_id

    def append(
        self, batch: RecordBatch, transaction_version: int = TRANSACTION_VERSION_UNKNOWN
    ) -> CompletedTransaction | None:
        """Take in a batch whose offsets are assigned; ApiError if it breaks a rule."""
        if not batch.is_control:
            self._append_data(batch)
            return None
        record = next(batch.records(), None)
        if record is None:
            # Compaction removed the marker, and with it all of the transaction.
            return None
        try:
            marker = decode_end_transaction_marker(record.key, record.value)
        except DecodeError as error:
            raise ApiError(ErrorCode.INVALID_RECORD, str(error)) from None
        return self.append_marker(
            marker, batch.producer_epoch, batch.base_offset, record.timestamp, transaction_version
        )

    def _append_data(self, batch: RecordBatch) -> None:
        epoch, first_offset = batch.producer_epoch, batch.base_offset
        self._check_epoch(epoch, first_offset, TRANSACTION_VERSION_UNKNOWN)
        if self._origin == AppendOrigin.CLIENT:
            self._check_sequence(epoch, batch.base_sequence, first_offset)
        updated = self.updated
        updated.add_batch(epoch, batch.last_sequence, batch.last_offset, batch.last_offset_delta, batch.max_timestamp)
        if batch.is_transactional:
            if updated.current_txn_first_offset is None:
                updated.current_txn_first_offset = first_offset
                self.started.append(Transaction(self.producer_id, first_offset))
        elif updated.current_txn_first_offset is not None:
            message = f"producer {self.producer_id} has a transaction open and wrote outside of it at {first_offset}"
            raise ApiError(ErrorCode.INVALID_TXN_STATE, message)

    def append_marker(
        self,
        marker: EndTransactionMarker,
        producer_epoch: int,
        offset: int,
        timestamp: int,
        transaction_version: int,
    ) -> CompletedTransaction | None:
        """End the open transaction, if there is one; None for a marker that ends nothing.

        The version travels in WriteTxnMarkers, not in the log: a follower takes what its leader accepted.
        """
        assert transaction_version != TRANSACTION_VERSION_UNKNOWN or self._origin == AppendOrigin.REPLICATION
        self._check_epoch(producer_epoch, offset, max(transaction_version, 0))
        self._check_coordinator_epoch(marker.coordinator_epoch, offset)
        updated = self.updated
        first_offset = updated.current_txn_first_offset
        updated.set_epoch(producer_epoch)
        updated.coordinator_epoch = marker.coordinator_epoch
        updated.last_timestamp = timestamp
        updated.current_txn_first_offset = None
        if first_offset is None:
            return None
        return CompletedTransaction(self.producer_id, first_offset, offset, not marker.is_commit)

    def _check_epoch(self, epoch: int, offset: int, transaction_version: int) -> None:
        """Older epochs are fenced. From transaction version 2 on a marker's epoch is always a new one (KIP-890)."""
        current = self.updated.producer_epoch
        if epoch > current or (epoch == current and transaction_version < 2):
            return
        if (
            transaction_version >= 2
            and epoch == current
            and (self.updated.current_txn_first_offset is None or epoch == PRODUCER_EPOCH_MAX)
        ):
            # The same marker once more, after a lost answer or a restart of the coordinator (KAFKA-19999).
            return
        message = f"producer {self.producer_id} at offset {offset} has epoch {epoch}, the last seen is {current}"
        if self._origin == AppendOrigin.REPLICATION:
            logger.warning(message)
            return
        raise ApiError(ErrorCode.INVALID_PRODUCER_EPOCH, message)

    def _check_coordinator_epoch(self, coordinator_epoch: int, offset: int) -> None:
        current = self.updated.coordinator_epoch
        if coordinator_epoch >= current:
            return
        message = (
            f"marker of producer {self.producer_id} at offset {offset} comes from coordinator epoch"
            f" {coordinator_epoch}, the current one is {current}"
        )
        if self._origin == AppendOrigin.REPLICATION:
            logger.info(message)
            return
        raise ApiError(ErrorCode.TRANSACTION_COORDINATOR_FENCED, message)

    def _check_sequence(self, epoch: int, first_sequence: int, offset: int) -> None:
        verification, current, updated = self._verification, self._current, self.updated
        if verification is not None:
            if verification.supports_epoch_bump and first_sequence != 0 and not current.batches:
                raise self._out_of_order(first_sequence, offset, "a new producer starts with 0")
            if first_sequence > verification.lowest_sequence:
                raise self._out_of_order(first_sequence, offset, f"{verification.lowest_sequence} has to come first")
        if epoch != updated.producer_epoch:
            if first_sequence != 0 and updated.producer_epoch != NO_PRODUCER_EPOCH:
                raise self._out_of_order(first_sequence, offset, f"the new epoch {epoch} starts with 0")
            return
        if current.producer_epoch == NO_PRODUCER_EPOCH:
            return
        if updated.batches:
            last_sequence = updated.last_sequence
        elif epoch == current.producer_epoch:
            last_sequence = current.last_sequence
        else:
            last_sequence = NO_SEQUENCE
        if first_sequence != (0 if last_sequence == SEQUENCE_MAX else last_sequence + 1):
            raise self._out_of_order(first_sequence, offset, f"the last one was {last_sequence}")

    def _out_of_order(self, first_sequence: int, offset: int, reason: str) -> ApiError:
        message = f"sequence {first_sequence} of producer {self.producer_id} at offset {offset}: {reason}"
        return ApiError(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, message)
