"""Records of `__consumer_offsets` as this coordinator writes them, in the versions of metadata.version 4.3.

One departure from Kafka 4.3.1: positions are written as OffsetCommitValue version 3, not 4. They differ in one tagged
field, the topic id; and the tools that read this topic themselves (CMAK, Burrow, kminion) know version 3 at the most.
Kafka reads both. Counterpart: GroupCoordinatorRecordHelpers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from broker.coordinator.group.classic_group import ClassicGroup
from broker.coordinator.group.offsets import OffsetAndMetadata
from protocol.coordinator.group import GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue
from protocol.coordinator.serde import CoordinatorRecord

GROUP_METADATA_VALUE_VERSION: Final = 3
OFFSET_COMMIT_VALUE_VERSION: Final = 3
OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY: Final = 1


def group_metadata_record(group: ClassicGroup, assignments: Mapping[str, bytes]) -> CoordinatorRecord:
    """The generation as it stands, with the given assignments."""
    members = []
    for member in group.members.values():
        assert group.protocol_name is not None
        subscription = member.metadata(group.protocol_name)
        assert subscription is not None
        members.append(
            GroupMetadataValue.MemberMetadata(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=subscription,
                assignment=assignments[member.member_id],
            )
        )
    value = GroupMetadataValue(
        protocol_type=group.protocol_type or "",
        generation=group.generation_id,
        protocol=group.protocol_name,
        leader=group.leader_id,
        current_state_timestamp=_timestamp_of(group),
        members=members,
    )
    return CoordinatorRecord(GroupMetadataKey(group=group.group_id), value, GROUP_METADATA_VALUE_VERSION)


def empty_group_record(group: ClassicGroup) -> CoordinatorRecord:
    """A group that has just come into being and has no generation yet."""
    value = GroupMetadataValue(
        protocol_type="",
        generation=0,
        protocol=None,
        leader=None,
        current_state_timestamp=_timestamp_of(group),
        members=[],
    )
    return CoordinatorRecord(GroupMetadataKey(group=group.group_id), value, GROUP_METADATA_VALUE_VERSION)


def group_tombstone(group_id: str) -> CoordinatorRecord:
    return CoordinatorRecord(GroupMetadataKey(group=group_id), None, 0)


def offset_record(group_id: str, topic: str, partition: int, offset: OffsetAndMetadata) -> CoordinatorRecord:
    value = OffsetCommitValue(
        offset=offset.committed_offset,
        leader_epoch=offset.leader_epoch,
        metadata=offset.metadata,
        commit_timestamp=offset.commit_timestamp_ms,
        expire_timestamp=offset.expire_timestamp_ms,
    )
    has_expiry = offset.expire_timestamp_ms != -1
    version = OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY if has_expiry else OFFSET_COMMIT_VALUE_VERSION
    return CoordinatorRecord(OffsetCommitKey(group=group_id, topic=topic, partition=partition), value, version)


def offset_tombstone(group_id: str, topic: str, partition: int) -> CoordinatorRecord:
    return CoordinatorRecord(OffsetCommitKey(group=group_id, topic=topic, partition=partition), None, 0)


def _timestamp_of(group: ClassicGroup) -> int:
    return -1 if group.current_state_timestamp_ms is None else group.current_state_timestamp_ms
