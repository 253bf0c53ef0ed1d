"""Metadata images at equal offsets are equal, on whatever node and however they came about."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from broker.metadata.image import MetadataImage
from broker.metadata.image_records import image_records
from protocol.schema import encode
from tests.simulation.check import Check, raft_of, running

if TYPE_CHECKING:
    from tests.simulation.world import World


class ImageCheck(Check):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._digests: dict[int, tuple[bytes, str]] = {}
        self._last: dict[str, int] = {}

    def watch(self) -> None:
        for machine, node in running(self.world.machines):
            if raft_of(node) is None or machine.life is None:
                continue
            name, offset = machine.life.name, node.quorum.loader.published_offset
            if offset >= 0 and self._last.get(name) != offset:
                self._last[name] = offset
                self._check(name, offset, node.quorum.loader._image)

    def _check(self, name: str, offset: int, image: MetadataImage) -> None:
        digest = _digest(image)
        before = self._digests.setdefault(offset, (digest, name))
        if before[1] != name:
            self.world.counts["images compared"] += 1
        if before[0] != digest:
            self.violation(f"{name} has another image at offset {offset} than {before[1]}")


def _digest(image: MetadataImage) -> bytes:
    records = sorted(f"{type(record).__name__}:{version}:".encode() + encode(record, version)
                     for record, version in image_records(image))  # fmt: skip
    return hashlib.blake2b(b"\n".join(records), digest_size=8).digest()
