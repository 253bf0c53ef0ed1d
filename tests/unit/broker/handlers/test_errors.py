"""Error responses of whole requests that say it item by item."""

from __future__ import annotations

from typing import Any

import pytest

from broker.handlers.errors import error_response
from protocol.apis import response_class
from protocol.errors import ErrorCode
from protocol.messages.alter_partition_reassignments import AlterPartitionReassignmentsRequest
from protocol.messages.create_acls import CreateAclsRequest
from protocol.messages.delete_acls import DeleteAclsRequest
from protocol.messages.delete_records import DeleteRecordsRequest
from protocol.messages.describe_producers import DescribeProducersRequest
from protocol.messages.elect_leaders import ElectLeadersRequest
from protocol.messages.list_partition_reassignments import ListPartitionReassignmentsRequest
from protocol.schema import Message
from tests.conformance.client import plain

CODE = ErrorCode.REQUEST_TIMED_OUT


REPEATED: list[Message] = [
    DeleteRecordsRequest(
        topics=[
            DeleteRecordsRequest.DeleteRecordsTopic(
                name="t",
                partitions=[DeleteRecordsRequest.DeleteRecordsPartition(partition_index=i) for i in range(2)],
            )
        ]
    ),
    CreateAclsRequest(creations=[CreateAclsRequest.AclCreation() for _ in range(2)]),
    DeleteAclsRequest(filters=[DeleteAclsRequest.DeleteAclsFilter() for _ in range(2)]),
    ElectLeadersRequest(topic_partitions=[ElectLeadersRequest.TopicPartitions(topic="t", partitions=[0, 1])]),
    AlterPartitionReassignmentsRequest(
        topics=[
            AlterPartitionReassignmentsRequest.ReassignableTopic(
                name="t",
                partitions=[
                    AlterPartitionReassignmentsRequest.ReassignablePartition(partition_index=i) for i in range(2)
                ],
            )
        ]
    ),
    DescribeProducersRequest(topics=[DescribeProducersRequest.TopicRequest(name="t", partition_indexes=[0, 1])]),
]


def refused(request: Message) -> dict[str, Any]:
    key = request.SPEC.key
    assert key is not None
    version = response_class(key).SPEC.versions.highest
    response = error_response(key, version, request, CODE, "why")
    assert response is not None
    return plain(response, version)


def leaves(value: Any, name: str) -> list[Any]:
    """All values of a field, wherever it is."""
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each, name)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if name in value else []
    return own + [leaf for each in value.values() for leaf in leaves(each, name)]


@pytest.mark.parametrize("request_", REPEATED, ids=lambda request: type(request).__name__)
def test_the_code_stands_at_each_item(request_: Message) -> None:
    assert leaves(refused(request_), "error_code").count(CODE) >= 2


def test_reassignments_that_were_asked_for_come_back_without_replicas() -> None:
    topic = ListPartitionReassignmentsRequest.ListPartitionReassignmentsTopics(name="t", partition_indexes=[3, 4])
    answer = refused(ListPartitionReassignmentsRequest(topics=[topic]))
    assert leaves(answer, "error_code") == [CODE]
    assert leaves(answer, "partition_index") == [3, 4]
