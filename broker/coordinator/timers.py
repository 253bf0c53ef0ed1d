"""Timers of shards: by key, replaced by scheduling again, all gone with the shard.

Sessions are prolonged by every heartbeat, so prolonging costs nothing: an entry keeps its deadline and the clock's
alarm stays where it was; when the alarm comes early it is set again for what is left. Kafka's counterpart:
CoordinatorTimerImpl over the SystemTimer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from broker.coordinator.shard import TimedOperation, TimerKey
from broker.environment import Clock


class Alarm(Protocol):
    def cancel(self) -> None: ...


class AlarmClock(Protocol):
    def schedule(self, deadline_s: float, callback: Callable[[], None]) -> Alarm:
        """Calls back once at `deadline_s`, on the monotonic clock, unless the alarm is cancelled before."""
        ...


class LoopAlarms:
    """Alarms of the running event loop, for deadlines of the node's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def schedule(self, deadline_s: float, callback: Callable[[], None]) -> Alarm:
        delay_s = max(0.0, deadline_s - self._clock.monotonic())
        return asyncio.get_running_loop().call_later(delay_s, callback)


class _Entry:
    __slots__ = ("alarm", "alarm_s", "deadline_s", "operation")

    def __init__(self, deadline_s: float, operation: TimedOperation) -> None:
        self.deadline_s = deadline_s
        self.operation = operation
        self.alarm: Alarm | None = None
        self.alarm_s = deadline_s


class KeyedTimers:
    """Implements ShardTimers; `run` performs the operation of a timer that has come."""

    def __init__(self, alarms: AlarmClock, clock: Clock, run: Callable[[TimerKey, TimedOperation], None]) -> None:
        self._alarms = alarms
        self._clock = clock
        self._run = run
        self._entries: dict[TimerKey, _Entry] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._entries)

    def schedule(self, key: TimerKey, delay_ms: int, operation: TimedOperation) -> None:
        if self._is_closed:
            return
        deadline_s = self._clock.monotonic() + delay_ms / 1000
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(deadline_s, operation)
        else:
            entry.deadline_s = deadline_s
            entry.operation = operation
        if entry.alarm is None:
            self._set_alarm(key, entry)
        elif entry.alarm_s > deadline_s:
            entry.alarm.cancel()
            self._set_alarm(key, entry)

    def cancel(self, key: TimerKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None and entry.alarm is not None:
            entry.alarm.cancel()

    def close(self) -> None:
        """Cancels all; what is scheduled afterwards never comes."""
        self._is_closed = True
        for key in list(self._entries):
            self.cancel(key)

    def _set_alarm(self, key: TimerKey, entry: _Entry) -> None:
        entry.alarm_s = entry.deadline_s
        entry.alarm = self._alarms.schedule(entry.deadline_s, lambda: self._on_alarm(key, entry))

    def _on_alarm(self, key: TimerKey, entry: _Entry) -> None:
        entry.alarm = None
        if self._entries.get(key) is not entry:
            return
        if entry.deadline_s > entry.alarm_s:
            self._set_alarm(key, entry)
            return
        del self._entries[key]
        self._run(key, entry.operation)
