"""Messages of the formats 0 and 1, which segments written before Kafka 0.11 may still hold.

    0        8        12    16      17          18             26 (format 1; format 0 has no timestamp)
    | offset | length | crc | magic | attributes| timestamp    | key length int32 | key | value length int32 | value

A message is its own batch, or a compressed wrapper whose value holds a set of them. The CRC-32 starts at the magic. A
wrapper has the offset of its last message; inner offsets are relative in format 1 and absolute in format 0. Only read,
never written: Kafka 4 takes no such records and serves those it still has (KIP-724). Kafka's counterpart:
AbstractLegacyRecordBatch, LegacyRecord.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final
from zlib import crc32

from protocol.errors import DecodeError
from protocol.records.batch import (
    COMPRESSION_MASK,
    LOG_OVERHEAD_BYTES,
    MESSAGE_BYTES_MIN,
    NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    TIMESTAMP_TYPE_FLAG,
    RecordBatch,
)
from protocol.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES, CompressionType, decompress
from protocol.records.record import NO_SEQUENCE, NO_TIMESTAMP, Record
from protocol.wire import Buffer

_HEADER: Final = Struct(">qiIbb")
_MAGIC_POSITION: Final = 16
_FIELDS_POSITIONS: Final = (18, 26)
"""Where the key's length stands, by magic."""


class LegacyRecordBatch(RecordBatch):
    """One message, or a wrapper, with the interface of a batch: what the old formats lack has the value for none."""

    __slots__ = ()

    def __init__(self, buffer: memoryview, position: int = 0) -> None:
        """`buffer` holds exactly one message."""
        self.base_offset, self.batch_length, self.crc, self.magic, attributes = _HEADER.unpack_from(buffer)
        self.attributes = attributes & (COMPRESSION_MASK | (TIMESTAMP_TYPE_FLAG if self.magic else 0))
        self.buffer = buffer
        self.position = position
        self.size = len(buffer)
        self.partition_leader_epoch = NO_PARTITION_LEADER_EPOCH
        self.producer_id = NO_PRODUCER_ID
        self.producer_epoch = NO_PRODUCER_EPOCH
        self.base_sequence = NO_SEQUENCE
        self.base_timestamp = self.max_timestamp = _timestamp(buffer, self.magic)
        self.last_offset_delta, self.records_count = 0, 1
        if self.compression:
            self._span_inner_messages()

    def _span_inner_messages(self) -> None:
        last_offset = self.base_offset
        try:
            offsets = [record.offset for record in self.records()]
        except DecodeError:
            # It is still a range of bytes with an offset; whoever needs its records meets the error.
            return
        self.base_offset, self.last_offset_delta = offsets[0], last_offset - offsets[0]
        self.records_count = len(offsets)

    def is_valid_crc(self) -> bool:
        return crc32(self.buffer[_MAGIC_POSITION:]) == self.crc

    def payload(self, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> Buffer:
        """The messages: this one, or those within a wrapper."""
        codec = self.compression
        if codec == CompressionType.NONE:
            return self.buffer
        if codec == CompressionType.ZSTD:
            raise DecodeError("zstd compression in a message of an old format")
        _, value = _key_and_value(self.buffer, self.magic)
        if value is None:
            raise DecodeError("a compressed message without a value")
        return decompress(codec, value, max_decompressed_bytes)

    def records(self, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> Iterator[Record]:
        messages = _messages(memoryview(self.payload(max_decompressed_bytes)))
        if not messages:
            raise DecodeError("a compressed message without messages in it")
        if self.compression:
            self._fit_to_wrapper(messages)
        yield from messages

    def _fit_to_wrapper(self, messages: list[Record]) -> None:
        # Some producers wrote wrappers of offset 0; their inner offsets stand as they are.
        last_offset = self.last_offset
        shift = last_offset - messages[-1].offset if self.magic and last_offset else 0
        if shift < 0:
            raise DecodeError(f"the offset {last_offset} of a wrapper is before that of its last message")
        for message in messages:
            message.offset += shift
            if self.timestamp_type:
                message.timestamp = self.max_timestamp


def _messages(payload: memoryview) -> list[Record]:
    messages: list[Record] = []
    position, end = 0, len(payload)
    while end - position >= LOG_OVERHEAD_BYTES + MESSAGE_BYTES_MIN:
        offset, length, _, magic, _ = _HEADER.unpack_from(payload, position)
        message_end = position + LOG_OVERHEAD_BYTES + length
        if length < MESSAGE_BYTES_MIN or not 0 <= magic <= 1:
            raise DecodeError(f"a message of {length} bytes and magic {magic} in an old format")
        if message_end > end:
            break
        message = payload[position:message_end]
        messages.append(Record(offset, _timestamp(message, magic), *_key_and_value(message, magic)))
        position = message_end
    return messages


def _timestamp(message: memoryview, magic: int) -> int:
    if not magic:
        return NO_TIMESTAMP
    if len(message) < _FIELDS_POSITIONS[1]:
        raise DecodeError("a message of format 1 without a timestamp")
    return int.from_bytes(message[18:26], "big", signed=True)


def _key_and_value(message: memoryview, magic: int) -> tuple[bytes | None, bytes | None]:
    key, position = _field(message, _FIELDS_POSITIONS[magic])
    value, position = _field(message, position)
    return key, value


def _field(message: memoryview, position: int) -> tuple[bytes | None, int]:
    start = position + 4
    length = int.from_bytes(message[position:start], "big", signed=True)
    if length > len(message) - start:
        raise DecodeError("a field of a message exceeds it")
    return (None, start) if length < 0 else (bytes(message[start : start + length]), start + length)
