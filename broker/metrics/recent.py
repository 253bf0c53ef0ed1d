"""What was so in the last minutes, from counters that only grow: the page remembers what they said on earlier scrapes.

So whoever counts need not know of windows, and a node that nobody scrapes keeps nothing. Counterpart: the decaying
samples of Yammer's histograms, the windows of Kafka's rates.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from broker.metrics.counters import BOUNDS_S, Durations

RATE_WINDOW_S: Final = 60.0
QUANTILE_WINDOW_S: Final = 300.0
_BETWEEN_S: Final = 15.0
"""Frequent scrapes leave no more to remember than this."""


class RecentRate:
    """How fast a number grew, a second."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def update(self, now_s: float, value: float) -> float:
        """The growth since about a minute ago, or since the first look."""
        seen = self._seen
        while len(seen) > 1 and seen[1][0] <= now_s - RATE_WINDOW_S:
            seen.popleft()
        if not seen or now_s - seen[-1][0] >= _BETWEEN_S:
            seen.append((now_s, value))
        since_s, before = seen[0]
        return (value - before) / (now_s - since_s) if now_s > since_s else 0.0


class RecentDurations:
    """The quantiles of durations, of those that came in the last five minutes."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[tuple[float, list[int]]] = deque()

    def update(self, now_s: float, durations: Durations, quantiles: Sequence[float]) -> list[float]:
        """In seconds; not a number where there was nothing."""
        seen = self._seen
        while len(seen) > 1 and seen[1][0] <= now_s - QUANTILE_WINDOW_S:
            seen.popleft()
        counts = durations.counts
        if seen:
            before = seen[0][1]
            recent = [count - earlier for count, earlier in zip(counts, before, strict=True)]
        else:
            recent = counts  # the first look: all since the start
            seen.append((now_s - _BETWEEN_S, [0] * len(counts)))
        if now_s - seen[-1][0] >= _BETWEEN_S:
            seen.append((now_s, list(counts)))
        return [quantile_of(recent, quantile) for quantile in quantiles]


def quantile_of(counts: Sequence[int], quantile: float) -> float:
    """Found in the bucket where it must be, as far in as its rank is."""
    total = sum(counts)
    if not total:
        return float("nan")
    rank = quantile * total
    passed = 0
    for bucket, count in enumerate(counts):
        if count and passed + count >= rank:
            if bucket == len(BOUNDS_S):
                return BOUNDS_S[-1]
            lower = BOUNDS_S[bucket - 1] if bucket else 0.0
            return lower + (BOUNDS_S[bucket] - lower) * (rank - passed) / count
        passed += count
    return BOUNDS_S[-1]
