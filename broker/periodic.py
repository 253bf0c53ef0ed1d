"""Jobs that a node does again and again: each in its own rhythm, one run at a time, never two of one job at once.

A run that fails is logged, and the next one comes all the same. Counterpart: KafkaScheduler.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

log = logging.getLogger(__name__)

INTERVAL_MAX_S: Final = 86_400.0
"""Intervals without end become this: timers of the event loop have no use for 292 million years."""

Job = Callable[[], Awaitable[None] | None]


class PeriodicJobs:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, interval_s: float, job: Job, *, delay_s: float | None = None) -> None:
        """Runs the job for the first time after `delay_s`, if that is not the interval."""
        interval_s = min(interval_s, INTERVAL_MAX_S)
        first_s = interval_s if delay_s is None else delay_s
        self._tasks.append(asyncio.get_running_loop().create_task(_repeat(name, first_s, interval_s, job), name=name))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def _repeat(name: str, first_s: float, interval_s: float, job: Job) -> None:
    delay_s = first_s
    while True:
        await asyncio.sleep(delay_s)
        delay_s = interval_s
        try:
            waiting = job()
            if waiting is not None:
                await waiting
        except Exception:
            log.exception("the periodic job %s failed", name)
