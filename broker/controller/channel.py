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
from broker.environment import Clock
from protocol.errors import ApiError, ErrorCode
from protocol.schema import Message


class ControllerChannel(Protocol):
    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        """`version` is that of the request, where the answer depends on it; the newest if None. REQUEST_TIMED_OUT when
        no active controller was found in time."""
        ...


class LocalControllerChannel:
    """For a process that has the controller: one of a quorum of one."""

    def __init__(self, controller: Controller, clock: Clock, timeout_s: float) -> None:
        self._controller = controller
        self._clock = clock
        self._timeout_s = timeout_s
        self._changed = asyncio.Event()
        controller.add_leadership_listener(self._changed.set)

    def send(
        self, request: Message, version: int | None = None, *, timeout_s: float | None = None
    ) -> asyncio.Future[Message]:
        if version is None:
            version = request.SPEC.versions.highest
        deadline_s = self._clock.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        first = self._controller.handle(request, version)
        if first.done() and first.exception() is None:
            return first
        return asyncio.get_running_loop().create_task(self._finish(first, request, version, deadline_s))

    async def _finish(
        self, attempt: asyncio.Future[Message], request: Message, version: int, deadline_s: float
    ) -> Message:
        while True:
            try:
                return await attempt
            except ApiError as error:
                if error.code != ErrorCode.NOT_CONTROLLER:
                    raise
            await self._wait_for_controller(deadline_s)
            attempt = self._controller.handle(request, version)

    async def _wait_for_controller(self, deadline_s: float) -> None:
        while not self._controller.is_active:
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, deadline_s - self._clock.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                raise ApiError(ErrorCode.REQUEST_TIMED_OUT, "No controller was active in time.") from None
