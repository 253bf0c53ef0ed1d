"""Partitioning, timers and deferred replies: the small parts under the runtime."""

from __future__ import annotations

import asyncio

import pytest

from broker.coordinator.deferred import DeferredReplies
from broker.coordinator.partitioning import java_string_hash, partition_for
from broker.coordinator.shard import NOTHING, Outcome, TimedOperation, TimerKey
from broker.coordinator.timers import KeyedTimers, LoopAlarms
from broker.environment import SystemClock
from protocol.errors import ErrorCode
from tests.support.coordinator_log import VirtualTime


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 97),
        ("group", 98629247),
        ("Hello World", -862545276),
        ("polygenelubricants", -(2**31)),  # the string whose hash has no absolute value
        ("ж", 1078),
        ("😀", 1772899),  # two UTF-16 units: 55357 * 31 + 56832
    ],
)
def test_hash_is_that_of_java(text: str, expected: int) -> None:
    assert java_string_hash(text) == expected


def test_partition_is_the_absolute_value_of_the_hash() -> None:
    assert partition_for("Hello World", 50) == 862545276 % 50
    assert partition_for("Hello World", 50) != (-862545276 & 0x7FFFFFFF) % 50
    assert partition_for("polygenelubricants", 50) == 0


class TimersUnderTest:
    def __init__(self) -> None:
        self.time = VirtualTime()
        self.rung: list[tuple[TimerKey, int]] = []
        self.timers = KeyedTimers(self.time, self.time, self._run)

    def _run(self, key: TimerKey, operation: TimedOperation) -> None:
        self.rung.append((key, round(self.time.monotonic() * 1000)))
        operation(0)


def nothing(now_ms: int) -> Outcome[None]:
    return NOTHING


def test_timer_rings_once_at_its_time() -> None:
    under_test = TimersUnderTest()
    under_test.timers.schedule(("a",), 100, nothing)
    under_test.time.pass_ms(99)
    assert under_test.rung == []
    under_test.time.pass_ms(500)
    assert under_test.rung == [(("a",), 100)]


def test_prolonging_leaves_the_alarm_where_it_was() -> None:
    under_test = TimersUnderTest()
    under_test.timers.schedule(("a",), 100, nothing)
    for _ in range(10):
        under_test.time.pass_ms(50)
        under_test.timers.schedule(("a",), 100, nothing)
        assert under_test.time.alarms_count == 1
    under_test.time.pass_ms(200)
    assert under_test.rung == [(("a",), 600)]


def test_scheduling_earlier_brings_the_timer_forward() -> None:
    under_test = TimersUnderTest()
    under_test.timers.schedule(("a",), 1000, nothing)
    under_test.timers.schedule(("a",), 10, nothing)
    under_test.time.pass_ms(2000)
    assert under_test.rung == [(("a",), 10)]


def test_cancelled_timers_and_timers_after_close_never_ring() -> None:
    under_test = TimersUnderTest()
    under_test.timers.schedule(("a",), 10, nothing)
    under_test.timers.schedule(("b",), 20, nothing)
    under_test.timers.cancel(("a",))
    under_test.timers.cancel(("unknown",))
    under_test.timers.close()
    under_test.timers.schedule(("c",), 5, nothing)
    under_test.time.pass_ms(100)
    assert under_test.rung == []
    assert len(under_test.timers) == 0


def test_timer_may_schedule_itself_again() -> None:
    under_test = TimersUnderTest()

    def again(now_ms: int) -> Outcome[None]:
        under_test.timers.schedule(("a",), 10, again)
        return NOTHING

    under_test.timers.schedule(("a",), 10, again)
    under_test.time.pass_ms(35)
    assert [at_ms for _, at_ms in under_test.rung] == [10, 20, 30]


async def test_alarms_of_the_event_loop() -> None:
    clock = SystemClock()
    rung = asyncio.Event()
    alarms = LoopAlarms(clock)
    alarms.schedule(clock.monotonic() + 60, lambda: pytest.fail("cancelled")).cancel()
    alarms.schedule(clock.monotonic() - 1, rung.set)
    await asyncio.wait_for(rung.wait(), 10)


class Waiting:
    def __init__(self) -> None:
        self.replies = DeferredReplies()
        self.done: list[tuple[str, ErrorCode]] = []

    def add(self, name: str, offset: int, deadline_s: float) -> None:
        self.replies.add(offset, deadline_s, lambda error: self.done.append((name, error)))


def test_replies_leave_in_the_order_of_offsets() -> None:
    waiting = Waiting()
    waiting.add("write 5", 5, 1.0)
    waiting.add("read of 3", 3, 2.0)
    waiting.add("write 6", 6, 3.0)
    waiting.replies.complete_below(6)
    assert waiting.done == [("read of 3", ErrorCode.NONE), ("write 5", ErrorCode.NONE)]
    assert waiting.replies.next_deadline_s == 3.0


def test_replies_fail_at_their_deadline_and_only_once() -> None:
    waiting = Waiting()
    waiting.add("a", 1, 1.0)
    waiting.add("b", 2, 2.0)
    assert waiting.replies.expire(0.5) == 0
    assert waiting.replies.expire(1.0) == 1
    assert len(waiting.replies) == 1
    waiting.replies.complete_below(10)
    assert waiting.done == [("a", ErrorCode.REQUEST_TIMED_OUT), ("b", ErrorCode.NONE)]
    assert waiting.replies.next_deadline_s is None


def test_replies_fail_all_at_once() -> None:
    waiting = Waiting()
    waiting.add("b", 2, 1.0)
    waiting.add("a", 1, 1.0)
    waiting.replies.fail_all(ErrorCode.NOT_COORDINATOR)
    waiting.replies.complete_below(10)
    assert waiting.done == [("a", ErrorCode.NOT_COORDINATOR), ("b", ErrorCode.NOT_COORDINATOR)]
    assert len(waiting.replies) == 0
