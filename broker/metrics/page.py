"""The page that Prometheus reads: samples are gathered and written in slices, so that nothing else waits for it.

A slice works for a few milliseconds and then leaves the loop to others for as long. What a page may hold is bounded:
samples beyond that are left out and counted. `prometheus_client` writes the text, a chunk of a metric at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric as Family

from broker.environment import Clock
from broker.metrics.table import METRICS, Metric

SLICE_S: Final = 0.003
PAGE_BYTES_MAX: Final = 32 * 1024 * 1024
SAMPLES_PER_CHUNK: Final = 250
_LINE_BYTES: Final = 40
"""Of a line beside its name and the values of its labels."""

ALL_TOPICS: Final = ""
"""In place of a topic, in the series for all of them together."""


class Slices:
    """Tells when it is time to let others run."""

    def __init__(self, clock: Clock, cpu_s: Callable[[], float]) -> None:
        """`cpu_s`: the processor time of this thread; work is counted by it, so that a busy host makes it no dearer."""
        self._clock = clock
        self._cpu_s = cpu_s
        self._begun_s = clock.monotonic()
        self._begun_cpu_s = cpu_s()
        self.worked_s = 0.0

    async def pause(self) -> None:
        """To be called between small steps of work."""
        if self._clock.monotonic() - self._begun_s >= SLICE_S:
            self.end()
            await asyncio.sleep(SLICE_S)
            self._begun_s, self._begun_cpu_s = self._clock.monotonic(), self._cpu_s()

    def end(self) -> None:
        self.worked_s += self._cpu_s() - self._begun_cpu_s


class Samples:
    """What the page will say, by metric; only what the table knows may be said.

    The values of a metric's labels lie one after the other in one list: a tuple a sample would give the garbage
    collector a hundred thousand objects to look through, all at once.
    """

    def __init__(self, room_bytes: int = PAGE_BYTES_MAX) -> None:
        self._values: dict[str, list[float]] = {name: [] for name in METRICS}
        self._labels: dict[str, list[str]] = {name: [] for name in METRICS}
        self._room_bytes = room_bytes
        self.dropped = 0

    def add(self, name: str, value: float, *labels: str) -> None:
        """`labels` in the order of the table; of a histogram, what the sample is comes last: the upper end of a bucket,
        `_count` or `_sum`."""
        size = len(name) + _LINE_BYTES if labels else 0
        for label in labels:
            size += len(label)
        if size > self._room_bytes:
            self.dropped += 1
            return
        self._room_bytes -= size
        self._values[name].append(value)
        self._labels[name].extend(labels)

    def families(self, metric: Metric) -> Iterator[Family]:
        """The samples of a metric, a chunk at a time."""
        values, labels = self._values[metric.name], self._labels[metric.name]
        width = len(metric.labels) + (metric.type == "histogram")
        for start in range(0, len(values), SAMPLES_PER_CHUNK):
            end = start + SAMPLES_PER_CHUNK
            yield _family(metric, values[start:end], labels[start * width : end * width], width)


async def write(samples: Samples, slices: Slices) -> bytes:
    """The page, in the order of the table."""
    chunks: list[bytes] = []
    for metric in METRICS.values():
        is_first = True
        for family in samples.families(metric):
            text = generate_latest(_OneFamily(family))
            chunks.append(text if is_first else _without_head(text))
            is_first = False
            await slices.pause()
    return b"".join(chunks)


def _family(metric: Metric, values: Sequence[float], labels: Sequence[str], width: int) -> Family:
    name = metric.name
    family = Family(
        name.removesuffix("_total") if metric.type == "counter" else name, metric.documentation, metric.type
    )
    for index, value in enumerate(values):
        by_label = dict(zip(metric.labels, labels[index * width : (index + 1) * width], strict=False))
        if metric.type == "histogram":
            part = labels[index * width + width - 1]
            if part.startswith("_"):
                family.add_sample(name + part, by_label, value)
            else:
                family.add_sample(f"{name}_bucket", {**by_label, "le": part}, value)
        elif metric.all_topics and by_label["topic"] == ALL_TOPICS:
            family.add_sample(name, {}, value)
        else:
            family.add_sample(name, by_label, value)
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
