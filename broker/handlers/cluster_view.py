"""The metadata image as clients of one listener see it: brokers by the endpoint they can reach, replicas that are
alive.

Pure functions of an image, shared by the handlers that describe topics and brokers. Counterpart: KRaftMetadataCache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broker.metadata.image import MetadataImage
from broker.metadata.partitions import PartitionRegistration
from broker.metadata.registrations import BrokerRegistration, Endpoint
from protocol.errors import ErrorCode

NO_LEADER = -1


def endpoint(image: MetadataImage, broker_id: int, listener_name: str) -> Endpoint | None:
    """Where clients of the listener reach a broker; None if it is unknown or has no such listener."""
    broker = image.cluster.brokers.get(broker_id)
    return None if broker is None else broker.listeners.get(listener_name)


def reachable_brokers(
    image: MetadataImage, listener_name: str, *, fenced: bool = False
) -> Iterator[tuple[BrokerRegistration, Endpoint]]:
    """The brokers that have the listener, in the order of ids; fenced ones only on demand."""
    for broker_id in sorted(image.cluster.brokers):
        broker = image.cluster.brokers[broker_id]
        where = broker.listeners.get(listener_name)
        if where is not None and (fenced or not broker.fenced):
            yield broker, where


def alive_replicas(image: MetadataImage, replicas: Sequence[int], listener_name: str) -> list[int]:
    """Those whose broker is not fenced and has the listener."""
    brokers = image.cluster.brokers
    return [
        each
        for each in replicas
        if (broker := brokers.get(each)) is not None and not broker.fenced and listener_name in broker.listeners
    ]


def offline_replicas(image: MetadataImage, partition: PartitionRegistration, listener_name: str) -> list[int]:
    """Those whose broker is gone, fenced or without the listener, or whose log directory has failed."""
    offline = []
    for replica, directory in zip(partition.replicas, partition.directories, strict=True):
        broker = image.cluster.brokers.get(replica)
        if (
            broker is None
            or broker.fenced
            or listener_name not in broker.listeners
            or not broker.has_online_directory(directory)
        ):
            offline.append(replica)
    return offline


def leader_problem(image: MetadataImage, partition: PartitionRegistration, listener_name: str) -> ErrorCode:
    """NONE if clients of the listener can reach the partition's leader."""
    leader = image.cluster.brokers.get(partition.leader)
    if leader is None:
        return ErrorCode.LEADER_NOT_AVAILABLE
    return ErrorCode.NONE if listener_name in leader.listeners else ErrorCode.LISTENER_NOT_FOUND
