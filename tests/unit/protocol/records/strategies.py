"""Hypothesis strategies of records and of payloads, sound and damaged."""

from __future__ import annotations

from hypothesis import strategies as st

from protocol.records.record import Record, encode_record

nullable_bytes = st.none() | st.binary(max_size=40) | st.binary(min_size=60, max_size=200)
headers = st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=8)), max_size=3)
timestamps = st.integers(-1, 2**41) | st.integers(-(2**62), 2**62 - 1)


@st.composite
def record_lists(draw: st.DrawFn, min_size: int = 0, gaps: bool = False) -> list[Record]:
    """Records at rising offsets from a base, contiguous unless `gaps`."""
    offset = draw(st.integers(0, 2**40))
    base_timestamp = draw(timestamps)
    result = []
    for _ in range(draw(st.integers(min_size, 8))):
        timestamp = base_timestamp + draw(st.integers(-100, 10_000))
        result.append(Record(offset, timestamp, draw(nullable_bytes), draw(nullable_bytes), draw(headers)))
        offset += draw(st.integers(1, 5)) if gaps else 1
    return result


@st.composite
def payloads(draw: st.DrawFn) -> tuple[bytes, int]:
    """(bytes, count) of encoded records, perhaps cut, changed, extended or miscounted."""
    parts = []
    for index in range(draw(st.integers(0, 6))):
        offset_delta = draw(st.just(index) | st.integers(-(2**31), 2**31 - 1))
        timestamp_delta = draw(st.integers(-100, 100) | st.integers(-(2**63), 2**63 - 1))
        parts.append(
            encode_record(offset_delta, timestamp_delta, draw(nullable_bytes), draw(nullable_bytes), draw(headers))
        )
    payload = bytearray(b"".join(parts))
    for _ in range(draw(st.integers(0, 3))):
        if payload:
            payload[draw(st.integers(0, len(payload) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(payload))) if draw(st.booleans()) else len(payload)
    tail = draw(st.binary(max_size=4)) if draw(st.booleans()) else b""
    count = draw(st.just(len(parts)) | st.integers(-3, 2**31 - 1))
    return bytes(payload[:cut]) + tail, count


junk = st.tuples(st.binary(max_size=64), st.integers(-3, 2**31 - 1))
