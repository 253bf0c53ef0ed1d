"""Who is told of new metadata, and in what order.

The loader calls the publishers one after the other, always in the order in which they were installed; node.py installs,
as Kafka does, the cache first (so that whoever is told can look things up), then replicas and coordinators, dynamic
configuration, the registration, the snapshots, and last the controller, which answers the requests that waited for this
offset: what a client was told is done can be seen on this node.

Counterpart: MetadataPublisher, LoaderManifest, BrokerRegistrationTracker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from broker.metadata.delta import MetadataDelta
from broker.metadata.image import MetadataImage


class LoaderManifest(NamedTuple):
    """How a delta came about. `is_snapshot`: it takes the publisher from its image to a snapshot's content, perhaps
    from nothing; `size_bytes` are those of the log that it stands for."""

    is_snapshot: bool
    size_bytes: int = 0
    leader_id: int | None = None
    leader_epoch: int = 0


class Publisher(Protocol):
    def on_metadata(
        self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest
    ) -> Awaitable[None] | None:
        """The metadata is now `image`, and `delta` says what changed since this publisher was last told. An awaitable
        holds up the publishers after this one: for work that takes longer than a slice of the loop may."""
        ...


class RegistrationTracker:
    """Asks for a new registration when the log shows one that lacks what the metadata.version now knows: directory
    ids."""

    def __init__(self, node_id: int, register_again: Callable[[], None]) -> None:
        self._node_id = node_id
        self._register_again = register_again

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        cluster_delta = delta.cluster_delta
        touched = cluster_delta is not None and self._node_id in cluster_delta.brokers.changes
        if not touched and delta.metadata_version_change is None:
            return
        broker = image.cluster.brokers.get(self._node_id)
        if (
            broker is not None
            and not broker.directories
            and image.features.metadata_version.is_directory_assignment_supported
        ):
            self._register_again()
