"""A result that comes later, and is handed on in the very call that brings it.

What a future of asyncio does, without its way round by the loop: each future that waits for another costs a turn. For
what many wait for, such as fetches. Whoever brings a result must be ready for what its callbacks do, so it is brought
from a callback of the loop, never in the middle of something. Counterpart: none; DelayedOperation.onComplete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Pending(Protocol):
    """What may be known of a result to come: a future of asyncio, or a `Deferred`."""

    def done(self) -> bool: ...

    def cancelled(self) -> bool: ...

    def cancel(self) -> bool: ...

    def exception(self) -> BaseException | None: ...

    def result(self) -> Any: ...

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None: ...


class Deferred(Generic[T]):
    __slots__ = ("_callbacks", "_error", "_is_cancelled", "_is_done", "_make", "_result")

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Any], object]] = []
        self._make: Callable[[T], Any] | None = None
        self._is_done = False
        self._is_cancelled = False
        self._error: BaseException | None = None
        self._result: Any = None

    def map(self, make: Callable[[T], Any]) -> Deferred[Any]:
        """The result is to be what `make` makes of it, or its exception. Once, before there is any."""
        assert self._make is None and not self._is_done
        self._make = make
        return self

    def done(self) -> bool:
        return self._is_done

    def cancelled(self) -> bool:
        return self._is_cancelled

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        assert self._is_done and not self._is_cancelled
        if self._error is not None:
            raise self._error
        return self._result

    def set_result(self, result: T) -> None:
        try:
            self._result = result if self._make is None else self._make(result)
        except Exception as error:
            self._error = error
        self._tell()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._tell()

    def cancel(self) -> bool:
        if self._is_done:
            return False
        self._is_cancelled = True
        self._tell()
        return True

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        """Called at once if there is a result already."""
        if self._is_done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _tell(self) -> None:
        assert not self._is_done
        self._is_done = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception:
                log.exception("what follows a result has failed")

    def as_future(self) -> asyncio.Future[Any]:
        """For who awaits it; cancelling the future cancels this too."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def hand_on(done: Deferred[T]) -> None:
            if future.done():
                return
            if done._is_cancelled:
                future.cancel()
            elif done._error is not None:
                future.set_exception(done._error)
            else:
                future.set_result(done._result)

        self.add_done_callback(hand_on)
        future.add_done_callback(lambda outer: self.cancel() if outer.cancelled() else None)
        return future
