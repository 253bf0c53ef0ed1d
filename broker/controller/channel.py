"""The way to the active controller, for brokers: their own lifecycle, and what handlers forward.

`send` starts the request at once where the active controller is in this process, so requests of a connection keep their
order; the future has the response, or ApiError. An election in between is waited out, and requests that it caught half
done are sent again: as in Kafka, their first attempt may have succeeded.

Counterpart: NodeToControllerChannelManager, ForwardingManager (KIP-590).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from broker.controller.controller import Controller
from protocol.errors import ApiError, ErrorCode
from protocol.schema import Message


class ControllerChannel(Protocol):
    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        """`version` is that of the request, where the answer depends on it; the newest if None. REQUEST_TIMED_OUT when
        no active controller was found in time, or it did not answer: then the request may still succeed."""
        ...


class LocalControllerChannel:
    """For a process that has the controller: one of a quorum of one."""

    def __init__(self, controller: Controller, timeout_s: float) -> None:
        self._controller = controller
        self._timeout_s = timeout_s
        self._changed = asyncio.Event()
        controller.add_leadership_listener(self._changed.set)

    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        if version is None:
            version = request.SPEC.versions.highest
        first = self._controller.handle(request, version)
        if first.done() and first.exception() is None:
            return first
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        return asyncio.get_running_loop().create_task(self._in_time(first, request, version, timeout_s))

    async def _in_time(
        self, first: asyncio.Future[Message], request: Message, version: int, timeout_s: float
    ) -> Message:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._finish(first, request, version)
        except TimeoutError:
            what = "The active controller did not answer" if self._controller.is_active else "No controller was active"
            raise ApiError(ErrorCode.REQUEST_TIMED_OUT, f"{what} in time.") from None

    async def _finish(self, attempt: asyncio.Future[Message], request: Message, version: int) -> Message:
        while True:
            try:
                return await attempt
            except ApiError as error:
                if error.code != ErrorCode.NOT_CONTROLLER:
                    raise
            while not self._controller.is_active:
                self._changed.clear()
                await self._changed.wait()
            attempt = self._controller.handle(request, version)
