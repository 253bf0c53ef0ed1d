"""The error response of each API, for a refusal of the request as a whole.

Most responses carry one error code on top. The others carry one for each thing that was asked about, and a client
finds out only there: for those this module repeats the code item by item, as the `getErrorResponse` of Kafka's
request classes does. None means that no response can carry the error, and the connection closes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocol.apis import APIS, response_class
from protocol.errors import ErrorCode
from protocol.ids import ZERO_UUID
from protocol.messages.api_versions import ApiVersionsResponse
from protocol.schema import Message

Maker = Callable[[Any, Any, int, int, str | None], Message | None]
"""(request, response class, version, error code, error message) -> response; the classes differ by row, hence Any."""


def error_response(
    api_key: int, version: int, request: Message, code: ErrorCode, message: str | None
) -> Message | None:
    make = _MAKERS.get(api_key, _top_level)
    return make(request, response_class(api_key), version, int(code), message or code.message)


def unsupported_api_versions() -> ApiVersionsResponse:
    """To be encoded in version 0, whatever was asked in."""
    spec = APIS[18]
    own_range = ApiVersionsResponse.ApiVersion(api_key=18, min_version=spec.lowest, max_version=spec.highest)
    return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[own_range])


def _top_level(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    response = cls(error_code=code)
    if hasattr(response, "error_message"):
        response.error_message = message
    made: Message = response
    return made


def _produce(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message | None:
    if request.acks == 0:
        return None
    return _made(
        cls(
            responses=[
                cls.TopicProduceResponse(
                    name=topic.name,
                    topic_id=topic.topic_id,
                    partition_responses=[
                        cls.PartitionProduceResponse(
                            index=each.index, error_code=code, base_offset=-1, error_message=message
                        )
                        for each in topic.partition_data
                    ],
                )
                for topic in request.topic_data
            ]
        )
    )


def _fetch(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    response = cls(error_code=code, session_id=0)
    if version < 13:
        # Before topic ids a client looks at the partitions even if there is an error on top.
        response.responses = [
            cls.FetchableTopicResponse(
                topic=topic.topic,
                partitions=[
                    cls.PartitionData(partition_index=each.partition, error_code=code, high_watermark=-1, records=b"")
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    return _made(response)


def _list_offsets(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            topics=[
                cls.ListOffsetsTopicResponse(
                    name=topic.name,
                    partitions=[
                        cls.ListOffsetsPartitionResponse(partition_index=each.partition_index, error_code=code)
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )
    )


def _metadata(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            topics=[
                cls.MetadataResponseTopic(
                    name=topic.name if topic.name is not None or version >= 12 else "",
                    topic_id=topic.topic_id,
                    error_code=code,
                )
                for topic in request.topics or ()
            ],
            error_code=code,
        )
    )


def _offset_commit(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            topics=[
                cls.OffsetCommitResponseTopic(
                    name=topic.name,
                    topic_id=topic.topic_id,
                    partitions=[
                        cls.OffsetCommitResponsePartition(partition_index=each.partition_index, error_code=code)
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )
    )


def _offset_fetch(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    if version >= 8:
        groups = [
            cls.OffsetFetchResponseGroup(group_id=group.group_id, error_code=code, topics=[])
            for group in request.groups
        ]
        return _made(cls(groups=groups))
    topics = []
    if version < 2:
        topics = [
            cls.OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    cls.OffsetFetchResponsePartition(
                        partition_index=index, committed_offset=-1, metadata="", error_code=code
                    )
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics or ()
        ]
    return _made(cls(error_code=code, topics=topics))


def _find_coordinator(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    if version < 4:
        return _made(cls(error_code=code, error_message=message, node_id=-1, host="", port=-1))
    return _made(
        cls(
            coordinators=[
                cls.Coordinator(key=key, node_id=-1, host="", port=-1, error_code=code, error_message=message)
                for key in request.coordinator_keys
            ]
        )
    )


def _join_group(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            error_code=code,
            generation_id=-1,
            protocol_name=None if version >= 7 else "",
            leader="",
            member_id="",
            members=[],
        )
    )


def _describe_groups(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            groups=[
                cls.DescribedGroup(
                    error_code=code, group_id=group, group_state="", protocol_type="", protocol_data="", members=[]
                )
                for group in request.groups
            ]
        )
    )


def _delete_groups(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    results = [cls.DeletableGroupResult(group_id=group, error_code=code) for group in request.groups_names]
    return _made(cls(results=results))


def _create_topics(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    topics = [
        cls.CreatableTopicResult(name=topic.name, error_code=code, error_message=message) for topic in request.topics
    ]
    return _made(cls(topics=topics))


def _delete_topics(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    if version >= 6:
        asked = [(topic.name, topic.topic_id) for topic in request.topics]
    else:
        asked = [(name, ZERO_UUID) for name in request.topic_names]
    return _made(
        cls(
            responses=[
                cls.DeletableTopicResult(name=name, topic_id=topic_id, error_code=code, error_message=message)
                for name, topic_id in asked
            ]
        )
    )


def _create_partitions(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    results = [
        cls.CreatePartitionsTopicResult(name=topic.name, error_code=code, error_message=message)
        for topic in request.topics
    ]
    return _made(cls(results=results))


def _init_producer_id(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(cls(error_code=code, producer_id=-1, producer_epoch=-1))


def _offset_for_leader_epoch(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            topics=[
                cls.OffsetForLeaderTopicResult(
                    topic=topic.topic,
                    partitions=[
                        cls.EpochEndOffset(error_code=code, partition=each.partition, leader_epoch=-1, end_offset=-1)
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )
    )


def _describe_configs(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            results=[
                cls.DescribeConfigsResult(
                    error_code=code,
                    error_message=message,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                    configs=[],
                )
                for resource in request.resources
            ]
        )
    )


def _alter_configs(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            responses=[
                cls.AlterConfigsResourceResponse(
                    error_code=code,
                    error_message=message,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                )
                for resource in request.resources
            ]
        )
    )


def _describe_cluster(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(cls(error_code=code, error_message=message, cluster_id="", brokers=[]))


def _describe_topic_partitions(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    topics = [
        cls.DescribeTopicPartitionsResponseTopic(error_code=code, name=topic.name, partitions=[])
        for topic in request.topics
    ]
    return _made(cls(topics=topics))


def _create_acls(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(results=[cls.AclCreationResult(error_code=code, error_message=message) for _ in request.creations])
    )


def _delete_acls(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    results = [cls.DeleteAclsFilterResult(error_code=code, error_message=message) for _ in request.filters]
    return _made(cls(filter_results=results))


def _create_delegation_token(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    return _made(
        cls(
            error_code=code,
            principal_type="User",
            principal_name="ANONYMOUS",
            issue_timestamp_ms=-1,
            expiry_timestamp_ms=-1,
            max_timestamp_ms=-1,
        )
    )


def _elect_leaders(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    results = [
        cls.ReplicaElectionResult(
            topic=topic.topic,
            partition_result=[
                cls.PartitionResult(partition_id=index, error_code=code, error_message=message)
                for index in topic.partitions
            ],
        )
        for topic in request.topic_partitions or ()
    ]
    response = cls(replica_election_results=results)
    if version >= 1:
        response.error_code = code
    return _made(response)


def _alter_partition_reassignments(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    topics = [
        cls.ReassignableTopicResponse(
            name=topic.name,
            partitions=[
                cls.ReassignablePartitionResponse(
                    partition_index=each.partition_index, error_code=code, error_message=message
                )
                for each in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return _made(cls(error_code=code, error_message=message, responses=topics))


def _list_partition_reassignments(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    topics = [
        cls.OngoingTopicReassignment(
            name=topic.name,
            partitions=[cls.OngoingPartitionReassignment(partition_index=index) for index in topic.partition_indexes],
        )
        for topic in request.topics or ()
    ]
    return _made(cls(error_code=code, error_message=message, topics=topics))


def _describe_producers(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    topics = [
        cls.TopicResponse(
            name=topic.name,
            partitions=[
                cls.PartitionResponse(partition_index=index, error_code=code) for index in topic.partition_indexes
            ],
        )
        for topic in request.topics
    ]
    return _made(cls(topics=topics))


def _delete_records(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    topics = [
        cls.DeleteRecordsTopicResult(
            name=topic.name,
            partitions=[
                cls.DeleteRecordsPartitionResult(
                    partition_index=each.partition_index, low_watermark=-1, error_code=code
                )
                for each in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return _made(cls(topics=topics))


def _alter_replica_log_dirs(request: Any, cls: Any, version: int, code: int, message: str | None) -> Message:
    results = [
        cls.AlterReplicaLogDirTopicResult(
            topic_name=topic.name,
            partitions=[
                cls.AlterReplicaLogDirPartitionResult(partition_index=index, error_code=code)
                for index in topic.partitions
            ],
        )
        for directory in request.dirs
        for topic in directory.topics
    ]
    return _made(cls(results=results))


def _made(response: Message) -> Message:
    return response


_MAKERS: Final[dict[int, Maker]] = {
    0: _produce,
    1: _fetch,
    2: _list_offsets,
    3: _metadata,
    8: _offset_commit,
    9: _offset_fetch,
    10: _find_coordinator,
    11: _join_group,
    15: _describe_groups,
    19: _create_topics,
    20: _delete_topics,
    21: _delete_records,
    22: _init_producer_id,
    23: _offset_for_leader_epoch,
    30: _create_acls,
    31: _delete_acls,
    32: _describe_configs,
    33: _alter_configs,
    34: _alter_replica_log_dirs,
    37: _create_partitions,
    38: _create_delegation_token,
    42: _delete_groups,
    43: _elect_leaders,
    44: _alter_configs,
    45: _alter_partition_reassignments,
    46: _list_partition_reassignments,
    60: _describe_cluster,
    61: _describe_producers,
    75: _describe_topic_partitions,
}
