"""The three index files: entries, lookups, bytes, and what cannot be one."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import transaction_index
from storage.offset_index import CorruptIndex, OffsetIndex
from storage.time_index import TimeIndex
from storage.transaction_index import AbortedTransaction

ascending = st.lists(st.integers(1, 2**31 - 2), unique=True, max_size=50).map(sorted)


def offset_index(offsets: list[int], positions: list[int], base_offset: int = 0) -> OffsetIndex:
    index = OffsetIndex(base_offset)
    for offset, position in zip(offsets, positions, strict=False):
        index.append(base_offset + offset, position)
    return index


class TestOffsetIndex:
    def test_bytes_are_kafkas(self) -> None:
        index = offset_index([5, 300], [4096, 9000], base_offset=1000)
        assert index.encode() == pack(">iiii", 5, 4096, 300, 9000)

    @given(ascending, ascending, st.integers(0, 2**40))
    def test_round_trip(self, offsets: list[int], positions: list[int], base_offset: int) -> None:
        index = offset_index(offsets, positions, base_offset)
        again = OffsetIndex.decode(base_offset, index.encode(), 2**31)
        assert again.relative_offsets == index.relative_offsets
        assert again.positions == index.positions
        assert again.last_offset == index.last_offset

    @given(ascending, ascending, st.integers(0, 2**31))
    def test_lookup_is_that_of_a_list(self, offsets: list[int], positions: list[int], wanted: int) -> None:
        entries = list(zip(offsets, positions, strict=False))
        index = offset_index(offsets, positions)
        assert index.lookup(wanted) == max((p for o, p in entries if o <= wanted), default=0)
        assert index.upper_bound_offset(wanted) == min((o for o, p in entries if p >= wanted), default=None)
        kept = index.truncated_to(wanted)
        assert list(zip(kept.relative_offsets, kept.positions, strict=True)) == [e for e in entries if e[0] < wanted]

    @pytest.mark.parametrize(
        "data",
        [
            b"1234567",
            pack(">iiii", 5, 10, 5, 20),
            pack(">iiii", 5, 10, 6, 10),
            pack(">iiii", 6, 10, 5, 20),
            pack(">ii", 5, 1000),
            pack(">ii", -1, 10),
            pack(">ii", 5, -10),
            bytes(80),
            b"\xff" * 16,
        ],
    )
    def test_what_no_index_can_be(self, data: bytes) -> None:
        with pytest.raises(CorruptIndex):
            OffsetIndex.decode(0, data, 1000)

    @given(st.binary(max_size=100))
    def test_any_bytes(self, data: bytes) -> None:
        try:
            OffsetIndex.decode(0, data, 1000)
            TimeIndex.decode(0, data)
            transaction_index.decode(0, data)
        except CorruptIndex:
            pass


class TestTimeIndex:
    def test_bytes_are_kafkas(self) -> None:
        index = TimeIndex(1000)
        index.maybe_append(2**40, 1007)
        index.maybe_append(2**40, 1009)
        index.maybe_append(2**40 - 1, 1010)
        index.maybe_append(2**40 + 1, 1012)
        assert index.encode() == pack(">qiqi", 2**40, 7, 2**40 + 1, 12)
        assert index.last_entry == (2**40 + 1, 1012)

    @given(st.lists(st.integers(0, 2**62), unique=True, max_size=50).map(sorted), ascending, st.integers(0, 2**62))
    def test_like_a_list(self, timestamps: list[int], offsets: list[int], wanted: int) -> None:
        entries = list(zip(timestamps, offsets, strict=False))
        index = TimeIndex(0)
        for timestamp, offset in entries:
            index.maybe_append(timestamp, offset)
        again = TimeIndex.decode(0, index.encode())
        assert list(zip(again.timestamps, again.relative_offsets, strict=True)) == entries
        assert again.lookup(wanted) == max((o for t, o in entries if t <= wanted), default=0)
        kept = again.truncated_to(wanted)
        assert list(zip(kept.timestamps, kept.relative_offsets, strict=True)) == [e for e in entries if e[1] < wanted]

    @pytest.mark.parametrize(
        "data",
        [b"1" * 13, bytes(24), pack(">qiqi", 5, 1, 4, 2), pack(">qiqi", 5, 2, 6, 1), pack(">qi", -5, 1)],
    )
    def test_what_no_index_can_be(self, data: bytes) -> None:
        with pytest.raises(CorruptIndex):
            TimeIndex.decode(0, data)


class TestTransactionIndex:
    def test_bytes_are_kafkas(self) -> None:
        entry = AbortedTransaction(7, 100, 110, 111)
        assert transaction_index.encode([entry]) == pack(">hqqqq", 0, 7, 100, 110, 111)
        assert transaction_index.ENTRY_BYTES == 34
        assert transaction_index.decode(100, entry.encode()) == [entry]

    @pytest.mark.parametrize(
        "data",
        [
            b"1" * 33,
            pack(">hqqqq", 1, 7, 100, 110, 111),
            pack(">hqqqq", 0, 7, 100, 99, 111),
            pack(">hqqqq", 0, 7, 120, 110, 111),
            pack(">hqqqq", 0, 7, 100, 110, 111) * 2,
        ],
    )
    def test_what_no_index_can_be(self, data: bytes) -> None:
        with pytest.raises(CorruptIndex):
            transaction_index.decode(100, data)

    def test_collecting(self) -> None:
        entries = [AbortedTransaction(1, 0, 10, 5), AbortedTransaction(2, 5, 20, 21), AbortedTransaction(3, 22, 30, 31)]
        assert transaction_index.collect(entries, 11, 15) == ([entries[1]], True)
        assert transaction_index.collect(entries, 0, 40) == (entries, False)
        assert transaction_index.collect(entries, 0, 5) == ([entries[0]], True)
