"""The walk over records: what it finds, and that the compiled and the pure one never differ."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.errors import DecodeError
from protocol.records import walk
from protocol.records.record import RawRecord, decode_records_pure, encode_record
from protocol.records.walk import INT64_MAX, INT64_MIN, NO_KEY, TIMESTAMP_OUT_OF_RANGE, MalformedRecords, RecordFault
from tests.support.needs import needs
from tests.unit.protocol.records.strategies import junk, payloads

try:
    from protocol.records import _native
except ImportError:
    _native = None  # type: ignore[assignment]

Walk = Callable[..., tuple[int, int, int, list[tuple[int, int, int]] | None]]


@pytest.fixture(params=["pure", "native"])
def walk_impl(request: pytest.FixtureRequest) -> Walk:
    if request.param == "pure":
        return walk.walk_pure
    needs(_native is not None, "the compiled helper (tools/build_native.py)")
    return _native.walk


def payload_of(*records: tuple[int, bytes | None, bytes | None]) -> bytes:
    return b"".join(encode_record(i, delta, key, value, []) for i, (delta, key, value) in enumerate(records))


class TestWalk:
    def test_sound_records(self, walk_impl: Walk) -> None:
        data = payload_of((0, b"k", b"v" * 300), (500, None, b"w" * 20000), (-3, b"k" * 100, None))
        assert walk_impl(data, 3, 1000, INT64_MIN, INT64_MAX, False, 10) == (walk.SOUND, 0, 1500, None)

    def test_no_records(self, walk_impl: Walk) -> None:
        assert walk_impl(b"", 0, 5, INT64_MIN, INT64_MAX, True, 10) == (walk.SOUND, 0, -1, None)

    def test_more_than_two_bytes_of_offset_delta(self, walk_impl: Walk) -> None:
        data = b"".join(encode_record(i, 0, None, b"", []) for i in range(9000))
        assert walk_impl(data, 9000, 7, INT64_MIN, INT64_MAX, False, 10) == (walk.SOUND, 0, 7, None)

    def test_broken_rules_are_listed_up_to_the_limit(self, walk_impl: Walk) -> None:
        data = payload_of((0, None, b""), (-1001, None, b""), (50, b"k", b""), (-60, b"k", b""), (0, b"k", None))
        found = [
            (0, NO_KEY, 1000),
            (1, NO_KEY, -1),
            (2, TIMESTAMP_OUT_OF_RANGE, 1050),
            (3, TIMESTAMP_OUT_OF_RANGE, 940),
        ]
        assert walk_impl(data, 5, 1000, 950, 1049, True, 10) == (walk.SOUND, 0, 1050, found)
        assert walk_impl(data, 5, 1000, 950, 1049, True, 3) == (walk.SOUND, 0, 1050, found[:3])
        assert walk_impl(data, 5, 1000, 950, 1049, False, 10) == (walk.SOUND, 0, 1050, found[2:])

    def test_a_record_without_timestamp_is_in_range(self, walk_impl: Walk) -> None:
        assert walk_impl(payload_of((0, b"", b"")), 1, -1, 1000, 2000, True, 10) == (walk.SOUND, 0, -1, None)

    @pytest.mark.parametrize(
        ("data", "count", "fault", "index"),
        [
            (b"", 1, walk.BAD_LENGTH, 0),
            (payload_of((0, b"", b"")), 2, walk.BAD_LENGTH, 1),
            (payload_of((0, b"", b""), (0, b"", b"")), 1, walk.BYTES_REMAIN, 1),
            (payload_of((0, b"", b"")) + b"\0", -1, walk.BYTES_REMAIN, 0),
            (payload_of((0, b"", b"")) + b"\0", 2, walk.BAD_FIELD, 1),
            (b"\x01" + payload_of((0, b"", b"")), 1, walk.BAD_LENGTH, 0),
            (b"\x80\x80\x80\x80\x80\x01", 1, walk.BAD_LENGTH, 0),
            (b"\xff\xff\xff\xff\x1f", 1, walk.BAD_LENGTH, 0),
            (encode_record(1, 0, b"", b"", []), 1, walk.BAD_OFFSET_DELTA, 0),
            (encode_record(-1, 0, b"", b"", []), 1, walk.BAD_OFFSET_DELTA, 0),
            (encode_record(0, 2**63 - 1, b"", b"", []), 1, walk.BAD_TIMESTAMP, 0),
            (b"\x0c\0\0\0\x03\0\0", 1, walk.BAD_FIELD, 0),
            (b"\x0c\0\0\0\0\x08\0", 1, walk.BAD_FIELD, 0),
            (b"\x0c\0\0\0\0\0\x04", 1, walk.BAD_HEADERS, 0),
            (b"\x0c\0\0\0\0\0\x01", 1, walk.BAD_HEADERS, 0),
            (b"\x10\0\0\0\0\0\x02\x01\x01", 1, walk.BAD_FIELD, 0),
            (b"\x0e\0\0\0\0\0\0\0", 1, walk.RECORD_BYTES_REMAIN, 0),
        ],
    )
    def test_broken_structure(self, walk_impl: Walk, data: bytes, count: int, fault: int, index: int) -> None:
        assert walk_impl(data, count, 10, INT64_MIN, INT64_MAX, False, 10) == (fault, index, -1, None)

    def test_takes_views(self, walk_impl: Walk) -> None:
        data = memoryview(bytearray(b"xx" + payload_of((1, b"k", b"v")) + b"yy"))[2:-2]
        assert walk_impl(data, 1, 10, INT64_MIN, INT64_MAX, False, 10) == (walk.SOUND, 0, 11, None)


def test_walk_records_names_the_fault() -> None:
    with pytest.raises(MalformedRecords, match="record 1 of the batch is invalid: its offset delta") as caught:
        walk.walk_records(encode_record(0, 0, b"", b"", []) + encode_record(5, 0, b"", b"", []), 2, 0)
    assert (caught.value.fault, caught.value.index) == (walk.BAD_OFFSET_DELTA, 1)


def test_walk_records_lists_faults() -> None:
    largest, faults = walk.walk_records(payload_of((0, None, b"")), 1, 77, require_key=True)
    assert (largest, faults) == (77, [RecordFault(0, NO_KEY, 77)])


@given(
    payloads() | junk,
    st.sampled_from([0, -1, 1_700_000_000_000, INT64_MIN, INT64_MAX]) | st.integers(INT64_MIN, INT64_MAX),
    st.integers(-200, 200) | st.just(INT64_MIN),
    st.integers(-200, 200) | st.just(INT64_MAX),
    st.booleans(),
    st.integers(0, 4),
)
@example((b"\x0c\0\0\0\x01\x01\0", 1), 0, INT64_MIN, INT64_MAX, True, 4)
@example((b"\x8c\x80\x00\0\0\0\x01\x01\0", 1), 0, INT64_MIN, INT64_MAX, True, 4)
def test_twins_of_walk_agree(
    data: tuple[bytes, int], base: int, lowest: int, highest: int, require_key: bool, faults_max: int
) -> None:
    needs(_native is not None, "the compiled helper (tools/build_native.py)")
    arguments = (*data, base, lowest, highest, require_key, faults_max)
    assert _native.walk(*arguments) == walk.walk_pure(*arguments)


def decoded(data: bytes, count: int) -> list[RawRecord] | None:
    try:
        return decode_records_pure(data, count)
    except DecodeError:
        return None


@given(payloads() | junk)
def test_twins_of_decode_agree(data: tuple[bytes, int]) -> None:
    needs(_native is not None, "the compiled helper (tools/build_native.py)")
    assert _native.decode(*data) == decoded(*data)


@given(payloads() | junk)
def test_what_the_walk_accepts_can_be_decoded(data: tuple[bytes, int]) -> None:
    fault, _, largest, _ = walk.walk_pure(*data, 0, INT64_MIN, INT64_MAX, False, 0)
    records = decoded(*data)
    if fault == walk.SOUND:
        assert records is not None
        assert [record[0] for record in records] == list(range(len(records)))
        assert largest == max([-1, *(record[1] for record in records)])
    elif fault not in (walk.BAD_OFFSET_DELTA, walk.BAD_TIMESTAMP):
        assert records is None
