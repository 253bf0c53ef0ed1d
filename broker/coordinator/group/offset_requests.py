"""OffsetCommit, OffsetFetch and OffsetDelete, and the end of offsets: expiry, deleted topics, deleted groups.

Offsets expire only where nobody may want them any more: all offsets of a group that has been empty for the retention
time; in a stable group of consumers those of topics that no member uses; in a group that is nothing but offsets each
one by its own age. Never while a rebalance is under way (KAFKA-13636) nor where a transaction is pending. Counterparts:
OffsetMetadataManager, OffsetExpirationCondition; KIP-211, KIP-447, KIP-496.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from broker.coordinator.group.classic_group import ClassicGroup, GroupState
from broker.coordinator.group.counters import GroupCounters
from broker.coordinator.group.foreign_groups import ForeignGroup
from broker.coordinator.group.members import Client
from broker.coordinator.group.offsets import NO_EXPIRY, OffsetAndMetadata, OffsetStore
from broker.coordinator.group.rebalances import Rebalances
from broker.coordinator.group.records import offset_record, offset_tombstone
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.shard import Outcome
from protocol.coordinator.serde import CoordinatorRecord
from protocol.errors import ApiError, ErrorCode
from protocol.ids import ZERO_UUID, Uuid
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse

GROUP_ID_NOT_FOUND_VERSION: Final = 9
DEFAULT_RETENTION_TIME: Final = -1
INVALID_OFFSET: Final = -1


class OffsetRequests:
    def __init__(
        self,
        groups: Mapping[str, ClassicGroup],
        foreign_groups: Mapping[str, ForeignGroup],
        store: OffsetStore,
        rebalances: Rebalances,
        settings: GroupSettings,
        counters: GroupCounters,
    ) -> None:
        self._groups = groups
        self._foreign_groups = foreign_groups
        self._store = store
        self._rebalances = rebalances
        self._settings = settings
        self._counters = counters

    # ---- OffsetCommit

    def commit(self, client: Client, request: OffsetCommitRequest, now_ms: int) -> Outcome[OffsetCommitResponse]:
        self._check_commit(client, request)
        retention_ms = request.retention_time_ms
        expiry_ms = NO_EXPIRY if retention_ms == DEFAULT_RETENTION_TIME else now_ms + retention_ms
        records: list[CoordinatorRecord] = []
        topics = []
        for topic in request.topics:
            partitions = []
            for partition in topic.partitions:
                error = ErrorCode.NONE
                metadata = partition.committed_metadata or ""
                if len(metadata) > self._settings.offset_metadata_length_max:
                    error = ErrorCode.OFFSET_METADATA_TOO_LARGE
                else:
                    offset = OffsetAndMetadata(
                        partition.committed_offset, partition.committed_leader_epoch, metadata, now_ms, expiry_ms
                    )
                    records.append(offset_record(request.group_id, topic.name, partition.partition_index, offset))
                partitions.append(
                    OffsetCommitResponse.OffsetCommitResponsePartition(
                        partition_index=partition.partition_index, error_code=error
                    )
                )
            topics.append(
                OffsetCommitResponse.OffsetCommitResponseTopic(
                    name=topic.name, topic_id=topic.topic_id, partitions=partitions
                )
            )
        self._counters.offset_commits += len(records)
        return Outcome(OffsetCommitResponse(topics=topics), records, saw=(request.group_id,))

    def _check_commit(self, client: Client, request: OffsetCommitRequest) -> None:
        """Whether the sender may commit. A commit without membership is for groups that nobody is in."""
        group_id, generation_id = request.group_id, request.generation_id_or_member_epoch
        foreign = self._foreign_groups.get(group_id)
        if foreign is not None:
            if foreign.is_empty and generation_id < 0:
                return
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
        group = self._groups.get(group_id)
        if group is None:
            if generation_id < 0:
                return
            is_told = client.api_version >= GROUP_ID_NOT_FOUND_VERSION
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND if is_told else ErrorCode.ILLEGAL_GENERATION)
        if generation_id < 0 and group.is_empty:
            return
        if generation_id < 0 and not request.member_id and request.group_instance_id is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
        group.check_member(request.member_id, request.group_instance_id)
        if generation_id != group.generation_id:
            raise ApiError(ErrorCode.ILLEGAL_GENERATION)
        if group.state is GroupState.COMPLETING_REBALANCE:
            raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)
        if not group.is_empty:
            self._rebalances.start_session(group, group.members[request.member_id])

    # ---- OffsetFetch

    def fetch(
        self, request: OffsetFetchRequest.OffsetFetchRequestGroup, require_stable: bool
    ) -> Outcome[OffsetFetchResponse.OffsetFetchResponseGroup]:
        """All offsets of the group if the topics are null."""
        group_id = request.group_id
        offsets = self._store.committed.by_group.get(group_id, {}) if self._exists(group_id) else {}
        unstable = self._store.open_producers.get(group_id, {}) if require_stable else {}
        if request.topics is None:
            topics = [
                _fetched_topic(topic, ZERO_UUID, partitions, partitions, unstable)
                for topic, partitions in offsets.items()
            ]
        else:
            topics = [
                _fetched_topic(
                    topic.name, topic.topic_id, topic.partition_indexes, offsets.get(topic.name, {}), unstable
                )
                for topic in request.topics
            ]
        response = OffsetFetchResponse.OffsetFetchResponseGroup(group_id=group_id, topics=topics)
        return Outcome(response, saw=(group_id,))

    def _exists(self, group_id: str) -> bool:
        return group_id in self._groups or group_id in self._foreign_groups

    # ---- OffsetDelete

    def delete(self, request: OffsetDeleteRequest) -> Outcome[OffsetDeleteResponse]:
        group_id = request.group_id
        group = self._groups.get(group_id)
        if group is None:
            is_foreign = group_id in self._foreign_groups
            raise ApiError(ErrorCode.NON_EMPTY_GROUP if is_foreign else ErrorCode.GROUP_ID_NOT_FOUND)
        if not group.is_empty and not group.is_consumer_group:
            raise ApiError(ErrorCode.NON_EMPTY_GROUP)
        records: list[CoordinatorRecord] = []
        topics = []
        for topic in request.topics:
            is_subscribed = group.is_subscribed_to(topic.name)
            error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if is_subscribed else ErrorCode.NONE
            partitions = []
            for partition in topic.partitions:
                index = partition.partition_index
                partitions.append(
                    OffsetDeleteResponse.OffsetDeleteResponsePartition(partition_index=index, error_code=error)
                )
                if not is_subscribed and self._has_any(group_id, topic.name, index):
                    records.append(offset_tombstone(group_id, topic.name, index))
            topics.append(OffsetDeleteResponse.OffsetDeleteResponseTopic(name=topic.name, partitions=partitions))
        self._counters.offset_deletions += len(records)
        return Outcome(OffsetDeleteResponse(topics=topics), records, saw=(group_id,))

    def _has_any(self, group_id: str, topic: str, partition: int) -> bool:
        has_committed = self._store.committed.get(group_id, topic, partition) is not None
        return has_committed or self._store.has_pending(group_id, topic, partition)

    def tombstones_of(self, group_id: str) -> list[CoordinatorRecord]:
        """For all offsets of a group, pending ones too."""
        records = []
        for topic, partitions in self._store.committed.by_group.get(group_id, {}).items():
            records += [offset_tombstone(group_id, topic, partition) for partition in partitions]
        for topic, partition in self._store.pending_partitions(group_id):
            if self._store.committed.get(group_id, topic, partition) is None:
                records.append(offset_tombstone(group_id, topic, partition))
        return records

    # ---- the end of offsets

    def expired(self, group: ClassicGroup, now_ms: int) -> tuple[list[CoordinatorRecord], bool]:
        """Tombstones for what has expired, and whether that leaves nothing."""
        group_id = group.group_id
        has_pending = group_id in self._store.open_producers
        offsets = self._store.committed.by_group.get(group_id)
        if offsets is None:
            return [], not has_pending
        if not _may_expire(group):
            return [], False
        since_ms = group.current_state_timestamp_ms if group.is_empty and group.protocol_type is not None else None
        records = []
        is_all = True
        for topic, partitions in offsets.items():
            if group.is_subscribed_to(topic):
                is_all = False
                continue
            for partition, offset in partitions.items():
                has_expired = self._has_expired(offset, since_ms, now_ms)
                if has_expired and not self._store.has_pending(group_id, topic, partition):
                    records.append(offset_tombstone(group_id, topic, partition))
                else:
                    is_all = False
        self._counters.expired_offsets += len(records)
        return records, is_all and not has_pending

    def _has_expired(self, offset: OffsetAndMetadata, since_ms: int | None, now_ms: int) -> bool:
        if offset.expire_timestamp_ms != NO_EXPIRY:
            return now_ms >= offset.expire_timestamp_ms
        begin_ms = offset.commit_timestamp_ms if since_ms is None else since_ms
        return now_ms - begin_ms >= self._settings.offsets_retention_ms

    def of_deleted_topics(
        self, group_id: str, topics: Collection[tuple[str, Uuid]], end_offset: int
    ) -> list[CoordinatorRecord]:
        """Tombstones for a group's offsets in topics (name, id) that exist no more, pending ones too. A later topic of
        the name keeps its own: those with another id, and those recorded at `end_offset` or behind."""
        records: dict[tuple[str, int], CoordinatorRecord] = {}
        committed = self._store.committed.by_group.get(group_id, {})
        for name, topic_id in topics:
            for partition, offset in committed.get(name, {}).items():
                if offset.record_offset < end_offset and _same_topic(offset.topic_id, topic_id):
                    records[name, partition] = offset_tombstone(group_id, name, partition)
        ids = dict(topics)
        for (name, partition), producers in self._store.open_producers.get(group_id, {}).items():
            for producer_id in producers if name in ids else ():
                pending = self._store.pending[producer_id].get(group_id, name, partition)
                if pending is not None and _same_topic(pending.topic_id, ids[name]):
                    records[name, partition] = offset_tombstone(group_id, name, partition)
        return list(records.values())


def _may_expire(group: ClassicGroup) -> bool:
    if group.protocol_type is None or group.is_empty:
        return True
    return group.is_consumer_group and group.subscribed_topics is not None and group.state is GroupState.STABLE


def _fetched_topic(
    name: str,
    topic_id: Uuid,
    indexes: Collection[int],
    offsets: Mapping[int, OffsetAndMetadata],
    unstable: Collection[tuple[str, int]],
) -> OffsetFetchResponse.OffsetFetchResponseTopics:
    partitions = []
    for index in indexes:
        offset = offsets.get(index)
        if (name, index) in unstable:
            partition = _no_offset(index, ErrorCode.UNSTABLE_OFFSET_COMMIT)
        elif offset is None or not _same_topic(offset.topic_id, topic_id):
            partition = _no_offset(index, ErrorCode.NONE)
        else:
            partition = OffsetFetchResponse.OffsetFetchResponsePartitions(
                partition_index=index,
                committed_offset=offset.committed_offset,
                committed_leader_epoch=offset.leader_epoch,
                metadata=offset.metadata,
            )
        partitions.append(partition)
    return OffsetFetchResponse.OffsetFetchResponseTopics(name=name, topic_id=topic_id, partitions=partitions)


def _no_offset(index: int, error: ErrorCode) -> OffsetFetchResponse.OffsetFetchResponsePartitions:
    return OffsetFetchResponse.OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=INVALID_OFFSET,
        committed_leader_epoch=-1,
        metadata="",
        error_code=error,
    )


def _same_topic(stored: Uuid, requested: Uuid) -> bool:
    return ZERO_UUID in (stored, requested) or stored == requested
