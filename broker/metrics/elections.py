"""Counts what the metadata tells only once: unclean elections, and the in-sync replicas that partitions led here lose
and win back. A publisher. Counterpart: ControllerMetadataMetricsPublisher, the ISR meters of ReplicaManager.
"""

from __future__ import annotations

from broker.metadata.delta import MetadataDelta
from broker.metadata.image import MetadataImage
from broker.metadata.partitions import RECOVERING, PartitionRegistration
from broker.metadata.publishers import LoaderManifest


class ElectionCounts:
    def __init__(self, node_id: int) -> None:
        self._node_id = node_id
        self._is_first = True
        self.unclean_elections = 0
        self.isr_shrinks = 0
        self.isr_expands = 0

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        if self._is_first or delta.topics_delta is None:
            self._is_first = False  # What was before this process began is not for it to count.
            return
        for topic in delta.topics_delta.changed.values():
            for partition_id, after in topic.partition_changes.items():
                before = topic.image.partitions.get(partition_id)
                if before is not None:
                    self._compare(before, after)

    def _compare(self, before: PartitionRegistration, after: PartitionRegistration) -> None:
        if after.leader_recovery_state == RECOVERING and after.leader_epoch != before.leader_epoch:
            self.unclean_elections += 1
        if after.leader == self._node_id:
            self.isr_shrinks += len(after.isr) < len(before.isr)
            self.isr_expands += len(after.isr) > len(before.isr)
