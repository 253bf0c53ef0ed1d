from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DecodeError
from protocol.framing import FrameDecoder


def frame(payload: bytes) -> bytes:
    return struct.pack(">i", len(payload)) + payload


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 300), max_size=20))
def test_frames_survive_any_cut(payloads: list[bytes], places: list[int]) -> None:
    decoder = FrameDecoder(100)
    stream = b"".join(map(frame, payloads))
    received = [bytes(view) for chunk in cut(stream, places) for view in decoder.feed(chunk)]
    assert received == payloads
    assert decoder.pending_bytes == 0


@given(st.binary(min_size=1, max_size=40), st.data())
def test_an_unfinished_frame_waits(payload: bytes, data: st.DataObject) -> None:
    decoder = FrameDecoder(100)
    stream = frame(payload)
    held = data.draw(st.integers(0, len(stream) - 1))
    assert decoder.feed(stream[:held]) == []
    assert decoder.pending_bytes == held
    assert [bytes(view) for view in decoder.feed(stream[held:])] == [payload]


def test_one_byte_at_a_time() -> None:
    decoder = FrameDecoder(10)
    stream = frame(b"abc") + frame(b"") + frame(b"defg")
    received = [bytes(view) for at in range(len(stream)) for view in decoder.feed(stream[at : at + 1])]
    assert received == [b"abc", b"", b"defg"]


def test_payloads_of_one_chunk_are_not_copied() -> None:
    chunk = frame(b"abc") + frame(b"defg")
    first, second = FrameDecoder(10).feed(chunk)
    assert first.obj is chunk
    assert second.obj is chunk


def test_the_limit_counts_the_payload() -> None:
    assert len(FrameDecoder(4).feed(frame(b"abcd"))) == 1
    with pytest.raises(DecodeError, match="over the limit"):
        FrameDecoder(4).feed(struct.pack(">i", 5))


@pytest.mark.parametrize("size", [-1, -(2**31)])
def test_negative_sizes(size: int) -> None:
    with pytest.raises(DecodeError, match="negative"):
        FrameDecoder(4).feed(struct.pack(">i", size))


def test_a_size_that_comes_in_pieces_is_checked_too() -> None:
    decoder = FrameDecoder(4)
    decoder.feed(b"\x7f\xff")
    with pytest.raises(DecodeError, match="over the limit"):
        decoder.feed(b"\xff\xff")
