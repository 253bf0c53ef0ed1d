"""Quota of connections, memory of requests, and the wheel that finds silent peers; without sockets."""

from __future__ import annotations

import math

import pytest

from broker.server.limits import (
    TURN_WAIT_MAX_S,
    ConnectionLimits,
    ConnectionQuota,
    IdleWheel,
    ListenerLimits,
    Pace,
    RequestMemory,
)


class Peer:
    def __init__(self) -> None:
        self.last_active_s = 0.0
        self.receiving_since_s = 0.0
        self.is_waiting_for_peer = True
        self.received_of_frame_bytes = 0
        self.closed: list[str] = []
        self.resumed = 0

    def close_for(self, reason: str) -> None:
        self.closed.append(reason)

    def memory_available(self) -> None:
        self.resumed += 1


def test_quota_counts_and_releases() -> None:
    quota = ConnectionQuota(ConnectionLimits(3, 2, {"9.9.9.9": 0}))
    assert quota.acquire("PLAINTEXT", "1.1.1.1") is None
    assert quota.acquire("PLAINTEXT", "1.1.1.1") is None
    assert "per.ip" in (quota.acquire("PLAINTEXT", "1.1.1.1") or "")
    assert "per.ip" in (quota.acquire("PLAINTEXT", "9.9.9.9") or "")
    assert quota.acquire("PLAINTEXT", "2.2.2.2") is None
    assert "max.connections)" in (quota.acquire("PLAINTEXT", "2.2.2.2") or "")
    quota.release("PLAINTEXT", "1.1.1.1")
    assert quota.acquire("PLAINTEXT", "1.1.1.1") is None
    assert quota.count == 3


def test_a_listener_may_have_limits_of_its_own() -> None:
    quota = ConnectionQuota(ConnectionLimits(3, of_listeners={"EXTRA": ListenerLimits(max_connections=1)}))
    assert quota.acquire("EXTRA", "1.1.1.1") is None
    assert "EXTRA" in (quota.acquire("EXTRA", "1.1.1.1") or "")
    for _ in range(2):
        assert quota.acquire("PLAINTEXT", "1.1.1.1") is None
    assert (quota.excess("EXTRA"), quota.excess("PLAINTEXT")) == (0, 0)
    quota.limits = ConnectionLimits(2, of_listeners={"EXTRA": ListenerLimits(max_connections=0)})
    assert (quota.excess("EXTRA"), quota.excess("PLAINTEXT")) == (1, 1)
    quota.release("EXTRA", "1.1.1.1")
    assert (quota.excess("EXTRA"), quota.excess("PLAINTEXT")) == (0, 0)


def test_turns_come_at_a_rate() -> None:
    pace = Pace()
    # A second's worth at once, the rest one after the other.
    assert [pace.delay_s(4, 100.0) for _ in range(6)] == [0.0, 0.0, 0.0, 0.0, 0.25, 0.5]
    assert pace.delay_s(4, 101.0) == 0.0
    assert [pace.delay_s(4, 200.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.25]


def test_who_would_wait_for_too_long_takes_no_turn() -> None:
    """Else whoever connects and hangs up, again and again, would keep all others out for hours."""
    pace = Pace()
    delays = [pace.delay_s(10, 100.0) for _ in range(10_000)]
    assert max(delay for delay in delays if delay < math.inf) == pytest.approx(TURN_WAIT_MAX_S, abs=0.1)
    assert delays[-1] == math.inf
    assert pace.delay_s(10, 100.0 + TURN_WAIT_MAX_S) < 0.2


def test_new_connections_wait_for_the_slower_of_two_rates() -> None:
    limits = ConnectionLimits(max_creation_rate=4, of_listeners={"EXTRA": ListenerLimits(max_creation_rate=1)})
    quota = ConnectionQuota(limits)
    assert [quota.delay_s("EXTRA", 100.0) for _ in range(3)] == [0.0, 1.0, 2.0]
    assert [quota.delay_s("PLAINTEXT", 100.0) for _ in range(2)] == [0.0, 0.25]
    quota.limits = ConnectionLimits()
    assert quota.delay_s("EXTRA", 100.0) == 0.0


def test_idle_connections_are_closed_on_time_and_active_ones_are_not() -> None:
    wheel = IdleWheel(10.0, 100.0)
    silent, active, busy = Peer(), Peer(), Peer()
    for peer in (silent, active, busy):
        wheel.add(peer)
    busy.is_waiting_for_peer = False
    closed_s = 0.0
    for second in range(101, 160):
        active.last_active_s = wheel.now_s
        wheel.tick(float(second))
        if silent.closed and not closed_s:
            closed_s = wheel.now_s
            wheel.remove(silent)
    assert 110 <= closed_s <= 112
    assert not active.closed
    assert not busy.closed
    wheel.remove(active)
    wheel.remove(busy)
    assert len(wheel) == 0


def test_a_trickling_sender_is_closed_and_a_slow_but_steady_one_is_not() -> None:
    wheel = IdleWheel(600.0, 0.0)
    trickle, steady = Peer(), Peer()
    for peer in (trickle, steady):
        wheel.add(peer)
        wheel.started_receiving(peer)
    for second in range(1, 60):
        trickle.received_of_frame_bytes += 1
        steady.received_of_frame_bytes += 8192
        wheel.tick(float(second))
    assert trickle.closed
    assert not steady.closed


def test_memory_favours_the_first_waiter_and_then_the_next() -> None:
    memory = RequestMemory(100)
    first, second, third = Peer(), Peer(), Peer()
    memory.change(150)
    assert memory.is_exhausted
    assert not memory.must_wait(first)
    assert memory.must_wait(second)
    assert memory.must_wait(third)
    memory.change(-20)
    memory.request_finished(first)
    assert (second.resumed, third.resumed) == (1, 0)
    memory.request_finished(second)
    assert third.resumed == 1
    memory.stop_waiting(third)
    memory.change(-130)
    memory.request_finished(third)
    assert not memory.is_exhausted


def test_memory_resumes_all_below_the_limit() -> None:
    memory = RequestMemory(100)
    peers = [Peer() for _ in range(4)]
    memory.change(101)
    for peer in peers:
        memory.must_wait(peer)
    memory.change(-1)
    assert [peer.resumed for peer in peers] == [0, 1, 1, 1]
