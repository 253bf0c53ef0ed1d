from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import (
    METADATA_TOPIC_ID,
    ZERO_UUID,
    TopicIdPartition,
    TopicPartition,
    Uuid,
    uuid_from_string,
    uuid_to_string,
)


def test_kafkas_reserved_ids() -> None:
    assert uuid_to_string(ZERO_UUID) == "AAAAAAAAAAAAAAAAAAAAAA"
    assert uuid_to_string(METADATA_TOPIC_ID) == "AAAAAAAAAAAAAAAAAAAAAQ"


@given(st.binary(min_size=16, max_size=16))
def test_uuid_text_round_trip(raw: bytes) -> None:
    text = uuid_to_string(Uuid(raw))
    assert len(text) == 22
    assert uuid_from_string(text) == raw


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 21, "A" * 25, "A" * 23, "AAAAAAAAAAAAAAAAAAAAA☃", "=" * 22])
def test_what_is_no_uuid(text: str) -> None:
    with pytest.raises(ValueError, match="id"):
        uuid_from_string(text)


@given(st.text(max_size=30))
def test_any_text_gives_an_id_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(uuid_from_string(text)) == 16


def test_partitions_are_written_as_directories_are_named() -> None:
    assert str(TopicPartition("orders", 3)) == "orders-3"
    assert str(TopicIdPartition(ZERO_UUID, "orders", 3)) == "AAAAAAAAAAAAAAAAAAAAAA:orders-3"
    assert TopicIdPartition(ZERO_UUID, "orders", 3).topic_partition == TopicPartition("orders", 3)
