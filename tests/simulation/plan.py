"""What a run is to be: the size of the cluster, its settings, the load, and which faults may strike."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    controllers: tuple[int, ...]
    brokers: tuple[int, ...]
    replication_factor: int
    min_insync: int
    partitions: int
    producers: int
    consumers: int
    committers: int
    """Clients that commit offsets to a group."""
    is_dynamic: bool
    """Whether the voters are told to `format` instead of standing in the configuration."""
    think_s: float
    faults: int
    """How many are drawn at least."""
    calm_s: float
    """At most, between two faults."""
    is_synced: bool
    """flush.messages=1: then the power may go; else processes may only die."""
    drift: float
    writes: int = 1000
    """Faults go on until so many records are acknowledged, within reason."""
    kinds: tuple[str, ...] = ()
    """Of faults; none: all that fit."""
    properties: dict[str, str] = field(default_factory=dict)
    topic_configs: dict[str, str] = field(default_factory=dict)


_SIZES = (1, 2, 3, 3, 3, 3, 3, 3, 4, 5)


def draw_plan(rng: random.Random) -> Plan:
    size = rng.choice(_SIZES)
    nodes = tuple(range(1, size + 1))
    controllers, brokers = nodes, nodes
    if size == 4:
        controllers = (1, 2, 3)
    elif size == 5 and rng.random() < 0.5:
        controllers, brokers = (1, 2, 3), (3, 4, 5)
    replication_factor = min(3, len(brokers))
    is_synced = rng.random() < 0.5
    topic_configs = {"segment.ms": str(rng.choice((2_000, 10_000, 1_000_000)))}
    if is_synced:
        topic_configs["flush.messages"] = "1"
    return Plan(
        controllers=controllers,
        brokers=brokers,
        replication_factor=replication_factor,
        min_insync=2 if replication_factor == 3 else 1,
        partitions=rng.choice((1, 2, 3)),
        producers=rng.choice((1, 2)),
        consumers=1,
        committers=1,
        is_dynamic=rng.random() < 0.4,
        think_s=rng.choice((0.02, 0.05, 0.1)),
        faults=rng.randint(6, 10),
        calm_s=4.0,
        is_synced=is_synced,
        drift=rng.choice((0.0, 0.001, 0.02)),
        topic_configs=topic_configs,
    )
