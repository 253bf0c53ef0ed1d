"""Whatever happens to groups: the log says all that the live state says, and every request is answered once.

Histories are drawn at random: members come, go, restart, fall silent, commit, under a high watermark that stands still
now and then and a log that refuses; the shard is lost and loaded. After each step the hard state must be that of the
log, and the working state must make sense; in the end, given time, nothing is left unanswered.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.coordinator.group.classic_group import ClassicGroup, GroupState
from protocol.errors import ErrorCode
from tests.unit.broker.coordinator.group.bench import PARTITION, Bench, consumer, is_parked, now

GROUPS = ("g0", "g1")
MEMBERS = 4

numbers = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("join"), numbers, st.booleans(), st.booleans()),
    st.tuples(st.just("rebalance"), st.sets(numbers, min_size=1), st.integers(0, 3)),
    st.tuples(st.just("rebalance"), st.sets(numbers, min_size=1), st.integers(1, 3)),
    st.tuples(st.just("rebalance"), st.just({0, 1, 2, 3}), st.just(3)),
    st.tuples(st.just("restart"), numbers),
    st.tuples(st.just("sync"), numbers),
    st.tuples(st.just("sync"), numbers),
    st.tuples(st.just("heartbeat"), numbers),
    st.tuples(st.just("leave"), numbers),
    st.tuples(st.just("commit"), numbers, st.integers(0, 100)),
    st.tuples(st.just("simple commit"), numbers, st.integers(0, 100)),
    st.tuples(st.just("delete offsets"), numbers),
    st.tuples(st.just("delete group")),
    st.tuples(st.just("topic deleted"), numbers),
    st.tuples(st.just("time"), st.sampled_from((100, 3_000, 9_000, 30_000, 61_000, 700_000, 700_000_000))),
    st.tuples(st.just("hold"), st.booleans()),
    st.tuples(st.just("refuse"), st.booleans()),
    st.tuples(st.just("fail over")),
)
histories = st.lists(st.tuples(st.sampled_from(GROUPS), steps), min_size=5, max_size=60)


class Member:
    def __init__(self, group_id: str, number: int) -> None:
        self.group_id = group_id
        self.instance_id = f"i{number}" if number % 2 else None
        self.member_id = ""
        self.generation_id = -1
        self.joining: Any = None

    def learn(self) -> None:
        """Reads the answer to its JoinGroup, if it is there."""
        if self.joining is None or is_parked(self.joining):
            return
        response, self.joining = now(self.joining), None
        if response.error_code in (0, ErrorCode.MEMBER_ID_REQUIRED):
            self.member_id, self.generation_id = response.member_id, response.generation_id
        elif response.error_code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.member_id = ""


class World:
    def __init__(self) -> None:
        self.bench = Bench(offsets_retention_ms=3_600_000)
        self.members = {
            (group_id, number): Member(group_id, number) for group_id in GROUPS for number in range(MEMBERS)
        }
        self.answers: list[Any] = []

    def rebalance(self, group_id: str, who: set[int], how_far: int) -> None:
        """Some members join, and time passes, and they sync: as far as it is to go."""
        members = [self.members[group_id, number] for number in sorted(who)]
        for _ in range(2):
            for member in members:
                self.join(member, ("t0",), 9)
                member.learn()
        if how_far >= 1:
            self.bench.time.pass_ms(5_000)
            for member in members:
                self.bench.heartbeat(member.member_id, member.generation_id, group_id=group_id)
            self.bench.time.pass_ms(5_000)
        for member in members:
            member.learn()
        for member in members[: len(members) if how_far == 3 else how_far]:
            self.sync(member)

    def join(self, member: Member, topics: tuple[str, ...], version: int) -> None:
        member.joining = self.bench.join(
            member.member_id,
            group_id=member.group_id,
            instance_id=member.instance_id,
            protocols=consumer(*topics),
            version=version,
        )
        self.answers.append(member.joining)

    def sync(self, member: Member) -> None:
        group = self.bench.shard.groups.get(member.group_id)
        ids = [] if group is None else list(group.members)
        assignments = {each: f"{each} of {member.generation_id}".encode() for each in ids}
        self.answers.append(
            self.bench.sync(member.member_id, member.generation_id, assignments, group_id=member.group_id)
        )

    async def step(self, group_id: str, step: tuple[Any, ...]) -> None:
        bench, (kind, *arguments) = self.bench, step
        for each in self.members.values():
            each.learn()
        member = None
        if arguments and kind not in ("rebalance", "hold", "refuse"):
            member = self.members.get((group_id, arguments[0]))
        if kind == "rebalance":
            self.rebalance(group_id, *arguments)
        elif kind == "restart" and member is not None:
            member.member_id = ""
            self.join(member, ("t0",), 9)
        elif kind == "join" and member is not None:
            old_version = 3 if member.instance_id is None else 5
            self.join(member, ("t0", "t1") if arguments[1] else ("t0",), 9 if arguments[2] else old_version)
        elif kind == "sync" and member is not None:
            self.sync(member)
        elif kind == "heartbeat" and member is not None:
            bench.heartbeat(member.member_id, member.generation_id, group_id=group_id)
        elif kind == "leave" and member is not None:
            self.answers.append(bench.leave((member.member_id, member.instance_id), group_id=group_id))
        elif kind == "commit" and member is not None:
            offsets = {("t0", 0): arguments[1], ("t1", 0): arguments[1]}
            self.answers.append(bench.commit(offsets, member.member_id, member.generation_id, group_id=group_id))
            self.answers.append(bench.fetch(group_id=group_id))
        elif kind == "simple commit":
            self.answers.append(bench.commit({(f"t{arguments[0]}", 0): arguments[1]}, group_id=group_id))
        elif kind == "delete offsets":
            self.answers.append(bench.delete_offsets({f"t{arguments[0]}": [0]}, group_id=group_id))
        elif kind == "delete group":
            self.answers.append(bench.coordinator.delete_groups([group_id]))
        elif kind == "topic deleted":
            bench.coordinator.on_topics_deleted([(f"t{arguments[0]}", b"t" * 16)])  # type: ignore[list-item]
        elif kind == "time":
            bench.time.pass_ms(arguments[0])
        elif kind == "hold":
            bench.log.is_held = arguments[0]
            if not arguments[0]:
                bench.log.advance(PARTITION)
        elif kind == "refuse":
            bench.log.fail_with = ErrorCode.NOT_ENOUGH_REPLICAS if arguments[0] else None
        elif kind == "fail over":
            await bench.fail_over()

    def check(self) -> None:
        self.bench.assert_log_says_the_same()
        for group in self.bench.shard.groups.values():
            check_group(group)

    async def settle(self) -> None:
        """With the log well again and time enough, every request has its answer."""
        self.bench.log.fail_with = None
        self.bench.log.is_held = False
        self.bench.log.advance(PARTITION)
        for _ in range(6):
            self.bench.time.pass_ms(400_000)
        await self.bench.settle()
        assert not any(map(is_parked, self.answers))
        assert all(not group.members for group in self.bench.shard.groups.values()), "all have fallen silent"


def check_group(group: ClassicGroup) -> None:
    members = group.members.values()
    assert (group.state is GroupState.EMPTY) <= (not group.members)
    assert (group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE)) <= bool(group.members)
    assert group.leader_id is None if not group.members else group.leader_id in group.members
    assert group.static_members == {
        each.group_instance_id: each.member_id for each in members if each.group_instance_id is not None
    }
    assert group.awaiting_join_count == sum(each.awaiting_join is not None for each in members)
    assert group.pending_sync_members.keys() <= group.members.keys()
    assert group.pending_join_members.keys().isdisjoint(group.members)
    supporters: dict[str, int] = {}
    for each in members:
        for name in set(each.protocol_names):
            supporters[name] = supporters.get(name, 0) + 1
    assert group.supporters == supporters
    if group.state is GroupState.STABLE:
        assert all(each.awaiting_sync is None for each in members)


async def run(history: list[tuple[str, tuple[Any, ...]]]) -> None:
    world = World()
    await world.bench.start()
    for group_id, step in history:
        await world.step(group_id, step)
        world.check()
    before = world.bench.shard.hard_state()
    await world.bench.fail_over()
    assert world.bench.shard.hard_state() == before
    world.check()
    await world.settle()
    world.check()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_log_and_state_stay_one(history: list[tuple[str, tuple[Any, ...]]]) -> None:
    asyncio.run(run(history))


@pytest.mark.parametrize("is_held", [False, True])
def test_one_busy_history(is_held: bool) -> None:
    """What every drawn history is made of, at least once."""
    history: list[tuple[str, tuple[Any, ...]]] = [("g0", ("hold", is_held))]
    for _ in range(2):
        for number in range(MEMBERS):
            history += [("g0", ("join", number, True, True)), ("g0", ("join", number, True, True))]
        history.append(("g0", ("time", 30_000)))
        history += [("g0", ("heartbeat", number)) for number in range(MEMBERS)]
        history += [("g0", ("sync", number)) for number in range(MEMBERS)]
        history += [("g0", ("commit", number, 10 + number)) for number in range(MEMBERS)]
        history += [("g0", ("restart", 1)), ("g0", ("sync", 1)), ("g0", ("fail over",))]
    asyncio.run(run(history))
