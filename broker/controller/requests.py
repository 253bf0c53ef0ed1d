"""The controller of this process as others reach it: by its listener, or by a broker in the same process.

Requests that concern the quorum itself go to Raft, all others to the controller. Counterpart: ControllerApis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from broker.controller.broker_watch import BrokerWatch, WatchedConnection
from broker.controller.controller import Controller
from broker.controller.heartbeats import BrokerIncarnation
from protocol.schema import Message
from raft.driver import RaftDriver

ANSWERED_BY_RAFT: Final = frozenset({55, 80, 81})
"""DescribeQuorum, AddRaftVoter, RemoveRaftVoter: what brokers forward."""


class ControllerRequests:
    def __init__(self, controller: Controller, raft: RaftDriver, watch: BrokerWatch) -> None:
        self._controller = controller
        self._raft = raft
        self._watch = watch

    @property
    def is_active(self) -> bool:
        return self._controller.is_active

    @property
    def leader_id(self) -> int | None:
        return self._raft.leader_and_epoch.leader_id

    def add_leadership_listener(self, listener: Callable[[], None]) -> None:
        self._controller.add_leadership_listener(listener)

    def handle(self, request: Message, version: int) -> asyncio.Future[Message]:
        """Started at once; the future has the response, or ApiError: NOT_CONTROLLER where this one is not active."""
        if request.SPEC.key in ANSWERED_BY_RAFT:
            return self.handle_raft(request, version)
        return self._controller.handle(request, version)

    def heard(self, incarnation: BrokerIncarnation, connection: WatchedConnection) -> None:
        """A broker's heartbeat has come over the connection, and is about to be handled."""
        if self._controller.is_active:
            self._watch.heard(incarnation, connection)

    def handle_raft(self, request: Message, version: int, listener_name: str | None = None) -> asyncio.Future[Message]:
        """As any other, Raft answers those that only its leader can serve with errors of their own."""
        key = request.SPEC.key
        assert key is not None
        return self._raft.handle_request(key, version, request, listener_name=listener_name)
