"""Connections to the active controller in another process, one for each purpose: answers come in order, and a heartbeat
must not wait behind a client's request, nor the state of replicas behind either.

All go to the same node; whoever leads next gets new ones. What clients asked for travels in an Envelope, with who they
are, and what the controller answers them is theirs; what the broker itself asks for fails as ApiError. Counterpart:
NodeToControllerChannelManager, of which Kafka has one a purpose, ForwardingManager (KIP-590).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from broker.controller.envelope import read_response, wrap
from broker.controller.origin import Origin
from broker.environment import Clock, Random
from broker.network.peer import Peer, PeerSettings, TooManyWaiting
from protocol.errors import ApiError, ErrorCode
from protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from protocol.messages.broker_registration import BrokerRegistrationRequest
from protocol.messages.envelope import EnvelopeResponse
from protocol.schema import Message, UnsupportedVersionError
from raft.voters import Node

IN_FLIGHT_MAX: Final = 20
WAITING_MAX: Final = 1000
BACKOFF_S: Final = 0.05


class Purpose(Enum):
    LIFECYCLE = "heartbeat"
    REPLICAS = "replicas"
    FORWARDING = "forwarding"


class ControllerPeers:
    def __init__(self, node_id: int, address: Node, timeout_s: float, clock: Clock, random: Random) -> None:
        self.address = address
        self._node_id = node_id
        self._timeout_s = timeout_s
        self._clock = clock
        self._random = random
        self._peers: dict[Purpose, Peer] = {}

    async def ask(self, request: Message, version: int) -> Message:
        """The response, if it is no error; OSError if there is none."""
        is_lifecycle = isinstance(request, BrokerHeartbeatRequest | BrokerRegistrationRequest)
        response = await self._send(request, Purpose.LIFECYCLE if is_lifecycle else Purpose.REPLICAS, version)
        code = getattr(response, "error_code", 0)
        if code:
            raise ApiError(ErrorCode(code), getattr(response, "error_message", None))
        return response

    async def forward(self, request: Message, version: int, origin: Origin) -> Message:
        """The response, whatever it is."""
        response = await self._send(wrap(request, version, origin), Purpose.FORWARDING)
        assert isinstance(response, EnvelopeResponse)
        return read_response(response, request, version)

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()

    async def _send(self, request: Message, purpose: Purpose, version: int | None = None) -> Message:
        try:
            return await self._peer(purpose).send(request, version=version)
        except UnsupportedVersionError as error:
            raise ApiError(ErrorCode.UNSUPPORTED_VERSION, str(error)) from None
        except TooManyWaiting as error:
            raise ApiError(ErrorCode.REQUEST_TIMED_OUT, str(error)) from None

    def _peer(self, purpose: Purpose) -> Peer:
        peer = self._peers.get(purpose)
        if peer is None:
            settings = PeerSettings(
                client_id=f"{self._node_id}-{purpose.value}",
                request_timeout_s=self._timeout_s,
                backoff_s=BACKOFF_S,
                backoff_max_s=BACKOFF_S,
                in_flight_max=1 if purpose is Purpose.LIFECYCLE else IN_FLIGHT_MAX,
                waiting_max=WAITING_MAX,
            )
            peer = Peer(self.address.host, self.address.port, settings, self._clock, self._random)
            self._peers[purpose] = peer
        return peer
