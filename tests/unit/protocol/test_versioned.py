from __future__ import annotations

import pytest

from protocol.errors import DecodeError
from protocol.messages.consumer_protocol import ConsumerProtocolSubscription
from protocol.versioned import decode_versioned, encode_versioned

SUBSCRIPTION = ConsumerProtocolSubscription(topics=["t"], user_data=None)
ENCODED = bytes.fromhex("0000 00000001 0001 74 ffffffff")


def test_the_version_comes_first() -> None:
    assert encode_versioned(SUBSCRIPTION, 0) == ENCODED
    assert decode_versioned(ConsumerProtocolSubscription, ENCODED) == (SUBSCRIPTION, 0)


def test_a_newer_version_is_read_as_the_highest_known_if_allowed() -> None:
    newer = b"\x00\x63" + encode_versioned(SUBSCRIPTION, 3)[2:] + b"fields to come"
    assert decode_versioned(ConsumerProtocolSubscription, newer, allow_newer=True) == (SUBSCRIPTION, 3)
    with pytest.raises(DecodeError, match="no version 99"):
        decode_versioned(ConsumerProtocolSubscription, newer)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff\xff", b"\x00\x00", ENCODED[:-1]])
def test_bad_versions_and_bodies(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_versioned(ConsumerProtocolSubscription, data, allow_newer=True)
