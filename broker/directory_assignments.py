"""Tells the controller in which log directory a replica lies, where it chose or knew another (KIP-858).

The controller needs to know, to elect others when a directory fails. Reports are gathered for a moment and sent
together; what was refused or lost is sent again. A node with one directory never has anything to report: there the
controller knows.

Counterpart: AssignmentsManager.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from broker.controller.channel import ControllerChannel
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid
from protocol.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest, AssignReplicasToDirsResponse

log = logging.getLogger(__name__)

GATHER_S: Final = 0.5
RETRY_S: Final = 5.0
ASSIGNMENTS_MAX: Final = 2250
"""Of one request, as in Kafka."""


class DirectoryAssignments:
    def __init__(self, broker_id: int, broker_epoch: Callable[[], int], controller: ControllerChannel) -> None:
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._controller = controller
        self._pending: dict[tuple[Uuid, int], Uuid] = {}
        self._task: asyncio.Task[None] | None = None

    def assign(self, topic_id: Uuid, partition: int, directory_id: Uuid) -> None:
        self._pending[topic_id, partition] = directory_id
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._report())

    async def finish(self) -> None:
        """Report at once what is still being gathered: a stop must not make a choice forgotten, for the next start may
        come without the directory."""
        self.close()
        while self._pending and await self._send(self._next_batch()):
            pass

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _report(self) -> None:
        try:
            delay_s = GATHER_S
            while self._pending:
                await asyncio.sleep(delay_s)
                delay_s = GATHER_S if await self._send(self._next_batch()) else RETRY_S
        finally:
            self._task = None

    def _next_batch(self) -> dict[tuple[Uuid, int], Uuid]:
        return dict(list(self._pending.items())[:ASSIGNMENTS_MAX])

    async def _send(self, batch: dict[tuple[Uuid, int], Uuid]) -> bool:
        try:
            response = await self._controller.send(_request(self._broker_id, self._broker_epoch(), batch))
        except ApiError as error:
            log.warning("%d replicas could not be assigned to their directories: %s", len(batch), error)
            return False
        assert isinstance(response, AssignReplicasToDirsResponse)
        if response.error_code:
            log.warning("directories of replicas were refused: %s", ErrorCode(response.error_code).name)
            return False
        for directory in response.directories:
            for topic in directory.topics:
                for partition in topic.partitions:
                    key = (topic.topic_id, partition.partition_index)
                    # A partition that is gone needs no directory; a newer report of it stays.
                    if self._pending.get(key) == batch.get(key):
                        self._pending.pop(key, None)
        return True


def _request(broker_id: int, broker_epoch: int, batch: dict[tuple[Uuid, int], Uuid]) -> AssignReplicasToDirsRequest:
    directories: dict[Uuid, dict[Uuid, list[int]]] = {}
    for (topic_id, partition), directory_id in batch.items():
        directories.setdefault(directory_id, {}).setdefault(topic_id, []).append(partition)
    cls = AssignReplicasToDirsRequest
    return cls(
        broker_id=broker_id,
        broker_epoch=broker_epoch,
        directories=[
            cls.DirectoryData(
                id=directory_id,
                topics=[
                    cls.TopicData(
                        topic_id=topic_id,
                        partitions=[cls.PartitionData(partition_index=index) for index in partitions],
                    )
                    for topic_id, partitions in topics.items()
                ],
            )
            for directory_id, topics in directories.items()
        ],
    )
