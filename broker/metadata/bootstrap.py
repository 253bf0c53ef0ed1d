"""bootstrap.checkpoint: the records with which formatting wants the metadata log to begin.

    SNAPSHOT_HEADER (a control batch) | metadata records | SNAPSHOT_FOOTER (a control batch)       offsets from 0, epoch
    0

Every log directory has one; the first active controller of a cluster appends the records of its own. A directory of
before there was such a file stands for the newest metadata.version. Counterpart: BootstrapMetadata, BootstrapDirectory
(KIP-778).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from broker.metadata.features import (
    KRAFT_VERSION,
    LATEST_METADATA_VERSION,
    METADATA_VERSION,
    MINIMUM_METADATA_VERSION,
    MetadataVersion,
)
from broker.metadata.image_records import VersionedRecord
from protocol.errors import DecodeError
from protocol.messages.control_records import SnapshotFooterRecord, SnapshotHeaderRecord
from protocol.metadata.configs import FeatureLevelRecord
from protocol.records.batch import RecordBatch, iter_batches
from protocol.records.control import ControlRecordType
from raft.records import ControlRecord, control_batch, data_batch, data_records
from storage.files import Files

BOOTSTRAP_CHECKPOINT: Final = "bootstrap.checkpoint"


class BootstrapMetadata(NamedTuple):
    records: Sequence[VersionedRecord]
    source: str

    @classmethod
    def of_levels(cls, levels: Mapping[str, int], source: str) -> BootstrapMetadata:
        """metadata.version first, as every reader expects it; features at level 0 have no record."""
        names = [METADATA_VERSION, *sorted(name for name in levels if name not in (METADATA_VERSION, KRAFT_VERSION))]
        records = [(FeatureLevelRecord(name=name, feature_level=levels[name]), 0) for name in names if levels[name] > 0]
        return cls(records, source)

    def level(self, name: str) -> int:
        levels = [level for feature, level in self.levels() if feature == name]
        return levels[-1] if levels else 0

    def levels(self) -> list[tuple[str, int]]:
        return [
            (record.name, record.feature_level) for record, _ in self.records if isinstance(record, FeatureLevelRecord)
        ]

    @property
    def metadata_version(self) -> MetadataVersion:
        return MetadataVersion(self.level(METADATA_VERSION) or MINIMUM_METADATA_VERSION)


def default_bootstrap() -> BootstrapMetadata:
    return BootstrapMetadata.of_levels({METADATA_VERSION: LATEST_METADATA_VERSION}, "the default")


def encode_bootstrap(bootstrap: BootstrapMetadata, now_ms: int) -> bytes:
    header = ControlRecord(ControlRecordType.SNAPSHOT_HEADER, SnapshotHeaderRecord(last_contained_log_timestamp=0))
    footer = ControlRecord(ControlRecordType.SNAPSHOT_FOOTER, SnapshotFooterRecord())
    return b"".join(
        (
            control_batch([header], 0, 0, now_ms),
            data_batch(bootstrap.records, 1, 0, now_ms),
            control_batch([footer], 1 + len(bootstrap.records), 0, now_ms),
        )
    )


def decode_bootstrap(data: bytes, source: str) -> BootstrapMetadata:
    """DecodeError if it is not what encode_bootstrap makes, or names no metadata.version."""
    records: list[VersionedRecord] = []
    for batch in iter_batches(memoryview(data)):
        if not isinstance(batch, RecordBatch) or not batch.is_valid_crc():
            raise DecodeError(f"{source} is damaged")
        if not batch.is_control:
            records += data_records(batch)
    bootstrap = BootstrapMetadata(records, source)
    if not bootstrap.level(METADATA_VERSION):
        raise DecodeError(f"{source} names no metadata.version")
    return bootstrap


def read_bootstrap(files: Files, directory: str) -> BootstrapMetadata:
    path = f"{directory}/{BOOTSTRAP_CHECKPOINT}"
    if not files.exists(path):
        return default_bootstrap()
    try:
        return decode_bootstrap(files.read_bytes(path), path)
    except DecodeError as error:
        raise DecodeError(f"{path} is damaged: {error}") from None
