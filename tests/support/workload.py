"""A load whose every acknowledged record is written down, to be looked for afterwards.

Values are unique numbers, a producer's in rising order. What counts as acknowledged is what the client's delivery
report said; a record without a report may be there or not, but never twice when the producer is idempotent.
"""

from __future__ import annotations

import threading
import time

from confluent_kafka import Message, Producer

from tests.support.librdkafka import produced, read_all

Places = dict[int, list[tuple[int, int]]]
"""Every value in a topic, with all the (partition, offset) where it stands."""


class RecordedLoad:
    """A producer on a thread of its own, writing until stopped; `acknowledged` maps value -> (partition, offset)."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, *, first: int = 0, **settings: object) -> None:
        self.topic = topic
        self.partitions = partitions
        self.acknowledged: dict[int, tuple[int, int]] = {}
        self.next_value = first
        self._stopping = threading.Event()
        defaults = {"enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 120_000}
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, **defaults, **settings})
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> RecordedLoad:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops writing and forgets what is still in flight: its fate is open."""
        self._stopping.set()
        self._thread.join(60)
        self._producer.purge()
        self._producer.poll(0)

    def finish(self, deadline_s: float = 60) -> None:
        """Stops writing and waits until every record has its report."""
        self._stopping.set()
        self._thread.join(60)
        assert self._producer.flush(deadline_s) == 0, "records without a delivery report"

    def _delivered(self, error: object, message: Message) -> None:
        if error is None:
            landed = produced(message)
            self.acknowledged[int(landed.value.split()[0])] = (landed.partition, landed.offset)

    def _run(self) -> None:
        while not self._stopping.is_set():
            value = self.next_value
            try:
                text = f"{value} {'x' * (value % 300)}"
                self._producer.produce(
                    self.topic, text.encode(), partition=value % self.partitions, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.05)
                continue
            self.next_value += 1
            self._producer.poll(0)
            if value % 64 == 0:
                time.sleep(0.002)


def read_values(bootstrap: str, topic: str, partitions: int) -> Places:
    places: Places = {}
    for each in read_all(bootstrap, topic, partitions):
        places.setdefault(int(each.value.split()[0]), []).append((each.partition, each.offset))
    return places


def assert_nothing_lost_or_duplicated(load: RecordedLoad, places: Places) -> None:
    lost = [value for value, place in load.acknowledged.items() if place not in places.get(value, [])]
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} acknowledged records lost: {lost[:5]}"
    twice = [value for value, found in places.items() if len(found) > 1]
    assert not twice, f"{len(twice)} records stand twice: {[(value, places[value]) for value in twice[:5]]}"
    for partition in range(load.partitions):
        here = sorted((offset, value) for value, found in places.items() for p, offset in found if p == partition)
        values = [value for _, value in here]
        assert values == sorted(values), f"partition {partition} is out of order"
