"""Which replica a consumer is sent to read from: one in its own rack, if there is (KIP-392).

The leader decides, and only if replica.selector.class says so. Counterpart: ReplicaManager.findPreferredReadReplica,
RackAwareReplicaSelector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from broker.replication.partition import FollowerState, Partition

LEADER_SELECTOR: Final = "org.apache.kafka.common.replica.LeaderSelector"
RACK_AWARE_SELECTOR: Final = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

RackOf = Callable[[int], str | None]
"""The rack of a broker that is alive and has the consumer's listener."""


def preferred_replica(partition: Partition, rack: str, fetch_offset: int, rack_of: RackOf) -> int | None:
    """None: the leader itself. Only replicas in sync are offered, for one that lags would hold the consumer back, and
    of those only such as have the offset; the one that has most first."""
    if rack_of(partition.local_id) == rack:
        return None
    offered = [
        follower
        for follower in partition.followers.values()
        if follower.broker_id in partition.isr
        and follower.log_start_offset <= fetch_offset <= follower.log_end_offset
        and rack_of(follower.broker_id) == rack
    ]
    return max(offered, key=_most_caught_up).broker_id if offered else None


def _most_caught_up(follower: FollowerState) -> tuple[int, float, int]:
    return follower.log_end_offset, follower.last_caught_up_s, follower.broker_id
