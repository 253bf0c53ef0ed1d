"""Records of `__share_group_state`: the share coordinator's snapshots and updates of share partitions (KIP-932)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import (
    Array,
    Int8,
    Int16,
    Int32,
    Int64,
    Message,
    String,
    Uuid128,
    coordinator_key,
    coordinator_value,
)


class ShareSnapshotKey(Message):
    SPEC: ClassVar = coordinator_key(key=0, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    topic_id: Annotated[Uuid, Uuid128("0")] = ZERO_UUID
    partition: Annotated[int, Int32("0")] = 0


class ShareSnapshotValue(Message):
    SPEC: ClassVar = coordinator_value(key=0, versions="0", flexible="0+")

    class StateBatch(Message):
        first_offset: Annotated[int, Int64("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        delivery_state: Annotated[int, Int8("0+")] = 0
        delivery_count: Annotated[int, Int16("0+")] = 0

    snapshot_epoch: Annotated[int, Int32("0+")] = 0
    state_epoch: Annotated[int, Int32("0+")] = 0
    leader_epoch: Annotated[int, Int32("0+")] = 0
    start_offset: Annotated[int, Int64("0+")] = 0
    delivery_complete_count: Annotated[int, Int32("0+", tag=0)] = -1
    create_timestamp: Annotated[int, Int64("0+")] = 0
    write_timestamp: Annotated[int, Int64("0+")] = 0
    state_batches: Annotated[list[ShareSnapshotValue.StateBatch], Array("0+")] = []


class ShareUpdateKey(Message):
    SPEC: ClassVar = coordinator_key(key=1, versions="0", flexible="none")

    group_id: Annotated[str, String("0")] = ""
    topic_id: Annotated[Uuid, Uuid128("0")] = ZERO_UUID
    partition: Annotated[int, Int32("0")] = 0


class ShareUpdateValue(Message):
    SPEC: ClassVar = coordinator_value(key=1, versions="0", flexible="0+")

    class StateBatch(Message):
        first_offset: Annotated[int, Int64("0+")] = 0
        last_offset: Annotated[int, Int64("0+")] = 0
        delivery_state: Annotated[int, Int8("0+")] = 0
        delivery_count: Annotated[int, Int16("0+")] = 0

    snapshot_epoch: Annotated[int, Int32("0+")] = 0
    leader_epoch: Annotated[int, Int32("0+")] = 0
    start_offset: Annotated[int, Int64("0+")] = 0
    delivery_complete_count: Annotated[int, Int32("0+", tag=0)] = -1
    state_batches: Annotated[list[ShareUpdateValue.StateBatch], Array("0+")] = []
