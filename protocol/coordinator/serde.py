"""Records of the coordinators' topics as bytes.

    key      record type int16 | body in version 0
    value    version int16 | body            a missing value deletes the key (a tombstone)

Each topic has a key space of its own. A type or version that this software does not know is no damage: newer software
may have written it, and the reader of a topic decides whether it skips the record. Kafka's counterparts are
`CoordinatorRecordSerde` and the generated `CoordinatorRecordType`s.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from protocol.errors import DecodeError
from protocol.lazy import LazyClasses
from protocol.schema import Buffer, Message, decode, encode
from protocol.versioned import encode_versioned

_INT16: Final = struct.Struct(">h")
_KEY_VERSION: Final = 0


class UnknownRecordTypeError(DecodeError):
    def __init__(self, record_type: int) -> None:
        super().__init__(f"record type {record_type} is not known")
        self.record_type = record_type


class UnknownRecordVersionError(DecodeError):
    def __init__(self, record_type: int, version: int) -> None:
        super().__init__(f"version {version} of record type {record_type} is not known")
        self.record_type = record_type
        self.version = version


class CoordinatorRecord(NamedTuple):
    """A decoded record; `value` is None for a tombstone, whose `value_version` says nothing."""

    key: Message
    value: Message | None
    value_version: int


class RecordTypes(NamedTuple):
    """The records of one topic, by record type."""

    keys: LazyClasses
    values: LazyClasses

    def decode_key(self, data: Buffer) -> Message:
        record_type = _read_int16(data, "key")
        if record_type not in self.keys:
            raise UnknownRecordTypeError(record_type)
        return decode(self.keys[record_type], _KEY_VERSION, data, _INT16.size)

    def decode_value(self, record_type: int, data: Buffer) -> tuple[Message, int]:
        """The value that belongs to a key of `record_type`, and its version."""
        version = _read_int16(data, "value")
        cls = self.values[record_type]
        if not cls.SPEC.versions.covers(version):
            raise UnknownRecordVersionError(record_type, version)
        return decode(cls, version, data, _INT16.size), version

    def decode(self, key: Buffer, value: Buffer | None) -> CoordinatorRecord:
        decoded_key = self.decode_key(key)
        if value is None:
            return CoordinatorRecord(decoded_key, None, 0)
        assert decoded_key.SPEC.key is not None
        return CoordinatorRecord(decoded_key, *self.decode_value(decoded_key.SPEC.key, value))


def _read_int16(data: Buffer, what: str) -> int:
    try:
        number: int = _INT16.unpack_from(data)[0]
    except struct.error:
        raise DecodeError(f"a coordinator record has a {what} of {len(data)} bytes") from None
    return number


def encode_key(key: Message) -> bytes:
    return _INT16.pack(key.SPEC.key) + encode(key, _KEY_VERSION)


def encode_value(value: Message, version: int) -> bytes:
    return encode_versioned(value, version)


GROUP_RECORDS: Final = RecordTypes(
    keys=LazyClasses(
        {
            0: "protocol.coordinator.group:LegacyOffsetCommitKey",
            1: "protocol.coordinator.group:OffsetCommitKey",
            2: "protocol.coordinator.group:GroupMetadataKey",
            3: "protocol.coordinator.group:ConsumerGroupMetadataKey",
            4: "protocol.coordinator.group:ConsumerGroupPartitionMetadataKey",
            5: "protocol.coordinator.group:ConsumerGroupMemberMetadataKey",
            6: "protocol.coordinator.group:ConsumerGroupTargetAssignmentMetadataKey",
            7: "protocol.coordinator.group:ConsumerGroupTargetAssignmentMemberKey",
            8: "protocol.coordinator.group:ConsumerGroupCurrentMemberAssignmentKey",
            10: "protocol.coordinator.share_group:ShareGroupMemberMetadataKey",
            11: "protocol.coordinator.share_group:ShareGroupMetadataKey",
            12: "protocol.coordinator.share_group:ShareGroupTargetAssignmentMetadataKey",
            13: "protocol.coordinator.share_group:ShareGroupTargetAssignmentMemberKey",
            14: "protocol.coordinator.share_group:ShareGroupCurrentMemberAssignmentKey",
            15: "protocol.coordinator.share_group:ShareGroupStatePartitionMetadataKey",
            16: "protocol.coordinator.group:ConsumerGroupRegularExpressionKey",
            17: "protocol.coordinator.streams_group:StreamsGroupMetadataKey",
            19: "protocol.coordinator.streams_group:StreamsGroupMemberMetadataKey",
            20: "protocol.coordinator.streams_group:StreamsGroupTargetAssignmentMetadataKey",
            21: "protocol.coordinator.streams_group:StreamsGroupTargetAssignmentMemberKey",
            22: "protocol.coordinator.streams_group:StreamsGroupCurrentMemberAssignmentKey",
            23: "protocol.coordinator.streams_group:StreamsGroupTopologyKey",
        }
    ),
    values=LazyClasses(
        {
            0: "protocol.coordinator.group:LegacyOffsetCommitValue",
            1: "protocol.coordinator.group:OffsetCommitValue",
            2: "protocol.coordinator.group:GroupMetadataValue",
            3: "protocol.coordinator.group:ConsumerGroupMetadataValue",
            4: "protocol.coordinator.group:ConsumerGroupPartitionMetadataValue",
            5: "protocol.coordinator.group:ConsumerGroupMemberMetadataValue",
            6: "protocol.coordinator.group:ConsumerGroupTargetAssignmentMetadataValue",
            7: "protocol.coordinator.group:ConsumerGroupTargetAssignmentMemberValue",
            8: "protocol.coordinator.group:ConsumerGroupCurrentMemberAssignmentValue",
            10: "protocol.coordinator.share_group:ShareGroupMemberMetadataValue",
            11: "protocol.coordinator.share_group:ShareGroupMetadataValue",
            12: "protocol.coordinator.share_group:ShareGroupTargetAssignmentMetadataValue",
            13: "protocol.coordinator.share_group:ShareGroupTargetAssignmentMemberValue",
            14: "protocol.coordinator.share_group:ShareGroupCurrentMemberAssignmentValue",
            15: "protocol.coordinator.share_group:ShareGroupStatePartitionMetadataValue",
            16: "protocol.coordinator.group:ConsumerGroupRegularExpressionValue",
            17: "protocol.coordinator.streams_group:StreamsGroupMetadataValue",
            19: "protocol.coordinator.streams_group:StreamsGroupMemberMetadataValue",
            20: "protocol.coordinator.streams_group:StreamsGroupTargetAssignmentMetadataValue",
            21: "protocol.coordinator.streams_group:StreamsGroupTargetAssignmentMemberValue",
            22: "protocol.coordinator.streams_group:StreamsGroupCurrentMemberAssignmentValue",
            23: "protocol.coordinator.streams_group:StreamsGroupTopologyValue",
        }
    ),
)

TRANSACTION_RECORDS: Final = RecordTypes(
    keys=LazyClasses(
        {
            0: "protocol.coordinator.transaction:TransactionLogKey",
        }
    ),
    values=LazyClasses(
        {
            0: "protocol.coordinator.transaction:TransactionLogValue",
        }
    ),
)

SHARE_RECORDS: Final = RecordTypes(
    keys=LazyClasses(
        {
            0: "protocol.coordinator.share:ShareSnapshotKey",
            1: "protocol.coordinator.share:ShareUpdateKey",
        }
    ),
    values=LazyClasses(
        {
            0: "protocol.coordinator.share:ShareSnapshotValue",
            1: "protocol.coordinator.share:ShareUpdateValue",
        }
    ),
)
