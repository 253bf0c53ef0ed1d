"""Committing, fetching and deleting offsets, and what ends them: expiry, deleted topics, deleted groups."""

from __future__ import annotations

import asyncio

import pytest

from broker.coordinator.group.classic_group import GroupState
from broker.coordinator.group.group_shard import GROUPS_PER_SLICE, RECORDS_PER_SLICE
from protocol.coordinator.group import OffsetCommitKey, OffsetCommitValue
from protocol.coordinator.serde import GROUP_RECORDS, encode_key
from protocol.errors import ErrorCode
from protocol.ids import Uuid
from protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from protocol.records.builder import RecordsBuilder
from tests.unit.broker.coordinator.group.bench import (
    DELAY_MS,
    GROUP,
    PARTITION,
    Bench,
    consumer,
    is_parked,
    now,
    subscription,
)

T0 = ("t", 0)
T1 = ("t", 1)
U0 = ("u", 0)
WEEK_MS = 7 * 24 * 3600 * 1000
CHECK_MS = 600_000


async def started(**settings: int) -> Bench:
    bench = Bench(**settings)
    await bench.start()
    return bench


# ---- OffsetCommit


async def test_commit_without_membership_makes_a_simple_group() -> None:
    bench = await started()
    assert bench.commit_error({T0: 5, U0: 7}) == ErrorCode.NONE
    assert bench.offsets() == {T0: 5, U0: 7}
    assert await bench.list() == [(GROUP, "", "Empty", "classic")]
    bench.assert_log_says_the_same()
    await bench.fail_over()
    assert bench.offsets() == {T0: 5, U0: 7}


async def test_record_of_a_commit() -> None:
    bench = await started()
    bench.commit({T0: 5}, metadata="note", leader_epoch=3)
    (record,) = bench.log.records(PARTITION)
    decoded = GROUP_RECORDS.decode(record.key or b"", record.value)
    assert decoded.key == OffsetCommitKey(group=GROUP, topic="t", partition=0)
    assert decoded.value_version == 3
    assert decoded.value == OffsetCommitValue(
        offset=5, leader_epoch=3, metadata="note", commit_timestamp=bench.time.wall_ms()
    )


async def test_retention_time_of_old_clients_is_kept() -> None:
    bench = await started()
    bench.commit({T0: 5}, retention_ms=60_000, version=2)
    (record,) = bench.log.records(PARTITION)
    decoded = GROUP_RECORDS.decode(record.key or b"", record.value)
    assert decoded.value_version == 1
    assert isinstance(decoded.value, OffsetCommitValue)
    assert decoded.value.expire_timestamp == bench.time.wall_ms() + 60_000
    bench.time.pass_ms(CHECK_MS)
    assert bench.offsets() == {}


async def test_metadata_goes_round() -> None:
    bench = await started()
    bench.commit({T0: 5}, metadata="höhere Gewalt", leader_epoch=9)
    bench.commit({T1: 6}, metadata=None)
    response = now(bench.fetch({"t": [0, 1, 2]}))
    found = [
        (each.committed_offset, each.committed_leader_epoch, each.metadata) for each in response.topics[0].partitions
    ]
    assert found == [(5, 9, "höhere Gewalt"), (6, -1, ""), (-1, -1, "")]


async def test_metadata_has_a_largest_size_and_others_do_not_suffer() -> None:
    bench = await started(offset_metadata_length_max=4)
    assert bench.commit_error({T0: 1}, metadata="12345") == ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert bench.commit_error({T0: 2}, metadata="ßßßß") == ErrorCode.NONE
    assert bench.offsets() == {T0: 2}


async def test_member_commits_in_its_generation() -> None:
    bench = await started()
    (member_id,), generation_id = bench.stable()
    assert bench.commit_error({T0: 5}, member_id, generation_id) == ErrorCode.NONE
    assert bench.commit_error({T0: 6}, member_id, generation_id - 1) == ErrorCode.ILLEGAL_GENERATION
    assert bench.commit_error({T0: 6}, member_id, generation_id + 1) == ErrorCode.ILLEGAL_GENERATION
    assert bench.commit_error({T0: 6}, "stranger", generation_id) == ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.commit_error({T0: 6}) == ErrorCode.UNKNOWN_MEMBER_ID, "not while it has members"
    assert bench.commit_error({T0: 6}, member_id, -1) == ErrorCode.ILLEGAL_GENERATION
    assert bench.offsets() == {T0: 5}
    now(bench.leave((member_id, None)))
    assert bench.commit_error({T0: 7}, member_id, generation_id) == ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.commit_error({T0: 8}) == ErrorCode.NONE, "the group is empty"


async def test_commit_during_a_rebalance() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    joined = bench.join(ids[0])
    assert bench.commit_error({T0: 1}, ids[1], 1) == ErrorCode.NONE, "of the generation that ends"
    bench.join(ids[1])
    assert now(joined).generation_id == 2
    assert bench.commit_error({T0: 2}, ids[1], 2) == ErrorCode.REBALANCE_IN_PROGRESS
    assert bench.commit_error({T0: 2}, ids[1], 1) == ErrorCode.ILLEGAL_GENERATION


@pytest.mark.parametrize(("version", "error"), [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)])
async def test_generation_of_a_group_that_is_not_there(version: int, error: ErrorCode) -> None:
    bench = await started()
    assert bench.commit_error({T0: 1}, "m", 1, version=version) == error
    assert bench.shard.groups == {}


async def test_empty_group_id_is_a_group() -> None:
    bench = await started()
    assert bench.commit_error({T0: 4}, group_id="") == ErrorCode.NONE
    assert bench.offsets("") == {T0: 4}


async def test_commit_waits_for_the_high_watermark() -> None:
    bench = await started()
    bench.log.is_held = True
    commit, fetch = bench.commit({T0: 1}), bench.fetch()
    elsewhere = bench.fetch(group_id="other")
    assert is_parked(commit) and is_parked(fetch)
    assert now(elsewhere).topics == []
    bench.log.advance(PARTITION)
    assert now(commit).topics[0].partitions[0].error_code == 0
    assert now(fetch).topics[0].partitions[0].committed_offset == 1


async def test_commit_and_fetch_that_take_too_long() -> None:
    bench = await started()
    bench.log.is_held = True
    commit, fetch = bench.commit({T0: 1}), bench.fetch()
    old_fetch = bench.fetch({"t": [0]}, version=1)
    bench.time.pass_ms(5000)
    assert now(commit).topics[0].partitions[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert now(fetch).error_code == ErrorCode.NOT_COORDINATOR
    partition = now(old_fetch).topics[0].partitions[0]
    assert (partition.error_code, partition.committed_offset) == (ErrorCode.NOT_COORDINATOR, -1)


async def test_commit_that_is_lost_with_leadership_never_succeeds() -> None:
    bench = await started()
    bench.log.is_held = True
    commit, fetch = bench.commit({T0: 1}), bench.fetch()
    bench.coordinator.on_resignation(0, 1)
    bench.log.advance(PARTITION)
    assert now(commit).topics[0].partitions[0].error_code == ErrorCode.NOT_COORDINATOR
    assert now(fetch).error_code == ErrorCode.NOT_COORDINATOR


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.NETWORK_EXCEPTION, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS),
        (ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.INVALID_PRODUCER_EPOCH),
    ],
)
async def test_commit_that_cannot_be_written(refusal: ErrorCode, told: ErrorCode) -> None:
    bench = await started()
    bench.log.fail_with = refusal
    response = now(bench.commit({T0: 1, U0: 2}))
    assert [topic.partitions[0].error_code for topic in response.topics] == [told, told]
    assert bench.shard.groups == {}
    assert bench.offsets() == {}


async def test_answers_before_and_while_the_shard_loads() -> None:
    bench = Bench()
    unavailable = ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert bench.commit_error({T0: 1}) == unavailable
    assert now(bench.fetch()).error_code == unavailable
    assert now(bench.delete_offsets({"t": [0]})).error_code == unavailable
    assert bench.delete(GROUP) == {GROUP: unavailable}
    assert [group.error_code for group in now(bench.describe(GROUP))] == [unavailable]
    bench.coordinator.startup(1)
    assert bench.commit_error({T0: 1}) == ErrorCode.NOT_COORDINATOR
    bench.coordinator.on_election(0, 0)
    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert bench.commit_error({T0: 1}) == loading
    assert now(bench.fetch()).error_code == loading
    assert now(bench.delete_offsets({"t": [0]})).error_code == loading
    assert bench.delete(GROUP) == {GROUP: loading}
    assert [group.error_code for group in now(bench.describe(GROUP))] == [loading]
    await bench.settle()
    assert bench.commit_error({T0: 1}) == ErrorCode.NONE


async def test_group_id_that_no_record_can_hold() -> None:
    bench = await started()
    assert bench.commit_error({T0: 1}, group_id="x" * 40_000) == ErrorCode.UNKNOWN_SERVER_ERROR
    old = bench.join(group_id="x" * 40_000, version=3)
    assert now(old).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    assert bench.shard.groups == {}


# ---- OffsetFetch


async def test_null_topics_ask_for_all() -> None:
    bench = await started()
    bench.commit({T0: 1, T1: 2, U0: 3})
    assert bench.offsets() == {T0: 1, T1: 2, U0: 3}
    assert bench.offsets("nobody") == {}


async def test_named_topics_are_all_answered() -> None:
    bench = await started()
    bench.commit({T0: 1})
    response = now(bench.fetch({"t": [0, 9], "v": [0]}))
    found = {
        (topic.name, each.partition_index): each.committed_offset
        for topic in response.topics
        for each in topic.partitions
    }
    assert found == {("t", 0): 1, ("t", 9): -1, ("v", 0): -1}
    nobody = now(bench.fetch({"t": [0]}, group_id="nobody"))
    assert (nobody.error_code, nobody.topics[0].partitions[0].committed_offset) == (0, -1)


# ---- OffsetDelete


async def test_deleting_offsets() -> None:
    bench = await started()
    bench.commit({T0: 1, T1: 2, U0: 3})
    response = now(bench.delete_offsets({"t": [0, 5], "v": [0]}))
    assert response.error_code == 0
    codes = [
        (topic.name, each.partition_index, each.error_code) for topic in response.topics for each in topic.partitions
    ]
    assert codes == [("t", 0, 0), ("t", 5, 0), ("v", 0, 0)]
    assert bench.offsets() == {T1: 2, U0: 3}
    assert len(bench.log.records(PARTITION)) == 4, "no tombstone for what is not there"
    bench.assert_log_says_the_same()


async def test_offsets_in_use_are_not_deleted() -> None:
    bench = await started()
    (member_id,), generation_id = bench.stable(protocols=consumer("t"))
    bench.commit({T0: 1, U0: 2}, member_id, generation_id)
    response = now(bench.delete_offsets({"t": [0], "u": [0]}))
    codes = [topic.partitions[0].error_code for topic in response.topics]
    assert codes == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, 0]
    assert bench.offsets() == {T0: 1}


async def test_offsets_of_consumers_that_do_not_tell_their_topics_are_not_deleted() -> None:
    bench = await started()
    bench.stable(protocols=(("range", b"\x00\x00garbage"),))
    response = now(bench.delete_offsets({"t": [0]}))
    assert response.topics[0].partitions[0].error_code == ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC


async def test_refusals_of_deleting_offsets() -> None:
    bench = await started()
    assert now(bench.delete_offsets({"t": [0]}, group_id="")).error_code == ErrorCode.INVALID_GROUP_ID
    assert now(bench.delete_offsets({"t": [0]})).error_code == ErrorCode.GROUP_ID_NOT_FOUND
    (member_id,), _ = bench.stable(protocol_type="connect")
    assert now(bench.delete_offsets({"t": [0]})).error_code == ErrorCode.NON_EMPTY_GROUP
    now(bench.leave((member_id, None)))
    assert now(bench.delete_offsets({"t": [0]})).error_code == 0


# ---- expiry


async def test_offsets_of_a_simple_group_expire_by_their_own_age() -> None:
    bench = await started()
    bench.commit({T0: 1})
    bench.time.pass_ms(WEEK_MS - CHECK_MS)
    bench.commit({T1: 2})
    bench.time.pass_ms(CHECK_MS)
    assert bench.offsets() == {T1: 2}
    bench.time.pass_ms(WEEK_MS)
    assert bench.offsets() == {}
    assert bench.shard.groups == {}, "the group goes with its last offset"
    bench.assert_log_says_the_same()


async def test_offsets_of_an_empty_group_expire_together_a_week_after_the_last_member() -> None:
    bench = await started()
    (member_id,), generation_id = bench.stable(protocols=consumer("t"))
    bench.commit({T0: 1}, member_id, generation_id)
    for _ in range(10):
        bench.time.pass_ms(5000)
        bench.heartbeat(member_id, generation_id)
    now(bench.leave((member_id, None)))
    bench.commit({U0: 2})
    bench.time.pass_ms(WEEK_MS - 2 * CHECK_MS)
    bench.commit({T1: 3})
    assert bench.offsets() == {T0: 1, U0: 2, T1: 3}
    await bench.fail_over()
    bench.time.pass_ms(3 * CHECK_MS)
    assert bench.offsets() == {}
    assert bench.shard.groups == {}


def keep_alive(bench: Bench, member_id: str, generation_id: int, duration_ms: int) -> None:
    for _ in range(duration_ms // 1_000_000):
        bench.time.pass_ms(1_000_000)
        assert bench.heartbeat(member_id, generation_id) == ErrorCode.NONE


async def test_topics_that_a_stable_group_does_not_use_expire() -> None:
    bench = await started(offsets_retention_ms=3_600_000)
    (member_id,), generation_id = bench.stable(protocols=consumer("t"), session_ms=1_800_000)
    bench.commit({T0: 1, U0: 2}, member_id, generation_id)
    keep_alive(bench, member_id, generation_id, 3_000_000)
    assert bench.offsets() == {T0: 1, U0: 2}
    keep_alive(bench, member_id, generation_id, 2_000_000)
    assert bench.offsets() == {T0: 1}
    bench.assert_log_says_the_same()


@pytest.mark.parametrize("protocol_type", ["consumer", "connect"])
async def test_nothing_expires_where_the_topics_are_not_known(protocol_type: str) -> None:
    bench = await started(offsets_retention_ms=3_600_000)
    (member_id,), generation_id = bench.stable(protocol_type=protocol_type, session_ms=1_800_000)
    bench.commit({T0: 1}, member_id, generation_id)
    keep_alive(bench, member_id, generation_id, 9_000_000)
    assert bench.offsets() == {T0: 1}


async def test_nothing_expires_during_a_rebalance() -> None:
    """KAFKA-13636"""
    bench = await started(offsets_retention_ms=3_600_000)
    ids, generation_id = bench.stable(2, protocols=consumer("t"), session_ms=1_800_000, rebalance_ms=10_800_000)
    bench.commit({U0: 2}, ids[0], generation_id)
    parked = bench.join(ids[0], protocols=consumer("t"), session_ms=1_800_000, rebalance_ms=10_800_000)
    for _ in range(5):
        bench.time.pass_ms(1_000_000)
        assert bench.heartbeat(ids[1], generation_id) == ErrorCode.REBALANCE_IN_PROGRESS
    assert is_parked(parked)
    assert bench.offsets() == {U0: 2}


async def test_group_that_never_had_a_member_is_removed() -> None:
    bench = await started()
    now(bench.join())
    bench.time.pass_ms(CHECK_MS)
    assert bench.shard.groups == {}
    bench.assert_log_says_the_same()


async def test_many_groups_expire_in_slices() -> None:
    bench = await started()
    count = 2 * GROUPS_PER_SLICE + 50
    for number in range(count):
        bench.commit({T0: number}, group_id=f"g{number}")
    batches = len(bench.log.partition(PARTITION).batches)
    bench.time.pass_ms(WEEK_MS + CHECK_MS)
    assert bench.shard.groups == {}
    assert bench.coordinator.offsets_count == 0
    assert len(bench.log.partition(PARTITION).batches) == batches + -(-count // (RECORDS_PER_SLICE // 2))
    assert bench.coordinator.counters.expired_offsets == count
    bench.assert_log_says_the_same()


async def test_expiry_that_cannot_be_written_is_tried_again() -> None:
    bench = await started()
    bench.commit({T0: 1})
    bench.log.fail_with = ErrorCode.NOT_ENOUGH_REPLICAS
    bench.time.pass_ms(WEEK_MS + CHECK_MS)
    assert bench.offsets() == {T0: 1}
    bench.log.fail_with = None
    bench.time.pass_ms(CHECK_MS)
    assert bench.offsets() == {}


# ---- deleted topics


async def test_offsets_go_with_their_topic() -> None:
    bench = await started()
    bench.commit({T0: 1, T1: 2, U0: 3})
    bench.commit({T0: 4}, group_id="other")
    bench.coordinator.on_topics_deleted([("t", Uuid(b"t" * 16)), ("v", Uuid(b"v" * 16))])
    bench.time.pass_ms(0)
    assert bench.offsets() == {U0: 3}
    assert bench.offsets("other") == {}
    bench.assert_log_says_the_same()


async def test_topic_of_many_groups_goes_in_slices() -> None:
    bench = await started()
    for number in range(GROUPS_PER_SLICE + 10):
        bench.commit({T0: number, T1: number, U0: number}, group_id=f"g{number}")
    bench.coordinator.on_topics_deleted([("t", Uuid(b"t" * 16))])
    bench.log.fail_with = ErrorCode.NOT_ENOUGH_REPLICAS
    bench.time.pass_ms(1000)
    bench.log.fail_with = None
    bench.commit({T0: 0}, group_id="g8")
    bench.time.pass_ms(1000)
    assert bench.coordinator.offsets_count == GROUPS_PER_SLICE + 11
    assert bench.offsets("g7") == {U0: 7}
    assert bench.offsets("g8") == {T0: 0, U0: 8}, "committed since, so in a new topic of that name"


async def test_topic_deleted_while_the_shard_loads() -> None:
    bench = await started()
    bench.commit({T0: 1})
    bench.leader_epoch = 1
    bench.coordinator.on_resignation(0, 1)
    bench.log.partition(PARTITION).leader_epoch = 1
    bench.coordinator.on_election(0, 1)
    bench.coordinator.on_topics_deleted([("t", Uuid(b"t" * 16))])
    await bench.settle()
    bench.time.pass_ms(0)
    assert bench.offsets() == {}


async def test_deleted_topic_is_tried_again_when_the_log_refuses() -> None:
    bench = await started()
    bench.commit({T0: 1})
    bench.log.fail_with = ErrorCode.NOT_ENOUGH_REPLICAS
    bench.coordinator.on_topics_deleted([("t", Uuid(b"t" * 16))])
    bench.time.pass_ms(2000)
    assert bench.offsets() == {T0: 1}
    bench.log.fail_with = None
    bench.time.pass_ms(1000)
    assert bench.offsets() == {}
    bench.commit({T0: 2})
    bench.time.pass_ms(60_000)
    assert bench.offsets() == {T0: 2}, "offsets of a later topic of the name stay"


# ---- groups


async def test_deleting_groups() -> None:
    bench = await started()
    bench.commit({T0: 1, U0: 2}, group_id="simple")
    (member_id,), generation_id = bench.stable()
    bench.commit({T0: 1}, member_id, generation_id)
    results = bench.delete("simple", GROUP, "nobody")
    assert results == {
        "simple": ErrorCode.NONE,
        GROUP: ErrorCode.NON_EMPTY_GROUP,
        "nobody": ErrorCode.GROUP_ID_NOT_FOUND,
    }
    assert await bench.list() == [(GROUP, "consumer", "Stable", "classic")]
    now(bench.leave((member_id, None)))
    assert bench.delete(GROUP) == {GROUP: ErrorCode.NONE}
    assert bench.offsets() == {}
    assert bench.shard.groups == {}
    bench.assert_log_says_the_same()
    await bench.fail_over()
    assert bench.shard.groups == {}


async def test_deleted_group_may_come_again() -> None:
    bench = await started()
    bench.commit({T0: 1})
    pending = now(bench.join()).member_id
    bench.delete(GROUP)
    assert now(bench.join(pending)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    _, answer = bench.join_known()
    bench.time.pass_ms(DELAY_MS)
    assert now(answer).generation_id == 1


async def test_deletion_waits_for_the_high_watermark() -> None:
    bench = await started()
    bench.commit({T0: 1})
    bench.log.is_held = True
    answer = bench.coordinator.delete_groups([GROUP])
    fetch = bench.fetch()
    assert is_parked(answer) and is_parked(fetch), "that there is nothing is not certain yet"
    bench.log.advance(PARTITION)
    await bench.settle()
    assert [result.error_code for result in now(answer)] == [0]
    assert now(fetch).topics == []


async def test_describing_groups() -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True, protocols=(("range", subscription("t")),))
    (group,) = now(bench.describe(GROUP))
    assert (group.error_code, group.group_state) == (0, "Stable")
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    assert [member.member_id for member in group.members] == ids
    first = group.members[0]
    assert (first.group_instance_id, first.client_id, first.client_host) == ("i0", "client", "/127.0.0.1")
    assert (first.member_metadata, first.member_assignment) == (subscription("t"), ids[0].encode())
    bench.join(ids[0], instance_id="i0")
    (group,) = now(bench.describe(GROUP))
    assert (group.group_state, group.protocol_data) == ("PreparingRebalance", "")
    assert [member.member_metadata for member in group.members] == [b"", b""]


async def test_describing_what_is_not_there() -> None:
    bench = await started()
    (old,) = now(bench.describe("nobody", version=5))
    assert (old.error_code, old.group_state, old.group_id) == (0, "Dead", "nobody")
    (new,) = now(bench.describe("nobody", version=6))
    assert (new.error_code, new.group_state) == (ErrorCode.GROUP_ID_NOT_FOUND, "Dead")
    assert "nobody" in new.error_message


async def test_listing_groups_with_filters() -> None:
    bench = await started()
    bench.commit({T0: 1}, group_id="simple")
    bench.stable(group_id="stable")
    bench.join_known(group_id="preparing")
    simple, stable, preparing = (
        ("simple", "", "Empty", "classic"),
        ("stable", "consumer", "Stable", "classic"),
        ("preparing", "consumer", "PreparingRebalance", "classic"),
    )
    assert await bench.list() == [simple, stable, preparing]
    assert await bench.list(["stable", " EMPTY "]) == [simple, stable]
    assert await bench.list(["nonsense"]) == []
    assert await bench.list(types=["Classic"]) == [simple, stable, preparing]
    assert await bench.list(types=["consumer"]) == []
    assert await bench.list(["PreparingRebalance"], ["classic", "consumer"]) == [preparing]
    assert bench.coordinator.groups_by_state()["Stable"] == 1


async def test_listing_over_shards() -> None:
    bench = Bench()
    assert (await list_all(bench)).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    bench.coordinator.startup(3)
    assert (await list_all(bench)).groups == []
    builder = RecordsBuilder(0)
    builder.append(0, encode_key(OffsetCommitKey(group=GROUP, topic="t")), None)
    bench.log.put(PARTITION, builder.build())  # so that loading takes longer than listing
    for partition in range(2):
        bench.coordinator.on_election(partition, 0)
    assert (await list_all(bench)).error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    await bench.settle()
    names = [f"g{number}" for number in range(10)]
    told = {name: bench.commit_error({T0: 1}, group_id=name) for name in names}
    assert set(told.values()) == {ErrorCode.NONE, ErrorCode.NOT_COORDINATOR}
    here = {name for name, error in told.items() if not error}
    assert {group.group_id for group in (await list_all(bench)).groups} == here
    described = {group.group_id: group.error_code for group in now(bench.describe(*names))}
    assert described == told


async def list_all(bench: Bench) -> ListGroupsResponse:
    answer = bench.coordinator.list_groups(ListGroupsRequest())
    return await answer if isinstance(answer, asyncio.Future) else answer


async def test_state_of_an_empty_group_in_time() -> None:
    bench = await started()
    (member_id,), _ = bench.stable()
    now(bench.leave((member_id, None)))
    assert bench.group().state is GroupState.EMPTY
    before = bench.group().current_state_timestamp_ms
    await bench.fail_over()
    assert bench.group().current_state_timestamp_ms == before
