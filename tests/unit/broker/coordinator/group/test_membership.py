"""Dynamic members: joining, syncing, heartbeats, leaving, and what ends each phase of a rebalance."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from broker.coordinator.group.classic_group import GroupState
from protocol.coordinator.group import GroupMetadataValue
from protocol.coordinator.serde import GROUP_RECORDS
from protocol.errors import ErrorCode
from tests.unit.broker.coordinator.group.bench import (
    DELAY_MS,
    GROUP,
    PARTITION,
    REBALANCE_MS,
    SESSION_MS,
    Bench,
    Protocols,
    is_parked,
    now,
)


async def started(**settings: int) -> Bench:
    bench = Bench(**settings)
    await bench.start()
    return bench


# ---- the way of one member


async def test_new_member_is_first_told_its_id() -> None:
    bench = await started()
    response = now(bench.join(client_id="app"))
    assert response.error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert response.member_id == "app-00000000-0000-0000-0000-000000000001"
    assert response.protocol_name is None
    assert bench.group().state is GroupState.EMPTY


@pytest.mark.parametrize("version", range(4))
async def test_old_clients_join_at_once(version: int) -> None:
    bench = await started()
    answer = bench.join(version=version)
    assert is_parked(answer)
    bench.time.pass_ms(DELAY_MS)
    response = now(answer)
    assert response.error_code == 0
    assert response.member_id.startswith("client-")
    assert response.leader == response.member_id


async def test_version_0_has_one_timeout() -> None:
    bench = await started()
    bench.join(version=0, session_ms=7000, rebalance_ms=-1)
    (member,) = bench.group().members.values()
    assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (7000, 7000)


async def test_whole_way_of_a_group_of_one() -> None:
    bench = await started()
    member_id, answer = bench.join_known()
    assert is_parked(answer)
    assert bench.group().state is GroupState.PREPARING_REBALANCE
    bench.time.pass_ms(DELAY_MS - 1)
    assert is_parked(answer)
    bench.time.pass_ms(1)
    joined = now(answer)
    assert (joined.generation_id, joined.protocol_name, joined.protocol_type) == (1, "range", "consumer")
    assert joined.leader == member_id == joined.member_id
    assert [member.member_id for member in joined.members] == [member_id]
    assert bench.group().state is GroupState.COMPLETING_REBALANCE
    assert bench.heartbeat(member_id, 1) == ErrorCode.NONE
    synced = now(bench.sync(member_id, 1, {member_id: b"all of it"}))
    assert (synced.error_code, synced.assignment, synced.protocol_name) == (0, b"all of it", "range")
    assert bench.group().state is GroupState.STABLE
    assert bench.coordinator.counters.completed_rebalances == 1
    assert now(bench.sync(member_id, 1)).assignment == b"all of it"
    assert bench.heartbeat(member_id, 1) == ErrorCode.NONE
    left = now(bench.leave((member_id, None)))
    assert [member.error_code for member in left.members] == [0]
    assert bench.group().state is GroupState.EMPTY
    assert bench.group().generation_id == 2
    bench.assert_log_says_the_same()


async def test_records_are_those_of_kafka() -> None:
    bench = await started()
    begin_ms = bench.time.wall_ms()
    (member_id,), _ = bench.stable(protocols=(("range", b"meta"), ("roundrobin", b"other")))
    bench.leave((member_id, None))
    written = [GROUP_RECORDS.decode(record.key or b"", record.value) for record in bench.log.records(PARTITION)]
    assert {record.value_version for record in written} == {3}
    assert all(record.key.SPEC.key == 2 for record in written)
    created, assigned, emptied = (record.value for record in written)
    assert created == GroupMetadataValue(
        protocol_type="",
        generation=0,
        protocol=None,
        leader=None,
        current_state_timestamp=begin_ms,
        members=[],
    )
    assert assigned == GroupMetadataValue(
        protocol_type="consumer",
        generation=1,
        protocol="range",
        leader=member_id,
        current_state_timestamp=begin_ms + DELAY_MS,
        members=[
            GroupMetadataValue.MemberMetadata(
                member_id=member_id,
                group_instance_id=None,
                client_id="client",
                client_host="/127.0.0.1",
                rebalance_timeout=REBALANCE_MS,
                session_timeout=SESSION_MS,
                subscription=b"meta",
                assignment=member_id.encode(),
            )
        ],
    )
    assert emptied == GroupMetadataValue(
        protocol_type="consumer",
        generation=2,
        protocol=None,
        leader=None,
        current_state_timestamp=begin_ms + 2 * DELAY_MS,
        members=[],
    )


# ---- refusals of JoinGroup


async def test_refusals_that_need_no_shard() -> None:
    bench = Bench()
    assert now(bench.join()).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    bench.coordinator.startup(1)
    assert now(bench.join()).error_code == ErrorCode.NOT_COORDINATOR
    await bench.start()
    assert now(bench.join(group_id="")).error_code == ErrorCode.INVALID_GROUP_ID
    assert now(bench.join(session_ms=5999)).error_code == ErrorCode.INVALID_SESSION_TIMEOUT
    assert now(bench.join(session_ms=1_800_001)).error_code == ErrorCode.INVALID_SESSION_TIMEOUT
    assert now(bench.join(session_ms=1_800_000)).error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert now(bench.join(session_ms=6000)).error_code == ErrorCode.MEMBER_ID_REQUIRED


@pytest.mark.parametrize(("version", "name"), [(6, ""), (7, None)])
async def test_missing_protocol_name_is_null_where_it_may_be(version: int, name: str | None) -> None:
    bench = await started()
    assert now(bench.join("nobody", version=version)).protocol_name == name


async def test_id_of_a_group_that_is_not_there() -> None:
    bench = await started()
    response = now(bench.join("stranger"))
    assert (response.error_code, response.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "stranger")
    assert bench.shard.groups == {}


@pytest.mark.parametrize(("protocol_type", "protocols"), [("", (("range", b""),)), ("consumer", ())])
async def test_first_member_needs_a_type_and_a_protocol(protocol_type: str, protocols: Protocols) -> None:
    bench = await started()
    response = now(bench.join(protocol_type=protocol_type, protocols=protocols))
    assert response.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert bench.group().state is GroupState.EMPTY, "and yet the group exists, as in Kafka"
    bench.assert_log_says_the_same()


async def test_later_members_need_one_protocol_of_all() -> None:
    bench = await started()
    bench.stable(2, protocols=(("a", b""), ("b", b"")))
    refused = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert now(bench.join(protocol_type="connect", protocols=(("a", b""),))).error_code == refused
    assert now(bench.join(protocols=(("c", b""),))).error_code == refused
    assert now(bench.join(protocols=(("c", b""), ("b", b"")))).error_code == ErrorCode.MEMBER_ID_REQUIRED


async def test_unknown_member_of_a_known_group() -> None:
    bench = await started()
    bench.stable()
    assert now(bench.join("stranger")).error_code == ErrorCode.UNKNOWN_MEMBER_ID


async def test_group_has_a_largest_size() -> None:
    bench = await started(group_size_max=2)
    ids, _ = bench.stable(2)
    response = now(bench.join())
    assert (response.error_code, response.member_id) == (ErrorCode.GROUP_MAX_SIZE_REACHED, "")
    again = bench.join(ids[0], protocols=(("range", b"changed"),))
    assert is_parked(again), "members may always rejoin"
    assert now(bench.join()).error_code == ErrorCode.MEMBER_ID_REQUIRED, "one place is not taken yet"
    bench.join(ids[1])
    assert now(bench.join()).error_code == ErrorCode.GROUP_MAX_SIZE_REACHED


async def test_group_that_has_become_too_large_loses_the_last_to_rejoin() -> None:
    bench = await started()
    ids, _ = bench.stable(3)
    await bench.fail_over()
    smaller = Bench(group_size_max=2)
    log = bench.log
    bench.coordinator.shutdown()
    smaller.log.partitions, smaller.leader_epoch = log.partitions, bench.leader_epoch
    await smaller.start()
    assert smaller.group().state is GroupState.PREPARING_REBALANCE
    answers = [smaller.join(member_id) for member_id in ids[:2]]
    refused = now(smaller.join(ids[2]))
    assert refused.error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert ids[2] not in smaller.group().members
    smaller.time.pass_ms(REBALANCE_MS)
    assert [now(answer).error_code for answer in answers] == [0, 0]


# ---- who waits for whom


@pytest.mark.parametrize("count", [2, 3, 5, 8])
async def test_members_share_a_generation(count: int) -> None:
    bench = await started()
    joined = [bench.join_known() for _ in range(count)]
    bench.time.pass_ms(2 * DELAY_MS)
    responses = [now(answer) for _, answer in joined]
    leader = joined[0][0]
    assert {response.leader for response in responses} == {leader}
    assert {response.generation_id for response in responses} == {1}
    assert [len(response.members) for response in responses] == [count] + [0] * (count - 1)
    followers = [bench.sync(member_id, 1) for member_id, _ in joined[1:]]
    assert all(map(is_parked, followers))
    assert now(bench.sync(leader, 1, {member_id: member_id.encode() for member_id, _ in joined})).assignment
    assert [now(answer).assignment for answer in followers] == [member_id.encode() for member_id, _ in joined[1:]]
    bench.assert_log_says_the_same()


async def test_newcomers_put_off_the_first_rebalance_up_to_the_rebalance_timeout() -> None:
    bench = await started()
    _, first = bench.join_known(rebalance_ms=8000)
    answers = [first]
    for _ in range(3):
        bench.time.pass_ms(2000)
        answers.append(bench.join_known(rebalance_ms=8000)[1])
    assert all(map(is_parked, answers))
    bench.time.pass_ms(2000)  # 8 s in all
    assert [now(answer).generation_id for answer in answers] == [1] * 4


async def test_first_rebalance_does_not_wait_when_nobody_new_came() -> None:
    bench = await started()
    _, first = bench.join_known()
    _, second = bench.join_known()
    bench.time.pass_ms(DELAY_MS)
    assert is_parked(first), "the second one prolonged it"
    bench.time.pass_ms(DELAY_MS)
    assert now(first).generation_id == now(second).generation_id == 1


async def test_first_rebalance_without_delay() -> None:
    bench = await started(initial_rebalance_delay_ms=0)
    _, answer = bench.join_known()
    bench.time.pass_ms(0)
    assert now(answer).generation_id == 1


async def test_newcomer_starts_a_rebalance_that_waits_for_the_others() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    newcomer, answer = bench.join_known()
    assert is_parked(answer)
    assert bench.heartbeat(ids[0], 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert now(bench.sync(ids[1], 1)).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    first = bench.join(ids[0])
    assert is_parked(first)
    second = bench.join(ids[1])
    responses = [now(each) for each in (first, second, answer)]
    assert {response.generation_id for response in responses} == {2}
    assert {response.leader for response in responses} == {ids[0]}
    assert {member.member_id for member in now(first).members} == {*ids, newcomer}


async def test_pending_member_holds_up_a_rebalance_until_it_times_out() -> None:
    bench = await started()
    (member_id,), _ = bench.stable()
    now(bench.join(session_ms=6000))  # asks for an id, and never comes back
    answer = bench.join(member_id)
    assert is_parked(answer)
    bench.time.pass_ms(6000)
    assert now(answer).generation_id == 2
    assert not bench.group().pending_join_members


async def test_who_does_not_rejoin_in_time_is_out() -> None:
    bench = await started()
    ids, _ = bench.stable(3, rebalance_ms=30_000)
    first = bench.join(ids[0], rebalance_ms=30_000)
    for _ in range(5):
        bench.time.pass_ms(5000)
        for member_id in ids[1:]:
            assert bench.heartbeat(member_id, 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert is_parked(first)
    bench.time.pass_ms(5000)
    assert now(first).generation_id == 2
    assert list(bench.group().members) == [ids[0]]
    assert bench.heartbeat(ids[1], 1) == ErrorCode.UNKNOWN_MEMBER_ID


async def test_leader_that_does_not_rejoin_is_replaced() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    bench.join_known()
    answer = bench.join(ids[1])
    bench.time.pass_ms(REBALANCE_MS)
    response = now(answer)
    assert response.leader != ids[0]
    assert ids[0] not in bench.group().members


async def test_rebalance_nobody_came_to_empties_the_group() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    now(bench.leave((ids[0], None)))
    assert bench.group().state is GroupState.PREPARING_REBALANCE
    bench.time.pass_ms(REBALANCE_MS)
    assert bench.group().state is GroupState.EMPTY
    bench.assert_log_says_the_same()


async def test_unchanged_follower_is_told_the_generation_again() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    response = now(bench.join(ids[1]))
    assert (response.generation_id, response.members, response.leader) == (1, [], ids[0])
    assert bench.group().state is GroupState.STABLE


async def test_unchanged_member_is_told_again_while_the_group_completes() -> None:
    bench = await started()
    member_id, answer = bench.join_known()
    bench.time.pass_ms(DELAY_MS)
    first = now(answer)
    assert now(bench.join(member_id)) == first


@pytest.mark.parametrize("index", [0, 1])
async def test_changed_member_starts_a_rebalance(index: int) -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    answer = bench.join(ids[index], protocols=(("range", b"new topics"),))
    assert is_parked(answer)
    other = bench.join(ids[1 - index])
    assert now(answer).generation_id == now(other).generation_id == 2


async def test_leader_may_start_a_rebalance_without_a_change() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    assert is_parked(bench.join(ids[0]))


async def test_change_while_the_group_completes_begins_anew() -> None:
    bench = await started()
    ids = [bench.join_known()[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    parked = bench.sync(ids[1], 1)
    answer = bench.join(ids[0], protocols=(("range", b"changed"),))
    assert now(parked).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert is_parked(answer)


async def test_second_request_of_a_member_lets_the_first_go() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    first = bench.join(ids[0])
    second = bench.join(ids[0])
    assert now(first).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    bench.join(ids[1])
    assert now(second).generation_id == 2
    parked = bench.sync(ids[1], 2)
    again = bench.sync(ids[1], 2)
    assert now(parked).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    now(bench.sync(ids[0], 2, {ids[1]: b"x"}))
    assert now(again).assignment == b"x"


# ---- choosing a protocol


@dataclass
class Vote:
    members: tuple[tuple[str, ...], ...]
    chosen: str


@pytest.mark.parametrize(
    "vote",
    [
        Vote((("a",),), "a"),
        Vote((("a", "b"), ("b", "a"), ("b", "a")), "b"),
        Vote((("a", "b"), ("b",)), "b"),
        Vote((("a", "b", "c"), ("c", "b"), ("c", "b")), "c"),
        # Ties, as a Java hash table decides them in Kafka.
        Vote((("roundrobin", "range"), ("range", "roundrobin")), "range"),
        Vote(
            (("range", "sticky", "roundrobin"), ("roundrobin", "range", "sticky"), ("sticky", "range", "roundrobin")),
            "sticky",
        ),
        Vote((("cooperative-sticky", "range"), ("range", "cooperative-sticky")), "range"),
    ],
)
async def test_protocol_is_what_most_prefer_of_what_all_have(vote: Vote) -> None:
    bench = await started()
    answers = [bench.join_known(protocols=[(name, b"") for name in names])[1] for names in vote.members]
    bench.time.pass_ms(20 * DELAY_MS)
    assert {now(answer).protocol_name for answer in answers} == {vote.chosen}


async def test_protocol_named_twice_counts_once() -> None:
    bench = await started()
    _, first = bench.join_known(protocols=(("a", b"1"), ("a", b"2"), ("b", b"")))
    _, second = bench.join_known(protocols=(("b", b""),))
    bench.time.pass_ms(2 * DELAY_MS)
    assert now(first).protocol_name == now(second).protocol_name == "b"


async def test_any_protocol_type_will_do() -> None:
    bench = await started()
    ids, generation_id = bench.stable(2, protocol_type="connect", protocols=(("sessioned", b"\x01\x02"),))
    assert await bench.list() == [(GROUP, "connect", "Stable", "classic")]
    assert bench.heartbeat(ids[1], generation_id) == ErrorCode.NONE


# ---- SyncGroup


async def test_refusals_of_sync() -> None:
    bench = await started()
    assert now(bench.sync("m", 1)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert now(bench.sync("m", 1, group_id="")).error_code == ErrorCode.INVALID_GROUP_ID
    now(bench.join())
    assert now(bench.sync("m", 1)).error_code == ErrorCode.UNKNOWN_MEMBER_ID, "the group is empty"
    (member_id,), _ = bench.stable()
    assert now(bench.sync("m", 1)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert now(bench.sync(member_id, 2)).error_code == ErrorCode.ILLEGAL_GENERATION
    inconsistent = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert now(bench.sync(member_id, 1, protocol_type="connect")).error_code == inconsistent
    assert now(bench.sync(member_id, 1, protocol_name="sticky")).error_code == inconsistent
    assert now(bench.sync(member_id, 1, protocol_type="consumer", protocol_name="range")).error_code == 0
    bench.coordinator.shutdown()
    assert now(bench.sync(member_id, 1)).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_members_that_the_leader_forgets_get_nothing() -> None:
    bench = await started()
    ids = [bench.join_known()[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    follower = bench.sync(ids[1], 1)
    now(bench.sync(ids[0], 1, {ids[0]: b"mine", "stranger": b"?"}))
    assert now(follower).assignment == b""
    bench.assert_log_says_the_same()


async def test_assignment_is_told_when_it_is_committed() -> None:
    bench = await started()
    ids = [bench.join_known()[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    bench.log.is_held = True
    leader = bench.sync(ids[0], 1, dict.fromkeys(ids, b"x"))
    follower = bench.sync(ids[1], 1)
    assert is_parked(leader) and is_parked(follower)
    assert bench.group().state is GroupState.COMPLETING_REBALANCE
    records = len(bench.log.records(PARTITION))
    again = bench.sync(ids[0], 1, dict.fromkeys(ids, b"another"))
    assert len(bench.log.records(PARTITION)) == records, "the leader repeats itself: one assignment a generation"
    bench.log.advance(PARTITION)
    assert now(leader).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert now(again).assignment == now(follower).assignment == b"x"
    assert bench.group().state is GroupState.STABLE


async def test_assignment_that_is_not_committed_in_time_begins_anew() -> None:
    bench = await started()
    ids = [bench.join_known()[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    bench.log.is_held = True
    answers = [bench.sync(ids[0], 1, dict.fromkeys(ids, b"x")), bench.sync(ids[1], 1)]
    bench.time.pass_ms(bench.settings.offsets_commit_timeout_ms)
    assert [now(each).error_code for each in answers] == [ErrorCode.COORDINATOR_NOT_AVAILABLE] * 2
    assert [now(each).assignment for each in answers] == [b"", b""]
    assert bench.group().state is GroupState.PREPARING_REBALANCE


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.RECORD_LIST_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
async def test_assignment_that_cannot_be_written(refusal: ErrorCode, told: ErrorCode) -> None:
    bench = await started()
    ids = [bench.join_known()[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    follower = bench.sync(ids[1], 1)
    bench.log.fail_with = refusal
    leader = bench.sync(ids[0], 1, dict.fromkeys(ids, b"x"))
    assert [now(each).error_code for each in (leader, follower)] == [told, told]
    assert bench.group().state is GroupState.PREPARING_REBALANCE
    bench.log.fail_with = None
    bench.assert_log_says_the_same()


async def test_commit_of_an_assignment_that_came_too_late_changes_nothing() -> None:
    bench = await started()
    ids = [bench.join_known()[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    bench.log.is_held = True
    leader = bench.sync(ids[0], 1, dict.fromkeys(ids, b"x"))
    rejoining = bench.join(ids[1], protocols=(("range", b"changed"),))
    assert now(leader).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    bench.log.advance(PARTITION)
    assert bench.group().state is GroupState.PREPARING_REBALANCE
    assert is_parked(rejoining)


async def test_who_does_not_sync_in_time_is_out() -> None:
    bench = await started()
    ids = [bench.join_known(rebalance_ms=30_000)[0] for _ in range(3)]
    bench.time.pass_ms(2 * DELAY_MS)
    leader = bench.sync(ids[0], 1, dict.fromkeys(ids, b"x"))
    assert now(leader).error_code == 0
    now(bench.sync(ids[1], 1))
    for _ in range(5):
        bench.time.pass_ms(5000)
        assert [bench.heartbeat(each, 1) for each in ids] == [ErrorCode.NONE] * 3
    bench.time.pass_ms(5000)
    assert bench.heartbeat(ids[0], 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert bench.heartbeat(ids[2], 1) == ErrorCode.UNKNOWN_MEMBER_ID


async def test_leader_that_does_not_sync_frees_the_followers() -> None:
    bench = await started()
    ids = [bench.join_known(rebalance_ms=9000, session_ms=30_000)[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    follower = bench.sync(ids[1], 1)
    bench.time.pass_ms(9000)
    assert now(follower).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert list(bench.group().members) == [ids[1]]


# ---- heartbeats and sessions


async def test_refusals_of_heartbeats() -> None:
    bench = Bench()
    assert bench.heartbeat("m", 1) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    bench.coordinator.startup(1)
    assert bench.heartbeat("m", 1) == ErrorCode.NOT_COORDINATOR
    bench.coordinator.on_election(0, 0)
    assert bench.heartbeat("m", 1) == ErrorCode.NONE, "while the shard loads, members count as alive"
    await bench.settle()
    assert bench.heartbeat("m", 1, group_id="") == ErrorCode.INVALID_GROUP_ID
    assert bench.heartbeat("m", 1) == ErrorCode.UNKNOWN_MEMBER_ID
    (member_id,), _ = bench.stable()
    assert bench.heartbeat("m", 1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(member_id, 0) == ErrorCode.ILLEGAL_GENERATION
    assert bench.heartbeat(member_id, 2) == ErrorCode.ILLEGAL_GENERATION
    assert bench.heartbeat(member_id, 1, instance_id="i") == ErrorCode.UNKNOWN_MEMBER_ID


async def test_heartbeats_never_wait() -> None:
    bench = await started()
    (member_id,), _ = bench.stable()
    bench.log.is_held = True
    bench.commit({("t", 0): 1}, member_id, 1)
    assert bench.heartbeat(member_id, 1) == ErrorCode.NONE


async def test_silent_member_is_out() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    for _ in range(3):
        bench.time.pass_ms(SESSION_MS / 2)
        bench.heartbeat(ids[0], 1)
    assert list(bench.group().members) == [ids[0]]
    assert bench.heartbeat(ids[0], 1) == ErrorCode.REBALANCE_IN_PROGRESS


async def test_last_silent_member_empties_the_group() -> None:
    bench = await started()
    bench.stable()
    bench.time.pass_ms(SESSION_MS)
    assert bench.group().state is GroupState.EMPTY
    bench.assert_log_says_the_same()


async def test_offset_commits_keep_the_session() -> None:
    bench = await started()
    (member_id,), _ = bench.stable()
    for offset in range(4):
        bench.time.pass_ms(SESSION_MS - 1)
        assert bench.commit_error({("t", 0): offset}, member_id, 1) == ErrorCode.NONE
    assert bench.group().state is GroupState.STABLE


async def test_member_that_waits_for_a_rebalance_is_alive() -> None:
    bench = await started()
    ids, _ = bench.stable(2, session_ms=6000)
    answer = bench.join(ids[0], session_ms=6000)
    for _ in range(4):
        bench.time.pass_ms(5000)
        bench.heartbeat(ids[1], 1)
    assert is_parked(answer)
    bench.join(ids[1])
    assert now(answer).generation_id == 2


async def test_new_member_whose_request_is_parked_too_long_is_told_to_come_again() -> None:
    bench = await started(new_member_join_timeout_ms=20_000)
    ids, _ = bench.stable(rebalance_ms=300_000)
    _, answer = bench.join_known(rebalance_ms=300_000)
    for _ in range(4):
        bench.time.pass_ms(5000)
        bench.heartbeat(ids[0], 1)
    response = now(answer)
    assert (response.error_code, response.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "")


# ---- leaving


async def test_refusals_of_leaving() -> None:
    bench = Bench()
    assert now(bench.leave(("m", None))).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    await bench.start()
    assert now(bench.leave(("m", None), group_id="")).error_code == ErrorCode.INVALID_GROUP_ID
    unknown = now(bench.leave(("m", None), ("", "i")))
    assert unknown.error_code == 0
    assert [each.error_code for each in unknown.members] == [ErrorCode.UNKNOWN_MEMBER_ID] * 2
    ids, _ = bench.stable(2)
    mixed = now(bench.leave(("m", None), (ids[1], None), (ids[0], "i"), ("", "i"), ("", None)))
    assert [each.error_code for each in mixed.members] == [25, 0, 25, 25, 25]
    assert bench.group().state is GroupState.PREPARING_REBALANCE


async def test_pending_member_may_leave() -> None:
    bench = await started()
    (member_id,), _ = bench.stable()
    pending = now(bench.join()).member_id
    answer = bench.join(member_id)
    assert is_parked(answer)
    assert [each.error_code for each in now(bench.leave((pending, None))).members] == [0]
    assert now(answer).generation_id == 2


async def test_leaving_ends_a_parked_join() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    parked = bench.join(ids[0])
    now(bench.leave((ids[0], None)))
    assert now(parked).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    answer = bench.join(ids[1])
    assert now(answer).leader == ids[1]


async def test_leaving_ends_a_parked_sync() -> None:
    bench = await started()
    ids = [bench.join_known()[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    parked = bench.sync(ids[1], 1)
    now(bench.leave((ids[1], None)))
    assert now(parked).error_code == ErrorCode.UNKNOWN_MEMBER_ID


async def test_all_leave_in_one_request() -> None:
    bench = await started()
    ids, _ = bench.stable(3)
    left = now(bench.leave(*((each, None) for each in ids)))
    assert [each.error_code for each in left.members] == [0, 0, 0]
    assert bench.group().state is GroupState.EMPTY
    stored = bench.group().stored
    assert stored is not None and stored.members == []


async def test_leaving_is_told_when_it_is_committed() -> None:
    bench = await started()
    (member_id,), _ = bench.stable()
    bench.log.is_held = True
    answer = bench.leave((member_id, None))
    assert is_parked(answer)
    bench.log.advance(PARTITION)
    assert now(answer).error_code == 0


async def test_leaving_without_a_log() -> None:
    bench = await started()
    (member_id,), _ = bench.stable()
    bench.log.fail_with = ErrorCode.NOT_ENOUGH_REPLICAS
    assert now(bench.leave((member_id, None))).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


# ---- the log refuses, the shard goes


async def test_group_that_cannot_be_written_does_not_exist() -> None:
    bench = await started()
    bench.log.fail_with = ErrorCode.NOT_ENOUGH_REPLICAS
    old = bench.join(version=3)
    assert now(old).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    now(bench.join())
    assert bench.shard.groups == {}
    bench.log.fail_with = None
    bench.time.pass_ms(DELAY_MS)
    assert now(bench.join()).error_code == ErrorCode.MEMBER_ID_REQUIRED


async def test_parked_requests_fail_with_the_shard() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    joining = bench.join(ids[0])
    _, other = bench.join_known(group_id="other")
    completing = [bench.join_known(group_id="completing")[0] for _ in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    bench.heartbeat(ids[1], 1)
    syncing = bench.sync(completing[1], 1, group_id="completing")
    assert is_parked(joining) and is_parked(syncing)
    bench.coordinator.on_resignation(0, 1)
    assert now(joining).error_code == now(syncing).error_code == ErrorCode.NOT_COORDINATOR
    assert now(other).error_code == 0, "this one was answered before"
    assert now(bench.join()).error_code == ErrorCode.NOT_COORDINATOR
    bench.time.pass_ms(600_000)


async def test_failover_keeps_generation_and_members() -> None:
    bench = await started()
    ids, generation_id = bench.stable(3)
    before = bench.shard.hard_state()
    await bench.fail_over()
    assert bench.shard.hard_state() == before
    assert bench.group().state is GroupState.STABLE
    assert [bench.heartbeat(each, generation_id) for each in ids] == [ErrorCode.NONE] * 3
    assert now(bench.sync(ids[1], generation_id)).assignment == ids[1].encode()
    bench.time.pass_ms(SESSION_MS - 1)
    bench.heartbeat(ids[0], generation_id)
    bench.time.pass_ms(1)
    assert list(bench.group().members) == [ids[0]], "sessions begin anew with the load"


async def test_failover_during_a_rebalance_goes_back_to_the_last_generation() -> None:
    bench = await started()
    ids, _ = bench.stable(2)
    parked = bench.join(ids[0])
    await bench.fail_over()
    assert now(parked).error_code == ErrorCode.NOT_COORDINATOR
    assert bench.group().state is GroupState.STABLE
    again = [bench.join(ids[0]), bench.join(ids[1])]
    assert [now(each).generation_id for each in again] == [2, 2]
    now(bench.sync(ids[0], 2, dict.fromkeys(ids, b"x")))
    bench.assert_log_says_the_same()
