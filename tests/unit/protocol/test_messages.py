"""Every message in every version: what is encoded comes back, and no bytes do harm."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.apis import APIS, request_class, response_class
from protocol.errors import DecodeError
from protocol.messages.fetch import FetchRequest
from protocol.messages.produce import ProduceRequest
from protocol.schema import Message, decode, encode, encode_parts
from tests.support.messages import (
    message_classes,
    message_versions,
    mutated,
    random_message,
    same,
    structs_in,
    versions_of,
)

VERSIONS = st.sampled_from(message_versions())
SEEDS = st.integers(0, 2**64 - 1)


def assert_round_trip(cls: type[Message], version: int, seed: int) -> None:
    message = random_message(Random(seed), cls, version)
    data = encode(message, version)
    assert b"".join(encode_parts(message, version)) == data
    decoded = decode(cls, version, data, exact=True)
    assert same(decoded, message)
    assert encode(decoded, version) == data


def test_every_version_comes_back() -> None:
    for cls, version in message_versions():
        assert_round_trip(cls, version, seed=version)


@settings(max_examples=200, deadline=None)
@given(VERSIONS, SEEDS)
def test_round_trip(pair: tuple[type[Message], int], seed: int) -> None:
    assert_round_trip(*pair, seed)


def test_every_class_is_whole_without_arguments() -> None:
    for cls, version in message_versions():
        assert decode(cls, version, encode(cls(), version), exact=True) == cls()


def assert_harmless(cls: type[Message], version: int, data: bytes) -> None:
    """Only a DecodeError, or a message that can be encoded again."""
    try:
        decoded = decode(cls, version, data)
    except DecodeError:
        return
    assert same(decode(cls, version, encode(decoded, version), exact=True), decoded) or has_nan(decoded)


def has_nan(message: Message) -> bool:
    values = (getattr(struct, name) for struct in structs_in(message) for name in struct.__struct_fields__)
    return any(isinstance(value, float) and value != value for value in values)


def test_mutated_bytes_of_every_version() -> None:
    random = Random(5)
    for cls, version in message_versions():
        data = encode(random_message(random, cls, version), version)
        for _ in range(3):
            assert_harmless(cls, version, mutated(random, data))


@settings(max_examples=300, deadline=None)
@given(VERSIONS, SEEDS)
def test_mutated_bytes(pair: tuple[type[Message], int], seed: int) -> None:
    random = Random(seed)
    data = encode(random_message(random, *pair), pair[1])
    for _ in range(random.randint(1, 3)):
        data = mutated(random, data)
    assert_harmless(*pair, data)


@settings(max_examples=300, deadline=None)
@given(VERSIONS, st.binary(max_size=200))
def test_random_bytes(pair: tuple[type[Message], int], data: bytes) -> None:
    assert_harmless(*pair, data)


@pytest.mark.parametrize(("cls", "version"), [(FetchRequest, 11), (FetchRequest, 17), (ProduceRequest, 9)])
def test_every_truncation_is_refused(cls: type[Message], version: int) -> None:
    data = encode(random_message(Random(8), cls, version), version)
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            decode(cls, version, data[:length])


def test_requests_and_responses_of_the_table() -> None:
    for key, api in APIS.items():
        for cls, kind in ((request_class(key), "request"), (response_class(key), "response")):
            assert cls.SPEC.kind == kind
            assert cls.SPEC.key == key
            assert cls.SPEC.name == api.name + kind.capitalize()
            assert cls.SPEC.versions == (api.lowest, api.highest)
            assert cls.SPEC.flexible == api.flexible
        assert frozenset(request_class(key).SPEC.listeners) == api.listeners
        assert request_class(key).SPEC.latest_unstable == api.latest_unstable


def test_all_messages_were_found() -> None:
    assert len(message_classes()) == 272
    assert all(len(versions_of(cls)) > 0 for cls in message_classes())
