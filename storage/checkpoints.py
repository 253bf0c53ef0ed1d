"""The small text files of a log directory: bytes to values and back. Who writes them when is directory.py and log.py.

    recovery-point-offset-checkpoint, log-start-offset-checkpoint,      version 0 \\n number of entries \\n
    replication-offset-checkpoint                                       "topic partition offset" lines
    leader-epoch-checkpoint   (in each partition's directory)           the same with "epoch start-offset" lines
    partition.metadata        (in each partition's directory)           "version: 0" \\n "topic_id: <uuid>"
    meta.properties                                                     Java properties: version=1, cluster.id, node.id,
                                                                        directory.id
    .kafka_cleanshutdown                                                {"version":0,"brokerEpoch":N}

Kafka reads what is written here, and the other way round. Reading gives DecodeError for anything else than the format,
except that an empty checkpoint is one without entries, as in Kafka, which creates them so. Kafka's counterparts:
CheckpointFile, PartitionMetadataFile, MetaProperties, CleanShutdownFileHandler; KIP-516, KIP-853, KIP-858, KIP-966.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from protocol.errors import DecodeError
from protocol.ids import ZERO_UUID, TopicPartition, Uuid, uuid_from_string, uuid_to_string

RECOVERY_POINT_CHECKPOINT: Final = "recovery-point-offset-checkpoint"
LOG_START_OFFSET_CHECKPOINT: Final = "log-start-offset-checkpoint"
REPLICATION_OFFSET_CHECKPOINT: Final = "replication-offset-checkpoint"
LEADER_EPOCH_CHECKPOINT: Final = "leader-epoch-checkpoint"
PARTITION_METADATA: Final = "partition.metadata"
META_PROPERTIES: Final = "meta.properties"
CLEAN_SHUTDOWN: Final = ".kafka_cleanshutdown"
LOCK: Final = ".lock"

VERSION: Final = 0


class EpochEntry(NamedTuple):
    epoch: int
    start_offset: int


class MetaProperties(NamedTuple):
    """What identifies a log directory. Version 0 is from before KRaft and has neither need be set."""

    cluster_id: str | None
    node_id: int | None
    directory_id: Uuid | None
    version: int = 1


def encode_offsets(offsets: Mapping[TopicPartition, int]) -> bytes:
    return _encode_lines(f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items())


def decode_offsets(data: bytes) -> dict[TopicPartition, int]:
    offsets = {}
    for topic, partition, offset in _decode_lines(data, 3):
        offsets[TopicPartition(topic, _integer(partition))] = _integer(offset)
    return offsets


def encode_leader_epochs(entries: Iterable[EpochEntry]) -> bytes:
    return _encode_lines(f"{epoch} {start_offset}" for epoch, start_offset in entries)


def decode_leader_epochs(data: bytes) -> list[EpochEntry]:
    return [EpochEntry(_integer(epoch), _integer(offset)) for epoch, offset in _decode_lines(data, 2)]


def encode_partition_metadata(topic_id: Uuid) -> bytes:
    return f"version: {VERSION}\ntopic_id: {uuid_to_string(topic_id)}".encode()


def decode_partition_metadata(data: bytes) -> Uuid:
    match = re.match(r"[^:\n]*:\s+(\d+)\r?\n[^:\n]*:\s+(\S+)\s*", _text(data))
    if match is None:
        raise DecodeError(f"malformed partition.metadata {data[:100]!r}")
    try:
        topic_id = uuid_from_string(match[2])
    except ValueError as e:
        raise DecodeError(f"partition.metadata: {e}") from None
    if topic_id == ZERO_UUID:
        raise DecodeError("partition.metadata has the zero topic id")
    return topic_id


def encode_meta_properties(properties: MetaProperties) -> bytes:
    lines = ["#"]
    if properties.cluster_id is not None:
        lines.append(f"cluster.id={_escape(properties.cluster_id)}")
    if properties.directory_id is not None:
        lines.append(f"directory.id={uuid_to_string(properties.directory_id)}")
    if properties.node_id is not None:
        key = "node.id" if properties.version else "broker.id"
        lines.append(f"{key}={properties.node_id}")
    lines.append(f"version={properties.version}")
    return ("\n".join(lines) + "\n").encode("latin-1", "backslashreplace")


def decode_meta_properties(data: bytes) -> MetaProperties:
    """DecodeError, too, if what its version must have is missing."""
    values = _decode_properties(data.decode("latin-1"))
    version = _integer(values.get("version", "0"))
    if version not in (0, 1):
        raise DecodeError(f"unknown version {version} of meta.properties")
    node_id = values.get("node.id" if version else "broker.id")
    cluster_id = values.get("cluster.id")
    if version and (node_id is None or cluster_id is None):
        raise DecodeError("meta.properties has no node.id or no cluster.id")
    directory_id = None
    if "directory.id" in values:
        try:
            directory_id = uuid_from_string(values["directory.id"])
        except ValueError as e:
            raise DecodeError(f"meta.properties: {e}") from None
    return MetaProperties(cluster_id, None if node_id is None else _integer(node_id), directory_id, version)


def encode_clean_shutdown(broker_epoch: int) -> bytes:
    return json.dumps({"version": VERSION, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()


def decode_clean_shutdown(data: bytes) -> int | None:
    """The broker epoch; None if the file does not tell, which still marks a clean shutdown (Kafka before 4.0)."""
    try:
        content = json.loads(data)
    except ValueError:
        return None
    epoch = content.get("brokerEpoch") if isinstance(content, dict) else None
    return epoch if isinstance(epoch, int) else None


def _encode_lines(lines: Iterable[str]) -> bytes:
    entries = list(lines)
    return "\n".join([str(VERSION), str(len(entries)), *entries, ""]).encode()


def _decode_lines(data: bytes, fields: int) -> Iterable[list[str]]:
    lines = _text(data).splitlines()
    if len(lines) < 2:
        # Kafka's reader is as lenient with a file that was created and not written yet.
        if lines and _integer(lines[0]) != VERSION:
            raise DecodeError(f"unknown version {lines[0]} of a checkpoint")
        return []
    if _integer(lines[0]) != VERSION:
        raise DecodeError(f"unknown version {lines[0]} of a checkpoint")
    if _integer(lines[1]) != len(lines) - 2:
        raise DecodeError(f"a checkpoint of {lines[1]} entries has {len(lines) - 2}")
    entries = [line.split() for line in lines[2:]]
    for entry in entries:
        if len(entry) != fields:
            raise DecodeError(f"malformed line {' '.join(entry)!r} in a checkpoint")
    return entries


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        raise DecodeError(f"{text[:40]!r} is no number")
    return int(text)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DecodeError(f"{data[:40]!r} is no text") from None


def _escape(value: str) -> str:
    return re.sub(r"([\\=:#!])", r"\\\1", value)


def _decode_properties(text: str) -> dict[str, str]:
    """The part of Java's properties syntax that can occur: comments, key=value, backslash escapes, no continuations."""
    values = {}
    for line in text.splitlines():
        line = line.lstrip()
        if not line or line[0] in "#!":
            continue
        match = re.match(r"((?:\\.|[^\\=:\s])+)\s*[=:\s]\s*(.*)", line)
        if match:
            values[_unescape(match[1])] = _unescape(match[2])
    return values


def _unescape(text: str) -> str:
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else m[1], text)
