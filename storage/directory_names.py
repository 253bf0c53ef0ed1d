"""The names of partition directories within a log directory, as Kafka gives them.

    <topic>-<partition>                         a log
    <topic>-<partition>.<unique id>-delete      a log on its way out; the topic may be cut short to fit 255 bytes
    <topic>-<partition>.<unique id>-stray       a log whose partition is not this broker's; set aside, never deleted by
    itself <topic>-<partition>.<unique id>-future      a copy on its way to replace the log in another log directory
    (KIP-113)

Kafka's counterpart: LocalLog.parseTopicPartitionName and its neighbours.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from protocol.ids import TopicPartition, Uuid

NAME_BYTES_MAX: Final = 255


class DirectoryKind(Enum):
    LOG = ""
    DELETE = "-delete"
    STRAY = "-stray"
    FUTURE = "-future"


class DirectoryName(NamedTuple):
    topic_partition: TopicPartition
    kind: DirectoryKind


_NAME: Final = re.compile(r"(?P<topic>\S+)-(?P<partition>\d{1,10})")
_MARKED_NAME: Final = re.compile(r"(?P<topic>\S+)-(?P<partition>\d{1,10})\.[^\s.]+(?P<kind>-delete|-stray|-future)")


def log_name(topic_partition: TopicPartition) -> str:
    return f"{topic_partition.topic}-{topic_partition.partition}"


def marked_name(topic_partition: TopicPartition, kind: DirectoryKind, unique_id: Uuid) -> str:
    suffix = f"-{topic_partition.partition}.{unique_id.hex()}{kind.value}"
    if kind is DirectoryKind.FUTURE:
        return topic_partition.topic + suffix
    return topic_partition.topic[: NAME_BYTES_MAX - len(suffix)] + suffix


def parse_name(name: str) -> DirectoryName | None:
    """None if no log lives under such a name."""
    match = _MARKED_NAME.fullmatch(name)
    if match is not None:
        kind = DirectoryKind(match["kind"])
    else:
        match, kind = _NAME.fullmatch(name), DirectoryKind.LOG
        if match is None or name.endswith(("-delete", "-stray", "-future")):
            return None
    partition = int(match["partition"])
    return DirectoryName(TopicPartition(match["topic"], partition), kind) if partition < 2**31 else None
