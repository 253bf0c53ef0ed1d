"""The page that Prometheus reads: samples are gathered and written in slices, so that nothing else waits for it.

A slice works for a few milliseconds and then leaves the loop to others for as long. What a page may hold is bounded:
samples beyond that are left out and counted. `prometheus_client` writes the text, a chunk of a metric at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric as Family

from broker.environment import Clock
from broker.metrics.table import METRICS, Metric

SLICE_S: Final = 0.004
PAGE_BYTES_MAX: Final = 32 * 1024 * 1024
SAMPLES_PER_CHUNK: Final = 250
_LINE_BYTES: Final = 40
"""Of a line beside its name and the values of its labels."""

Sample = tuple[tuple[str, ...], float]
"""(values of the labels, value); of a histogram, the upper end of the bucket comes last among the labels."""


class Slices:
    """Tells when it is time to let others run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun_s = clock.monotonic()
        self.worked_s = 0.0

    async def pause(self) -> None:
        """To be called between small steps of work."""
        if self._clock.monotonic() - self._begun_s >= SLICE_S:
            self.end()
            await asyncio.sleep(SLICE_S)
            self._begun_s = self._clock.monotonic()

    def end(self) -> None:
        self.worked_s += self._clock.monotonic() - self._begun_s


class Samples:
    """What the page will say, by metric; only what the table knows may be said."""

    def __init__(self, room_bytes: int = PAGE_BYTES_MAX) -> None:
        self._samples: dict[str, list[Sample]] = {name: [] for name in METRICS}
        self._room_bytes = room_bytes
        self.dropped = 0

    def add(self, name: str, value: float, *labels: str) -> None:
        samples = self._samples[name]
        size = len(name) + _LINE_BYTES if labels else 0
        for label in labels:
            size += len(label)
        if size > self._room_bytes:
            self.dropped += 1
            return
        self._room_bytes -= size
        samples.append((labels, value))

    def of(self, name: str) -> list[Sample]:
        return self._samples[name]


async def write(samples: Samples, slices: Slices) -> bytes:
    """The page, in the order of the table."""
    chunks: list[bytes] = []
    for metric in METRICS.values():
        is_first = True
        for part in _parts(samples.of(metric.name)):
            text = generate_latest(_OneFamily(_family(metric, part)))
            chunks.append(text if is_first else _without_head(text))
            is_first = False
            await slices.pause()
    return b"".join(chunks)


def _parts(samples: list[Sample]) -> Iterator[list[Sample]]:
    for start in range(0, len(samples), SAMPLES_PER_CHUNK):
        yield samples[start : start + SAMPLES_PER_CHUNK]


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    name, labels = metric.name, metric.labels
    family = Family(
        name.removesuffix("_total") if metric.type == "counter" else name, metric.documentation, metric.type
    )
    for values, value in samples:
        if metric.type == "histogram":
            suffix, values = values[-1], values[:-1]
            by_label = dict(zip(labels, values, strict=True))
            if suffix.startswith("_"):
                family.add_sample(name + suffix, by_label, value)
            else:
                family.add_sample(f"{name}_bucket", {**by_label, "le": suffix}, value)
        else:
            family.add_sample(name, dict(zip(labels, values, strict=False)), value)
    return family


def _without_head(text: bytes) -> bytes:
    """Without the lines of HELP and TYPE, which come once a metric."""
    return text.split(b"\n", 2)[2]


class _OneFamily:
    """A collector, as the library calls it."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[Family]:
        return (self._family,)
