"""Placing replicas: over racks first, then over the brokers of a rack, in stripes.

Partitions of one request walk the racks round robin, and each rack its brokers round robin, both from a random start,
so load spreads over partitions as well as within one. The first replica, the preferred leader, goes to an unfenced
broker; fenced ones take replicas only where unfenced ones run out, and brokers on their way down or with all
directories cordoned take none. When as many partitions were placed as there are unfenced brokers, racks and brokers are
shuffled, so assignments do not repeat.

Counterpart: StripedReplicaPlacer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from broker.environment import Random
from broker.metadata.image import ClusterImage
from broker.metadata.registrations import (
    MIGRATING_DIRECTORY,
    UNASSIGNED_DIRECTORY,
    BrokerRegistration,
)
from protocol.errors import ApiError, ErrorCode
from protocol.ids import Uuid

T = TypeVar("T")


def place_replicas(
    cluster: ClusterImage, partition_count: int, replication_factor: int, random: Random
) -> list[list[int]]:
    """Replica lists of new partitions, preferred leader first; INVALID_REPLICATION_FACTOR if they cannot be placed."""
    usable = [broker for broker in cluster.brokers.values() if _is_usable(broker)]
    unfenced_count = sum(not broker.fenced for broker in usable)
    if replication_factor <= 0:
        raise ApiError(ErrorCode.INVALID_REPLICATION_FACTOR, f"{replication_factor} is no replication factor.")
    if unfenced_count == 0:
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Every broker is fenced, or has all its log directories cordoned.",
        )
    if replication_factor > len(usable):
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor {replication_factor} is more than the {len(usable)} broker(s) that are registered "
            "and take replicas.",
        )
    racks = _Racks(usable, random)
    return [racks.place(replication_factor) for _ in range(partition_count)]


def default_directory(cluster: ClusterImage, broker_id: int, *, has_directory_ids: bool) -> Uuid:
    """The directory of a new replica: known only if the broker has just one, else the broker chooses and says."""
    broker = cluster.brokers.get(broker_id)
    if not has_directory_ids:
        return MIGRATING_DIRECTORY
    if broker is None:
        return UNASSIGNED_DIRECTORY
    if not broker.directories:
        return MIGRATING_DIRECTORY
    return broker.directories[0] if len(broker.directories) == 1 else UNASSIGNED_DIRECTORY


def _is_usable(broker: BrokerRegistration) -> bool:
    # A broker that was fenced after its controlled shutdown counts again: it is expected back.
    return (broker.fenced or not broker.in_controlled_shutdown) and broker.has_uncordoned_directory


def _shuffle(items: list[T], random: Random) -> None:
    for index in range(len(items) - 1, 0, -1):
        other = random.randrange(0, index + 1)
        items[index], items[other] = items[other], items[index]


class _Brokers:
    """Brokers in a ring, each given at most once a round; the ring turns by one between rounds."""

    def __init__(self, brokers: list[int], random: Random) -> None:
        self.brokers = sorted(brokers)
        self._index = 0
        self._round = 0
        self._offset = random.randrange(0, len(brokers)) if brokers else 0

    def next(self, round_number: int) -> int | None:
        if not self.brokers:
            return None
        if self._round != round_number:
            self._round = round_number
            self._index = 0
            self._offset = (self._offset + 1) % len(self.brokers)
        if self._index >= len(self.brokers):
            return None
        broker = self.brokers[(self._index + self._offset) % len(self.brokers)]
        self._index += 1
        return broker


class _Rack:
    def __init__(self, brokers: Sequence[BrokerRegistration], random: Random) -> None:
        self.fenced = _Brokers([broker.id for broker in brokers if broker.fenced], random)
        self.unfenced = _Brokers([broker.id for broker in brokers if not broker.fenced], random)

    def next(self, round_number: int) -> int | None:
        broker = self.unfenced.next(round_number)
        return self.fenced.next(round_number) if broker is None else broker


class _Racks:
    def __init__(self, brokers: Sequence[BrokerRegistration], random: Random) -> None:
        self._random = random
        # No rack sorts before every named one.
        names = sorted({broker.rack or "" for broker in brokers})
        self._racks = {name: _Rack([b for b in brokers if (b.rack or "") == name], random) for name in names}
        self._names = names
        self._unfenced_count = sum(not broker.fenced for broker in brokers)
        self._round = 0
        self._offset = random.randrange(0, len(names))

    def place(self, replication_factor: int) -> list[int]:
        if self._round == self._unfenced_count and self._unfenced_count > 1:
            self._shuffle()
            self._round = 0
        if self._offset == len(self._names):
            self._offset = 0
        leader, leader_rack = self._place_leader()
        replicas = [leader]
        rack_index, skip = self._offset, leader_rack
        while len(replicas) < replication_factor:
            if rack_index == skip:
                skip = -1  # once: the leader's rack has had its turn
            else:
                broker = self._racks[self._names[rack_index]].next(self._round)
                if broker is not None:
                    replicas.append(broker)
            rack_index = (rack_index + 1) % len(self._names)
        self._round += 1
        self._offset += 1
        return replicas

    def _place_leader(self) -> tuple[int, int]:
        rack_index = self._offset
        while True:
            broker = self._racks[self._names[rack_index]].unfenced.next(self._round)
            if broker is not None:
                return broker, rack_index
            rack_index = (rack_index + 1) % len(self._names)

    def _shuffle(self) -> None:
        _shuffle(self._names, self._random)
        for name in sorted(self._racks):
            _shuffle(self._racks[name].unfenced.brokers, self._random)
            _shuffle(self._racks[name].fenced.brokers, self._random)
