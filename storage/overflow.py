"""Segments whose offsets lie further apart than an index can say (2^31), split into several at load.

Compaction by Apache Kafka before 1.1 could merge what lay that far apart into one segment (KAFKA-6264). Nothing else
makes such segments: an append rolls first. So only those that others follow are looked at, and of these only the ones
whose successor is far away.

The pieces are written as .cleaned files and become .swap files from the last to the first, so that a crash anywhere
leaves either the old segment or all of the pieces; see loading.py.
Kafka's counterpart: LocalLog.splitOverflowedSegment.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from protocol.errors import ApiError
from storage.files import File, Files
from storage.offset_index import RELATIVE_OFFSET_MAX
from storage.segment import CLEANED, LOG, SWAP, batches_of, file_name

COPIED_BYTES: Final = 1 << 20

logger = logging.getLogger(__name__)


def split_overflowing(files: Files, directory: str, base_offsets: Sequence[int]) -> Iterator[list[str]]:
    """The names of the pieces of one segment after the other, which are to take its place before the next is asked for;
    `base_offsets` are of all, in order."""
    for base_offset, following in pairwise(base_offsets):
        if following - base_offset > RELATIVE_OFFSET_MAX + 1:
            swaps = _split(files, directory, base_offset)
            if swaps:
                yield swaps


def _split(files: Files, directory: str, base_offset: int) -> list[str]:
    path = f"{directory}/{file_name(base_offset, LOG)}"
    source = files.open(path)
    try:
        pieces = _pieces(source, base_offset, path)
    except ApiError as error:
        logger.warning("not looking for offsets that lie too far apart: %s", error)  # recovery will cut it off
        return []
    if len(pieces) == 1:
        return []
    logger.warning("%s: its offsets lie too far apart, splitting it into %d segments", path, len(pieces))
    for piece_offset, start, end in pieces:
        _copy(files, source, f"{directory}/{file_name(piece_offset, LOG)}{CLEANED}", start, end)
    swaps = []
    for piece_offset, _, _ in reversed(pieces):
        name = file_name(piece_offset, LOG)
        files.rename(f"{directory}/{name}{CLEANED}", f"{directory}/{name}{SWAP}")
        swaps.append(name + SWAP)
    files.sync_dir(directory)
    return swaps


def _pieces(source: File, base_offset: int, path: str) -> list[tuple[int, int, int]]:
    """(base offset, start, end) of the parts of the file that indexes can cover."""
    size = source.size()
    pieces = []
    start = 0
    for batch in batches_of(source, 0, size, path):
        if batch.last_offset - base_offset > RELATIVE_OFFSET_MAX:
            if batch.position > start:
                pieces.append((base_offset, start, batch.position))
            base_offset, start = batch.base_offset, batch.position
    pieces.append((base_offset, start, size))
    return pieces


def _copy(files: Files, source: File, path: str, start: int, end: int) -> None:
    target = files.open(path, exclusive=True)
    for position in range(start, end, COPIED_BYTES):
        target.pwritev([source.pread(min(COPIED_BYTES, end - position), position)], position - start)
    target.sync()
