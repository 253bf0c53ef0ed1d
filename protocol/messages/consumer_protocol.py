"""What members of a classic group of protocol type "consumer" tell one another through the coordinator.

On the wire each stands behind an int16 with its version, inside the `metadata` and `assignment` bytes of JoinGroup and
SyncGroup. The broker reads the subscription only to know which topics a group uses (and to move groups to KIP-848).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Bytes, Int32, Message, String, data


class ConsumerProtocolSubscription(Message):
    SPEC: ClassVar = data(versions="0-3", flexible="none")

    class TopicPartition(Message):
        topic: Annotated[str, String("1+", key=True)] = ""
        partitions: Annotated[list[int], Array("1+", of=Int32)] = []

    topics: Annotated[list[str], Array("0+", of=String)] = []
    user_data: Annotated[bytes | None, Bytes("0+", nullable="0+")] = None
    owned_partitions: Annotated[list[ConsumerProtocolSubscription.TopicPartition], Array("1+", ignorable=True)] = []
    generation_id: Annotated[int, Int32("2+", ignorable=True)] = -1
    rack_id: Annotated[str | None, String("3+", nullable="3+", ignorable=True)] = None


class ConsumerProtocolAssignment(Message):
    SPEC: ClassVar = data(versions="0-3", flexible="none")

    class TopicPartition(Message):
        topic: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    assigned_partitions: Annotated[list[ConsumerProtocolAssignment.TopicPartition], Array("0+")] = []
    user_data: Annotated[bytes | None, Bytes("0+", nullable="0+")] = None
