from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DecodeError
from protocol.wire import (
    decode_unsigned_varint,
    decode_unsigned_varlong,
    decode_varint,
    decode_varlong,
    encode_unsigned_varint,
    encode_varint,
)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (16384, "808001"), (2**32 - 1, "ffffffff0f")],
)
def test_unsigned_varints_are_little_endian_groups_of_seven_bits(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert encode_unsigned_varint(value) == data
    assert decode_unsigned_varint(b"\xff" + data + b"\xff", 1) == (value, 1 + len(data))


@pytest.mark.parametrize(("value", "encoded"), [(0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001")])
def test_signed_varints_are_zig_zag(value: int, encoded: str) -> None:
    assert encode_varint(value).hex() == encoded
    assert decode_varint(bytes.fromhex(encoded), 0) == (value, len(encoded) // 2)


@given(st.integers(0, 2**32 - 1))
def test_unsigned_varint_round_trip(value: int) -> None:
    data = encode_unsigned_varint(value)
    assert decode_unsigned_varint(memoryview(data), 0) == (value, len(data))


@given(st.integers(0, 2**64 - 1))
def test_unsigned_varlong_round_trip(value: int) -> None:
    data = encode_unsigned_varint(value)
    assert decode_unsigned_varlong(data, 0) == (value, len(data))


@given(st.integers(-(2**31), 2**31 - 1))
def test_varint_round_trip(value: int) -> None:
    data = encode_varint(value)
    assert decode_varint(data, 0) == (value, len(data))


@given(st.integers(-(2**63), 2**63 - 1))
def test_varlong_round_trip(value: int) -> None:
    data = encode_varint(value)
    assert decode_varlong(data, 0) == (value, len(data))


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "80",
        "ffffffff",
        "808080808000",  # six bytes
        "ffffffffff01",
        "ffffffff1f",  # five bytes, 33 bits
    ],
)
def test_varints_that_end_too_early_or_too_late(encoded: str) -> None:
    with pytest.raises(DecodeError):
        decode_unsigned_varint(bytes.fromhex(encoded), 0)


@pytest.mark.parametrize("encoded", ["", "ff" * 9, "80" * 10 + "00", "ff" * 9 + "02"])
def test_varlongs_that_end_too_early_or_too_late(encoded: str) -> None:
    with pytest.raises(DecodeError):
        decode_unsigned_varlong(bytes.fromhex(encoded), 0)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_values_no_varint_can_hold(value: int) -> None:
    with pytest.raises(ValueError, match="varint"):
        encode_unsigned_varint(value)


@given(st.binary(max_size=12), st.integers(0, 12))
def test_any_bytes_give_a_number_or_a_decode_error(data: bytes, position: int) -> None:
    for decoder, bits in ((decode_unsigned_varint, 32), (decode_unsigned_varlong, 64)):
        try:
            value, end = decoder(data, position)
        except DecodeError:
            continue
        assert 0 <= value < 2**bits
        assert position < end <= len(data)
