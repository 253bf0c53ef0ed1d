"""The first records of a new active controller.

An empty log (one without a metadata.version) gets the bootstrap records, in a metadata transaction where the level
knows them, so that no node ever publishes half of them. A transaction that a predecessor left open is aborted.

Counterpart: ActivationRecordsGenerator (KIP-778, KIP-868).
"""

from __future__ import annotations

from collections.abc import Sequence

from broker.controller.view import MIN_INSYNC_REPLICAS
from broker.metadata.bootstrap import BootstrapMetadata
from broker.metadata.features import ELIGIBLE_LEADER_REPLICAS_VERSION
from broker.metadata.image import CLUSTER_DEFAULT, MetadataImage
from broker.metadata.image_records import VersionedRecord
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.log import AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord

_FAILOVER = "the controller that began it is gone"


def activation_records(
    image: MetadataImage, *, has_open_transaction: bool, bootstrap: BootstrapMetadata, min_insync_replicas: str
) -> Sequence[VersionedRecord]:
    """To be appended as one batch."""
    records: list[VersionedRecord] = []
    if has_open_transaction:
        records.append((AbortTransactionRecord(reason=_FAILOVER), 0))
    if image.features.metadata_version_level is not None:
        return records
    in_transaction = bootstrap.metadata_version.is_metadata_transaction_supported
    if in_transaction:
        records.append((BeginTransactionRecord(name="Bootstrap records"), 0))
    records += bootstrap.records
    if bootstrap.level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0:
        # The ELR is defined by the minimum, so that may not depend on each node's properties.
        records.append(
            (
                ConfigRecord(
                    resource_type=CLUSTER_DEFAULT.type,
                    resource_name=CLUSTER_DEFAULT.name,
                    name=MIN_INSYNC_REPLICAS,
                    value=min_insync_replicas,
                ),
                0,
            )
        )
    if in_transaction:
        records.append((EndTransactionRecord(), 0))
    return records
