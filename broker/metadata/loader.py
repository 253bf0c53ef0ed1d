"""The loader: committed batches and snapshots in, images out, published in order.

What comes is queued and replayed in slices of a few milliseconds. At the end of a slice, and unless a metadata
transaction is open, all that was replayed becomes the next image and goes to the publishers: a publish covers as many
batches as had come, and no image that is published holds half a batch or half a transaction. Until the log, as first
found, has been replayed nothing is published; the first publish to a publisher is a delta from nothing.

    Begin ... End     one publish             Begin ... Abort     the records in between never were

A failure here means that this node's state would part from the log: it is fatal. Counterpart: MetadataLoader,
MetadataBatchLoader (KIP-868).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Protocol, TypeAlias

from broker.environment import Clock
from broker.metadata.delta import ConfigFilter, MetadataDelta
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, MetadataProvenance
from broker.metadata.image_records import VersionedRecord, image_records
from broker.metadata.publishers import LoaderManifest, Publisher
from broker.metadata.refusals import MetadataRefused
from protocol.ids import OffsetAndEpoch
from protocol.metadata.log import AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord
from protocol.schema import Message

logger = logging.getLogger(__name__)

SLICE_S = 0.005
# The clock is read once in so many records.
RECORDS_BETWEEN_CLOCK_READS = 64


class CommittedBatch(Protocol):
    """A committed batch as Raft hands it on; a control batch has no records here, but offsets."""

    @property
    def base_offset(self) -> int: ...
    @property
    def last_offset(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def append_timestamp(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def records(self) -> Sequence[VersionedRecord]: ...


class LoadedSnapshot(Protocol):
    """A snapshot as Raft hands it on; the offset in its id is that of the first record after it."""

    @property
    def snapshot_id(self) -> OffsetAndEpoch: ...
    @property
    def last_contained_log_timestamp(self) -> int: ...
    @property
    def batches(self) -> Iterable[Sequence[VersionedRecord]]: ...


# None: the slice is over. An awaitable: a publisher that takes its time.
Step: TypeAlias = Awaitable[None] | None


class MetadataLoader:
    def __init__(
        self,
        clock: Clock,
        high_watermark: Callable[[], int | None],
        on_fault: Callable[[Exception], None],
        is_known_config: ConfigFilter | None = None,
    ) -> None:
        """`high_watermark`: Raft's, as far as it is known; `on_fault` is to stop the process."""
        self._clock = clock
        self._high_watermark = high_watermark
        self._on_fault = on_fault
        self._is_known_config = is_known_config
        self._queue: deque[Iterator[Step]] = deque()
        self._publishers: list[Publisher] = []
        self._new_publishers: list[Publisher] = []
        self._rest_listeners: list[Callable[[], None]] = []
        self._leader_listeners: list[Callable[[int | None, int], None]] = []
        self._is_working = False
        self._is_closed = False
        self._is_catching_up = True
        self._task: asyncio.Task[None] | None = None
        self._slice_end_s = 0.0
        self._leader: tuple[int | None, int] = (None, 0)
        # The image that was published last, and what was replayed since; until the first publish that is everything.
        self._image = EMPTY_IMAGE
        self._delta = MetadataDelta(EMPTY_IMAGE, is_known_config)
        self._position = EMPTY_IMAGE.provenance
        self._size_bytes = 0
        self._is_from_snapshot = False
        # Records of the open transaction, which are replayed when it ends.
        self._transaction: list[Message] | None = None
        self._transaction_offset: int | None = None

    @property
    def image(self) -> MetadataImage:
        """What was replayed so far, an open transaction excepted; ahead of what publishers know while catching up."""
        if self._position == self._image.provenance:
            return self._image
        return self._delta.apply(self._position)

    @property
    def is_caught_up(self) -> bool:
        """The log, as it was found, has been replayed and published."""
        return not self._is_catching_up

    @property
    def is_replayed(self) -> bool:
        """All that is known to be committed is in `image`, published or not."""
        high_watermark = self._high_watermark()
        return high_watermark is not None and self._position.offset >= high_watermark - 1

    @property
    def published_offset(self) -> int:
        """Everything up to here can be seen by whoever looks at this node's metadata; -1 before the first publish."""
        return -1 if self._is_catching_up else self._image.offset

    @property
    def is_at_rest(self) -> bool:
        """All that was committed has been replayed and, as far as it may be, published."""
        return not self._is_working

    @property
    def transaction_offset(self) -> int | None:
        """Where the metadata transaction began that is open in what was replayed."""
        return self._transaction_offset

    def install(self, *publishers: Publisher) -> None:
        """They are told of everything from now on, in this order, after those installed before; all that is installed
        in one turn of the event loop is told together."""
        self._new_publishers += publishers
        asyncio.get_running_loop().call_soon(self._work)

    def add_rest_listener(self, listener: Callable[[], None]) -> None:
        """Called whenever the loader comes to rest."""
        self._rest_listeners.append(listener)

    def add_leader_listener(self, listener: Callable[[int | None, int], None]) -> None:
        """Called with every change of leader, in its place among what was committed: at this node's own election, all
        that was committed before has been handed to this loader, if not yet replayed."""
        self._leader_listeners.append(listener)

    def on_commit(self, batch: CommittedBatch) -> None:
        self._queue.append(self._replay_batch(batch))
        self._work()

    def on_load_snapshot(self, snapshot: LoadedSnapshot) -> None:
        self._queue.append(self._replay_snapshot(snapshot))
        self._work()

    def on_leader_change(self, leader_id: int | None, epoch: int) -> None:
        self._leader = (leader_id, epoch)
        for listener in self._leader_listeners:
            listener(leader_id, epoch)
        self._work()  # the high watermark may have become known

    def close(self) -> None:
        self._is_closed = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    def _work(self) -> None:
        """Works off the queue, right here if that takes no longer than a slice."""
        if self._is_working or self._is_closed:
            return
        self._is_working = True
        self._slice_end_s = self._clock.monotonic() + SLICE_S
        steps = self._steps()
        try:
            for step in steps:
                self._task = asyncio.get_running_loop().create_task(self._go_on(step, steps))
                return
        except Exception as error:
            self._fail(error)
        else:
            self._rest()

    async def _go_on(self, step: Step, steps: Iterator[Step]) -> None:
        """The rest of the work, in slices, giving way to everything else in between."""
        try:
            for each in chain((step,), steps):
                await (asyncio.sleep(0) if each is None else each)
                self._slice_end_s = self._clock.monotonic() + SLICE_S
        except Exception as error:
            self._fail(error)
        else:
            self._task = None
            self._rest()

    def _rest(self) -> None:
        self._is_working = False
        for listener in self._rest_listeners:
            listener()

    def _fail(self, error: Exception) -> None:
        self._is_closed = True
        if not isinstance(error, MetadataRefused):  # which says all there is to say
            logger.critical("The metadata log cannot be applied past offset %d.", self._position.offset, exc_info=error)
        self._on_fault(error)

    def _is_slice_over(self) -> bool:
        return self._clock.monotonic() >= self._slice_end_s

    def _steps(self) -> Iterator[Step]:
        while True:
            while self._queue and not self._is_slice_over():
                yield from self._queue.popleft()
            if not (self._queue and self._is_catching_up):
                yield from self._publish()
            if self._new_publishers and not self._is_catching_up:
                yield from self._initialize()
            if not self._queue:
                return
            yield from self._pause_if_due()

    def _pause_if_due(self) -> Iterator[Step]:
        if self._is_slice_over():
            yield None

    def _replay_batch(self, batch: CommittedBatch) -> Iterator[Step]:
        for index, (record, _) in enumerate(batch.records):
            if index % RECORDS_BETWEEN_CLOCK_READS == RECORDS_BETWEEN_CLOCK_READS - 1:
                yield from self._pause_if_due()
            offset = batch.base_offset + index
            if isinstance(record, BeginTransactionRecord):
                self._begin_transaction(batch, offset)
            elif isinstance(record, EndTransactionRecord | AbortTransactionRecord):
                yield from self._end_transaction(offset, is_abort=isinstance(record, AbortTransactionRecord))
            elif self._transaction is not None:
                self._transaction.append(record)
            else:
                self._delta.replay(record)
        if self._transaction is None:
            self._position = MetadataProvenance(batch.last_offset, batch.epoch, batch.append_timestamp, True)
        self._size_bytes += batch.size_bytes

    def _begin_transaction(self, batch: CommittedBatch, offset: int) -> None:
        if self._transaction is not None:
            raise ValueError(f"a metadata transaction begins at {offset} within that of {self._transaction_offset}")
        self._transaction = []
        self._transaction_offset = offset
        if offset > batch.base_offset:
            # What stands before it in the same batch counts even if the transaction does not end in it.
            self._position = MetadataProvenance(offset - 1, batch.epoch, batch.append_timestamp, False)

    def _end_transaction(self, offset: int, *, is_abort: bool) -> Iterator[Step]:
        if self._transaction is None:
            raise ValueError(f"a metadata transaction ends at {offset} that never began")
        records, self._transaction, self._transaction_offset = self._transaction, None, None
        for record in () if is_abort else records:
            self._delta.replay(record)
            yield from self._pause_if_due()

    def _replay_snapshot(self, snapshot: LoadedSnapshot) -> Iterator[Step]:
        """A snapshot tells everything: what was replayed before it and not published no longer counts."""
        self._delta = MetadataDelta(self._image, self._is_known_config)
        self._transaction = self._transaction_offset = None
        for batch in snapshot.batches:
            for record, _ in batch:
                self._delta.replay(record)
            yield from self._pause_if_due()
        self._delta.finish_snapshot()
        offset, epoch = snapshot.snapshot_id
        self._position = MetadataProvenance(offset - 1, epoch, snapshot.last_contained_log_timestamp, True)
        self._is_from_snapshot = True
        yield from self._publish()

    def _publish(self) -> Iterator[Step]:
        if self._position == self._image.provenance or (self._is_catching_up and not self._has_caught_up()):
            return
        delta, image = self._delta, self._delta.apply(self._position)
        manifest = LoaderManifest(self._is_from_snapshot or self._is_catching_up, self._size_bytes, *self._leader)
        if self._is_catching_up:
            # This delta starts from nothing, so whoever is installed by now needs no other.
            logger.info("The metadata log has been replayed up to offset %d.", image.offset)
            self._is_catching_up = False
            self._publishers, self._new_publishers = self._new_publishers, []
        self._image = image
        self._delta = MetadataDelta(image, self._is_known_config)
        self._size_bytes = 0
        self._is_from_snapshot = False
        for publisher in tuple(self._publishers):
            waiting = publisher.on_metadata(delta, image, manifest)
            if waiting is not None:
                yield waiting
        yield from self._pause_if_due()

    def _has_caught_up(self) -> bool:
        if not self._new_publishers:
            return False  # nobody to tell: whoever comes first then needs no second replay
        if not self.is_replayed:
            return False
        return self._delta.features_delta is not None  # the bootstrap records have been seen

    def _initialize(self) -> Iterator[Step]:
        """Tells publishers that came late all there is."""
        delta = MetadataDelta(EMPTY_IMAGE, self._is_known_config)
        for record, _ in image_records(self._image):
            delta.replay(record)
            yield from self._pause_if_due()
        manifest = LoaderManifest(True, 0, *self._leader)
        publishers, self._new_publishers = self._new_publishers, []
        for publisher in publishers:
            self._publishers.append(publisher)
            waiting = publisher.on_metadata(delta, self._image, manifest)
            if waiting is not None:
                yield waiting
