"""What is refused without security, producers and configuration resources, and what goes to the controller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.apis import APIS, response_class
from protocol.errors import ErrorCode
from protocol.messages.create_acls import CreateAclsRequest, CreateAclsResponse
from protocol.messages.create_delegation_token import CreateDelegationTokenRequest, CreateDelegationTokenResponse
from protocol.messages.delete_acls import DeleteAclsRequest, DeleteAclsResponse
from protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from protocol.messages.describe_delegation_token import DescribeDelegationTokenRequest
from protocol.messages.describe_producers import DescribeProducersRequest, DescribeProducersResponse
from protocol.messages.expire_delegation_token import ExpireDelegationTokenRequest
from protocol.messages.list_config_resources import ListConfigResourcesRequest, ListConfigResourcesResponse
from protocol.messages.renew_delegation_token import RenewDelegationTokenRequest
from protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from protocol.messages.sasl_handshake import SaslHandshakeRequest
from protocol.metadata.configs import ConfigRecord
from protocol.schema import Message
from tests.unit.broker.mini_node import MiniNode, WireClient, batch, connected, mini_node, produce

ANY, LITERAL, TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 1, 3, 2, 4, 8, 16, 32


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    async with mini_node(tmp_path) as running:
        await running.create_topic("t", partitions=2)
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


# Security.


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (SaslHandshakeRequest(mechanism="PLAIN"), ErrorCode.ILLEGAL_SASL_STATE),
        (SaslAuthenticateRequest(auth_bytes=b"x"), ErrorCode.ILLEGAL_SASL_STATE),
        (CreateDelegationTokenRequest(), ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED),
        (RenewDelegationTokenRequest(), ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED),
        (ExpireDelegationTokenRequest(), ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED),
        (DescribeDelegationTokenRequest(), ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_needs_authentication(client: WireClient, request_: Message, code: ErrorCode) -> None:
    key = request_.SPEC.key
    assert key is not None
    for version in range(APIS[key].lowest, APIS[key].highest + 1):
        response = await client.ask(request_, version, response_class(key))
        assert getattr(response, "error_code", None) == code


async def test_a_token_that_is_refused_names_its_owner(client: WireClient) -> None:
    asked = CreateDelegationTokenRequest(owner_principal_type="User", owner_principal_name="bob")
    response = await client.ask(asked, 3, CreateDelegationTokenResponse)
    assert (response.principal_name, response.token_requester_principal_name) == ("bob", "ANONYMOUS")


def acl_filter(kind: int = ANY) -> DescribeAclsRequest:
    return DescribeAclsRequest(resource_type_filter=kind, pattern_type_filter=ANY, operation=ANY, permission_type=ANY)


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_acls_without_an_authorizer(client: WireClient, version: int) -> None:
    described = await client.ask(acl_filter(), version, DescribeAclsResponse)
    assert (described.error_code, described.resources) == (ErrorCode.SECURITY_DISABLED, [])
    acl = CreateAclsRequest.AclCreation(
        resource_type=TOPIC, resource_pattern_type=LITERAL, operation=3, permission_type=3
    )
    created = await client.ask(CreateAclsRequest(creations=[acl, acl]), version, CreateAclsResponse)
    assert [result.error_code for result in created.results] == [ErrorCode.SECURITY_DISABLED] * 2
    which = DeleteAclsRequest.DeleteAclsFilter(
        resource_type_filter=ANY, pattern_type_filter=ANY, operation=ANY, permission_type=ANY
    )
    deleted = await client.ask(DeleteAclsRequest(filters=[which]), version, DeleteAclsResponse)
    assert [result.error_code for result in deleted.filter_results] == [ErrorCode.SECURITY_DISABLED]


async def test_acls_of_no_kind_close_the_connection(client: WireClient) -> None:
    client.send(acl_filter(kind=0), 3)
    assert await client.is_closed()


# Producers.


async def producers(client: WireClient, topic: str, *indexes: int) -> list[DescribeProducersResponse.PartitionResponse]:
    asked = DescribeProducersRequest.TopicRequest(name=topic, partition_indexes=list(indexes))
    return (
        (await client.ask(DescribeProducersRequest(topics=[asked]), 0, DescribeProducersResponse)).topics[0].partitions
    )


async def test_who_has_produced(client: WireClient) -> None:
    await produce(client, "t", batch(b"a", b"b", producer_id=7, producer_epoch=3, base_sequence=0))
    await produce(client, "t", batch(b"c", producer_id=8, producer_epoch=0, base_sequence=0))
    await produce(client, "t", batch(b"d"))
    first, second = await producers(client, "t", 0, 1)
    assert [(each.producer_id, each.producer_epoch, each.last_sequence) for each in first.active_producers] == [
        (7, 3, 1),
        (8, 0, 0),
    ]
    assert {(each.coordinator_epoch, each.current_txn_start_offset) for each in first.active_producers} == {(-1, -1)}
    assert (second.error_code, second.active_producers) == (ErrorCode.NONE, [])


@pytest.mark.parametrize(
    ("topic", "partition", "code"),
    [
        ("t", 2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("missing", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("in valid", 0, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("elsewhere", 0, ErrorCode.NOT_LEADER_OR_FOLLOWER),
    ],
)
async def test_partitions_without_producers(
    node: MiniNode, client: WireClient, topic: str, partition: int, code: ErrorCode
) -> None:
    await node.create_topic("elsewhere", replicas=[9], isr=[9], leader=9)
    (described,) = await producers(client, topic, partition)
    assert (described.error_code, described.active_producers) == (code, [])


# Configuration resources.


async def listed(client: WireClient, version: int, *types: int) -> ListConfigResourcesResponse:
    return await client.ask(
        ListConfigResourcesRequest(resource_types=list(types)), version, ListConfigResourcesResponse
    )


async def test_what_has_a_configuration(node: MiniNode, client: WireClient) -> None:
    await node.publish(
        ConfigRecord(resource_type=GROUP, resource_name="g", name="consumer.session.timeout.ms", value="50000"),
        ConfigRecord(resource_type=CLIENT_METRICS, resource_name="m", name="interval.ms", value="1000"),
    )
    response = await listed(client, 1)
    found = [(resource.resource_type, resource.resource_name) for resource in response.config_resources]
    assert found == [(GROUP, "g"), (CLIENT_METRICS, "m"), (LOGGER, "1"), (BROKER, "1"), (TOPIC, "t")]
    response = await listed(client, 1, TOPIC, GROUP)
    assert [resource.resource_name for resource in response.config_resources] == ["g", "t"]
    response = await listed(client, 0)
    assert [resource.resource_name for resource in response.config_resources] == ["m"]


async def test_types_without_a_configuration(client: WireClient) -> None:
    response = await listed(client, 1, TOPIC, 99)
    assert (response.error_code, response.config_resources) == (ErrorCode.UNSUPPORTED_VERSION, [])
