"""Items by key and in slices: every item once, in its order."""

from __future__ import annotations

from broker.grouping import grouped, slices


def test_groups_keep_the_order_of_the_items() -> None:
    assert grouped(["b1", "a1", "b2"], lambda item: item[0]) == {"b": ["b1", "b2"], "a": ["a1"]}
    assert grouped([], str) == {}


def test_slices_are_full_but_for_the_last() -> None:
    assert [list(part) for part in slices(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(slices([], 2)) == []
