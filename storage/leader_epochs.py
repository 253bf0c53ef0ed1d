"""Which leader epoch wrote which offsets of one log: (epoch, start offset) pairs, both ascending.

Followers truncate by it, consumers notice a lost tail by it (KIP-101, KIP-279, KIP-320). An epoch ends where the next
one starts, the last one at the log's end. The start of the first entry moves up with the log start offset.

State and rules only; log.py writes `leader-epoch-checkpoint` from `entries` when it is `dirty`: with every flush,
before the recovery point moves, so that the entries of all that lies below the recovery point are on disk. Those above
are found again by recovery, from the batches. Kafka's counterpart: LeaderEpochFileCache, which syncs the file at every
new epoch instead, on the thread that appends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

from protocol.ids import OffsetAndEpoch
from storage.checkpoints import EpochEntry

UNDEFINED_EPOCH: Final = -1
UNDEFINED_OFFSET: Final = -1


class LeaderEpochs:
    __slots__ = ("_epochs", "_start_offsets", "dirty", "latest")

    def __init__(self, entries: Iterable[EpochEntry] = ()) -> None:
        self._epochs: list[int] = []
        self._start_offsets: list[int] = []
        self.latest: int = UNDEFINED_EPOCH
        """The last epoch, -1 if there is none: what every append compares with."""
        for epoch, start_offset in entries:
            self.assign(epoch, start_offset)
        self.dirty: bool = False

    @property
    def entries(self) -> list[EpochEntry]:
        return [EpochEntry(*entry) for entry in zip(self._epochs, self._start_offsets, strict=True)]

    def assign(self, epoch: int, start_offset: int) -> bool:
        """`epoch` begins at `start_offset`; whether that was news. Entries that contradict it go."""
        assert epoch >= 0 and start_offset >= 0, (epoch, start_offset)
        epochs, start_offsets = self._epochs, self._start_offsets
        if epochs and epoch == epochs[-1] and start_offset >= start_offsets[-1]:
            return False
        keep = min(bisect_left(epochs, epoch), bisect_left(start_offsets, start_offset))
        del epochs[keep:], start_offsets[keep:]
        epochs.append(epoch)
        start_offsets.append(start_offset)
        self._changed()
        return True

    def end_offset_for(self, epoch: int, log_end_offset: int) -> OffsetAndEpoch:
        """Where the largest epoch not above `epoch` ends, and that epoch; (-1, -1) where nothing can be told."""
        epochs = self._epochs
        if epoch == UNDEFINED_EPOCH:
            return OffsetAndEpoch(UNDEFINED_OFFSET, UNDEFINED_EPOCH)
        if epochs and epoch == epochs[-1]:
            return OffsetAndEpoch(log_end_offset, epoch)
        slot = bisect_right(epochs, epoch)
        if slot == len(epochs):
            return OffsetAndEpoch(UNDEFINED_OFFSET, UNDEFINED_EPOCH)
        # Below the first known epoch: the data is gone, and the follower starts where the log does.
        return OffsetAndEpoch(self._start_offsets[slot], epochs[slot - 1] if slot else epoch)

    def epoch_for_offset(self, offset: int) -> int | None:
        slot = bisect_right(self._start_offsets, offset)
        return self._epochs[slot - 1] if slot else None

    def truncate_from_end(self, end_offset: int) -> None:
        """Forgets epochs that start at or behind the new end."""
        keep = bisect_left(self._start_offsets, end_offset)
        if keep < len(self._epochs):
            del self._epochs[keep:], self._start_offsets[keep:]
            self._changed()

    def truncate_from_start(self, start_offset: int) -> None:
        """Forgets epochs that ended before the new start; the one it falls into starts there now."""
        slot = bisect_right(self._start_offsets, start_offset) - 1
        if slot < 0 or (slot == 0 and self._start_offsets[0] == start_offset):
            return
        del self._epochs[:slot], self._start_offsets[:slot]
        self._start_offsets[0] = start_offset
        self._changed()

    def clear(self) -> None:
        if self._epochs:
            self._epochs.clear()
            self._start_offsets.clear()
            self._changed()

    @property
    def earliest(self) -> EpochEntry | None:
        return EpochEntry(self._epochs[0], self._start_offsets[0]) if self._epochs else None

    @property
    def previous(self) -> int | None:
        """The epoch before the last one."""
        return self._epochs[-2] if len(self._epochs) > 1 else None

    def start_offset_of(self, epoch: int) -> int | None:
        slot = bisect_left(self._epochs, epoch)
        return self._start_offsets[slot] if slot < len(self._epochs) and self._epochs[slot] == epoch else None

    def _changed(self) -> None:
        self.latest = self._epochs[-1] if self._epochs else UNDEFINED_EPOCH
        self.dirty = True

    def __len__(self) -> int:
        return len(self._epochs)
