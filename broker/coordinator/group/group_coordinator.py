"""The group coordinator as the handlers and the node see it.

A method takes a request, and who sent it, and gives the response or a future of one. A future holds a response,
always: errors are mapped to what clients of that API expect. Authorisation and what depends on the metadata image (do
the topics exist, what are their ids) is the handlers' part. Counterpart: GroupCoordinatorService.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeAlias, TypeVar, cast
from uuid import UUID

from broker.coordinator.context import Counters, Operation, RuntimeSettings
from broker.coordinator.group.classic_group import GroupState
from broker.coordinator.group.counters import GroupCounters
from broker.coordinator.group.errors import fetch_error, operation_error
from broker.coordinator.group.group_shard import GroupShard
from broker.coordinator.group.members import Client
from broker.coordinator.group.offset_requests import INVALID_OFFSET
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.partition_writer import PartitionWriter
from broker.coordinator.partitioning import GROUP_METADATA_TOPIC, partition_for
from broker.coordinator.runtime import CoordinatorRuntime
from broker.coordinator.shard import Outcome, ShardTimers
from broker.coordinator.timers import AlarmClock
from broker.environment import Clock, Random
from protocol.errors import ErrorCode
from protocol.ids import TopicPartition, Uuid
from protocol.messages.delete_groups import DeleteGroupsResponse
from protocol.messages.describe_groups import DescribeGroupsResponse
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

T = TypeVar("T")

Answer: TypeAlias = T | asyncio.Future[T]

NULLABLE_PROTOCOL_NAME_VERSION: Final = 7
GROUP_ERROR_VERSION: Final = 2


class GroupCoordinator:
    def __init__(
        self, settings: GroupSettings, writer: PartitionWriter, alarms: AlarmClock, clock: Clock, random: Random
    ) -> None:
        self._settings = settings
        self._random = random
        self._partitions: int | None = None
        self.counters = GroupCounters()
        self._runtime: CoordinatorRuntime[GroupShard] = CoordinatorRuntime(
            GROUP_METADATA_TOPIC,
            RuntimeSettings(
                "group",
                write_timeout_ms=settings.offsets_commit_timeout_ms,
                load_buffer_bytes=settings.offsets_load_buffer_bytes,
                compression=settings.offsets_compression,
            ),
            self._make_shard,
            writer,
            alarms,
            clock,
        )

    # ---- life

    def startup(self, partitions: int) -> None:
        """Until then every answer is COORDINATOR_NOT_AVAILABLE. `partitions` is the count that `__consumer_offsets`
        has, or will have once it is created; it never changes."""
        self._partitions = partitions

    def shutdown(self) -> None:
        self._partitions = None
        self._runtime.close()

    def on_election(self, partition: int, leader_epoch: int) -> None:
        self._runtime.elect(partition, leader_epoch)

    def on_resignation(self, partition: int, leader_epoch: int | None) -> None:
        """To be called before anything is truncated or learnt from another leader; see CoordinatorRuntime.resign."""
        self._runtime.resign(partition, leader_epoch)

    def on_topics_deleted(self, topics: Sequence[tuple[str, Uuid]]) -> None:
        self._runtime.for_each_shard(lambda shard: shard.on_topics_deleted(topics))

    def _make_shard(self, topic_partition: TopicPartition, timers: ShardTimers) -> GroupShard:
        return GroupShard(topic_partition, self._settings, timers, self._new_id, self.counters)

    def _new_id(self) -> str:
        return str(UUID(bytes=self._random.uuid()))

    # ---- what it is at

    @property
    def is_active(self) -> bool:
        return self._partitions is not None

    def partition_for(self, group_id: str) -> int:
        assert self._partitions is not None
        return partition_for(group_id, self._partitions)

    @property
    def runtime_counters(self) -> Counters:
        return self._runtime.counters

    @property
    def offsets_count(self) -> int:
        return sum(shard.store.committed.count for shard in self.active_shards())

    def active_shards(self) -> list[GroupShard]:
        return self._runtime.active_shards()

    def groups_by_state(self) -> dict[str, int]:
        counts = {state.value: 0 for state in GroupState}
        for shard in self.active_shards():
            for group in shard.groups.values():
                counts[group.state.value] += 1
        return counts

    # ---- membership

    def join_group(self, client: Client, request: JoinGroupRequest) -> Answer[JoinGroupResponse]:
        settings = self._settings
        refusal = self._refusal(request.group_id)
        if not refusal and not (
            settings.min_session_timeout_ms <= request.session_timeout_ms <= settings.max_session_timeout_ms
        ):
            refusal = ErrorCode.INVALID_SESSION_TIMEOUT
        answer = _Answer[JoinGroupResponse]()

        def reply(response: JoinGroupResponse) -> None:
            if client.api_version < NULLABLE_PROTOCOL_NAME_VERSION:
                response.protocol_name = response.protocol_name or ""
            else:
                response.protocol_name = response.protocol_name or None
            answer.give(response)

        if refusal:
            reply(JoinGroupResponse(error_code=refusal, member_id=request.member_id))
        else:
            self._runtime.perform(
                self.partition_for(request.group_id),
                "join-group",
                lambda shard, now_ms: shard.membership.join(client, request, reply, now_ms),
                lambda error, _: reply(JoinGroupResponse(error_code=operation_error(error))) if error else None,
            )
        return answer.take()

    def sync_group(self, request: SyncGroupRequest) -> Answer[SyncGroupResponse]:
        refusal = self._refusal(request.group_id)
        if refusal:
            return SyncGroupResponse(error_code=refusal)
        answer = _Answer[SyncGroupResponse]()
        self._runtime.perform(
            self.partition_for(request.group_id),
            "sync-group",
            lambda shard, now_ms: shard.membership.sync(request, answer.give, now_ms),
            lambda error, _: answer.give(SyncGroupResponse(error_code=operation_error(error))) if error else None,
        )
        return answer.take()

    def heartbeat(self, request: HeartbeatRequest) -> Answer[HeartbeatResponse]:
        def failed(error: ErrorCode) -> HeartbeatResponse:
            # While the group is loaded its members are taken to be alive.
            is_loading = error == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
            return HeartbeatResponse(error_code=ErrorCode.NONE if is_loading else error)

        refusal = self._refusal(request.group_id)
        if refusal:
            return HeartbeatResponse(error_code=refusal)
        return self._perform(
            request.group_id,
            "heartbeat",
            lambda shard, now_ms: shard.membership.heartbeat(request, now_ms),
            failed,
        )

    def leave_group(self, request: LeaveGroupRequest) -> Answer[LeaveGroupResponse]:
        """In the form of version 3 and later, with a list of members, both ways."""
        refusal = self._refusal(request.group_id)
        if refusal:
            return LeaveGroupResponse(error_code=refusal)
        return self._perform(
            request.group_id,
            "leave-group",
            lambda shard, now_ms: shard.membership.leave(request, now_ms),
            lambda error: LeaveGroupResponse(error_code=error),
        )

    # ---- offsets

    def commit_offsets(self, client: Client, request: OffsetCommitRequest) -> Answer[OffsetCommitResponse]:
        """The empty group id is allowed here, as in `fetch_offsets`: old consumers without a group used it."""
        if not self.is_active:
            return _commit_error(request, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return self._perform(
            request.group_id,
            "commit-offsets",
            lambda shard, now_ms: shard.offsets.commit(client, request, now_ms),
            lambda error: _commit_error(request, error),
        )

    def fetch_offsets(
        self, client: Client, request: OffsetFetchRequest.OffsetFetchRequestGroup, require_stable: bool
    ) -> Answer[OffsetFetchResponse.OffsetFetchResponseGroup]:
        if not self.is_active:
            return fetch_group_error(request, ErrorCode.COORDINATOR_NOT_AVAILABLE, client.api_version)
        return self._perform(
            request.group_id,
            "fetch-offsets",
            lambda shard, now_ms: shard.offsets.fetch(request, require_stable),
            lambda error: fetch_group_error(request, error, client.api_version),
            fetch_error,
        )

    def delete_offsets(self, request: OffsetDeleteRequest) -> Answer[OffsetDeleteResponse]:
        refusal = self._refusal(request.group_id)
        if refusal:
            return OffsetDeleteResponse(error_code=refusal)
        return self._perform(
            request.group_id,
            "delete-offsets",
            lambda shard, now_ms: shard.offsets.delete(request),
            lambda error: OffsetDeleteResponse(error_code=error),
        )

    # ---- groups

    def list_groups(self, request: ListGroupsRequest) -> Answer[ListGroupsResponse]:
        """All groups of the shards that are here; an error if one of these is not ready."""
        if not self.is_active:
            return ListGroupsResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return asyncio.get_running_loop().create_task(self._list_groups(request))

    async def _list_groups(self, request: ListGroupsRequest) -> ListGroupsResponse:
        groups: list[ListGroupsResponse.ListedGroup] = []
        for partition in self._runtime.partitions():
            error, listed = await self._list_partition(partition, request)
            if error and error != ErrorCode.NOT_COORDINATOR:
                return ListGroupsResponse(error_code=operation_error(error))
            groups += listed
            await asyncio.sleep(0)  # one shard a turn of the event loop
        return ListGroupsResponse(groups=groups)

    def _list_partition(
        self, partition: int, request: ListGroupsRequest
    ) -> asyncio.Future[tuple[ErrorCode, list[ListGroupsResponse.ListedGroup]]]:
        future: asyncio.Future[tuple[ErrorCode, list[ListGroupsResponse.ListedGroup]]]
        future = asyncio.get_running_loop().create_future()

        def complete(error: ErrorCode, listed: list[ListGroupsResponse.ListedGroup] | None) -> None:
            if not future.done():
                future.set_result((error, listed or []))

        self._runtime.perform(
            partition,
            "list-groups",
            lambda shard, _: shard.list_groups(request.states_filter, request.types_filter),
            complete,
        )
        return future

    def describe_groups(
        self, client: Client, group_ids: Sequence[str]
    ) -> Answer[list[DescribeGroupsResponse.DescribedGroup]]:
        def failed(ids: Iterable[str], error: ErrorCode) -> list[DescribeGroupsResponse.DescribedGroup]:
            return [DescribeGroupsResponse.DescribedGroup(group_id=group_id, error_code=error) for group_id in ids]

        return self._perform_by_partition(
            group_ids,
            "describe-groups",
            lambda shard, ids: shard.describe(ids, client.api_version),
            failed,
        )

    def delete_groups(self, group_ids: Sequence[str]) -> Answer[list[DeleteGroupsResponse.DeletableGroupResult]]:
        def failed(ids: Iterable[str], error: ErrorCode) -> list[DeleteGroupsResponse.DeletableGroupResult]:
            return [DeleteGroupsResponse.DeletableGroupResult(group_id=group_id, error_code=error) for group_id in ids]

        return self._perform_by_partition(
            group_ids, "delete-groups", lambda shard, ids: shard.delete_groups(ids), failed
        )

    # ---- ways to the shards

    def _refusal(self, group_id: str) -> ErrorCode:
        if not self.is_active:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        return ErrorCode.NONE if group_id else ErrorCode.INVALID_GROUP_ID

    def _perform(
        self,
        group_id: str,
        name: str,
        operation: Operation[GroupShard, T],
        failed: Callable[[ErrorCode], T],
        error_for_client: Callable[[ErrorCode], ErrorCode] = operation_error,
    ) -> Answer[T]:
        return self._perform_on(self.partition_for(group_id), name, operation, failed, error_for_client)

    def _perform_on(
        self,
        partition: int,
        name: str,
        operation: Operation[GroupShard, T],
        failed: Callable[[ErrorCode], T],
        error_for_client: Callable[[ErrorCode], ErrorCode],
    ) -> Answer[T]:
        answer = _Answer[T]()

        def complete(error: ErrorCode, reply: T | None) -> None:
            answer.give(failed(error_for_client(error)) if error else cast(T, reply))

        self._runtime.perform(partition, name, operation, complete)
        return answer.take()

    def _perform_by_partition(
        self,
        group_ids: Sequence[str],
        name: str,
        operation: Callable[[GroupShard, Sequence[str]], Outcome[list[T]]],
        failed: Callable[[Sequence[str], ErrorCode], list[T]],
    ) -> Answer[list[T]]:
        """One operation for all groups of a shard; the results come in the order of partitions."""
        if not self.is_active:
            return failed(group_ids, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        by_partition: dict[int, list[str]] = {}
        for group_id in group_ids:
            by_partition.setdefault(self.partition_for(group_id), []).append(group_id)
        answers = [
            self._perform_on(
                partition,
                name,
                lambda shard, _, ids=ids: operation(shard, ids),  # type: ignore[misc]
                lambda error, ids=ids: failed(ids, error),  # type: ignore[misc]
                operation_error,
            )
            for partition, ids in by_partition.items()
        ]
        return joined(answers)


class _Answer(Generic[T]):
    """What is given now or later, once: taken as a value if it is there, else as a future."""

    __slots__ = ("_future", "_values")

    def __init__(self) -> None:
        self._values: list[T] = []
        self._future: asyncio.Future[T] | None = None

    def give(self, value: T) -> None:
        if self._values:
            return
        self._values.append(value)
        if self._future is not None and not self._future.done():
            self._future.set_result(value)

    def take(self) -> Answer[T]:
        if self._values:
            return self._values[0]
        self._future = asyncio.get_running_loop().create_future()
        return self._future


def joined(answers: Sequence[Answer[list[T]]]) -> Answer[list[T]]:
    """The items of all, in their order: now, if none has to be waited for."""

    async def join() -> list[T]:
        items: list[T] = []
        for answer in answers:
            items += await answer if isinstance(answer, asyncio.Future) else answer
        return items

    if any(isinstance(answer, asyncio.Future) for answer in answers):
        return asyncio.get_running_loop().create_task(join())
    return [item for items in cast(Sequence[list[T]], answers) for item in items]


def _commit_error(request: OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponse.OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponse.OffsetCommitResponsePartition(
                        partition_index=partition.partition_index, error_code=error
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def fetch_group_error(
    request: OffsetFetchRequest.OffsetFetchRequestGroup, error: ErrorCode, api_version: int
) -> OffsetFetchResponse.OffsetFetchResponseGroup:
    """Version 1 has no place for an error but in the partitions."""
    response = OffsetFetchResponse.OffsetFetchResponseGroup(group_id=request.group_id)
    if api_version >= GROUP_ERROR_VERSION:
        response.error_code = error
        return response
    response.topics = [
        OffsetFetchResponse.OffsetFetchResponseTopics(
            name=topic.name,
            topic_id=topic.topic_id,
            partitions=[
                OffsetFetchResponse.OffsetFetchResponsePartitions(
                    partition_index=index,
                    committed_offset=INVALID_OFFSET,
                    committed_leader_epoch=-1,
                    metadata="",
                    error_code=error,
                )
                for index in topic.partition_indexes
            ],
        )
        for topic in request.topics or ()
    ]
    return response
