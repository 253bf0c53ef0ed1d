"""Control records: the key that names their type, and the transaction marker's value.

    key:                        version int16 | type int16
    value of COMMIT and ABORT:  version int16 | coordinator_epoch int32

A control batch is marked in its attributes; consumers skip it. COMMIT and ABORT end a producer's transaction in a
partition (KIP-98); the others belong to KRaft's metadata log and its snapshots (KIP-595, KIP-630, KIP-853) and have
messages of the protocol as values. Unknown types and newer versions are kept readable, as Kafka's ControlRecordType and
EndTransactionMarker do.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from protocol.errors import DecodeError

_KEY: Final = Struct(">hh")
_MARKER_VALUE: Final = Struct(">hi")


class ControlRecordType(IntEnum):
    UNKNOWN = -1
    ABORT = 0
    COMMIT = 1
    LEADER_CHANGE = 2
    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    KRAFT_VOTERS = 6


class EndTransactionMarker(NamedTuple):
    """The marker's decision and the epoch of the coordinator that took it."""

    is_commit: bool
    coordinator_epoch: int


def encode_control_key(record_type: ControlRecordType) -> bytes:
    assert record_type != ControlRecordType.UNKNOWN
    return _KEY.pack(0, record_type)


def decode_control_key(key: bytes | None) -> ControlRecordType:
    """The type, UNKNOWN for one of the future; DecodeError if it is no control record's key."""
    if key is None or len(key) < _KEY.size:
        raise DecodeError("the key of a control record has 4 bytes")
    version, number = _KEY.unpack_from(key)
    if version < 0:
        raise DecodeError(f"version {version} of a control record's key")
    try:
        return ControlRecordType(number)
    except ValueError:
        return ControlRecordType.UNKNOWN


def encode_end_transaction_marker(marker: EndTransactionMarker) -> tuple[bytes, bytes]:
    """(key, value)"""
    record_type = ControlRecordType.COMMIT if marker.is_commit else ControlRecordType.ABORT
    return encode_control_key(record_type), _MARKER_VALUE.pack(0, marker.coordinator_epoch)


def decode_end_transaction_marker(key: bytes | None, value: bytes | None) -> EndTransactionMarker:
    record_type = decode_control_key(key)
    if record_type not in (ControlRecordType.COMMIT, ControlRecordType.ABORT):
        raise DecodeError(f"control record {record_type.name} is not the end of a transaction")
    if value is None or len(value) < _MARKER_VALUE.size:
        raise DecodeError("the value of a transaction marker has 6 bytes")
    version, coordinator_epoch = _MARKER_VALUE.unpack_from(value)
    if version < 0:
        raise DecodeError(f"version {version} of a transaction marker")
    return EndTransactionMarker(record_type == ControlRecordType.COMMIT, coordinator_epoch)
