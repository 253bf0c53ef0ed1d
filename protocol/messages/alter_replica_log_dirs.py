"""AlterReplicaLogDirs (API key 34): move replicas to another log directory of the same broker (KIP-113)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.schema import Array, Int16, Int32, Message, String, request, response


class AlterReplicaLogDirsRequest(Message):
    SPEC: ClassVar = request(key=34, versions="1-2", flexible="2+", listeners=("broker",))

    class AlterReplicaLogDirTopic(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        partitions: Annotated[list[int], Array("0+", of=Int32)] = []

    class AlterReplicaLogDir(Message):
        path: Annotated[str, String("0+", key=True)] = ""
        topics: Annotated[list[AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic], Array("0+")] = []

    dirs: Annotated[list[AlterReplicaLogDirsRequest.AlterReplicaLogDir], Array("0+")] = []


class AlterReplicaLogDirsResponse(Message):
    SPEC: ClassVar = response(key=34, versions="1-2", flexible="2+")

    class AlterReplicaLogDirPartitionResult(Message):
        partition_index: Annotated[int, Int32("0+")] = 0
        error_code: Annotated[int, Int16("0+")] = 0

    class AlterReplicaLogDirTopicResult(Message):
        topic_name: Annotated[str, String("0+")] = ""
        partitions: Annotated[list[AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult], Array("0+")] = []

    throttle_time_ms: Annotated[int, Int32("0+")] = 0
    results: Annotated[list[AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult], Array("0+")] = []
