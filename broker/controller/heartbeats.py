"""When brokers were last heard of: soft state of the active controller, lost with its leadership.

A broker's entry is for one incarnation, its (id, epoch): a new one starts anew. What a new controller knows of a broker
is in the image; it grants unfenced brokers a whole session from the moment it takes over.

Counterpart: BrokerHeartbeatManager, BrokerHeartbeatTracker.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from broker.metadata.image import ClusterImage
from broker.metadata.registrations import BrokerRegistration


class BrokerIncarnation(NamedTuple):
    id: int
    epoch: int


class BrokerControlState(Enum):
    FENCED = "fenced"
    UNFENCED = "unfenced"
    CONTROLLED_SHUTDOWN = "its leaderships are being moved before it stops"
    SHUTDOWN_NOW = "may stop at once"


class _Heartbeat:
    __slots__ = ("contact_time_s", "controlled_shutdown_offset", "is_lost", "metadata_offset")

    def __init__(self) -> None:
        self.contact_time_s: float | None = None
        self.metadata_offset = -1
        self.controlled_shutdown_offset = -1
        self.is_lost = False


class BrokerHeartbeats:
    def __init__(self, session_timeout_s: float) -> None:
        self.session_timeout_s = session_timeout_s
        self._brokers: dict[BrokerIncarnation, _Heartbeat] = {}

    def begin(self, cluster: ClusterImage, now_s: float) -> None:
        """This controller became active."""
        self._brokers.clear()
        for broker in cluster.brokers.values():
            entry = self._entry(broker.id, broker.epoch)
            if not broker.fenced:
                entry.contact_time_s = now_s

    def touch(self, broker_id: int, epoch: int, now_s: float) -> None:
        """A heartbeat arrived, whatever becomes of it."""
        entry = self._entry(broker_id, epoch)
        entry.contact_time_s = now_s
        entry.is_lost = False

    def last_heard_s(self, incarnation: BrokerIncarnation) -> float | None:
        entry = self._brokers.get(incarnation)
        return None if entry is None else entry.contact_time_s

    def lose(self, incarnation: BrokerIncarnation) -> None:
        """Its connection broke; until it is heard of again."""
        entry = self._brokers.get(incarnation)
        if entry is not None:
            entry.is_lost = True

    def is_lost(self, broker_id: int, epoch: int) -> bool:
        entry = self._brokers.get(BrokerIncarnation(broker_id, epoch))
        return entry is not None and entry.is_lost

    def forget_others(self, broker_id: int, epoch: int | None) -> None:
        """Drops every incarnation of the broker but the given one."""
        for incarnation in [each for each in self._brokers if each.id == broker_id and each.epoch != epoch]:
            del self._brokers[incarnation]

    def expire(self, incarnation: BrokerIncarnation) -> None:
        entry = self._brokers.get(incarnation)
        if entry is not None:
            entry.contact_time_s = None
            entry.controlled_shutdown_offset = -1

    def excuse(self, now_s: float) -> None:
        """Nobody could be heard until now: every session begins anew."""
        for entry in self._brokers.values():
            if entry.contact_time_s is not None:
                entry.contact_time_s = now_s

    def has_valid_session(self, broker_id: int, epoch: int, now_s: float) -> bool:
        entry = self._brokers.get(BrokerIncarnation(broker_id, epoch))
        if entry is None or entry.contact_time_s is None:
            return False
        return now_s <= entry.contact_time_s + self.session_timeout_s

    def expired(self, now_s: float) -> BrokerIncarnation | None:
        """One incarnation whose session has ended."""
        for incarnation, entry in self._brokers.items():
            if entry.contact_time_s is not None and entry.contact_time_s + self.session_timeout_s < now_s:
                return incarnation
        return None

    def next_expiry_s(self) -> float | None:
        """When the first session ends unless its broker is heard of."""
        times = [entry.contact_time_s for entry in self._brokers.values() if entry.contact_time_s is not None]
        return min(times) + self.session_timeout_s if times else None

    def set_metadata_offset(self, broker_id: int, epoch: int, offset: int) -> None:
        self._entry(broker_id, epoch).metadata_offset = offset

    def begin_controlled_shutdown(self, broker_id: int, epoch: int, offset: int) -> None:
        """`offset` is of the records that move the broker's leaderships; the first one given counts."""
        entry = self._entry(broker_id, epoch)
        if entry.controlled_shutdown_offset < 0:
            entry.controlled_shutdown_offset = offset

    def end_controlled_shutdown(self, broker_id: int, epoch: int) -> None:
        self._entry(broker_id, epoch).controlled_shutdown_offset = -1

    def is_shutting_down(self, broker_id: int, epoch: int) -> bool:
        entry = self._brokers.get(BrokerIncarnation(broker_id, epoch))
        return entry is not None and entry.controlled_shutdown_offset >= 0

    def may_shut_down(self, broker: BrokerRegistration, cluster: ClusterImage) -> bool:
        """Whether every active broker has seen the records that moved its leaderships, so that none asks it any
        more."""
        shutdown_offset = self._entry(broker.id, broker.epoch).controlled_shutdown_offset
        return all(
            shutdown_offset <= self._entry(other.id, other.epoch).metadata_offset
            for other in cluster.brokers.values()
            if not other.fenced and not self.is_shutting_down(other.id, other.epoch)
        )

    def _entry(self, broker_id: int, epoch: int) -> _Heartbeat:
        incarnation = BrokerIncarnation(broker_id, epoch)
        entry = self._brokers.get(incarnation)
        if entry is None:
            entry = self._brokers[incarnation] = _Heartbeat()
        return entry
