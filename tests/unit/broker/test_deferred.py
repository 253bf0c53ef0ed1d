"""A result that is handed on in the call that brings it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from broker.deferred import Deferred


def watched(deferred: Deferred[Any]) -> list[Deferred[Any]]:
    told: list[Deferred[Any]] = []
    deferred.add_done_callback(told.append)
    return told


def test_a_result_is_told_at_once_and_in_order() -> None:
    deferred: Deferred[int] = Deferred()
    told: list[str] = []
    deferred.add_done_callback(lambda done: told.append(f"first {done.result()}"))
    deferred.add_done_callback(lambda done: told.append(f"second {done.result()}"))
    assert not deferred.done()
    deferred.set_result(1)
    assert told == ["first 1", "second 1"]
    deferred.add_done_callback(lambda done: told.append(f"late {done.result()}"))
    assert told[2:] == ["late 1"]


def test_what_is_made_of_it() -> None:
    deferred: Deferred[int] = Deferred()
    told = watched(deferred.map(lambda number: number + 1))
    deferred.set_result(1)
    assert [each.result() for each in told] == [2]


def test_a_failure_to_make_something_of_it_is_its_exception() -> None:
    deferred: Deferred[int] = Deferred()
    told = watched(deferred.map(lambda number: 1 // number))
    deferred.set_result(0)
    assert isinstance(told[0].exception(), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        deferred.result()


def test_cancelling_counts_once() -> None:
    deferred: Deferred[int] = Deferred()
    told = watched(deferred)
    assert deferred.cancel()
    assert not deferred.cancel()
    assert [each.cancelled() for each in told] == [True]


def test_a_callback_that_fails_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    deferred: Deferred[int] = Deferred()
    deferred.add_done_callback(lambda done: 1 // 0)
    told = watched(deferred)
    deferred.set_result(1)
    assert told == [deferred]
    assert "what follows a result has failed" in caplog.text


async def test_it_can_be_awaited() -> None:
    good: Deferred[int] = Deferred()
    bad: Deferred[int] = Deferred()
    futures = good.as_future(), bad.as_future()
    good.set_result(1)
    bad.set_exception(ValueError())
    assert await futures[0] == 1
    with pytest.raises(ValueError):
        await futures[1]


async def test_who_awaits_it_no_more_cancels_it_and_the_other_way_round() -> None:
    given_up: Deferred[int] = Deferred()
    given_up.as_future().cancel()
    await asyncio.sleep(0)
    assert given_up.cancelled()
    cancelled: Deferred[int] = Deferred()
    future = cancelled.as_future()
    cancelled.cancel()
    assert future.cancelled()
