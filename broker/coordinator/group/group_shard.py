"""One partition of `__consumer_offsets` as a state machine: the groups whose ids hash to it, and their offsets.

Hard state: each group's last GroupMetadataValue (`ClassicGroup.stored`), the offsets, committed and pending, and the
existence of groups of other kinds. It follows from the log alone (`hard_state` shows it). All else is soft and begins
anew with `finish_loading`. Counterpart: GroupCoordinatorShard.
"""

from __future__ import annotations

import logging
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from broker.coordinator.group.classic_group import ClassicGroup, GroupState
from broker.coordinator.group.counters import GroupCounters
from broker.coordinator.group.foreign_groups import (
    KIND_OF_GROUP_RECORD,
    KIND_OF_MEMBER_RECORD,
    ForeignGroup,
    GroupKind,
)
from broker.coordinator.group.membership import Membership
from broker.coordinator.group.offset_requests import OffsetRequests
from broker.coordinator.group.offsets import OffsetAndMetadata, OffsetStore
from broker.coordinator.group.rebalances import Rebalances
from broker.coordinator.group.records import group_tombstone
from broker.coordinator.group.settings import GroupSettings
from broker.coordinator.shard import Outcome, ShardTimers
from protocol.coordinator.group import (
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    LegacyOffsetCommitValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from protocol.coordinator.serde import GROUP_RECORDS, CoordinatorRecord
from protocol.errors import ApiError, DecodeError, ErrorCode
from protocol.ids import TopicPartition, Uuid
from protocol.messages.delete_groups import DeleteGroupsResponse
from protocol.messages.describe_groups import DescribeGroupsResponse
from protocol.messages.join_group import JoinGroupResponse
from protocol.messages.list_groups import ListGroupsResponse
from protocol.messages.sync_group import SyncGroupResponse
from protocol.schema import Buffer, Message

logger = logging.getLogger(__name__)

NO_PRODUCER_ID: Final = -1
OWN_RECORD_TYPES: Final = frozenset({0, 1, 2})
EXPIRY_KEY: Final = ("expire-group-metadata",)
GROUPS_PER_SLICE: Final = 200
RECORDS_PER_SLICE: Final = 200
RETRY_MS: Final = 500
DESCRIBE_NOT_FOUND_VERSION: Final = 6

_INT16: Final = struct.Struct(">h")


class GroupShard:
    def __init__(
        self,
        topic_partition: TopicPartition,
        settings: GroupSettings,
        timers: ShardTimers,
        new_id: Callable[[], str],
        counters: GroupCounters,
    ) -> None:
        self.topic_partition = topic_partition
        self.groups: dict[str, ClassicGroup] = {}
        self.foreign_groups: dict[str, ForeignGroup] = {}
        self.store = OffsetStore()
        self._settings = settings
        self._timers = timers
        self._topic_deletions = 0
        self._end_offset = 0
        """Behind the last record replayed."""
        self.rebalances = Rebalances(self.groups, settings, timers, counters)
        self.membership = Membership(self.groups, self.foreign_groups, self.rebalances, settings, new_id)
        self.offsets = OffsetRequests(self.groups, self.foreign_groups, self.store, self.rebalances, settings, counters)

    # ---- replay

    def decode(self, key: Buffer, value: Buffer | None) -> CoordinatorRecord:
        """Of records of other kinds of groups only the key, and whether there is a value."""
        if len(key) < _INT16.size:
            raise DecodeError(f"{self.topic_partition} holds a record with a key of {len(key)} bytes")
        if _INT16.unpack_from(key)[0] in OWN_RECORD_TYPES:
            return GROUP_RECORDS.decode(key, value)
        decoded = GROUP_RECORDS.decode_key(key)
        return CoordinatorRecord(decoded, None if value is None else decoded, 0)

    def entity_of(self, record: CoordinatorRecord) -> str:
        key: Any = record.key
        group_id: str = key.group
        return group_id

    def replay(self, offset: int, producer_id: int, record: CoordinatorRecord) -> None:
        key, value = record.key, record.value
        self._end_offset = offset + 1
        if isinstance(key, OffsetCommitKey | LegacyOffsetCommitKey):
            self._replay_offset(offset, producer_id, key, value)
        elif isinstance(key, GroupMetadataKey):
            assert value is None or isinstance(value, GroupMetadataValue)
            self._replay_group(key.group, value)
        else:
            self._replay_foreign(key, value is None)

    def replay_end_transaction(self, producer_id: int, is_commit: bool) -> None:
        self.store.replay_end_transaction(producer_id, is_commit)

    def _replay_offset(
        self, offset: int, producer_id: int, key: OffsetCommitKey | LegacyOffsetCommitKey, value: Message | None
    ) -> None:
        group_id, topic, partition = key.group, key.topic, key.partition
        if value is None:
            self.store.replay_tombstone(group_id, topic, partition)
            return
        if isinstance(value, LegacyOffsetCommitValue):
            value = OffsetCommitValue(
                offset=value.offset, metadata=value.metadata, commit_timestamp=value.commit_timestamp
            )
        assert isinstance(value, OffsetCommitValue)
        self._replay_existence(group_id)
        committed = OffsetAndMetadata.of_record(offset, value)
        if producer_id == NO_PRODUCER_ID:
            self.store.replay(group_id, topic, partition, committed)
        else:
            self.store.replay_pending(producer_id, group_id, topic, partition, committed)

    def _replay_existence(self, group_id: str) -> None:
        """Who commits without being a member makes a group that is nothing but its offsets: a simple group."""
        if group_id in self.foreign_groups:
            return
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = ClassicGroup(group_id, 0)
        group.is_replayed = True

    def _replay_group(self, group_id: str, value: GroupMetadataValue | None) -> None:
        if value is None:
            self.groups.pop(group_id, None)
            return
        group = self.groups.get(group_id)
        if group is None:
            self.foreign_groups.pop(group_id, None)
            group = self.groups[group_id] = ClassicGroup(group_id, 0)
        group.stored = value
        group.is_replayed = True

    def _replay_foreign(self, key: Any, is_tombstone: bool) -> None:
        record_type = key.SPEC.key
        if record_type in KIND_OF_GROUP_RECORD:
            if is_tombstone:
                self.foreign_groups.pop(key.group_id, None)
            else:
                self._foreign(key.group_id, KIND_OF_GROUP_RECORD[record_type])
        elif record_type in KIND_OF_MEMBER_RECORD:
            if not is_tombstone:
                self._foreign(key.group_id, KIND_OF_MEMBER_RECORD[record_type]).member_ids.add(key.member_id)
            elif key.group_id in self.foreign_groups:
                self.foreign_groups[key.group_id].member_ids.discard(key.member_id)

    def _foreign(self, group_id: str, kind: GroupKind) -> ForeignGroup:
        group = self.foreign_groups.get(group_id)
        if group is None:
            # What was there was a simple group, made by offsets that came before.
            self.groups.pop(group_id, None)
            group = self.foreign_groups[group_id] = ForeignGroup(group_id, kind)
        return group

    def hard_state(self) -> dict[str, object]:
        """Everything that the log says, comparable."""
        return {
            "groups": {group.group_id: group.stored for group in self.groups.values() if group.is_replayed},
            "foreign": {
                group.group_id: (group.kind, sorted(group.member_ids)) for group in self.foreign_groups.values()
            },
            "offsets": self.store.committed.by_group,
            "pending": {producer_id: offsets.by_group for producer_id, offsets in self.store.pending.items()},
            "open": self.store.open_producers,
        }

    # ---- life

    def finish_loading(self, now_ms: int) -> Iterator[None]:
        for group_id, loaded in list(self.groups.items()):
            if loaded.stored is not None:
                self._open(ClassicGroup.from_stored(group_id, loaded.stored), now_ms)
                yield
        for foreign in self.foreign_groups.values():
            logger.warning(
                "%s holds the %s group %s: it is kept, but not served",
                self.topic_partition,
                foreign.kind.value,
                foreign.group_id,
            )
        self._schedule_expiry()

    def _open(self, group: ClassicGroup, now_ms: int) -> None:
        self.groups[group.group_id] = group
        for member in group.members.values():
            self.rebalances.start_session(group, member)
        if len(group.members) > self._settings.group_size_max:
            self.rebalances.prepare(group, "it has more members than group.max.size allows by now", now_ms)

    def on_unloaded(self) -> None:
        for group in self.groups.values():
            group.transition_to(GroupState.DEAD, 0)
            for member in group.members.values():
                error = ErrorCode.NOT_COORDINATOR
                group.answer_join(member, JoinGroupResponse(error_code=error, member_id=member.member_id))
                group.answer_sync(member, SyncGroupResponse(error_code=error))

    # ---- groups

    def list_groups(self, states: Sequence[str], types: Sequence[str]) -> Outcome[list[ListGroupsResponse.ListedGroup]]:
        """Filters are case-insensitive; an empty one lets all pass, an unknown word none."""
        wanted_states = {state.lower().strip() for state in states}
        wanted_types = {each.lower() for each in types}

        def is_wanted(state: str, kind: GroupKind) -> bool:
            return (not states or state.lower() in wanted_states) and (not types or kind.value in wanted_types)

        listed = [
            _listed(group.group_id, group.protocol_type or "", group.state.value, GroupKind.CLASSIC)
            for group in self.groups.values()
            if is_wanted(group.state.value, GroupKind.CLASSIC)
        ]
        listed += [
            _listed(foreign.group_id, foreign.protocol_type, foreign.state, foreign.kind)
            for foreign in self.foreign_groups.values()
            if is_wanted(foreign.state, foreign.kind)
        ]
        return Outcome(listed)

    def describe(
        self, group_ids: Iterable[str], api_version: int
    ) -> Outcome[list[DescribeGroupsResponse.DescribedGroup]]:
        described = [self._describe(group_id, api_version) for group_id in group_ids]
        return Outcome(described, saw=tuple(group.group_id for group in described))

    def _describe(self, group_id: str, api_version: int) -> DescribeGroupsResponse.DescribedGroup:
        group = self.groups.get(group_id)
        if group is None:
            described = DescribeGroupsResponse.DescribedGroup(group_id=group_id, group_state=GroupState.DEAD.value)
            if api_version >= DESCRIBE_NOT_FOUND_VERSION:
                is_foreign = group_id in self.foreign_groups
                described.error_code = ErrorCode.GROUP_ID_NOT_FOUND
                described.error_message = f"Group {group_id} {'is not a classic group' if is_foreign else 'not found'}."
            return described
        protocol_name = group.protocol_name if group.state is GroupState.STABLE else None
        return DescribeGroupsResponse.DescribedGroup(
            group_id=group_id,
            group_state=group.state.value,
            protocol_type=group.protocol_type or "",
            protocol_data=protocol_name or "",
            members=[member.described(protocol_name) for member in group.members.values()],
        )

    def delete_groups(self, group_ids: Sequence[str]) -> Outcome[list[DeleteGroupsResponse.DeletableGroupResult]]:
        results = []
        records: list[CoordinatorRecord] = []
        for group_id in group_ids:
            error = ErrorCode.NONE
            try:
                self._check_delete(group_id)
            except ApiError as refused:
                error = refused.code
            else:
                tombstones = self.offsets.tombstones_of(group_id)
                records += [*tombstones, group_tombstone(group_id)]
                logger.info("group %s is deleted, with %d offsets", group_id, len(tombstones))
            results.append(DeleteGroupsResponse.DeletableGroupResult(group_id=group_id, error_code=error))
        return Outcome(results, records, saw=tuple(group_ids))

    def _check_delete(self, group_id: str) -> None:
        group = self.groups.get(group_id)
        if group_id in self.foreign_groups or (group is not None and not group.is_empty):
            raise ApiError(ErrorCode.NON_EMPTY_GROUP)
        if group is None:
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND)

    # ---- expiry and deleted topics

    def _schedule_expiry(self) -> None:
        interval_ms = self._settings.offsets_retention_check_interval_ms
        self._timers.schedule(EXPIRY_KEY, interval_ms, lambda now_ms: self._sweep(deque(self.groups), now_ms))

    def _sweep(self, group_ids: deque[str], now_ms: int) -> Outcome[None]:
        """Looks through some of the groups, and leaves the rest to a later turn of the event loop."""
        _, records = _slice(group_ids, lambda group_id: self._expired(group_id, now_ms))
        if group_ids:
            self._timers.schedule(EXPIRY_KEY, 0, lambda then_ms: self._sweep(group_ids, then_ms))
        else:
            self._schedule_expiry()
        if records:
            logger.info("%s: %d offsets and groups have expired", self.topic_partition, len(records))
        return Outcome(None, records, saw=(), is_atomic=False)

    def _expired(self, group_id: str, now_ms: int) -> list[CoordinatorRecord]:
        group = self.groups.get(group_id)
        if group is None:
            return []
        records, is_all = self.offsets.expired(group, now_ms)
        if is_all and group.is_empty:
            records.append(group_tombstone(group_id))
        return records

    def on_topics_deleted(self, topics: Sequence[tuple[str, Uuid]]) -> None:
        """Removes the offsets of topics (name, id), in turns of its own."""
        self._topic_deletions += 1
        key = ("topics-deleted", str(self._topic_deletions))
        end_offset = self._end_offset
        group_ids = deque(dict.fromkeys((*self.store.committed.by_group, *self.store.open_producers)))

        def remove(now_ms: int) -> Outcome[None]:
            seen, records = _slice(
                group_ids, lambda group_id: self.offsets.of_deleted_topics(group_id, topics, end_offset)
            )

            def on_done(error: ErrorCode, now_ms: int) -> None:
                if error and error != ErrorCode.REQUEST_TIMED_OUT:
                    group_ids.extend(seen)
                    self._timers.schedule(key, RETRY_MS, remove)

            if group_ids:
                self._timers.schedule(key, 0, remove)
            if records:
                logger.info("%s: %d offsets of deleted topics are removed", self.topic_partition, len(records))
            return Outcome(None, records, saw=(), is_atomic=False, on_done=on_done)

        self._timers.schedule(key, 0, remove)


def _slice(
    group_ids: deque[str], records_of: Callable[[str], list[CoordinatorRecord]]
) -> tuple[list[str], list[CoordinatorRecord]]:
    """As many of the groups as one turn of the event loop may deal with, taken out, and their records."""
    seen: list[str] = []
    records: list[CoordinatorRecord] = []
    while group_ids and len(seen) < GROUPS_PER_SLICE and len(records) < RECORDS_PER_SLICE:
        seen.append(group_ids.popleft())
        records += records_of(seen[-1])
    return seen, records


def _listed(group_id: str, protocol_type: str, state: str, kind: GroupKind) -> ListGroupsResponse.ListedGroup:
    return ListGroupsResponse.ListedGroup(
        group_id=group_id, protocol_type=protocol_type, group_state=state, group_type=kind.value
    )
