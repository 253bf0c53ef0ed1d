"""Who leads a partition that this broker does not, for clients that asked the wrong one (KIP-951).

Collects the leaders of one response, so that each one's endpoint is named once.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.handlers import cluster_view
from broker.handlers.context import RequestContext
from broker.metadata.registrations import Endpoint


class Leaders:
    __slots__ = ("_context", "_named")

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._named: dict[int, None] | None = None

    def of(self, topic: str, partition: int) -> tuple[int, int]:
        """Leader id and epoch as the metadata has them; (-1, -1) if the partition is unknown."""
        found = self._context.node.metadata.image.topics.by_name.get(topic)
        registration = None if found is None else found.partitions.get(partition)
        if registration is None:
            return -1, -1
        if self._named is None:
            self._named = {}
        self._named[registration.leader] = None
        return registration.leader, registration.leader_epoch

    def endpoints(self) -> Iterator[tuple[int, Endpoint, str | None]]:
        """Broker id, endpoint on the client's listener, and rack of each leader that was named."""
        if self._named is None:
            return
        image = self._context.node.metadata.image
        for broker_id in self._named:
            where = cluster_view.endpoint(image, broker_id, self._context.listener_name)
            if where is not None:
                yield broker_id, where, image.cluster.brokers[broker_id].rack
