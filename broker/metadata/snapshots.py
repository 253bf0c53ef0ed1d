"""When to write a snapshot of the metadata, and writing it.

A publisher: once enough bytes of log were replayed since the last snapshot, or enough time has passed, the image just
published is written, in slices, to a snapshot that ends where the image does. Only images that end with a batch can be;
one snapshot is written at a time. Raft cleans the log behind it.

Counterpart: SnapshotGenerator, SnapshotEmitter (KIP-630, KIP-876).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from broker.environment import Clock
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import MetadataImage
from broker.metadata.image_records import VersionedRecord, image_records
from broker.metadata.publishers import LoaderManifest
from protocol.ids import OffsetAndEpoch
from storage.failures import TransientStorageError

logger = logging.getLogger(__name__)

RECORDS_IN_A_SLICE = 256


class SnapshotFile(Protocol):
    def append(self, records: Sequence[VersionedRecord]) -> None: ...
    async def freeze(self) -> None: ...
    def close(self) -> None: ...


class SnapshotStore(Protocol):
    def create_snapshot(self, snapshot_id: OffsetAndEpoch, timestamp: int) -> SnapshotFile | None:
        """None if there is that snapshot, or the log has moved on past it."""
        ...


class SnapshotGenerator:
    def __init__(
        self,
        store: SnapshotStore,
        clock: Clock,
        on_fault: Callable[[Exception], None],
        *,
        max_bytes_between_snapshots: int,
        max_interval_s: float,
    ) -> None:
        """An interval of 0 switches snapshots by time off."""
        self._store = store
        self._clock = clock
        self._on_fault = on_fault
        self._max_bytes = max_bytes_between_snapshots
        self._max_interval_s = max_interval_s
        self._size_bytes = 0
        self._last_s = clock.monotonic()
        self._task: asyncio.Task[None] | None = None

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        if manifest.is_snapshot:
            self._begin_anew()
        self._size_bytes += manifest.size_bytes
        if self._task is None and image.provenance.is_batch_aligned:
            reason = self._reason()
            if reason is not None:
                self._begin_anew()
                logger.info("Writing a snapshot of the metadata up to offset %d: %s.", image.offset, reason)
                self._task = asyncio.get_running_loop().create_task(self._write(image))

    @property
    def is_writing(self) -> bool:
        return self._task is not None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _begin_anew(self) -> None:
        self._size_bytes = 0
        self._last_s = self._clock.monotonic()

    def _reason(self) -> str | None:
        if self._size_bytes >= self._max_bytes:
            return f"{self._size_bytes} bytes of log came since the last"
        elapsed_s = self._clock.monotonic() - self._last_s
        if self._max_interval_s > 0 and elapsed_s >= self._max_interval_s:
            return f"the last is {elapsed_s / 60:.0f} minute(s) old"
        return None

    async def _write(self, image: MetadataImage) -> None:
        try:
            snapshot = self._store.create_snapshot(image.provenance.snapshot_id, image.provenance.append_timestamp_ms)
            if snapshot is not None:
                await write_image(image, snapshot)
        except TransientStorageError as error:
            logger.warning("The snapshot is given up, the next one will do: %s", error)
        except Exception as error:
            self._on_fault(error)
        finally:
            self._task = None


async def write_image(image: MetadataImage, snapshot: SnapshotFile) -> None:
    """The records of the image, in slices; a snapshot that is not finished is given up."""
    records = image_records(image)
    try:
        while part := list(islice(records, RECORDS_IN_A_SLICE)):
            snapshot.append(part)
            await asyncio.sleep(0)
        await snapshot.freeze()
    finally:
        snapshot.close()
