"""The aborted transactions of one segment, and their file, NNN.txnindex.

    | version int16 = 0 | producer id int64 | first offset int64 | last offset int64 | last stable offset int64 |

34 bytes an entry, big-endian, in order of the last offset, which is that of the abort marker; an entry lies in the
segment of the marker, though its transaction may have begun segments before. `last stable offset` is the log's just
after the marker: a search for what was aborted below some offset may stop at an entry whose last stable offset reaches
it.

The file exists only if the segment has an aborted transaction; entries go to it as they come. Kafka's counterpart:
TransactionIndex, AbortedTxn; KIP-98.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final, NamedTuple

from storage.offset_index import CorruptIndex

ENTRY: Final = Struct(">hqqqq")
ENTRY_BYTES: Final = ENTRY.size
VERSION: Final = 0


class AbortedTransaction(NamedTuple):
    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int

    def encode(self) -> bytes:
        return ENTRY.pack(VERSION, *self)


def decode(base_offset: int, data: bytes) -> list[AbortedTransaction]:
    """The entries of the index of the segment at `base_offset`; CorruptIndex if they cannot be that."""
    if len(data) % ENTRY_BYTES:
        raise CorruptIndex(f"{len(data)} bytes are no whole number of entries")
    entries = []
    last_offset = base_offset - 1
    for version, *fields in ENTRY.iter_unpack(data):
        entry = AbortedTransaction(*fields)
        if version != VERSION or entry.last_offset <= last_offset or entry.first_offset > entry.last_offset:
            raise CorruptIndex(f"version {version} {entry} after offset {last_offset}")
        last_offset = entry.last_offset
        entries.append(entry)
    return entries


def encode(entries: Iterable[AbortedTransaction]) -> bytes:
    return b"".join(entry.encode() for entry in entries)


def collect(
    entries: Iterable[AbortedTransaction], fetch_offset: int, upper_bound_offset: int
) -> tuple[list[AbortedTransaction], bool]:
    """What of these touches [fetch_offset, upper_bound_offset), and whether later segments can add to it no more."""
    found = []
    for entry in entries:
        if entry.last_offset >= fetch_offset and entry.first_offset < upper_bound_offset:
            found.append(entry)
        if entry.last_stable_offset >= upper_bound_offset:
            return found, True
    return found, False
