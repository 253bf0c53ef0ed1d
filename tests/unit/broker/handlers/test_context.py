"""`then`: the result of a future turned into a response."""

from __future__ import annotations

import asyncio

import pytest

from broker.handlers.context import then


async def test_results_and_exceptions_pass_through() -> None:
    loop = asyncio.get_running_loop()
    first: asyncio.Future[int] = loop.create_future()
    outcome = then(first, lambda value: value * 2)
    first.set_result(21)
    assert await outcome == 42
    assert await then(first, str) == "21", "it may be done already"
    failed: asyncio.Future[int] = loop.create_future()
    outcome = then(failed, lambda value: value)
    failed.set_exception(ValueError("x"))
    with pytest.raises(ValueError):
        await outcome
    with pytest.raises(ZeroDivisionError):
        await then(first, lambda value: value // 0)


async def test_cancelling_goes_both_ways() -> None:
    loop = asyncio.get_running_loop()
    inner: asyncio.Future[int] = loop.create_future()
    outer = then(inner, lambda value: value)
    outer.cancel()
    await asyncio.sleep(0)
    assert inner.cancelled()
    inner = loop.create_future()
    outer = then(inner, lambda value: value)
    inner.cancel()
    await asyncio.sleep(0)
    assert outer.cancelled()
    inner = loop.create_future()
    outer = then(inner, lambda value: value)
    outer.cancel()
    inner.set_result(1)
    await asyncio.sleep(0)
    assert inner.result() == 1
