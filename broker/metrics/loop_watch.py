"""How busy the event loop is, and how late: a timer that rings four times a second, and notes when it really rings.

`lag` holds how late the timer rang: what any callback may have had to wait. `idle` is the share of time that the loop's
thread did not use the processor, averaged over a minute as Kafka's meters are: here one thread does the work of
Kafka's network and request handler threads.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from broker.environment import Clock
from broker.metrics.counters import Durations

INTERVAL_S: Final = 0.25
_WINDOW_S: Final = 60.0


class LoopWatch:
    def __init__(self, clock: Clock, thread_cpu_s: Callable[[], float]) -> None:
        self._clock = clock
        self._thread_cpu_s = thread_cpu_s
        self.lag = Durations()
        self.idle = 1.0
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._last_s = 0.0
        self._last_cpu_s = 0.0

    def start(self) -> None:
        self._last_s, self._last_cpu_s = self._clock.monotonic(), self._thread_cpu_s()
        self._arm()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._due_s = self._clock.monotonic() + INTERVAL_S
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._ring)

    def _ring(self) -> None:
        now_s, cpu_s = self._clock.monotonic(), self._thread_cpu_s()
        self.lag.add(max(0.0, now_s - self._due_s))
        passed_s = now_s - self._last_s
        if passed_s > 0:
            idle = min(1.0, max(0.0, 1 - (cpu_s - self._last_cpu_s) / passed_s))
            self.idle += (idle - self.idle) * (1 - math.exp(-passed_s / _WINDOW_S))
        self._last_s, self._last_cpu_s = now_s, cpu_s
        self._arm()
