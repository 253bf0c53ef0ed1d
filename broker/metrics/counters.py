"""What is counted where the work is done: plain integers and lists of integers, read by the metrics page when asked.

A count costs an addition, a duration a search in a short tuple and an addition. Nothing here knows the names that
Prometheus sees. Counterpart: BrokerTopicMetrics, RequestMetrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Final

from storage.validation import InvalidRecords

_SHORTEST_S: Final = 10e-6
_GROWTH: Final = 1.2
BOUNDS_S: Final = tuple(_SHORTEST_S * _GROWTH**power for power in range(88))
"""Upper ends of the buckets of a duration, from 10 us to 77 s; one more bucket holds what took longer. A quantile read
from them is off by a fifth at most, and by a tenth as a rule."""


class Durations:
    """How often something took how long."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        self.counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s

    @property
    def count(self) -> int:
        return sum(self.counts)


class RequestStats:
    """Of the requests of one API. Times run from when the last byte of a request was received: `queue` until it
    starts, `local` until its handler has done its part, `remote` while it then waits (for replicas, data, other
    members); `total` is all of it, until there is an answer."""

    __slots__ = ("by_version", "errors", "local", "parked", "queue", "remote", "total")

    def __init__(self, versions: int) -> None:
        self.by_version = [0] * versions
        """By version less the lowest that is served."""
        self.errors: defaultdict[int, int] = defaultdict(int)
        """By error code, as often as answers hold it; NONE among them."""
        self.parked = 0
        """Requests that wait now."""
        self.queue = Durations()
        self.local = Durations()
        self.remote = Durations()
        self.total = Durations()

    def answered(self, received_s: float, started_s: float, now_s: float) -> None:
        """A request that waited for nothing."""
        # `Durations.add`, three times over: calls would cost as much as the work. Of the parts, no sums are shown.
        total, total_s = self.total, now_s - received_s
        bucket = bisect_left(BOUNDS_S, total_s)
        total.counts[bucket] += 1
        total.sum_s += total_s
        if started_s == received_s:
            # As nearly always: it was started at once, by one reading of the clock.
            self.queue.counts[0] += 1
            self.local.counts[bucket] += 1
        else:
            self.queue.counts[bisect_left(BOUNDS_S, started_s - received_s)] += 1
            self.local.counts[bisect_left(BOUNDS_S, now_s - started_s)] += 1

    def waited(self, received_s: float, started_s: float, parked_s: float, now_s: float) -> None:
        """A request whose handler had done its part at `parked_s`."""
        self.queue.counts[bisect_left(BOUNDS_S, started_s - received_s)] += 1
        self.local.counts[bisect_left(BOUNDS_S, parked_s - started_s)] += 1
        self.remote.counts[bisect_left(BOUNDS_S, now_s - parked_s)] += 1
        self.total.add(now_s - received_s)


class TopicStats:
    """Of all partitions of a topic on this broker."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "bytes_rejected",
        "failed_fetch_requests",
        "failed_produce_requests",
        "invalid_records",
        "messages_in",
        "replication_bytes_in",
        "replication_bytes_out",
        "total_fetch_requests",
        "total_produce_requests",
    )

    def __init__(self) -> None:
        self.messages_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.bytes_rejected = 0
        self.replication_bytes_in = 0
        self.replication_bytes_out = 0
        self.total_produce_requests = 0
        self.failed_produce_requests = 0
        self.total_fetch_requests = 0
        self.failed_fetch_requests = 0
        self.invalid_records: dict[InvalidRecords, int] = {}
        """Refused batches, by what was wrong with them."""

    def add(self, other: TopicStats) -> None:
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for meter, count in other.invalid_records.items():
            self.invalid_records[meter] = self.invalid_records.get(meter, 0) + count


_SUMMED: Final = tuple(name for name in TopicStats.__slots__ if name != "invalid_records")


class TopicsStats:
    """Of each topic that this broker hosts a partition of, and of all that there ever were."""

    def __init__(self) -> None:
        self.by_name: dict[str, TopicStats] = {}
        self._gone = TopicStats()

    def of(self, topic: str) -> TopicStats:
        """Those of the topic, begun if it is new."""
        stats = self.by_name.get(topic)
        if stats is None:
            stats = self.by_name[topic] = TopicStats()
        return stats

    def forget(self, topic: str) -> None:
        """No partition of it is here any more."""
        stats = self.by_name.pop(topic, None)
        if stats is not None:
            self._gone.add(stats)

    def total(self) -> TopicStats:
        total = TopicStats()
        for stats in (self._gone, *self.by_name.values()):
            total.add(stats)
        return total
