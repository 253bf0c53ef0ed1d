"""AssignReplicasToDirs (API key 73).

A broker tells the controller in which log directory its replicas lie (KIP-858).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Int16, Int32, Int64, Message, Uuid128, request, response


class AssignReplicasToDirsRequest(Message):
    SPEC: ClassVar = request(key=73, versions="0", flexible="0+", listeners=("controller",))

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0

    class TopicData(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[AssignReplicasToDirsRequest.PartitionData], Array("0+")] = []

    class DirectoryData(Message):
        id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        topics: Annotated[list[AssignReplicasToDirsRequest.TopicData], Array("0+")] = []

    broker_id: Annotated[int, Int32("0+")] = 0
    broker_epoch: Annotated[int, Int64("0+")] = -1
    directories: Annotated[list[AssignReplicasToDirsRequest.DirectoryData], Array("0+")] = []


class AssignReplicasToDirsResponse(Message):
    SPEC: ClassVar = response(key=73, versions="0", flexible="0+")

    class PartitionData(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0

    class TopicData(Message):
        topic_id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        partitions: Annotated[list[AssignReplicasToDirsResponse.PartitionData], Array("0+")] = []

    class DirectoryData(Message):
        id: Annotated[Uuid, Uuid128("0+")] = ZERO_UUID
        topics: Annotated[list[AssignReplicasToDirsResponse.TopicData], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    error_code: Annotated[int, Int16("0+")] = 0
    directories: Annotated[list[AssignReplicasToDirsResponse.DirectoryData], Array("0+")] = []
