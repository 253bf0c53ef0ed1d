"""Connections of a follower's fetchers to the brokers that lead: what the configuration says of them.

Counterpart: BrokerBlockingSender, and the parts of RemoteLeaderEndPoint that read the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broker.environment import Clock, Random
from broker.metadata.registrations import Endpoint
from broker.replication.fetchers import FetchSettings
from config.node_config import NodeConfig

if TYPE_CHECKING:
    from broker.network.peer import Peer

RECONNECT_BACKOFF_S: Final = 0.01
"""Short, because fetchers pause by themselves, for longer each time."""
BATCH_BYTES_MAX: Final = 100 * 1024 * 1024
"""Of a batch that is larger than all limits; the first of an answer is sent all the same."""


class LeaderLinks:
    def __init__(self, config: NodeConfig, clock: Clock, random: Random) -> None:
        self._config = config
        self._clock = clock
        self._random = random

    def connect(self, endpoint: Endpoint, client_id: str) -> Peer:
        from broker.network.peer import Peer, PeerSettings

        config = self._config
        settings = PeerSettings(
            client_id=client_id,
            request_timeout_s=config.replica_socket_timeout_ms / 1000,
            backoff_s=RECONNECT_BACKOFF_S,
            backoff_max_s=RECONNECT_BACKOFF_S,
            max_frame_bytes=config.replica_fetch_response_max_bytes + BATCH_BYTES_MAX,
        )
        return Peer(endpoint.host, endpoint.port, settings, self._clock, self._random)


def fetch_settings(config: NodeConfig) -> FetchSettings:
    return FetchSettings(
        broker_id=config.node_id,
        fetchers_per_source=config.num_replica_fetchers,
        wait_max_ms=config.replica_fetch_wait_max_ms,
        min_bytes=config.replica_fetch_min_bytes,
        max_bytes=config.replica_fetch_max_bytes,
        response_max_bytes=config.replica_fetch_response_max_bytes,
        backoff_max_s=config.replica_fetch_backoff_ms / 1000,
    )
