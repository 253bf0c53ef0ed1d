"""What the records of a topic mean: a decoder turns a record into the texts of its key and its value.

Records of the metadata log and of the coordinators' topics come out as JSON; everything else as UTF-8. A record that a
decoder does not know is said to be so; it never ends the dump.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from broker.dump_log.as_json import message_as_dict
from protocol.coordinator.serde import (
    GROUP_RECORDS,
    SHARE_RECORDS,
    TRANSACTION_RECORDS,
    RecordTypes,
    UnknownRecordTypeError,
)
from protocol.errors import DecodeError
from protocol.messages.consumer_protocol import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from protocol.metadata.serde import decode_record
from protocol.records.record import Record
from protocol.schema import Message, decode

RecordDecoder: TypeAlias = Callable[[Record], tuple[str | None, str | None]]

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def decode_text(record: Record) -> tuple[str | None, str | None]:
    return _text(record.key), _text(record.value)


def decode_metadata(record: Record) -> tuple[str | None, str | None]:
    try:
        if record.value is None:
            raise DecodeError("a metadata record without a value")
        message, version = decode_record(record.value)
    except DecodeError as error:
        return None, f"Error at {record.offset}, skipping. {error}"
    name = _WORD.sub("_", type(message).__name__).upper()
    return None, _json({"type": name, "version": version, "data": message_as_dict(message, version)})


def decode_offsets(record: Record) -> tuple[str | None, str | None]:
    return _decode_coordinator(GROUP_RECORDS, record)


def decode_transactions(record: Record) -> tuple[str | None, str | None]:
    return _decode_coordinator(TRANSACTION_RECORDS, record)


def decode_share_state(record: Record) -> tuple[str | None, str | None]:
    return _decode_coordinator(SHARE_RECORDS, record)


DECODERS: Final[dict[str, RecordDecoder]] = {
    "text": decode_text,
    "cluster-metadata": decode_metadata,
    "offsets": decode_offsets,
    "transaction-log": decode_transactions,
    "share-group-state": decode_share_state,
}

_BY_TOPIC: Final = {
    "__cluster_metadata": "cluster-metadata",
    "__consumer_offsets": "offsets",
    "__transaction_state": "transaction-log",
    "__share_group_state": "share-group-state",
}


def decoder_for(path: Path) -> RecordDecoder:
    """By the partition's directory; snapshots are of the metadata log wherever they lie."""
    topic = path.absolute().parent.name.rpartition("-")[0]
    name = "cluster-metadata" if path.suffix == ".checkpoint" else _BY_TOPIC.get(topic, "text")
    return DECODERS[name]


def _decode_coordinator(types: RecordTypes, record: Record) -> tuple[str | None, str | None]:
    if record.key is None:
        return f"Error at offset {record.offset}, skipping. The record has no key", None
    try:
        key, value, version = types.decode(record.key, record.value)
    except UnknownRecordTypeError as error:
        return f"Unknown record type {error.record_type} at offset {record.offset}, skipping.", None
    except DecodeError as error:
        return f"Error at offset {record.offset}, skipping. {error}", None
    key_text = _json({"type": str(key.SPEC.key), "data": message_as_dict(key, 0)})
    if value is None:
        return key_text, "<DELETE>"
    return key_text, _json({"version": str(version), "data": _value_as_dict(value, version)})


def _value_as_dict(value: Message, version: int) -> dict[str, Any]:
    fields = message_as_dict(value, version)
    if fields.get("protocolType") == "consumer":
        # What members of consumer groups tell each other is opaque to the broker, but not to a reader.
        for member, plain in zip(getattr(value, "members", []), fields.get("members", []), strict=True):
            _replace(plain, "subscription", member.subscription, ConsumerProtocolSubscription)
            _replace(plain, "assignment", member.assignment, ConsumerProtocolAssignment)
    return fields


def _replace(plain: dict[str, Any], name: str, data: bytes, cls: type[Message]) -> None:
    try:
        (version,) = struct.unpack_from(">h", data)
        version = min(version, cls.SPEC.versions.highest)
        plain[name] = message_as_dict(decode(cls, version, data, 2), version)
    except (DecodeError, ValueError, struct.error):
        return  # not of the consumer protocol after all: the bytes stay


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
