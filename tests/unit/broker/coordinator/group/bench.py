"""A group coordinator on a log in memory and in virtual time, with requests in short form."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from broker.coordinator.context import ShardState
from broker.coordinator.group.classic_group import ClassicGroup
from broker.coordinator.group.counters import GroupCounters
from broker.coordinator.group.group_coordinator import Answer, GroupCoordinator
from broker.coordinator.group.group_shard import GroupShard
from broker.coordinator.group.members import Client
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.partitioning import GROUP_METADATA_TOPIC
from protocol.errors import ErrorCode
from protocol.ids import ZERO_UUID, TopicPartition, Uuid
from protocol.messages.consumer_protocol import ConsumerProtocolSubscription
from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from protocol.messages.list_groups import ListGroupsRequest
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from protocol.schema import encode
from tests.support.coordinator_log import MemoryLog, SequentialRandom, VirtualTime

T = TypeVar("T")

PARTITION = TopicPartition(GROUP_METADATA_TOPIC, 0)
GROUP = "g"
SESSION_MS = 10_000
REBALANCE_MS = 60_000
DELAY_MS = 3_000
HOST = "/127.0.0.1"

Protocols = Sequence[tuple[str, bytes]]
RANGE: Protocols = (("range", b""),)


def subscription(*topics: str) -> bytes:
    return struct.pack(">h", 0) + encode(ConsumerProtocolSubscription(topics=list(topics)), 0)


def consumer(*topics: str) -> Protocols:
    return (("range", subscription(*topics)),)


class Bench:
    """One partition, so that all groups are in one shard."""

    def __init__(self, **settings: int) -> None:
        self.time = VirtualTime()
        self.log = MemoryLog()
        self.settings = GroupSettings(**settings)
        self.coordinator = GroupCoordinator(
            self.settings,
            self.log,
            self.time,
            self.time,
            SequentialRandom(),  # type: ignore[arg-type]
        )
        self.leader_epoch = 0

    async def start(self) -> None:
        self.coordinator.startup(1)
        self.log.partition(PARTITION).leader_epoch = self.leader_epoch
        self.coordinator.on_election(0, self.leader_epoch)
        await self.settle()

    async def fail_over(self) -> None:
        """The shard is lost, and loads again from the log."""
        self.leader_epoch += 1
        self.coordinator.on_resignation(0, self.leader_epoch)
        await self.start()
        assert self.coordinator._runtime.state(0) is ShardState.ACTIVE

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    @property
    def shard(self) -> GroupShard:
        (shard,) = self.coordinator.active_shards()
        return shard

    def group(self, group_id: str = GROUP) -> ClassicGroup:
        return self.shard.groups[group_id]

    def hard_state_of_log(self) -> dict[str, object]:
        """What a shard that only replays the log comes to."""
        shard = GroupShard(PARTITION, self.settings, NoTimers(), lambda: "id", GroupCounters())
        for record in self.log.records(PARTITION):
            assert record.key is not None
            shard.replay(record.offset, -1, shard.decode(record.key, record.value))
        return shard.hard_state()

    def assert_log_says_the_same(self) -> None:
        assert self.hard_state_of_log() == self.shard.hard_state()

    # ---- membership

    def join(
        self,
        member_id: str = "",
        *,
        protocols: Protocols = RANGE,
        protocol_type: str = "consumer",
        instance_id: str | None = None,
        session_ms: int = SESSION_MS,
        rebalance_ms: int = REBALANCE_MS,
        version: int = 9,
        group_id: str = GROUP,
        client_id: str = "client",
    ) -> Answer[JoinGroupResponse]:
        request = JoinGroupRequest(
            group_id=group_id,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=rebalance_ms,
            member_id=member_id,
            group_instance_id=instance_id,
            protocol_type=protocol_type,
            protocols=[
                JoinGroupRequest.JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols
            ],
        )
        return self.coordinator.join_group(Client(client_id, HOST, version), request)

    def join_known(self, **arguments: Any) -> tuple[str, Answer[JoinGroupResponse]]:
        """A dynamic member that has asked for its id: (member id, answer to the second request)."""
        required = now(self.join(**arguments))
        assert required.error_code == ErrorCode.MEMBER_ID_REQUIRED
        return required.member_id, self.join(required.member_id, **arguments)

    def sync(
        self,
        member_id: str,
        generation_id: int,
        assignments: Mapping[str, bytes] | None = None,
        *,
        instance_id: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        group_id: str = GROUP,
    ) -> Answer[SyncGroupResponse]:
        request = SyncGroupRequest(
            group_id=group_id,
            generation_id=generation_id,
            member_id=member_id,
            group_instance_id=instance_id,
            protocol_type=protocol_type,
            protocol_name=protocol_name,
            assignments=[
                SyncGroupRequest.SyncGroupRequestAssignment(member_id=each, assignment=assignment)
                for each, assignment in (assignments or {}).items()
            ],
        )
        return self.coordinator.sync_group(request)

    def heartbeat(
        self, member_id: str, generation_id: int, *, instance_id: str | None = None, group_id: str = GROUP
    ) -> ErrorCode:
        request = HeartbeatRequest(
            group_id=group_id, generation_id=generation_id, member_id=member_id, group_instance_id=instance_id
        )
        return ErrorCode(now(self.coordinator.heartbeat(request)).error_code)

    def leave(self, *members: tuple[str, str | None], group_id: str = GROUP) -> Answer[LeaveGroupResponse]:
        request = LeaveGroupRequest(
            group_id=group_id,
            members=[
                LeaveGroupRequest.MemberIdentity(member_id=member_id, group_instance_id=instance_id)
                for member_id, instance_id in members
            ],
        )
        return self.coordinator.leave_group(request)

    def stable(self, count: int = 1, *, static: bool = False, **arguments: Any) -> tuple[list[str], int]:
        """A stable group of `count` members, the first one the leader: (member ids, generation)."""
        answers = []
        for number in range(count):
            if static:
                answers.append(self.join(instance_id=f"i{number}", **arguments))
            else:
                answers.append(self.join_known(**arguments)[1])
        self.time.pass_ms(2 * DELAY_MS)
        joined = [now(answer) for answer in answers]
        assert [response.error_code for response in joined] == [0] * count
        ids = [response.member_id for response in joined]
        generation_id = joined[0].generation_id
        group_id = arguments.get("group_id", GROUP)
        followers = [self.sync(each, generation_id, group_id=group_id) for each in ids[1:]]
        assert now(self.sync(ids[0], generation_id, {each: each.encode() for each in ids}, group_id=group_id))
        assert all(now(each).error_code == 0 for each in followers)
        return ids, generation_id

    # ---- offsets

    def commit(
        self,
        offsets: Mapping[tuple[str, int], int],
        member_id: str = "",
        generation_id: int = -1,
        *,
        metadata: str | None = "",
        leader_epoch: int = -1,
        instance_id: str | None = None,
        retention_ms: int = -1,
        version: int = 9,
        group_id: str = GROUP,
    ) -> Answer[OffsetCommitResponse]:
        request = OffsetCommitRequest(
            group_id=group_id,
            generation_id_or_member_epoch=generation_id,
            member_id=member_id,
            group_instance_id=instance_id,
            retention_time_ms=retention_ms,
            topics=[
                OffsetCommitRequest.OffsetCommitRequestTopic(
                    name=topic,
                    partitions=[
                        OffsetCommitRequest.OffsetCommitRequestPartition(
                            partition_index=partition,
                            committed_offset=offset,
                            committed_leader_epoch=leader_epoch,
                            committed_metadata=metadata,
                        )
                    ],
                )
                for (topic, partition), offset in offsets.items()
            ],
        )
        return self.coordinator.commit_offsets(Client("client", HOST, version), request)

    def commit_error(self, *arguments: Any, **keywords: Any) -> ErrorCode:
        """Of the first partition."""
        response = now(self.commit(*arguments, **keywords))
        return ErrorCode(response.topics[0].partitions[0].error_code)

    def fetch(
        self,
        topics: Mapping[str, Sequence[int]] | None = None,
        *,
        require_stable: bool = False,
        group_id: str = GROUP,
        version: int = 9,
        topic_id: Uuid = ZERO_UUID,
    ) -> Answer[OffsetFetchResponse.OffsetFetchResponseGroup]:
        """All offsets if no topics are named."""
        named = None
        if topics is not None:
            named = [
                OffsetFetchRequest.OffsetFetchRequestTopics(
                    name=name, topic_id=topic_id, partition_indexes=list(indexes)
                )
                for name, indexes in topics.items()
            ]
        request = OffsetFetchRequest.OffsetFetchRequestGroup(group_id=group_id, topics=named)
        return self.coordinator.fetch_offsets(Client("client", HOST, version), request, require_stable)

    def offsets(self, group_id: str = GROUP) -> dict[tuple[str, int], int]:
        response = now(self.fetch(group_id=group_id))
        return {
            (topic.name, partition.partition_index): partition.committed_offset
            for topic in response.topics
            for partition in topic.partitions
        }

    def delete_offsets(
        self, topics: Mapping[str, Sequence[int]], *, group_id: str = GROUP
    ) -> Answer[OffsetDeleteResponse]:
        request = OffsetDeleteRequest(
            group_id=group_id,
            topics=[
                OffsetDeleteRequest.OffsetDeleteRequestTopic(
                    name=name,
                    partitions=[
                        OffsetDeleteRequest.OffsetDeleteRequestPartition(partition_index=index) for index in indexes
                    ],
                )
                for name, indexes in topics.items()
            ],
        )
        return self.coordinator.delete_offsets(request)

    # ---- groups

    async def list(self, states: Sequence[str] = (), types: Sequence[str] = ()) -> list[tuple[str, str, str, str]]:
        request = ListGroupsRequest(states_filter=list(states), types_filter=list(types))
        answer = self.coordinator.list_groups(request)
        response = await answer if isinstance(answer, asyncio.Future) else answer
        assert response.error_code == 0
        return [(each.group_id, each.protocol_type, each.group_state, each.group_type) for each in response.groups]

    def describe(self, *group_ids: str, version: int = 6) -> Any:
        return self.coordinator.describe_groups(Client("client", HOST, version), group_ids)

    def delete(self, *group_ids: str) -> dict[str, ErrorCode]:
        results = now(self.coordinator.delete_groups(group_ids))
        return {result.group_id: ErrorCode(result.error_code) for result in results}


class NoTimers:
    def schedule(self, key: tuple[str, ...], delay_ms: int, operation: object) -> None:
        return

    def cancel(self, key: tuple[str, ...]) -> None:
        return


def now(answer: Answer[T]) -> T:
    """The answer, which must be there."""
    if isinstance(answer, asyncio.Future):
        assert answer.done(), "the answer is not there yet"
        return answer.result()
    return answer


def is_parked(answer: Answer[T]) -> bool:
    return isinstance(answer, asyncio.Future) and not answer.done()
