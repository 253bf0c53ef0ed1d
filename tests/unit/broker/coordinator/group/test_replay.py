"""Logs that this coordinator did not write: transactional offsets, old records, groups of kinds not served yet."""

from __future__ import annotations

import pytest

from broker.coordinator.group.classic_group import ClassicGroup, GroupState
from protocol.coordinator.group import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    LegacyOffsetCommitValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from protocol.coordinator.serde import encode_key, encode_value
from protocol.coordinator.share_group import ShareGroupMemberMetadataKey, ShareGroupMetadataKey, ShareGroupMetadataValue
from protocol.coordinator.streams_group import StreamsGroupMetadataKey, StreamsGroupMetadataValue
from protocol.errors import ErrorCode
from protocol.ids import Uuid
from protocol.records.builder import RecordsBuilder, build_end_transaction_marker
from protocol.records.control import EndTransactionMarker
from protocol.schema import Message
from tests.unit.broker.coordinator.group.bench import GROUP, PARTITION, Bench, now

T0 = ("t", 0)
PRODUCER = 4711
WEEK_MS = 7 * 24 * 3600 * 1000


def put(bench: Bench, *records: tuple[Message, Message | None, int], producer_id: int = -1) -> None:
    builder = RecordsBuilder(
        0, producer_id=producer_id, producer_epoch=0 if producer_id >= 0 else -1, is_transactional=producer_id >= 0
    )
    for key, value, version in records:
        builder.append(bench.time.wall_ms(), encode_key(key), None if value is None else encode_value(value, version))
    bench.log.put(PARTITION, builder.build())
    bench.log.advance(PARTITION)


def end(bench: Bench, is_commit: bool, producer_id: int = PRODUCER) -> None:
    marker = EndTransactionMarker(is_commit, coordinator_epoch=0)
    batch = build_end_transaction_marker(marker, timestamp=0, producer_id=producer_id, producer_epoch=0)
    bench.log.put(PARTITION, batch)
    bench.log.advance(PARTITION)


def offset(number: int, *, topic: str = "t", group: str = GROUP, **fields: object) -> tuple[Message, Message, int]:
    value = OffsetCommitValue(offset=number, commit_timestamp=1_700_000_000_000, **fields)  # type: ignore[arg-type]
    return OffsetCommitKey(group=group, topic=topic), value, 4


def no_offset(*, topic: str = "t", group: str = GROUP) -> tuple[Message, None, int]:
    return OffsetCommitKey(group=group, topic=topic), None, 0


# ---- transactions


@pytest.mark.parametrize("is_commit", [True, False])
async def test_offsets_of_a_transaction_count_when_it_is_committed(is_commit: bool) -> None:
    bench = Bench()
    put(bench, offset(1))
    put(bench, offset(5), producer_id=PRODUCER)
    await bench.start()
    assert bench.offsets() == {T0: 1}
    unstable = now(bench.fetch({"t": [0, 1]}, require_stable=True)).topics[0].partitions
    assert [each.error_code for each in unstable] == [ErrorCode.UNSTABLE_OFFSET_COMMIT, 0]
    assert unstable[0].committed_offset == -1
    all_unstable = now(bench.fetch(require_stable=True)).topics[0].partitions
    assert [each.error_code for each in all_unstable] == [ErrorCode.UNSTABLE_OFFSET_COMMIT]
    end(bench, is_commit)
    await bench.fail_over()
    assert bench.offsets() == {T0: 5 if is_commit else 1}
    stable = now(bench.fetch({"t": [0]}, require_stable=True)).topics[0].partitions
    assert [each.error_code for each in stable] == [0]
    assert not bench.shard.store.pending and not bench.shard.store.open_producers


async def test_later_commit_outside_of_the_transaction_wins() -> None:
    """Which record is the later one, its place in the log says: compaction may have removed all but it."""
    bench = Bench()
    put(bench, offset(5), producer_id=PRODUCER)
    put(bench, offset(9))
    end(bench, True)
    await bench.start()
    assert bench.offsets() == {T0: 9}


async def test_two_transactions_at_once() -> None:
    bench = Bench()
    put(bench, offset(5), producer_id=1)
    put(bench, offset(6), offset(7, topic="u"), producer_id=2)
    end(bench, True, producer_id=1)
    await bench.start()
    assert bench.offsets() == {T0: 5}
    assert bench.shard.store.has_pending(GROUP, "t", 0)
    end(bench, True, producer_id=2)
    end(bench, True, producer_id=3)
    await bench.fail_over()
    assert bench.offsets() == {T0: 6, ("u", 0): 7}
    assert bench.shard.store.committed.count == 2


async def test_tombstone_removes_pending_offsets_too() -> None:
    bench = Bench()
    put(bench, offset(1), offset(2, topic="u"))
    put(bench, offset(5), offset(6, topic="u"), producer_id=PRODUCER)
    put(bench, no_offset())
    end(bench, True)
    await bench.start()
    assert bench.offsets() == {("u", 0): 6}


async def test_deleting_a_group_removes_pending_offsets() -> None:
    """KAFKA-14505"""
    bench = Bench()
    put(bench, offset(5), producer_id=PRODUCER)
    await bench.start()
    assert bench.delete(GROUP) == {GROUP: ErrorCode.NONE}
    end(bench, True)
    await bench.fail_over()
    assert bench.offsets() == {}
    assert bench.shard.groups == {}


async def test_pending_offsets_hold_up_expiry_and_go_with_their_topic() -> None:
    bench = Bench()
    put(bench, offset(1), offset(2, topic="u"))
    put(bench, offset(5), producer_id=PRODUCER)
    await bench.start()
    bench.time.pass_ms(2 * WEEK_MS)
    assert bench.offsets() == {T0: 1}
    response = now(bench.delete_offsets({"t": [0]}))
    assert response.topics[0].partitions[0].error_code == 0
    assert not bench.shard.store.pending
    put(bench, offset(5), producer_id=PRODUCER)
    await bench.fail_over()
    bench.time.pass_ms(2 * WEEK_MS)
    assert GROUP in bench.shard.groups, "an offset is pending"
    bench.coordinator.on_topics_deleted([("t", Uuid(b"t" * 16))])
    bench.time.pass_ms(0)
    assert not bench.shard.store.pending


# ---- topic ids, old versions


async def test_topic_ids_that_kafka_recorded_are_minded() -> None:
    bench = Bench()
    mine, other = Uuid(b"m" * 16), Uuid(b"o" * 16)
    put(bench, offset(5, topic_id=mine))
    await bench.start()
    fetched = {
        topic_id: now(bench.fetch({"t": [0]}, topic_id=topic_id)).topics[0].partitions[0].committed_offset
        for topic_id in (mine, other)
    }
    assert fetched == {mine: 5, other: -1}
    bench.coordinator.on_topics_deleted([("t", other)])
    bench.time.pass_ms(0)
    assert bench.offsets() == {T0: 5}
    bench.coordinator.on_topics_deleted([("t", mine)])
    bench.time.pass_ms(0)
    assert bench.offsets() == {}


@pytest.mark.parametrize("version", range(5))
async def test_every_version_of_an_offset(version: int) -> None:
    bench = Bench()
    put(bench, (OffsetCommitKey(group=GROUP, topic="t"), OffsetCommitValue(offset=5, metadata="m"), version))
    await bench.start()
    assert bench.offsets() == {T0: 5}


async def test_legacy_offsets() -> None:
    bench = Bench()
    put(
        bench,
        (LegacyOffsetCommitKey(group=GROUP, topic="t"), LegacyOffsetCommitValue(offset=5, metadata="m"), 0),
        (LegacyOffsetCommitKey(group=GROUP, topic="u"), LegacyOffsetCommitValue(offset=6), 0),
        (LegacyOffsetCommitKey(group=GROUP, topic="u"), None, 0),
    )
    await bench.start()
    assert bench.offsets() == {T0: 5}


@pytest.mark.parametrize("version", range(5))
async def test_every_version_of_a_group(version: int) -> None:
    bench = Bench()
    member = GroupMetadataValue.MemberMetadata(
        member_id="m", client_id="c", client_host="/h", session_timeout=7000, subscription=b"s", assignment=b"a"
    )
    value = GroupMetadataValue(
        protocol_type="connect", generation=3, protocol="p", leader="m", current_state_timestamp=5, members=[member]
    )
    put(bench, (GroupMetadataKey(group=GROUP), value, version))
    await bench.start()
    group = bench.group()
    assert (group.state, group.generation_id, group.leader_id) == (GroupState.STABLE, 3, "m")
    assert group.members["m"].rebalance_timeout_ms == 7000
    assert group.current_state_timestamp_ms == (5 if version >= 2 else None)
    assert bench.heartbeat("m", 3) == ErrorCode.NONE
    bench.time.pass_ms(7000)
    assert group.state is GroupState.EMPTY


async def test_group_without_a_timestamp_expires_by_the_age_of_its_offsets() -> None:
    bench = Bench()
    put(
        bench, (GroupMetadataKey(group=GROUP), GroupMetadataValue(protocol_type="consumer", generation=3), 1), offset(5)
    )
    await bench.start()
    bench.time.pass_ms(WEEK_MS - 1_200_000)
    assert bench.offsets() == {T0: 5}
    bench.time.pass_ms(1_200_000)
    assert bench.offsets() == {}


async def test_last_record_of_a_group_counts() -> None:
    bench = Bench()
    key = GroupMetadataKey(group=GROUP)
    put(bench, (key, GroupMetadataValue(generation=1), 3), (key, GroupMetadataValue(generation=2), 3))
    put(bench, (GroupMetadataKey(group="gone"), GroupMetadataValue(), 3), (GroupMetadataKey(group="gone"), None, 0))
    await bench.start()
    assert bench.group().generation_id == 2
    assert list(bench.shard.groups) == [GROUP]


# ---- groups of other kinds


def consumer_group(group_id: str = "modern", members: int = 1) -> list[tuple[Message, Message | None, int]]:
    records: list[tuple[Message, Message | None, int]] = [
        (ConsumerGroupMetadataKey(group_id=group_id), ConsumerGroupMetadataValue(epoch=3), 0)
    ]
    for number in range(members):
        key = ConsumerGroupMemberMetadataKey(group_id=group_id, member_id=f"m{number}")
        records.append((key, ConsumerGroupMemberMetadataValue(client_id="c", client_host="/h"), 0))
    return records


async def test_groups_of_other_kinds_are_kept_and_said_to_be_there(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    put(bench, *consumer_group(), offset(5, group="modern"))
    put(bench, (ShareGroupMetadataKey(group_id="share"), ShareGroupMetadataValue(), 0))
    put(bench, (StreamsGroupMetadataKey(group_id="streams"), StreamsGroupMetadataValue(), 0))
    put(bench, (ConsumerGroupCurrentMemberAssignmentKey(group_id="modern", member_id="m0"), None, 0))
    await bench.start()
    before = bench.log.records(PARTITION)
    assert await bench.list() == [
        ("modern", "consumer", "Unknown", "consumer"),
        ("share", "share", "Empty", "share"),
        ("streams", "streams", "Empty", "streams"),
    ]
    assert await bench.list(types=["Share"]) == [("share", "share", "Empty", "share")]
    for name in ("modern", "share", "streams"):
        assert f"group {name}: it is kept, but not served" in caplog.text
    assert bench.offsets("modern") == {T0: 5}
    bench.time.pass_ms(2 * WEEK_MS)
    assert bench.offsets("modern") == {T0: 5}
    assert bench.log.records(PARTITION) == before


async def test_nothing_treats_a_group_of_another_kind_as_a_classic_one() -> None:
    bench = Bench()
    put(bench, *consumer_group(), offset(5, group="modern"))
    await bench.start()
    response = now(bench.join(group_id="modern"))
    assert (response.error_code, response.member_id) == (ErrorCode.INCONSISTENT_GROUP_PROTOCOL, "")
    assert now(bench.sync("m0", 3, group_id="modern")).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat("m0", 3, group_id="modern") == ErrorCode.UNKNOWN_MEMBER_ID
    assert [each.error_code for each in now(bench.leave(("m0", None), group_id="modern")).members] == [25]
    assert bench.commit_error({T0: 9}, group_id="modern") == ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.commit_error({T0: 9}, "m0", 3, group_id="modern") == ErrorCode.UNKNOWN_MEMBER_ID
    assert now(bench.delete_offsets({"t": [0]}, group_id="modern")).error_code == ErrorCode.NON_EMPTY_GROUP
    assert bench.delete("modern") == {"modern": ErrorCode.NON_EMPTY_GROUP}
    (described,) = now(bench.describe("modern"))
    assert described.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert "not a classic group" in described.error_message
    assert bench.offsets("modern") == {T0: 5}


async def test_offsets_of_an_empty_group_of_another_kind_may_be_set() -> None:
    bench = Bench()
    put(bench, *consumer_group(members=1))
    put(bench, (ConsumerGroupMemberMetadataKey(group_id="modern", member_id="m0"), None, 0))
    await bench.start()
    assert bench.commit_error({T0: 9}, group_id="modern") == ErrorCode.NONE
    assert bench.offsets("modern") == {T0: 9}
    assert bench.shard.groups == {}
    bench.assert_log_says_the_same()


async def test_groups_change_their_kind() -> None:
    bench = Bench()
    put(bench, (GroupMetadataKey(group="up"), GroupMetadataValue(), 3), offset(1, group="up"))
    put(bench, (GroupMetadataKey(group="up"), None, 0), *consumer_group("up"))
    put(bench, *consumer_group("down"), offset(2, group="down"))
    put(bench, (ConsumerGroupMemberMetadataKey(group_id="down", member_id="m0"), None, 0))
    put(bench, (ConsumerGroupMetadataKey(group_id="down"), None, 0))
    put(bench, (GroupMetadataKey(group="down"), GroupMetadataValue(generation=4), 3))
    put(bench, offset(3, group="simple"), *consumer_group("simple"))
    put(bench, (ShareGroupMemberMetadataKey(group_id="nobody", member_id="m"), None, 0))
    await bench.start()
    assert list(bench.shard.groups) == ["down"]
    assert bench.group("down").generation_id == 4
    assert list(bench.shard.foreign_groups) == ["up", "simple"]
    assert [bench.offsets(name) for name in ("up", "down", "simple")] == [{T0: 1}, {T0: 2}, {T0: 3}]


def test_dead_groups_answer_nothing_more() -> None:
    group = ClassicGroup("g", 0)
    group.transition_to(GroupState.DEAD, 0)
    with pytest.raises(AssertionError):
        group.transition_to(GroupState.STABLE, 0)
