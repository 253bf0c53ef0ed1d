"""Waiting for offsets: in order, at several partitions at once, and not for ever."""

from __future__ import annotations

import asyncio

from broker.replication.delayed import DelayedProduce, OffsetQueue
from protocol.errors import ErrorCode


class Outcomes:
    def __init__(self) -> None:
        self.codes: list[ErrorCode] = []

    def __call__(self, code: ErrorCode) -> None:
        self.codes.append(code)


async def test_done_when_every_partition_has_reached_its_offset() -> None:
    first, second = OffsetQueue(), OffsetQueue()
    produce, outcomes = DelayedProduce(asyncio.get_running_loop(), 60), Outcomes()
    produce.wait_for(first, 10, outcomes)
    produce.wait_for(second, 5, outcomes)
    first.reached(9)
    assert outcomes.codes == []
    first.reached(10)
    assert not produce.future.done()
    second.reached(100, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
    assert produce.future.done()
    assert outcomes.codes == [ErrorCode.NONE, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND]
    assert len(first) == len(second) == 0


async def test_offsets_are_reached_in_order() -> None:
    queue, outcomes = OffsetQueue(), Outcomes()
    produces = [DelayedProduce(asyncio.get_running_loop(), 60) for _ in range(5)]
    for number, produce in enumerate(produces):
        produce.wait_for(queue, number + 1, outcomes)
    queue.reached(3)
    assert [produce.future.done() for produce in produces] == [True, True, True, False, False]
    queue.fail(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    assert all(produce.future.done() for produce in produces)
    assert outcomes.codes[3:] == [ErrorCode.NOT_LEADER_OR_FOLLOWER] * 2


async def test_time_runs_out() -> None:
    queue, other, outcomes = OffsetQueue(), OffsetQueue(), Outcomes()
    produce = DelayedProduce(asyncio.get_running_loop(), 0.01)
    produce.wait_for(queue, 1, outcomes)
    produce.wait_for(other, 1, outcomes)
    other.reached(1)
    await asyncio.wait_for(produce.future, 5)
    assert outcomes.codes == [ErrorCode.NONE, ErrorCode.REQUEST_TIMED_OUT]
    assert len(queue) == 0, "who gave up is not kept"
    queue.reached(1)
    assert outcomes.codes == [ErrorCode.NONE, ErrorCode.REQUEST_TIMED_OUT]


async def test_who_comes_later_may_wait_for_less() -> None:
    queue, outcomes = OffsetQueue(), Outcomes()
    produces = {offset: DelayedProduce(asyncio.get_running_loop(), 60) for offset in (10, 3, 7, 12)}
    for offset, produce in produces.items():
        produce.wait_for(queue, offset, outcomes)
    queue.reached(7)
    assert {offset for offset, produce in produces.items() if produce.future.done()} == {3, 7}
    queue.reached(11)
    assert [offset for offset, produce in produces.items() if not produce.future.done()] == [12]
