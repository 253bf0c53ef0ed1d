"""AlterPartition (API key 56): a partition leader proposes a new in-sync set to the controller (KIP-497)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int8, Int16, Int32, Int64, Message, Uuid128, request, response


class AlterPartitionRequest(Message):
    SPEC: ClassVar = request(key=56, versions="2-3", flexible="0+", listeners=("controller",))

    class BrokerState(Message):
        broker_id: Annotated[int, Int32("3+")] = 0
        broker_epoch: Annotated[int, Int64("3+")] = -1

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        new_isr: Annotated[list[int], Array("0-2", of=Int32)] = []
        new_isr_with_epochs: Annotated[list[AlterPartitionRequest.BrokerState], Array("3+")] = []
        leader_recovery_state: Annotated[int, Int8("1+")] = 0
        partition_epoch: Annotated[int, Int32("0+")] = 0

    class TopicData(Message):
        topic_id: Annotated[Uuid, Uuid128("2+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[AlterPartitionRequest.PartitionData], Array("0+")] = []

    broker_id: Annotated[int, Int32("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = -1
    topics: Annotated[list[AlterPartitionRequest.TopicData], Array("0+")] = []


class AlterPartitionResponse(Message):
    SPEC: ClassVar = response(key=56, versions="2-3", flexible="0+")

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0
        leader_id: Annotated[int, Int32("0+")] = 0
        leader_epoch: Annotated[int, Int32("0+")] = 0
        isr: Annotated[list[int], Array("0+", of=Int32)] = []
        leader_recovery_state: Annotated[int, Int8("1+", ignorable=True)] = 0
        partition_epoch: Annotated[int, Int32("0+")] = 0

    class TopicData(Message):
        topic_id: Annotated[Uuid, Uuid128("2+", ignorable=True)] = ZERO_UUID
        partitions: Annotated[list[AlterPartitionResponse.PartitionData], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    topics: Annotated[list[AlterPartitionResponse.TopicData], Array("0+")] = []
