"""Feature levels: what Apache Kafka 4.3 knows, what this node serves, and what it refuses to run on.

Owns the table of metadata versions (which record versions a metadata.version writes), the table of the other features,
the ranges that a node registers and advertises, and the check of a cluster's finalized levels against what is served. A
level is raised in `FEATURES` only when everything that it promises to clients is served: until then a fresh cluster
finalises 0.

Counterpart: MetadataVersion, Feature, QuorumFeatures, BrokerFeatures (KIP-584, KIP-778, KIP-1022).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

METADATA_VERSION = "metadata.version"
KRAFT_VERSION = "kraft.version"
TRANSACTION_VERSION = "transaction.version"
GROUP_VERSION = "group.version"
ELIGIBLE_LEADER_REPLICAS_VERSION = "eligible.leader.replicas.version"
SHARE_VERSION = "share.version"
STREAMS_VERSION = "streams.version"


class VersionRange(NamedTuple):
    """Inclusive range of levels."""

    min: int
    max: int

    def __str__(self) -> str:
        return str(self.min) if self.min == self.max else f"{self.min}-{self.max}"

    def includes(self, level: int) -> bool:
        return self.min <= level <= self.max


DISABLED = VersionRange(0, 0)


class MetadataVersion(IntEnum):
    """Levels of metadata.version; the name is Kafka's release and internal version."""

    IBP_3_3_IV3 = 7
    IBP_3_4_IV0 = 8
    IBP_3_5_IV0 = 9
    IBP_3_5_IV1 = 10
    IBP_3_5_IV2 = 11
    IBP_3_6_IV0 = 12
    IBP_3_6_IV1 = 13
    IBP_3_6_IV2 = 14
    IBP_3_7_IV0 = 15
    IBP_3_7_IV1 = 16
    IBP_3_7_IV2 = 17
    IBP_3_7_IV3 = 18
    IBP_3_7_IV4 = 19
    IBP_3_8_IV0 = 20
    IBP_3_9_IV0 = 21
    IBP_4_0_IV0 = 22
    IBP_4_0_IV1 = 23
    IBP_4_0_IV2 = 24
    IBP_4_0_IV3 = 25
    IBP_4_1_IV0 = 26
    IBP_4_1_IV1 = 27
    IBP_4_2_IV0 = 28
    IBP_4_2_IV1 = 29
    IBP_4_3_IV0 = 30

    def __str__(self) -> str:
        return f"{self.release}-{self.name.rsplit('_', 1)[1]}"

    @property
    def release(self) -> str:
        _, major, minor, _ = self.name.split("_")
        return f"{major}.{minor}"

    @property
    def is_scram_supported(self) -> bool:
        return self >= MetadataVersion.IBP_3_5_IV2

    @property
    def is_leader_epoch_bump_required_on_isr_shrink(self) -> bool:
        return self < MetadataVersion.IBP_3_6_IV0

    @property
    def is_metadata_transaction_supported(self) -> bool:
        return self >= MetadataVersion.IBP_3_6_IV1

    @property
    def is_delegation_token_supported(self) -> bool:
        return self >= MetadataVersion.IBP_3_6_IV2

    @property
    def is_controller_registration_supported(self) -> bool:
        return self >= MetadataVersion.IBP_3_7_IV0

    @property
    def is_directory_assignment_supported(self) -> bool:
        return self >= MetadataVersion.IBP_3_7_IV2

    @property
    def is_elr_supported(self) -> bool:
        return self >= MetadataVersion.IBP_4_0_IV1

    @property
    def is_cordoned_log_dirs_supported(self) -> bool:
        return self >= MetadataVersion.IBP_4_3_IV0

    @property
    def register_broker_record_version(self) -> int:
        if self.is_cordoned_log_dirs_supported:
            return 4
        if self.is_directory_assignment_supported:
            return 3
        return 2 if self >= MetadataVersion.IBP_3_4_IV0 else 1

    @property
    def partition_record_version(self) -> int:
        """Also the version of PartitionChangeRecord."""
        if self.is_elr_supported:
            return 2
        return 1 if self.is_directory_assignment_supported else 0


MINIMUM_METADATA_VERSION = MetadataVersion.IBP_3_3_IV3
LATEST_METADATA_VERSION = MetadataVersion.IBP_4_3_IV0

# Versions that changed the records: between two others a downgrade loses nothing.
_METADATA_CHANGED = frozenset(
    {
        MetadataVersion.IBP_3_3_IV3,
        MetadataVersion.IBP_3_4_IV0,
        MetadataVersion.IBP_3_5_IV2,
        MetadataVersion.IBP_3_6_IV1,
        MetadataVersion.IBP_3_6_IV2,
        MetadataVersion.IBP_3_7_IV0,
        MetadataVersion.IBP_3_7_IV2,
        MetadataVersion.IBP_4_0_IV1,
        MetadataVersion.IBP_4_3_IV0,
    }
)


def metadata_changed_between(low: MetadataVersion, high: MetadataVersion) -> bool:
    """Whether going from `high` down to `low` would drop something that `high` may have written."""
    return any(low < version <= high for version in _METADATA_CHANGED)


def parse_metadata_version(text: str) -> MetadataVersion:
    """A release ("4.3", "4.3.1") or an exact version ("4.3-IV0"); ValueError names what there is."""
    release = ".".join(text.split(".")[:2])
    for version in sorted(MetadataVersion, reverse=True):
        if text == str(version) or release in (version.release, str(version)):
            return version
    raise ValueError(
        f"Unknown metadata.version '{text}'; known are {', '.join(str(version) for version in MetadataVersion)}."
    )


class Feature(NamedTuple):
    """A feature other than metadata.version.

    `latest` is Kafka 4.3's newest production level and `served` ours. `bootstrap` gives, for each level from 1 on, the
    metadata.version from which a fresh Kafka cluster finalises it; `needs_metadata_version` what a level depends on.
    """

    name: str
    latest: int
    served: int
    bootstrap: Mapping[int, MetadataVersion]
    needs_metadata_version: Mapping[int, MetadataVersion] = {}

    def default_level(self, metadata_version: MetadataVersion) -> int:
        """The level that a fresh cluster of this release finalises: Kafka's, as far as it is served."""
        levels = [level for level, since in self.bootstrap.items() if metadata_version >= since]
        return min(max(levels, default=0), self.served)


FEATURES: Mapping[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature(KRAFT_VERSION, 1, 1, {1: MetadataVersion.IBP_3_9_IV0}),
        Feature(TRANSACTION_VERSION, 2, 0, {1: MetadataVersion.IBP_4_0_IV2, 2: MetadataVersion.IBP_4_0_IV2}),
        Feature(GROUP_VERSION, 1, 0, {1: MetadataVersion.IBP_4_0_IV0}),
        Feature(
            ELIGIBLE_LEADER_REPLICAS_VERSION,
            1,
            0,
            {1: MetadataVersion.IBP_4_1_IV0},
            {1: MetadataVersion.IBP_4_0_IV1},
        ),
        Feature(SHARE_VERSION, 1, 0, {1: MetadataVersion.IBP_4_2_IV0}),
        Feature(STREAMS_VERSION, 1, 0, {1: MetadataVersion.IBP_4_2_IV1}),
    )
}


def supported_features() -> dict[str, VersionRange]:
    """What this node registers and advertises; a feature that is served at level 0 only is left out, as in Kafka."""
    supported = {METADATA_VERSION: VersionRange(int(MINIMUM_METADATA_VERSION), int(LATEST_METADATA_VERSION))}
    for feature in FEATURES.values():
        if feature.served > 0:
            supported[feature.name] = VersionRange(0, feature.served)
    return supported


def dependency_problem(name: str, level: int, levels: Mapping[str, int]) -> str | None:
    """Why `name` cannot be finalised at `level` beside the other levels, or None."""
    if level == 0:
        return None
    needed = FEATURES[name].needs_metadata_version.get(level, MINIMUM_METADATA_VERSION)
    if levels.get(METADATA_VERSION, 0) < needed:
        return f"{name} cannot be {level} because that needs metadata.version {needed} ({int(needed)}) or later."
    return None


def unserved_levels(finalized: Iterable[tuple[str, int]]) -> list[str]:
    """What stands in the way of serving a cluster with these levels, each with the one command that cures it."""
    supported = supported_features()
    served = {name: supported.get(name, DISABLED) for name, _ in finalized}
    too_low = [(name, level) for name, level in sorted(finalized) if level < served[name].min]
    too_high = [(name, level) for name, level in sorted(finalized) if level > served[name].max]
    problems = []
    if too_low:
        flags = " ".join(f"--feature {name}={served[name].min}" for name, _ in too_low)
        problems.append(
            f"The cluster's {_listed(too_low)} is older than what this node reads. Raise it with the software that "
            f"wrote it: kafka-features --bootstrap-server HOST:PORT upgrade {flags}"
        )
    if too_high:
        flags = " ".join(f"--feature {name}={served[name].max}" for name, _ in too_high)
        problems.append(
            f"The cluster has finalized {_listed(too_high)}, above what this node serves. Start the software that "
            f"wrote it once more, lower the levels, and stop it: "
            f"kafka-features --bootstrap-server HOST:PORT downgrade {flags}"
        )
    return problems


def _listed(levels: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {level}" for name, level in levels)
