"""Raft's requests to the other members of the quorum: a connection to each address, opened when it is first needed.

Raft itself has at most one request under way to a member, and a back-off of its own after a failure; what is left for
here are connections and versions. Members come and go, so the connections are kept in the order of their use and the
oldest goes when there are too many. Counterpart: KafkaNetworkChannel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broker.environment import Clock, Random
from protocol.schema import Message
from raft.voters import Node

if TYPE_CHECKING:
    from broker.network.peer import Peer

PEERS_MAX: Final = 64
RECONNECT_BACKOFF_S: Final = 0.02
RECONNECT_BACKOFF_MAX_S: Final = 0.5


class RaftTransport:
    """A `raft.driver.Transport`."""

    def __init__(self, node_id: int, request_timeout_s: float, clock: Clock, random: Random) -> None:
        self._node_id = node_id
        self._request_timeout_s = request_timeout_s
        self._clock = clock
        self._random = random
        self._peers: dict[tuple[str, int], Peer] = {}

    async def send(self, node: Node, request: Message) -> Message:
        return await self._peer(node.host, node.port).send(request)

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()

    def _peer(self, host: str, port: int) -> Peer:
        peer = self._peers.pop((host, port), None)
        if peer is None:
            peer = self._new_peer(host, port)
        self._peers[host, port] = peer
        if len(self._peers) > PEERS_MAX:
            self._peers.pop(next(iter(self._peers))).close()
        return peer

    def _new_peer(self, host: str, port: int) -> Peer:
        from broker.network.peer import Peer, PeerSettings  # a quorum of one never needs it

        settings = PeerSettings(
            client_id=f"raft-client-{self._node_id}",
            request_timeout_s=self._request_timeout_s,
            setup_timeout_s=self._request_timeout_s,
            backoff_s=RECONNECT_BACKOFF_S,
            backoff_max_s=RECONNECT_BACKOFF_MAX_S,
            in_flight_max=2,
            waiting_max=16,
        )
        return Peer(host, port, settings, self._clock, self._random)
