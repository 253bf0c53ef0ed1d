"""Identities that travel in requests, records and file names.

Topic ids, directory ids, incarnation ids and cluster ids are 16 raw bytes here, exactly as they lie on the wire;
Kafka's text form (URL-safe base64 without padding, 22 characters) appears only in files and messages for people. The
two reserved ids are those of `org.apache.kafka.common.Uuid`.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple, NewType

Uuid = NewType("Uuid", bytes)

ZERO_UUID: Final = Uuid(bytes(16))
METADATA_TOPIC_ID: Final = Uuid(bytes(15) + b"\x01")

METADATA_TOPIC_NAME: Final = "__cluster_metadata"


class TopicPartition(NamedTuple):
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class TopicIdPartition(NamedTuple):
    topic_id: Uuid
    topic: str
    partition: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def __str__(self) -> str:
        return f"{uuid_to_string(self.topic_id)}:{self.topic}-{self.partition}"


class OffsetAndEpoch(NamedTuple):
    offset: int
    epoch: int


def uuid_to_string(uuid: Uuid) -> str:
    return urlsafe_b64encode(uuid).rstrip(b"=").decode("ascii")


def uuid_from_string(text: str) -> Uuid:
    """Reads Kafka's text form; ValueError when it is not one (too long, wrong alphabet, not 16 bytes)."""
    if len(text) > 24:
        raise ValueError(f"{text[:24]!r}... is too long for an id: 16 bytes in base64 take 22 characters")
    try:
        raw = text.encode("ascii")
        uuid = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError(f"{text!r} is not an id in URL-safe base64") from None
    if len(uuid) != 16:
        raise ValueError(f"{text!r} stands for {len(uuid)} bytes, an id has 16")
    return Uuid(uuid)
