"""Metadata records about topics and partitions (KIP-631; directories KIP-858; eligible leader replicas KIP-966)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int8, Int32, Message, String, Uuid128, metadata


class TopicRecord(Message):
    SPEC: ClassVar = metadata(key=2, versions="0", flexible="0+")

    name: Annotated[str, String("0+")] = ""
    topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID


class RemoveTopicRecord(Message):
    SPEC: ClassVar = metadata(key=9, versions="0", flexible="0+")

    topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID


class PartitionRecord(Message):
    SPEC: ClassVar = metadata(key=3, versions="0-2", flexible="0+")

    partition_id: Annotated[int, Int32("0+")] = -1
    topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    replicas: Annotated[list[int], Array("0+", of=Int32)] = []
    isr: Annotated[list[int], Array("0+", of=Int32)] = []
    removing_replicas: Annotated[list[int], Array("0+", of=Int32)] = []
    adding_replicas: Annotated[list[int], Array("0+", of=Int32)] = []
    leader: Annotated[int, Int32("0+")] = -1
    leader_recovery_state: Annotated[int, Int8("0+", tag=0)] = 0
    leader_epoch: Annotated[int, Int32("0+")] = -1
    partition_epoch: Annotated[int, Int32("0+")] = -1
    directories: Annotated[list[Uuid], Array("1+", of=Uuid128)] = []
    eligible_leader_replicas: Annotated[list[int] | None, Array("2+", of=Int32, nullable="2+", tag=1)] = None
    last_known_elr: Annotated[list[int] | None, Array("2+", of=Int32, nullable="2+", tag=2)] = None


class PartitionChangeRecord(Message):
    SPEC: ClassVar = metadata(key=5, versions="0-2", flexible="0+")

    partition_id: Annotated[int, Int32("0+")] = -1
    topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
    isr: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+", tag=0)] = None
    leader: Annotated[int, Int32("0+", tag=1)] = -2
    replicas: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+", tag=2)] = None
    removing_replicas: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+", tag=3)] = None
    adding_replicas: Annotated[list[int] | None, Array("0+", of=Int32, nullable="0+", tag=4)] = None
    leader_recovery_state: Annotated[int, Int8("0+", tag=5)] = -1
    directories: Annotated[list[Uuid] | None, Array("1+", of=Uuid128, nullable="1+", tag=8)] = None
    eligible_leader_replicas: Annotated[list[int] | None, Array("2+", of=Int32, nullable="2+", tag=6)] = None
    last_known_elr: Annotated[list[int] | None, Array("2+", of=Int32, nullable="2+", tag=7)] = None


class ClearElrRecord(Message):
    SPEC: ClassVar = metadata(key=28, versions="0", flexible="0+")

    topic_name: Annotated[str, String("0+")] = ""
