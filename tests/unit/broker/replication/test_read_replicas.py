"""Which replica a consumer is sent to."""

from __future__ import annotations

import pytest

from broker.replication.read_replicas import preferred_replica
from tests.unit.broker.replication.test_partition import fetch, partition

RACKS = {1: "a", 2: "b", 3: "b", 4: "c"}


@pytest.mark.parametrize(
    ("rack", "fetch_offset", "isr", "expected"),
    [
        ("a", 0, (1, 2, 3, 4), None),  # the leader's own
        ("b", 0, (1, 2, 3, 4), 3),  # the one that has more
        ("b", 9, (1, 2, 3, 4), 3),
        ("b", 5, (1, 2, 4), 2),
        ("b", 9, (1, 2, 4), None),  # it has not come so far
        ("c", 0, (1, 4), None),  # its log begins later
        ("c", 4, (1, 4), 4),
        ("c", 4, (1, 2), None),  # not in sync
        ("d", 0, (1, 2, 3, 4), None),
    ],
)
def test_the_replica_in_the_rack(rack: str, fetch_offset: int, isr: tuple[int, ...], expected: int | None) -> None:
    made = partition((1, 2, 3, 4), isr)
    fetch(made, 2, 8, 10, 1.0)
    fetch(made, 3, 9, 10, 1.0)
    fetch(made, 4, 9, 10, 1.0)
    made.followers[4].log_start_offset = 3
    assert preferred_replica(made, rack, fetch_offset, RACKS.get) == expected


def test_of_equals_the_one_that_was_caught_up_last() -> None:
    made = partition((1, 2, 3))
    fetch(made, 2, 10, 10, 2.0)
    fetch(made, 3, 10, 10, 1.0)
    assert preferred_replica(made, "b", 0, RACKS.get) == 2
    fetch(made, 3, 10, 10, 2.0)
    assert preferred_replica(made, "b", 0, RACKS.get) == 3
