"""The configuration in force: the node's file, and above it what the metadata says for all brokers and for this one.

A publisher: when the dynamic part changes, new layers replace the old and the listeners are told, in the order in
which they registered. Settings of topics are not kept here; whoever needs them resolves a topic's overrides against
the layers.

Counterpart: DynamicBrokerConfig (KIP-226), DynamicConfigPublisher.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from broker.metadata.delta import MetadataDelta
from broker.metadata.image import CLUSTER_DEFAULT, ConfigResource, MetadataImage, ResourceType
from broker.metadata.publishers import LoaderManifest
from config.definition import ConfigError
from config.dynamic import ConfigLayers
from config.node_config import NodeConfig

log = logging.getLogger(__name__)

Listener = Callable[[ConfigLayers], None]


class DynamicConfig:
    def __init__(self, static: NodeConfig) -> None:
        self.layers = ConfigLayers(static)
        self._own = ConfigResource(ResourceType.BROKER, str(static.node_id))
        self._listeners: list[Listener] = []

    @property
    def config(self) -> NodeConfig:
        return self.layers.effective

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        changed = delta.configs_delta
        if changed is None or not (CLUSTER_DEFAULT in changed.changes or self._own in changed.changes):
            return
        self.take(image)

    def take(self, image: MetadataImage) -> None:
        stored, own = image.configs.of(CLUSTER_DEFAULT), image.configs.of(self._own)
        try:
            self.layers = self.layers.with_dynamic(stored, own)
        except ConfigError as error:
            # The broker checked it; another release may have allowed what this one does not.
            log.error("the dynamic configuration in the metadata cannot be used, the old one stays: %s", error)
            return
        unused = {*(stored.keys() - self.layers.cluster_default.keys()), *(own.keys() - self.layers.broker.keys())}
        if unused:
            log.error("of the dynamic configuration in the metadata this cannot be used: %s", ", ".join(sorted(unused)))
        for listener in self._listeners:
            listener(self.layers)
