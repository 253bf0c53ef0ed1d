"""Metadata that this node refuses to run on, because it could not keep what it promises.

Features finalized above what is served, and access control lists, which nobody would enforce here. What is found in the
log stops the node with the reason and the cure; the check runs before this node writes anything, and again whenever the
metadata changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from broker.metadata.bootstrap import BootstrapMetadata
from broker.metadata.delta import MetadataDelta
from broker.metadata.features import METADATA_VERSION, unserved_levels
from broker.metadata.image import MetadataImage
from broker.metadata.publishers import LoaderManifest

AUTHORIZER = "authorizer"


class MetadataRefused(Exception):
    """`problems`: what is in the way, each with its cure."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def refusals(image: MetadataImage, ignored: Collection[str] = ()) -> list[str]:
    """Why this node cannot run on the image; `ignored` are the keys of --insecure-ignore."""
    problems = unserved_levels(_finalized(image))
    if image.acls.acls and AUTHORIZER not in ignored:
        problems.append(
            f"The metadata has {len(image.acls.acls)} ACL(s), and this node has no authorizer to enforce them: "
            f"every client could do everything. Remove them (kafka-acls --remove), or start with --insecure-ignore "
            f"{AUTHORIZER}."
        )
    return problems


def activation_problems(image: MetadataImage, bootstrap: BootstrapMetadata) -> list[str]:
    """Why a controller cannot take over: levels in the log, or, if that is empty, in what formatting left for it."""
    if image.features.metadata_version_level is not None:
        return unserved_levels(_finalized(image))
    levels = bootstrap.levels()
    if not unserved_levels(levels):
        return []
    asked = ", ".join(f"{name} {level}" for name, level in sorted(levels))
    return [
        f"{bootstrap.source} asks for {asked}, not all of which this node serves. As the cluster has never run, empty "
        f"the directories and format them anew: barnabas format -t CLUSTER_ID -c FILE --standalone"
    ]


def _finalized(image: MetadataImage) -> list[tuple[str, int]]:
    levels = list(image.features.finalized.items())
    if image.features.metadata_version_level is not None:
        levels.append((METADATA_VERSION, image.features.metadata_version_level))
    return levels


class RefusalPublisher:
    """The first publisher: raises MetadataRefused, which stops the node, before anyone acts on such metadata."""

    def __init__(self, ignored: Collection[str] = (), on_ignored: Callable[[str], None] | None = None) -> None:
        self._ignored = frozenset(ignored)
        self._on_ignored = on_ignored

    def on_metadata(self, delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest) -> None:
        if delta.features_delta is None and delta.acls_delta is None:
            return
        problems = refusals(image, self._ignored)
        if problems:
            raise MetadataRefused(problems)
        if image.acls.acls and self._on_ignored is not None:
            self._on_ignored(f"{len(image.acls.acls)} ACL(s) in the metadata are not enforced.")
