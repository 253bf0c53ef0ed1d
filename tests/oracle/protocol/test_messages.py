"""Every message in every version against Apache Kafka's generated classes: same bytes, same values, same defaults."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

import pytest

from protocol.apis import APIS, request_header_version, response_header_version
from protocol.compiler import ResolvedField, resolve
from protocol.coordinator.serde import GROUP_RECORDS, encode_key, encode_value
from protocol.errors import DecodeError, ErrorCode
from protocol.fields import Array, Bool, Bytes, Float64, Records, String, Struct, Uuid128
from protocol.ids import uuid_to_string
from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.quorum_state import QuorumStateData
from protocol.metadata import RECORDS
from protocol.metadata.serde import encode_record
from protocol.quorum_state import decode_quorum_state, encode_quorum_state
from protocol.schema import EncodeError, Message, decode, encode
from tests.oracle.protocol.conftest import MessageOracle
from tests.support.messages import (
    message_classes,
    message_versions,
    mutated,
    random_message,
    same,
    structs_in,
    versions_of,
)

VALUES_EACH = 4


def java_class(cls: type[Message]) -> str:
    module, name = cls.__module__, cls.__name__
    if module == "protocol.metadata.remote_log" or name == "ProducerSnapshot":
        return f"org.apache.kafka.server.log.remote.metadata.storage.generated.{name}"
    if name == "QuorumStateData":
        return f"org.apache.kafka.raft.generated.{name}"
    if module.startswith("protocol.metadata."):
        return f"org.apache.kafka.common.metadata.{name}"
    if module.startswith("protocol.coordinator."):
        last = module.rpartition(".")[2]
        package = last if last in ("share", "transaction") else "group"
        return f"org.apache.kafka.coordinator.{package}.generated.{name}"
    suffix = "Data" if cls.SPEC.kind in ("request", "response", "header") else ""
    return f"org.apache.kafka.common.message.{name}{suffix}"


def test_random_values_come_back_the_same(oracle: MessageOracle) -> None:
    random = Random(19)
    cases = [
        (cls, version, random_message(random, cls, version))
        for cls, version in message_versions()
        for _ in range(VALUES_EACH)
    ]
    encoded = [encode(message, version) for _, version, message in cases]
    answers = oracle.ask(
        [
            f"message {java_class(cls)} {version} {data.hex()}"
            for (cls, version, _), data in zip(cases, encoded, strict=True)
        ]
    )
    for (cls, version, message), data, answer in zip(cases, encoded, answers, strict=True):
        told, _, rest = answer.partition(" ")
        assert told == data.hex(), f"{cls.__name__} v{version}: {answer[:300]}"
        assert_same_json(message, version, json.loads(rest), f"{cls.__name__} v{version}")


def test_strings_that_are_not_utf_8_get_the_same_replacements(oracle: MessageOracle) -> None:
    random = Random(23)
    alphabet = bytes.fromhex("41 80 8f 90 9f a0 bf c0 c2 df e0 e1 ed ef f0 f1 f4 f5 ff")
    texts = [bytes(random.choices(alphabet, k=random.randint(1, 6))) for _ in range(4000)]
    encoded = [encode(HeartbeatRequest(group_id="#" * len(text)), 3).replace(b"#" * len(text), text) for text in texts]
    answers = oracle.ask([f"message {java_class(HeartbeatRequest)} 3 {data.hex()}" for data in encoded])
    for text, data, answer in zip(texts, encoded, answers, strict=True):
        ours = encode(decode(HeartbeatRequest, 3, data), 3)
        assert answer.partition(" ")[0] == ours.hex(), text.hex(" ")


def assert_same_json(message: Message, version: int, told: dict[str, Any], where: str) -> None:
    names = {key.lower(): key for key in told}
    for resolved in resolve(type(message)):
        if not resolved.field.is_present(version):
            continue
        value = getattr(message, resolved.name)
        suffix = "sizeinbytes" if isinstance(resolved.field, Records) and value is not None else ""
        name = names.pop(resolved.name.replace("_", "") + suffix, None)
        if name is None:
            assert resolved.field.is_tagged(version) or value is None, f"{where}.{resolved.name} is missing"
            assert same(value, resolved.default), f"{where}.{resolved.name} is missing"
        else:
            assert_same_value(resolved, version, value, told[name], f"{where}.{resolved.name}")
    assert not names, f"{where} has more: {names}"


def assert_same_value(resolved: ResolvedField, version: int, value: Any, told: Any, where: str) -> None:
    field = resolved.field
    if value is None:
        assert told is None, where
    elif isinstance(field, Struct):
        assert_same_json(value, version, told, where)
    elif isinstance(field, Array):
        assert len(value) == len(told), where
        for ours, theirs in zip(value, told, strict=True):
            if resolved.element is not None:
                assert_same_json(ours, version, theirs, where)
            else:
                assert (uuid_to_string(ours) if field.of is Uuid128 else ours) == theirs, where
    elif isinstance(field, Uuid128):
        assert uuid_to_string(value) == told, where
    elif isinstance(field, Bytes):
        assert base64.b64encode(value).decode() == told, where
    elif isinstance(field, Records):
        assert len(value) == told, where
    else:
        assert isinstance(field, Float64 | String | Bool) or type(told) is int, where
        assert value == told, where


def test_defaults_are_kafkas(oracle: MessageOracle) -> None:
    """A fresh object says the same, or is refused by both where a version cannot carry a default."""
    answers = oracle.ask([f"default {java_class(cls)} {version}" for cls, version in message_versions()])
    for (cls, version), answer in zip(message_versions(), answers, strict=True):
        try:
            ours = encode(cls(), version).hex()
        except EncodeError:
            ours = "refused"
        assert answer.split(" ")[0] == ours, f"{cls.__name__} v{version}: {answer}"


def test_lower_versions_drop_and_refuse_alike(oracle: MessageOracle) -> None:
    """A value of the highest version, brought down: what is ignorable goes, anything else is refused, by both."""
    random = Random(23)
    questions, expected = [], []
    for cls in message_classes():
        highest = cls.SPEC.versions.highest
        for version in (version for version in versions_of(cls) for _ in range(VALUES_EACH)):
            message = sparse_message(random, cls, highest)
            questions.append(f"convert {java_class(cls)} {highest} {version} {encode(message, highest).hex()}")
            try:
                expected.append(encode(message, version).hex())
            except EncodeError:
                expected.append("refused")
    answers = [answer.partition(" ")[0] for answer in oracle.ask(questions)]
    for question, answer, ours in zip(questions, answers, expected, strict=True):
        assert answer == ours, question
    assert expected.count("refused") < len(expected) / 2


def sparse_message(random: Random, cls: type[Message], version: int) -> Message:
    """A message with few fields set, so that some of them fit lower versions."""
    message: Message = random_message(random, cls, version)
    for struct in structs_in(message):
        for resolved in resolve(type(struct)):
            if random.random() < 0.7:
                setattr(struct, resolved.name, getattr(type(struct)(), resolved.name))
        struct.unknown_tagged_fields = None
    return message


# Where this codec is stricter than Kafka, which replaces what is no UTF-8 and does not look at the size of a tagged
# field that it knows; and where Kafka refuses, but only when it encodes again.
STRICTER = ("is not UTF-8", "does not end where", "tagged field")
REFUSED_LATER = ("raw tag field list", "as an undefined tag")


def test_damaged_bytes_are_judged_alike(oracle: MessageOracle) -> None:
    random = Random(41)
    questions, ours = [], []
    for cls, version in message_versions():
        for _ in range(VALUES_EACH):
            data = mutated(random, encode(random_message(random, cls, version), version))
            questions.append(f"message {java_class(cls)} {version} {data.hex()}")
            try:
                ours.append(encode(decode(cls, version, data, exact=True), version).hex())
            except DecodeError as error:
                ours.append(f"refused {error}")
    for question, answer, our in zip(questions, oracle.ask(questions), ours, strict=True):
        if answer.split(" ")[0] != our.split(" ")[0]:
            reasons = STRICTER if our.startswith("refused") else REFUSED_LATER
            assert any(reason in our + answer for reason in reasons), f"{question}\nKafka: {answer}\nours: {our}"


def test_apis_and_header_versions(oracle: MessageOracle) -> None:
    ours = []
    for key, api in APIS.items():
        listeners = ", ".join(sorted(listener.upper() for listener in api.listeners))
        for version in range(api.lowest, api.highest + 1):
            headers = f"{request_header_version(key, version)} {response_header_version(key, version)}"
            unstable = str(version > api.highest_stable).lower()
            ours.append(f"{key} {api.name} {version} {headers} {unstable} [{listeners}]")
    assert sorted(ours) == sorted(oracle.table("apis"))


def test_error_codes(oracle: MessageOracle) -> None:
    ours = [f"{int(code)} {code.name} {str(code.retriable).lower()}" for code in ErrorCode]
    assert sorted(ours) == sorted(oracle.table("errors"))


def test_metadata_record_serde(oracle: MessageOracle) -> None:
    random = Random(29)
    cases = [(key, version) for key, cls in RECORDS.items() for version in versions_of(cls)]
    values = [encode_record(random_message(random, RECORDS[key], version), version).hex() for key, version in cases]
    answers = oracle.ask([f"metadata {value}" for value in values])
    expected = [f"{value} {key} {version}" for value, (key, version) in zip(values, cases, strict=True)]
    assert answers == expected


def test_group_record_serde(oracle: MessageOracle) -> None:
    random = Random(31)
    expected = []
    for key_class, value_class in zip(GROUP_RECORDS.keys.values(), GROUP_RECORDS.values.values(), strict=True):
        for version in versions_of(value_class):
            key = encode_key(random_message(random, key_class, 0)).hex()
            value = encode_value(random_message(random, value_class, version), version).hex()
            expected += [f"{key} {value}", f"{key} -"]
    assert oracle.ask([f"group {pair}" for pair in expected]) == expected


@pytest.mark.parametrize("version", [0, 1])
def test_quorum_state_file(oracle: MessageOracle, version: int) -> None:
    random = Random(37)
    for _ in range(20):
        state = random_message(random, QuorumStateData, version)
        state.unknown_tagged_fields = None
        for voter in state.current_voters or ():
            voter.unknown_tagged_fields = None
        (answer,) = oracle.ask([f"message {java_class(QuorumStateData)} {version} {encode(state, version).hex()}"])
        told = answer.partition(" ")[2]
        file = encode_quorum_state(state, version)
        assert file.decode() == told[:-1] + f',"data_version":{version}}}'
        assert decode_quorum_state(file) == (state, version)
