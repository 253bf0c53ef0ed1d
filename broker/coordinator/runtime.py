"""The runtime of coordinators: the shards of one internal topic whose partitions this node leads.

One runtime serves any kind of shard: groups on `__consumer_offsets`, transactions on `__transaction_state`, and so on.
It routes operations to shards by partition, and loads and unloads shards as leadership comes and goes; what a shard
goes through is in context.py. Everything runs on the event loop, nothing blocks. Kafka's counterpart:
CoordinatorRuntime.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from broker.coordinator.context import (
    Completion,
    Counters,
    Operation,
    RuntimeSettings,
    ShardContext,
    ShardState,
    Surroundings,
)
from broker.coordinator.partition_writer import PartitionWriter
from broker.coordinator.shard import CoordinatorShard, ShardTimers
from broker.coordinator.timers import AlarmClock
from broker.environment import Clock
from protocol.errors import ErrorCode
from protocol.ids import TopicPartition

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=CoordinatorShard)
T = TypeVar("T")


class CoordinatorRuntime(Generic[S]):
    def __init__(
        self,
        topic: str,
        settings: RuntimeSettings,
        make_shard: Callable[[TopicPartition, ShardTimers], S],
        writer: PartitionWriter,
        alarms: AlarmClock,
        clock: Clock,
    ) -> None:
        self._topic = topic
        self._shared = Surroundings(settings, make_shard, writer, alarms, clock)
        self._contexts: dict[int, ShardContext[S]] = {}

    @property
    def counters(self) -> Counters:
        return self._shared.counters

    def elect(self, partition: int, leader_epoch: int) -> None:
        """This node leads the partition in `leader_epoch`: its shard loads, or goes on if it led before as well."""
        context = self._contexts.get(partition)
        if context is None:
            topic_partition = TopicPartition(self._topic, partition)
            self._contexts[partition] = ShardContext(topic_partition, leader_epoch, self._shared)
        elif context.leader_epoch < leader_epoch:
            context.renew(leader_epoch)

    def resign(self, partition: int, leader_epoch: int | None) -> None:
        """This node leads the partition no more, as of `leader_epoch`, or whatever the epoch (None: it is deleted, or
        its directory failed). What is parked has failed when this returns."""
        context = self._contexts.get(partition)
        if context is None or (leader_epoch is not None and leader_epoch <= context.leader_epoch):
            return
        del self._contexts[partition]
        context.close()
        logger.debug("%s coordinator of %s-%d has ended", self._shared.settings.name, self._topic, partition)

    def close(self) -> None:
        for partition in list(self._contexts):
            self.resign(partition, None)

    def partitions(self) -> list[int]:
        """The partitions whose shards are here, in whatever state."""
        return list(self._contexts)

    def state(self, partition: int) -> ShardState | None:
        context = self._contexts.get(partition)
        return None if context is None else context.state

    def active_shards(self) -> list[S]:
        """For looking at, as metrics do."""
        return [context.shard for context in self._contexts.values() if context.shard is not None]

    def perform(self, partition: int, name: str, operation: Operation[S, T], complete: Completion[T]) -> None:
        """Runs an operation on the partition's shard.

        `complete` is called once: when what the reply shows is committed, or with what went wrong:
        COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR, REQUEST_TIMED_OUT when it took longer than the write timeout
        (the records may yet be committed), UNKNOWN_SERVER_ERROR, an error of the append, or one that the operation
        raised. It must not start another operation before it returns.
        """
        context = self._contexts.get(partition)
        if context is None:
            complete(ErrorCode.NOT_COORDINATOR, None)
        else:
            context.perform(name, operation, complete)

    def for_each_shard(self, action: Callable[[S], None]) -> None:
        """Calls `action` for every shard that is here: at once, or as soon as it is loaded."""
        for context in list(self._contexts.values()):
            context.when_active(action)
