"""What counting costs a request: `python -m bench.counting` prints nanoseconds a step, the best of many rounds.

These are all the steps that a produce request of one record pays for metrics; compare with the 20,000 or more of the
whole request.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

from broker.metrics.counters import RequestStats, TopicStats
from broker.metrics.errors import error_counting
from protocol.messages.produce import ProduceResponse

ROUNDS: Final = 300
CALLS: Final = 1000


def best_ns(step: Callable[[], object]) -> float:
    """The call of `step` itself taken off."""
    return _best_ns(step) - _best_ns(lambda: None)


def _best_ns(step: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        before = time.perf_counter()
        for _ in range(CALLS):
            step()
        best = min(best, time.perf_counter() - before)
    return best / CALLS * 1e9


def main() -> None:
    stats, topic = RequestStats(14), TopicStats()
    partitions = [ProduceResponse.PartitionProduceResponse()]
    response = ProduceResponse(responses=[ProduceResponse.TopicProduceResponse(partition_responses=partitions)])
    count_errors = error_counting(ProduceResponse)

    def count_append() -> None:
        topic.total_produce_requests += 1
        topic.messages_in += 1
        topic.bytes_in += 168

    def count_version() -> None:
        stats.by_version[13] += 1

    steps: dict[str, Callable[[], object]] = {
        "reading the clock, three times": lambda: (time.monotonic(), time.monotonic(), time.monotonic()),
        "the version": count_version,
        "the append": count_append,
        "error codes of the answer": lambda: count_errors(response, stats.errors),
        "the times": lambda: stats.answered(1.0, 1.0001, 1.0003),
    }
    total = 0.0
    for name, step in steps.items():
        cost_ns = best_ns(step)
        total += cost_ns
        sys.stdout.write(f"{name:32} {cost_ns:6.0f} ns\n")
    sys.stdout.write(f"{'in all':32} {total:6.0f} ns\n")


if __name__ == "__main__":
    main()
