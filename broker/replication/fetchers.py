"""Follower fetching: a fetcher for each broker that leads partitions which are followed here, or a few for each, by
num.replica.fetchers. Fetchers come and go with what there is to fetch; a node that follows nobody loads none of it.

Counterpart: ReplicaFetcherManager.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from broker.metadata.registrations import Endpoint
from broker.replication.replica import Replica
from protocol.ids import TopicPartition
from protocol.schema import Message

if TYPE_CHECKING:
    from broker.replication.replica_manager import ReplicaManager
    from broker.replication.source_fetcher import SourceFetcher


class FetchSettings(NamedTuple):
    broker_id: int
    fetchers_per_source: int
    wait_max_ms: int
    min_bytes: int
    max_bytes: int
    """Of one partition."""
    response_max_bytes: int
    backoff_max_s: float


class Link(Protocol):
    """A connection to a leader, made when it is needed; as `network.peer.Peer`."""

    async def send(self, request: Message) -> Message:
        """OSError without an answer."""
        ...

    def close(self) -> None: ...


Connect = Callable[[Endpoint, str], Link]
"""A link to the listener of another broker, and the client id to use."""
EndpointOf = Callable[[int], Endpoint | None]
"""Where the metadata says that a broker is."""


class ReplicaFetchers:
    """All of a broker's."""

    def __init__(
        self,
        manager: ReplicaManager,
        settings: FetchSettings,
        broker_epoch: Callable[[], int],
        endpoint_of: EndpointOf,
        connect: Connect,
    ) -> None:
        self.manager = manager
        self.settings = settings
        self.broker_epoch = broker_epoch
        self.endpoint_of = endpoint_of
        self.connect = connect
        self._fetchers: dict[tuple[int, int], SourceFetcher] = {}
        """By leader, and number among those for the same leader."""
        self._by_replica: dict[Replica, SourceFetcher] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._fetchers)

    def follow(self, replica: Replica) -> None:
        """The replica's role is new, or may be: fetches it from the leader that it has now, if it has one."""
        leader_id = replica.state.leader_id
        if leader_id < 0 or leader_id == self.settings.broker_id or replica.is_stopped or self._is_closed:
            self.stop(replica)
            return
        source = self._source(leader_id, replica.topic_partition)
        before = self._by_replica.get(replica)
        if before is not None and before is not source:
            self.stop(replica)
        self._by_replica[replica] = source
        source.add(replica)

    def stop(self, replica: Replica) -> None:
        source = self._by_replica.pop(replica, None)
        if source is None:
            return
        source.remove(replica)
        if not len(source.machine):
            del self._fetchers[source.leader_id, source.number]
            self._close(source)

    def resize(self, fetchers_per_source: int) -> None:
        if fetchers_per_source == self.settings.fetchers_per_source:
            return
        self.settings = self.settings._replace(fetchers_per_source=fetchers_per_source)
        for replica in list(self._by_replica):
            self.stop(replica)
            self.follow(replica)

    def has_synced(self, replica: Replica) -> None:
        source = self._by_replica.get(replica)
        if source is not None:
            source.has_synced(replica)

    async def close(self) -> None:
        self._is_closed = True
        for source in self._fetchers.values():
            self._close(source)
        self._fetchers.clear()
        self._by_replica.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def lag_max(self) -> int:
        """The most records that any partition is behind its leader."""
        return max((state.lag or 0 for source in self._fetchers.values() for state in source.machine), default=0)

    @property
    def failed_count(self) -> int:
        """Partitions that cannot be fetched for now."""
        return sum(state.is_troubled for source in self._fetchers.values() for state in source.machine)

    def _source(self, leader_id: int, topic_partition: TopicPartition) -> SourceFetcher:
        number = zlib.crc32(f"{topic_partition}".encode()) % self.settings.fetchers_per_source
        source = self._fetchers.get((leader_id, number))
        if source is None:
            from broker.replication.source_fetcher import SourceFetcher

            source = self._fetchers[leader_id, number] = SourceFetcher(self, leader_id, number)
        return source

    def _close(self, source: SourceFetcher) -> None:
        task = source.close()
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
