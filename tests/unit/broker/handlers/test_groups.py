"""The group APIs over sockets, in all versions: what handlers add to the coordinator, and the order of answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.handlers.authorized_operations import GROUP_OPERATIONS
from broker.handlers.group_requests import java_address
from broker.told_once import ToldOnce
from protocol.apis import APIS
from protocol.errors import ErrorCode
from protocol.ids import Uuid, uuid_to_string
from protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from tests.unit.broker.mini_node import NODE_ID, MiniNode, WireClient, connected, mini_node

GROUP = "g"
UNKNOWN_ID = Uuid(b"u" * 16)
CommitTopic = OffsetCommitRequest.OffsetCommitRequestTopic
CommitPartition = OffsetCommitRequest.OffsetCommitRequestPartition


def versions_of(key: int) -> range:
    return range(APIS[key].lowest, APIS[key].highest_stable + 1)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[MiniNode]:
    properties = {"group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "3"}
    async with mini_node(tmp_path, properties) as running:
        await running.create_topic("t", 2)
        yield running


@pytest.fixture
async def client(node: MiniNode) -> AsyncIterator[WireClient]:
    async with connected(node) as made:
        yield made


@pytest.fixture
async def groups(node: MiniNode, client: WireClient) -> WireClient:
    """With the offsets topic created and its shards loaded."""
    await find(client, 4, keys=[GROUP])
    async with asyncio.timeout(10):
        while (await find(client, 4, keys=[GROUP])).coordinators[0].error_code:
            await asyncio.sleep(0.01)
        while len(node.services.groups.active_shards()) < 3:
            await asyncio.sleep(0.01)
    return client


async def find(
    client: WireClient, version: int, key: str = GROUP, *, key_type: int = 0, keys: list[str] | None = None
) -> FindCoordinatorResponse:
    request = FindCoordinatorRequest(key_type=key_type)
    if version < 4:
        request.key = key
    else:
        request.coordinator_keys = [key] if keys is None else keys
    return await client.ask(request, version, FindCoordinatorResponse)


def topic_id_of(node: MiniNode) -> Uuid:
    return node.metadata.image.topics.by_name["t"].id


# ---- FindCoordinator


@pytest.mark.parametrize("version", versions_of(10))
async def test_coordinator_is_found_once_its_topic_is_there(node: MiniNode, client: WireClient, version: int) -> None:
    first = await find(client, version)
    error_code = first.error_code if version < 4 else first.coordinators[0].error_code
    assert error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    async with asyncio.timeout(10):
        while "__consumer_offsets" not in node.metadata.image.topics.by_name:
            await asyncio.sleep(0.01)
    topic = node.metadata.image.topics.by_name["__consumer_offsets"]
    assert len(topic.partitions) == 3
    assert node.metadata.image.configs.of_topic("__consumer_offsets")["cleanup.policy"] == "compact"
    response = await find(client, version)
    found = response if version < 4 else response.coordinators[0]
    assert (found.error_code, found.node_id, found.host, found.port) == (0, NODE_ID, "127.0.0.1", node.port)
    if version >= 4:
        assert response.coordinators[0].key == GROUP


async def test_several_coordinators_at_once(groups: WireClient) -> None:
    response = await find(groups, 4, keys=["a", "b", "a"])
    assert [(each.key, each.error_code, each.node_id) for each in response.coordinators] == [
        ("a", 0, NODE_ID),
        ("b", 0, NODE_ID),
        ("a", 0, NODE_ID),
    ]
    assert (await find(groups, 4, keys=[])).coordinators == []


@pytest.mark.parametrize("version", versions_of(10)[1:])
async def test_transactional_ids_are_refused_for_good(
    node: MiniNode, client: WireClient, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    transactional_id = f"asked in version {version}"
    for _ in range(2):
        response = await find(client, version, transactional_id, key_type=1)
        found = response if version < 4 else response.coordinators[0]
        assert found.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        assert found.error_message == "transactions are not served yet"
    assert [message for message in caplog.messages if transactional_id in message] == [
        f"transactional id {transactional_id} of client test refused: transactions are not served yet"
    ]
    assert "__transaction_state" not in node.metadata.image.topics.by_name


@pytest.mark.parametrize("key", ["", "g:x:0", f"group:{uuid_to_string(UNKNOWN_ID)}:3"])
async def test_share_groups_have_no_coordinators(node: MiniNode, client: WireClient, key: str) -> None:
    response = await find(client, 6, key, key_type=2)
    assert response.coordinators[0].error_code == ErrorCode.INVALID_REQUEST
    assert "__share_group_state" not in node.metadata.image.topics.by_name


def test_names_told_once_are_few() -> None:
    told = ToldOnce(2)
    assert [told.is_new(name) for name in ("a", "b", "a", "c", "b")] == [True, True, False, True, True]


async def test_unknown_kinds_of_coordinators(client: WireClient) -> None:
    assert (await find(client, 5, key_type=2)).coordinators[0].error_code == ErrorCode.INVALID_REQUEST
    assert (await find(client, 6, key_type=3)).coordinators[0].error_code == ErrorCode.INVALID_REQUEST
    old = await find(client, 3, key_type=9)
    assert (old.error_code, old.node_id, old.port) == (ErrorCode.INVALID_REQUEST, -1, -1)


# ---- membership


def join_request(member_id: str, version: int) -> JoinGroupRequest:
    request = JoinGroupRequest(
        group_id=GROUP,
        session_timeout_ms=10_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequest.JoinGroupRequestProtocol(name="range", metadata=b"m")],
    )
    if version >= 1:
        request.rebalance_timeout_ms = 20_000
    return request


async def join(client: WireClient, version: int) -> JoinGroupResponse:
    response = await client.ask(join_request("", version), version, JoinGroupResponse, "app")
    if response.error_code == ErrorCode.MEMBER_ID_REQUIRED:
        response = await client.ask(join_request(response.member_id, version), version, JoinGroupResponse, "app")
    return response


def leave_request(member_id: str, version: int) -> LeaveGroupRequest:
    if version < 3:
        return LeaveGroupRequest(group_id=GROUP, member_id=member_id)
    return LeaveGroupRequest(group_id=GROUP, members=[LeaveGroupRequest.MemberIdentity(member_id=member_id)])


@pytest.mark.parametrize("version", versions_of(11))
async def test_whole_way_of_a_member(groups: WireClient, version: int) -> None:
    joined = await join(groups, version)
    assert (joined.error_code, joined.generation_id, joined.protocol_name) == (0, 1, "range")
    assert [member.metadata for member in joined.members] == [b"m"]
    member_id = joined.member_id
    assert member_id.startswith("app-")
    assignment = SyncGroupRequest.SyncGroupRequestAssignment(member_id=member_id, assignment=b"a")
    sync = SyncGroupRequest(group_id=GROUP, generation_id=1, member_id=member_id, assignments=[assignment])
    sync_version = min(version, 5)
    if sync_version == 5:
        refused = await groups.ask(sync, sync_version, SyncGroupResponse)
        assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        sync.protocol_type, sync.protocol_name = "consumer", "range"
    synced = await groups.ask(sync, sync_version, SyncGroupResponse)
    assert (synced.error_code, synced.assignment) == (0, b"a")
    beat = HeartbeatRequest(group_id=GROUP, generation_id=1, member_id=member_id)
    assert (await groups.ask(beat, min(version, 4), HeartbeatResponse)).error_code == 0
    describe = DescribeGroupsRequest(groups=[GROUP, "nobody"])
    described, nobody = (await groups.ask(describe, 5, DescribeGroupsResponse)).groups
    assert [member.client_host for member in described.members] == ["/127.0.0.1"]
    assert (nobody.group_state, nobody.error_code) == ("Dead", 0)
    leave_version = min(version, 5)
    left = await groups.ask(leave_request(member_id, leave_version), leave_version, LeaveGroupResponse)
    assert left.error_code == 0
    if leave_version >= 3:
        assert [member.error_code for member in left.members] == [0]
    beaten = await groups.ask(beat, 4, HeartbeatResponse)
    assert beaten.error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", versions_of(13))
async def test_leaving_what_one_is_not_in(groups: WireClient, version: int) -> None:
    response = await groups.ask(leave_request("nobody", version), version, LeaveGroupResponse)
    if version < 3:
        assert (response.error_code, response.members) == (ErrorCode.UNKNOWN_MEMBER_ID, [])
    else:
        assert response.error_code == 0
        assert [member.error_code for member in response.members] == [ErrorCode.UNKNOWN_MEMBER_ID]


async def test_requests_behind_a_parked_one_have_their_effect_and_wait_for_their_turn(
    node: MiniNode, groups: WireClient
) -> None:
    async with connected(node) as other:
        first = await join(groups, 9)
        second = (await other.ask(join_request("", 9), 9, JoinGroupResponse)).member_id
        other.send(join_request(second, 9), 9)  # parked until the first member rejoins
        commit = OffsetCommitRequest(group_id="another", topics=[commit_topic("t", 0, 7)])
        other.send(commit, 9)
        fetch = OffsetFetchRequest(groups=[OffsetFetchRequest.OffsetFetchRequestGroup(group_id="another", topics=None)])
        async with asyncio.timeout(10):
            while True:
                fetched = await groups.ask(fetch, 8, OffsetFetchResponse)
                if fetched.groups[0].topics:
                    break
                await asyncio.sleep(0.01)
        assert fetched.groups[0].topics[0].partitions[0].committed_offset == 7
        groups.send(join_request(first.member_id, 9), 9)
        assert (await other.receive(JoinGroupResponse, 9)).generation_id == 2
        assert (await other.receive(OffsetCommitResponse, 9)).topics[0].partitions[0].error_code == 0
        assert (await groups.receive(JoinGroupResponse, 9)).generation_id == 2


# ---- offsets


def commit_topic(name: str, partition: int, offset: int, topic_id: Uuid | None = None) -> CommitTopic:
    topic = CommitTopic(name=name, partitions=[CommitPartition(partition_index=partition, committed_offset=offset)])
    if topic_id is not None:
        topic.topic_id = topic_id
    return topic


def commit_codes(response: OffsetCommitResponse) -> dict[tuple[str | Uuid, int], int]:
    return {
        (topic.name or topic.topic_id, partition.partition_index): partition.error_code
        for topic in response.topics
        for partition in topic.partitions
    }


@pytest.mark.parametrize("version", versions_of(8))
async def test_committing(node: MiniNode, groups: WireClient, version: int) -> None:
    known: str | Uuid = "t"
    unknown: str | Uuid = "x"
    if version >= 10:
        known, unknown = topic_id_of(node), UNKNOWN_ID
    topics = [
        CommitTopic(
            name="" if version >= 10 else "t",
            topic_id=topic_id_of(node),
            partitions=[CommitPartition(partition_index=index, committed_offset=9) for index in (0, 5)],
        ),
        commit_topic("" if version >= 10 else "x", 0, 1, UNKNOWN_ID),
    ]
    if version < 10:
        for topic in topics:
            topic.topic_id = Uuid(bytes(16))
    request = OffsetCommitRequest(group_id=GROUP, topics=topics)
    response = await groups.ask(request, version, OffsetCommitResponse)
    expected = ErrorCode.UNKNOWN_TOPIC_ID if version >= 10 else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert commit_codes(response) == {
        (known, 0): 0,
        (known, 5): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        (unknown, 0): expected,
    }
    assert len(response.topics) == 2, "one entry a topic"


async def test_nothing_to_commit_is_told_without_the_group(groups: WireClient) -> None:
    request = OffsetCommitRequest(
        group_id=GROUP, generation_id_or_member_epoch=7, member_id="nobody", topics=[commit_topic("x", 0, 1)]
    )
    response = await groups.ask(request, 9, OffsetCommitResponse)
    assert commit_codes(response) == {("x", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert (await groups.ask(OffsetCommitRequest(group_id=GROUP), 9, OffsetCommitResponse)).topics == []


async def commit(groups: WireClient, offset: int = 9) -> None:
    request = OffsetCommitRequest(group_id=GROUP, topics=[commit_topic("t", 0, offset)])
    assert commit_codes(await groups.ask(request, 9, OffsetCommitResponse)) == {("t", 0): 0}


@pytest.mark.parametrize("version", range(1, 8))
async def test_fetching_of_one_group(groups: WireClient, version: int) -> None:
    await commit(groups)
    topic = OffsetFetchRequest.OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1])
    request = OffsetFetchRequest(group_id=GROUP, topics=[topic])
    response = await groups.ask(request, version, OffsetFetchResponse)
    found = [(each.partition_index, each.committed_offset, each.error_code) for each in response.topics[0].partitions]
    assert (response.error_code, found) == (0, [(0, 9, 0), (1, -1, 0)])
    if version >= 2:
        everything = await groups.ask(OffsetFetchRequest(group_id=GROUP, topics=None), version, OffsetFetchResponse)
        assert [(each.name, len(each.partitions)) for each in everything.topics] == [("t", 1)]


@pytest.mark.parametrize("version", range(8, 11))
async def test_fetching_of_several_groups(node: MiniNode, groups: WireClient, version: int) -> None:
    await commit(groups)
    named = OffsetFetchRequest.OffsetFetchRequestTopics(partition_indexes=[0])
    if version >= 10:
        named.topic_id = topic_id_of(node)
    else:
        named.name = "t"
    of = OffsetFetchRequest.OffsetFetchRequestGroup
    request = OffsetFetchRequest(
        groups=[
            of(group_id=GROUP, topics=[named]),
            of(group_id="nobody", topics=[named]),
            of(group_id=GROUP, topics=None),
        ]
    )
    response = await groups.ask(request, version, OffsetFetchResponse)
    offsets = [(each.group_id, each.topics[0].partitions[0].committed_offset) for each in response.groups]
    assert offsets == [(GROUP, 9), ("nobody", -1), (GROUP, 9)]
    name = topic_id_of(node) if version >= 10 else "t"
    assert [topic.topic_id if version >= 10 else topic.name for each in response.groups for topic in each.topics] == [
        name
    ] * 3


async def test_fetching_topics_that_are_gone(node: MiniNode, groups: WireClient) -> None:
    unknown = OffsetFetchRequest.OffsetFetchRequestTopics(topic_id=UNKNOWN_ID, partition_indexes=[0, 1])
    of = OffsetFetchRequest.OffsetFetchRequestGroup
    request = OffsetFetchRequest(groups=[of(group_id=GROUP, topics=[unknown])])
    response = await groups.ask(request, 10, OffsetFetchResponse)
    (topic,) = response.groups[0].topics
    assert topic.topic_id == UNKNOWN_ID
    assert [each.error_code for each in topic.partitions] == [ErrorCode.UNKNOWN_TOPIC_ID] * 2


async def test_offsets_go_with_their_topic(node: MiniNode, groups: WireClient) -> None:
    await commit(groups)
    await node.delete_topic("t")
    of = OffsetFetchRequest.OffsetFetchRequestGroup
    request = OffsetFetchRequest(groups=[of(group_id=GROUP, topics=None)])
    async with asyncio.timeout(10):
        while (await groups.ask(request, 9, OffsetFetchResponse)).groups[0].topics:
            await asyncio.sleep(0.01)


async def test_before_the_coordinator_is_there(client: WireClient) -> None:
    of = OffsetFetchRequest.OffsetFetchRequestGroup
    new = await client.ask(OffsetFetchRequest(groups=[of(group_id=GROUP)]), 8, OffsetFetchResponse)
    assert new.groups[0].error_code == ErrorCode.NOT_COORDINATOR
    topic = OffsetFetchRequest.OffsetFetchRequestTopic(name="t", partition_indexes=[0])
    old = await client.ask(OffsetFetchRequest(group_id=GROUP, topics=[topic]), 1, OffsetFetchResponse)
    assert old.topics[0].partitions[0].error_code == ErrorCode.NOT_COORDINATOR
    middle = await client.ask(OffsetFetchRequest(group_id=GROUP, topics=[topic]), 7, OffsetFetchResponse)
    assert (middle.error_code, middle.topics) == (ErrorCode.NOT_COORDINATOR, [])
    commit = OffsetCommitRequest(group_id=GROUP, topics=[commit_topic("t", 0, 1)])
    assert commit_codes(await client.ask(commit, 9, OffsetCommitResponse)) == {("t", 0): ErrorCode.NOT_COORDINATOR}


async def test_deleting_offsets(groups: WireClient) -> None:
    await commit(groups)
    of, partition = OffsetDeleteRequest.OffsetDeleteRequestTopic, OffsetDeleteRequest.OffsetDeleteRequestPartition
    topics = [
        of(name="t", partitions=[partition(partition_index=index) for index in (0, 1, 7)]),
        of(name="x", partitions=[partition(partition_index=0)]),
    ]
    request = OffsetDeleteRequest(group_id=GROUP, topics=topics)
    response = await groups.ask(request, 0, OffsetDeleteResponse)
    codes = {
        (topic.name, each.partition_index): each.error_code for topic in response.topics for each in topic.partitions
    }
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert (response.error_code, codes) == (0, {("t", 0): 0, ("t", 1): 0, ("t", 7): unknown, ("x", 0): unknown})
    refused = await groups.ask(OffsetDeleteRequest(group_id="nobody", topics=topics), 0, OffsetDeleteResponse)
    assert (refused.error_code, refused.topics) == (ErrorCode.GROUP_ID_NOT_FOUND, [])


# ---- groups


@pytest.mark.parametrize("version", versions_of(16))
async def test_listing(groups: WireClient, version: int) -> None:
    await commit(groups)
    await join(groups, 3)
    request = ListGroupsRequest()
    if version >= 4:
        request.states_filter = ["completingrebalance"]
    if version >= 5:
        request.types_filter = ["classic"]
    (listed,) = (await groups.ask(request, version, ListGroupsResponse)).groups
    assert (listed.group_id, listed.protocol_type) == (GROUP, "consumer")
    assert listed.group_state == ("CompletingRebalance" if version >= 4 else "")
    assert listed.group_type == ("classic" if version >= 5 else "")


@pytest.mark.parametrize("version", versions_of(15))
async def test_describing(groups: WireClient, version: int) -> None:
    await commit(groups)
    request = DescribeGroupsRequest(groups=[GROUP, "nobody"])
    if version >= 3:
        request.include_authorized_operations = True
    response = await groups.ask(request, version, DescribeGroupsResponse)
    by_id = {group.group_id: group for group in response.groups}
    assert (by_id[GROUP].error_code, by_id[GROUP].group_state, by_id[GROUP].protocol_type) == (0, "Empty", "")
    nobody = by_id["nobody"]
    assert nobody.error_code == (ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else 0)
    if version >= 3:
        assert by_id[GROUP].authorized_operations == GROUP_OPERATIONS
        assert nobody.authorized_operations == (-(2**31) if version >= 6 else GROUP_OPERATIONS)


@pytest.mark.parametrize("version", versions_of(42))
async def test_deleting(groups: WireClient, version: int) -> None:
    await commit(groups)
    request = DeleteGroupsRequest(groups_names=[GROUP, "nobody", GROUP])
    response = await groups.ask(request, version, DeleteGroupsResponse)
    codes = sorted((result.group_id, result.error_code) for result in response.results)
    assert codes == [(GROUP, 0), ("nobody", ErrorCode.GROUP_ID_NOT_FOUND)]
    assert (await groups.ask(ListGroupsRequest(), 4, ListGroupsResponse)).groups == []


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "/127.0.0.1"),
        ("::1", "/0:0:0:0:0:0:0:1"),
        ("fe80::1%eth0", "/fe80:0:0:0:0:0:0:1"),
        ("::ffff:10.0.0.1", "/10.0.0.1"),
        ("", "/"),
    ],
)
def test_addresses_as_java_shows_them(host: str, shown: str) -> None:
    assert java_address(host) == shown
