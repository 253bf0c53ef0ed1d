"""Jobs that come again, whatever becomes of one run."""

from __future__ import annotations

import asyncio

from broker.periodic import PeriodicJobs


async def test_jobs_come_again_even_after_a_failure() -> None:
    jobs, runs = PeriodicJobs(), 0

    async def job() -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            raise ValueError("once")

    jobs.start("test", 0.001, job)
    async with asyncio.timeout(5):
        while runs < 4:
            await asyncio.sleep(0.001)
    await jobs.stop()
    before = runs
    await asyncio.sleep(0.01)
    assert runs == before


async def test_one_run_at_a_time_and_never_too_long_a_wait() -> None:
    jobs, running, most = PeriodicJobs(), 0, 0

    async def job() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1

    jobs.start("often", 0.0, job)
    jobs.start("for ever", 9_223_372_036_854_775.0, job)
    await asyncio.sleep(0.03)
    await jobs.stop()
    assert most == 1
