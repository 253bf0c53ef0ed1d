"""Placing replicas: over racks first, then over hosts, then over the brokers of a host, in stripes.

Partitions of one request walk the racks round robin, and each rack its brokers round robin, both from a random start,
so load spreads over partitions as well as within one. The first replica, the preferred leader, goes to an unfenced
broker; fenced ones take replicas only where unfenced ones run out, and brokers on their way down or with all
directories cordoned take none. When as many partitions were placed as there are unfenced brokers, racks and brokers are
shuffled, so assignments do not repeat.

Several brokers on one host (`barnabas serve --processes`) fall together: within a rack hosts take turns, and two
replicas of a partition share one only where no other broker of their rack is left. The host is where a broker listens,
as its registration says, so the metadata log has nothing that is not Kafka's. With one broker a host, or all on one, it
is as with Apache Kafka.

Counterpart: StripedReplicaPlacer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple, TypeVar

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


Host = frozenset[str]
"""The names that a broker's listeners are reached by. All of them: inside and outside of a container, say, one name
alone may be the same for all brokers."""


class _Broker(NamedTuple):
    id: int
    host: Host


class _Brokers:
    """Brokers in a ring in which hosts take turns, each broker given at most once a round; the ring turns by one
    between rounds."""

    def __init__(self, brokers: list[_Broker], random: Random) -> None:
        self._ring = _hosts_in_turn(sorted(brokers, key=lambda broker: broker.id))
        self._given: set[int] = set()
        self._round = 0
        self._offset = random.randrange(0, len(brokers)) if brokers else 0

    def next(self, round_number: int, used: set[Host]) -> _Broker | None:
        """The next one on a host that is not used, or else the next one."""
        if not self._ring:
            return None
        if self._round != round_number:
            self._round = round_number
            self._given.clear()
            self._offset = (self._offset + 1) % len(self._ring)
        found: _Broker | None = None
        for index in range(len(self._ring)):
            broker = self._ring[(index + self._offset) % len(self._ring)]
            if broker.id not in self._given:
                found = found or broker
                if broker.host not in used:
                    found = broker
                    break
        if found is not None:
            self._given.add(found.id)
        return found

    def shuffle(self, random: Random) -> None:
        _shuffle(self._ring, random)
        self._ring = _hosts_in_turn(self._ring)


def _hosts_in_turn(brokers: Sequence[_Broker]) -> list[_Broker]:
    """One broker of each host, then the next one of each; otherwise in the order given."""
    of_host: dict[Host, list[_Broker]] = {}
    for broker in brokers:
        of_host.setdefault(broker.host, []).append(broker)
    return [broker for turn in zip_longest(*of_host.values()) for broker in turn if broker is not None]


class _Rack:
    def __init__(self, registrations: Sequence[BrokerRegistration], random: Random) -> None:
        self.fenced = _Brokers([_broker(each) for each in registrations if each.fenced], random)
        self.unfenced = _Brokers([_broker(each) for each in registrations if not each.fenced], random)

    def next(self, round_number: int, used: set[Host]) -> _Broker | None:
        broker = self.unfenced.next(round_number, used)
        return self.fenced.next(round_number, used) if broker is None else broker


def _broker(registration: BrokerRegistration) -> _Broker:
    return _Broker(registration.id, frozenset(listener.host for listener in registration.listeners.values()))


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
        replicas, used = [leader.id], {leader.host}
        rack_index, skip = self._offset, leader_rack
        while len(replicas) < replication_factor:
            if rack_index == skip:
                skip = -1  # once: the leader's rack has had its turn
            else:
                broker = self._racks[self._names[rack_index]].next(self._round, used)
                if broker is not None:
                    replicas.append(broker.id)
                    used.add(broker.host)
            rack_index = (rack_index + 1) % len(self._names)
        self._round += 1
        self._offset += 1
        return replicas

    def _place_leader(self) -> tuple[_Broker, int]:
        rack_index = self._offset
        while True:
            broker = self._racks[self._names[rack_index]].unfenced.next(self._round, set())
            if broker is not None:
                return broker, rack_index
            rack_index = (rack_index + 1) % len(self._names)

    def _shuffle(self) -> None:
        _shuffle(self._names, self._random)
        for name in sorted(self._racks):
            self._racks[name].unfenced.shuffle(self._random)
            self._racks[name].fenced.shuffle(self._random)
