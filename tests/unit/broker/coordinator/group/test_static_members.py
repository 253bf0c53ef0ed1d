"""Static members: they keep their place through restarts, and whoever comes second is fenced (KIP-345, KIP-814)."""

from __future__ import annotations

import pytest

from broker.coordinator.group.classic_group import GroupState
from protocol.errors import ErrorCode
from tests.unit.broker.coordinator.group.bench import (
    DELAY_MS,
    PARTITION,
    REBALANCE_MS,
    SESSION_MS,
    Bench,
    is_parked,
    now,
)


async def started(**settings: int) -> Bench:
    bench = Bench(**settings)
    await bench.start()
    return bench


async def test_static_member_needs_no_second_request() -> None:
    bench = await started()
    answer = bench.join(instance_id="i0")
    assert is_parked(answer)
    bench.time.pass_ms(DELAY_MS)
    response = now(answer)
    assert response.member_id.startswith("i0-")
    assert response.members[0].group_instance_id == "i0"


@pytest.mark.parametrize("version", range(5, 10))
async def test_follower_that_restarts_disturbs_nobody(version: int) -> None:
    bench = await started()
    ids, generation_id = bench.stable(3, static=True)
    response = now(bench.join(instance_id="i1", version=version))
    assert response.error_code == 0
    assert response.member_id not in ids
    assert (response.generation_id, response.leader, response.members) == (generation_id, ids[0], [])
    assert not response.skip_assignment
    assert bench.group().state is GroupState.STABLE
    assert now(bench.sync(response.member_id, generation_id, instance_id="i1")).assignment == ids[1].encode()
    assert bench.heartbeat(ids[1], generation_id, instance_id="i1") == ErrorCode.FENCED_INSTANCE_ID
    assert bench.heartbeat(ids[1], generation_id) == ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(response.member_id, generation_id, instance_id="i1") == ErrorCode.NONE
    bench.assert_log_says_the_same()


async def test_leader_that_restarts_is_told_to_skip_the_assignment() -> None:
    bench = await started()
    ids, generation_id = bench.stable(2, static=True)
    response = now(bench.join(instance_id="i0", version=9))
    assert response.leader == response.member_id != ids[0]
    assert response.skip_assignment
    assert [member.member_id for member in response.members] == [response.member_id, ids[1]]
    assert now(bench.sync(response.member_id, generation_id)).assignment == ids[0].encode()


@pytest.mark.parametrize("version", [5, 8])
async def test_leader_of_an_old_client_is_told_its_old_id_so_that_it_does_not_assign(version: int) -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True)
    response = now(bench.join(instance_id="i0", version=version))
    assert (response.leader, response.members, response.skip_assignment) == (ids[0], [], False)
    assert response.member_id == bench.group().leader_id


async def test_replacement_survives_a_failover() -> None:
    bench = await started()
    _, generation_id = bench.stable(2, static=True)
    new_id = now(bench.join(instance_id="i1")).member_id
    await bench.fail_over()
    assert bench.heartbeat(new_id, generation_id, instance_id="i1") == ErrorCode.NONE


async def test_changed_metadata_with_the_same_choice_disturbs_nobody() -> None:
    bench = await started()
    bench.stable(2, static=True, protocols=(("a", b"1"), ("b", b"1")))
    response = now(bench.join(instance_id="i1", protocols=(("a", b"2"),)))
    assert response.error_code == 0
    assert bench.group().state is GroupState.STABLE
    stored = bench.group().stored
    assert stored is not None and [member.subscription for member in stored.members] == [b"1", b"2"]


async def test_restart_that_changes_the_choice_of_protocol_starts_a_rebalance() -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True, protocols=(("a", b""), ("b", b"")))
    answer = bench.join(instance_id="i1", protocols=(("b", b""),))
    assert is_parked(answer)
    assert bench.group().state is GroupState.PREPARING_REBALANCE
    other = bench.join(ids[0], instance_id="i0", protocols=(("a", b""), ("b", b"")))
    assert now(answer).protocol_name == now(other).protocol_name == "b"


async def test_restart_while_the_group_completes_starts_anew() -> None:
    bench = await started()
    answers = [bench.join(instance_id=f"i{number}") for number in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    ids = [now(answer).member_id for answer in answers]
    parked = bench.sync(ids[1], 1, instance_id="i1")
    again = bench.join(instance_id="i1")
    assert now(parked).error_code == ErrorCode.FENCED_INSTANCE_ID
    assert is_parked(again)
    rejoined = bench.join(ids[0], instance_id="i0")
    assert now(again).generation_id == now(rejoined).generation_id == 2


async def test_restart_while_the_group_prepares_fences_the_parked_request() -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True)
    parked = bench.join(ids[0], instance_id="i0")
    assert is_parked(parked)
    again = bench.join(instance_id="i0")
    fenced = now(parked)
    assert (fenced.error_code, fenced.member_id) == (ErrorCode.FENCED_INSTANCE_ID, ids[0])
    other = bench.join(ids[1], instance_id="i1")
    assert now(again).generation_id == now(other).generation_id == 2


async def test_restart_before_syncing_leaves_no_trace_of_the_old_id() -> None:
    bench = await started()
    answers = [bench.join(instance_id=f"i{number}", rebalance_ms=20_000) for number in range(2)]
    bench.time.pass_ms(2 * DELAY_MS)
    ids = [now(answer).member_id for answer in answers]
    now(bench.sync(ids[0], 1, {ids[0]: b"a", ids[1]: b"b"}))
    new_id = now(bench.join(instance_id="i1", rebalance_ms=20_000)).member_id
    assert now(bench.sync(new_id, 1, instance_id="i1")).assignment == b"b"
    for _ in range(6):
        bench.time.pass_ms(5000)
        assert [bench.heartbeat(each, 1) for each in (ids[0], new_id)] == [ErrorCode.NONE] * 2


async def test_second_holder_of_an_instance_id_is_fenced() -> None:
    bench = await started()
    ids, generation_id = bench.stable(2, static=True)
    fenced = ErrorCode.FENCED_INSTANCE_ID
    response = now(bench.join("another", instance_id="i0"))
    assert (response.error_code, response.member_id, response.protocol_name) == (fenced, "another", None)
    assert now(bench.sync(ids[1], generation_id, instance_id="i0")).error_code == fenced
    assert bench.heartbeat(ids[1], generation_id, instance_id="i0") == fenced
    assert bench.commit_error({("t", 0): 1}, ids[1], generation_id, instance_id="i0") == fenced
    assert [each.error_code for each in now(bench.leave((ids[1], "i0"))).members] == [fenced]


async def test_unknown_instance_ids() -> None:
    bench = await started()
    ids, generation_id = bench.stable(2, static=True)
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    assert now(bench.join(ids[0], instance_id="nobody")).error_code == unknown
    assert bench.heartbeat(ids[0], generation_id, instance_id="nobody") == unknown
    assert bench.commit_error({("t", 0): 1}, ids[0], generation_id, instance_id="nobody") == unknown
    pending = now(bench.join()).member_id
    assert now(bench.join(pending, instance_id="nobody")).error_code == unknown


async def test_administrator_removes_static_members() -> None:
    bench = await started()
    ids, _ = bench.stable(3, static=True)
    response = now(bench.leave(("", "i1"), ("", "i2"), ("", "i7")))
    assert [each.error_code for each in response.members] == [0, 0, ErrorCode.UNKNOWN_MEMBER_ID]
    assert [each.group_instance_id for each in response.members] == ["i1", "i2", "i7"]
    assert list(bench.group().members) == [ids[0]]
    assert list(bench.group().static_members) == ["i0"]


async def test_static_member_that_does_not_rejoin_keeps_its_place() -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True, session_ms=90_000)
    _, newcomer = bench.join_known(session_ms=90_000)
    bench.time.pass_ms(30_000)
    rejoined = bench.join(ids[0], instance_id="i0", session_ms=90_000)
    bench.time.pass_ms(30_000)
    response = now(rejoined)
    assert response.generation_id == now(newcomer).generation_id == 2
    assert {member.member_id for member in response.members} == {*ids, now(newcomer).member_id}
    assert bench.group().pending_sync_members.keys() >= {ids[1]}


async def test_rebalance_waits_on_while_only_absent_static_members_are_left() -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True, session_ms=150_000)
    now(bench.leave((ids[0], "i0")))
    bench.time.pass_ms(REBALANCE_MS)
    assert bench.group().state is GroupState.PREPARING_REBALANCE
    bench.time.pass_ms(30_000)
    answer = bench.join(ids[1], instance_id="i1", session_ms=150_000)
    assert now(answer).generation_id == 2


async def test_absent_static_member_is_out_when_its_session_ends() -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True)
    for _ in range(2):
        bench.time.pass_ms(SESSION_MS / 2)
        bench.heartbeat(ids[0], 1, instance_id="i0")
    assert list(bench.group().members) == [ids[0]]


# ---- the replacement is not committed


async def test_replacement_is_told_when_it_is_committed() -> None:
    bench = await started()
    bench.stable(2, static=True)
    bench.log.is_held = True
    answer = bench.join(instance_id="i1")
    assert is_parked(answer)
    bench.log.advance(PARTITION)
    assert now(answer).error_code == 0


async def test_replacement_that_cannot_be_written_is_taken_back() -> None:
    bench = await started()
    ids, generation_id = bench.stable(2, static=True)
    bench.log.fail_with = ErrorCode.NOT_LEADER_OR_FOLLOWER
    response = now(bench.join(instance_id="i0", protocols=(("range", b"new"),), session_ms=20_000))
    assert (response.error_code, response.member_id) == (ErrorCode.NOT_COORDINATOR, "")
    assert (response.leader, response.generation_id) == (ids[0], generation_id)
    member = bench.group().members[ids[0]]
    assert (member.protocols, member.session_timeout_ms) == ((("range", b""),), SESSION_MS)
    assert bench.group().leader_id == ids[0]
    assert bench.heartbeat(ids[0], generation_id, instance_id="i0") == ErrorCode.NONE
    bench.log.fail_with = None
    bench.assert_log_says_the_same()


async def test_replacement_overtaken_by_another_restart_is_fenced() -> None:
    bench = await started()
    bench.stable(2, static=True)
    bench.log.is_held = True
    first = bench.join(instance_id="i1")
    second = bench.join(instance_id="i1")
    assert now(first).error_code == ErrorCode.FENCED_INSTANCE_ID
    bench.log.advance(PARTITION)
    assert now(second).error_code == 0
    bench.assert_log_says_the_same()


async def test_replacement_overtaken_by_a_rebalance_takes_part_in_it() -> None:
    bench = await started()
    ids, _ = bench.stable(2, static=True)
    bench.log.is_held = True
    parked = bench.join(instance_id="i1")
    leader = bench.join(ids[0], instance_id="i0")
    bench.log.advance(PARTITION)
    assert now(parked).generation_id == now(leader).generation_id == 2


async def test_replacement_that_left_before_it_was_committed() -> None:
    bench = await started()
    bench.stable(2, static=True)
    bench.log.is_held = True
    parked = bench.join(instance_id="i1")
    bench.leave(("", "i1"))
    assert now(parked).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    bench.time.pass_ms(bench.settings.offsets_commit_timeout_ms)
    bench.log.advance(PARTITION)
    assert len(bench.group().members) == 1
