"""Producer ids for idempotent producers: taken from blocks that the controller allots, so that none is given twice.

The next block is asked for when nine tenths of the present one are used, and when there is none. A block is committed
to the metadata log before it comes here; what is left of it when the node stops is lost, which costs nothing.

Counterpart: RPCProducerIdManager (KIP-730).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from broker.controller.channel import ControllerChannel
from broker.environment import Clock
from protocol.errors import ApiError, ErrorCode
from protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse

log = logging.getLogger(__name__)

PREFETCH_FRACTION: Final = 0.9
RETRY_BACKOFF_S: Final = 0.05
WAIT_S: Final = 1.0
"""How long a client waits for the first id of a block, before it is told to come again."""


class ProducerIds:
    def __init__(
        self, broker_id: int, broker_epoch: Callable[[], int], controller: ControllerChannel, clock: Clock
    ) -> None:
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._controller = controller
        self._clock = clock
        self._next = 0
        self._end = 0
        self._prefetch_at = 0
        self._following: range | None = None
        self._last_known = -1
        """The highest id ever allotted to this process; a later block must lie above it."""
        self._request: asyncio.Task[None] | None = None
        self._retry_at_s = 0.0

    def take(self) -> int | None:
        """The next id, None while there is none."""
        if self._next == self._end:
            if self._following is None:
                self._request_block()
                return None
            self._use(self._following)
        producer_id = self._next
        self._next += 1
        if producer_id >= self._prefetch_at and self._following is None:
            self._request_block()
        return producer_id

    async def wait(self) -> int:
        """The next id; COORDINATOR_LOAD_IN_PROGRESS, which clients retry, if no block comes in time."""
        deadline = self._clock.monotonic() + WAIT_S
        while True:
            producer_id = self.take()
            if producer_id is not None:
                return producer_id
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                raise ApiError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, "waiting for a block of producer ids")
            if self._request is not None:
                await asyncio.wait((self._request,), timeout=left_s)
            else:
                await asyncio.sleep(min(left_s, RETRY_BACKOFF_S))

    def _use(self, block: range) -> None:
        self._following = None
        self._next, self._end = block.start, block.stop
        self._prefetch_at = block.start + int(len(block) * PREFETCH_FRACTION)

    def _request_block(self) -> None:
        if self._request is None and self._clock.monotonic() >= self._retry_at_s:
            self._request = asyncio.get_running_loop().create_task(self._ask())
            self._request.add_done_callback(self._asked)

    async def _ask(self) -> None:
        request = AllocateProducerIdsRequest(broker_id=self._broker_id, broker_epoch=self._broker_epoch())
        response = await self._controller.send(request)
        assert isinstance(response, AllocateProducerIdsResponse)
        if response.error_code:
            raise ApiError(ErrorCode(response.error_code))
        start, length = response.producer_id_start, response.producer_id_len
        if start <= self._last_known or length <= 0 or start > 2**63 - 1 - length:
            raise ValueError(f"the block [{start}, {start + length}) follows {self._last_known}")
        self._last_known = start + length - 1
        self._following = range(start, start + length)

    def _asked(self, request: asyncio.Task[None]) -> None:
        self._request = None
        error = None if request.cancelled() else request.exception()
        if error is not None:
            log.warning("no block of producer ids: %s", error)
            self._retry_at_s = self._clock.monotonic() + RETRY_BACKOFF_S
