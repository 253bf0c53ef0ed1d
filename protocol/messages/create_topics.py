"""CreateTopics (API key 19): create topics, or check whether they could be created."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocol.ids import ZERO_UUID, Uuid
from protocol.schema import Array, Bool, Int8, Int16, Int32, Message, String, Uuid128, request, response


class CreateTopicsRequest(Message):
    SPEC: ClassVar = request(key=19, versions="2-7", flexible="5+", listeners=("broker", "controller"))

    class CreatableReplicaAssignment(Message):
        partition_index: Annotated[int, Int32("0+", key=True)] = 0
        broker_ids: Annotated[list[int], Array("0+", of=Int32)] = []

    class CreatableTopicConfig(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        value: Annotated[str | None, String("0+", nullable="0+")] = ""

    class CreatableTopic(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        num_partitions: Annotated[int, Int32("0+")] = 0
        replication_factor: Annotated[int, Int16("0+")] = 0
        assignments: Annotated[list[CreateTopicsRequest.CreatableReplicaAssignment], Array("0+")] = []
        configs: Annotated[list[CreateTopicsRequest.CreatableTopicConfig], Array("0+")] = []

    topics: Annotated[list[CreateTopicsRequest.CreatableTopic], Array("0+")] = []
    timeout_ms: Annotated[int, Int32("0+")] = 60000
    validate_only: Annotated[bool, Bool("1+")] = False


class CreateTopicsResponse(Message):
    SPEC: ClassVar = response(key=19, versions="2-7", flexible="5+")

    class CreatableTopicConfigs(Message):
        name: Annotated[str, String("5+")] = ""
        value: Annotated[str | None, String("5+", nullable="5+")] = ""
        read_only: Annotated[bool, Bool("5+")] = False
        config_source: Annotated[int, Int8("5+", ignorable=True)] = -1
        is_sensitive: Annotated[bool, Bool("5+")] = False

    class CreatableTopicResult(Message):
        name: Annotated[str, String("0+", key=True)] = ""
        topic_id: Annotated[Uuid, Uuid128("7+", ignorable=True)] = ZERO_UUID
        error_code: Annotated[int, Int16("0+")] = 0
        error_message: Annotated[str | None, String("1+", nullable="1+", ignorable=True)] = ""
        topic_config_error_code: Annotated[int, Int16("5+", tag=0, ignorable=True)] = 0
        num_partitions: Annotated[int, Int32("5+", ignorable=True)] = -1
        replication_factor: Annotated[int, Int16("5+", ignorable=True)] = -1
        configs: Annotated[
            list[CreateTopicsResponse.CreatableTopicConfigs] | None, Array("5+", nullable="5+", ignorable=True)
        ] = []

    throttle_time_ms: Annotated[int, Int32("2+", ignorable=True)] = 0
    topics: Annotated[list[CreateTopicsResponse.CreatableTopicResult], Array("0+")] = []
