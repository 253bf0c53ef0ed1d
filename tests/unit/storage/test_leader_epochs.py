"""Leader epochs of a log: the rules of KIP-101 and KIP-279, and a comparison with a plain list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.checkpoints import EpochEntry
from storage.leader_epochs import LeaderEpochs


def epochs(*entries: tuple[int, int]) -> LeaderEpochs:
    return LeaderEpochs(EpochEntry(*entry) for entry in entries)


def test_assign() -> None:
    cache = epochs()
    assert cache.latest == -1 and not cache.dirty
    assert cache.assign(2, 6)
    assert cache.dirty and cache.latest == 2
    assert not cache.assign(2, 7)
    assert cache.assign(3, 6), "epoch 2 wrote nothing"
    assert cache.entries == [(3, 6)]
    assert cache.assign(5, 9)
    assert cache.assign(4, 8), "an older epoch later: what contradicts it goes"
    assert cache.entries == [(3, 6), (4, 8)]


def test_end_offsets() -> None:
    cache = epochs((2, 10), (4, 20), (5, 30))
    assert cache.end_offset_for(5, 50) == (50, 5)
    assert cache.end_offset_for(4, 50) == (30, 4)
    assert cache.end_offset_for(3, 50) == (20, 2)
    assert cache.end_offset_for(2, 50) == (20, 2)
    assert cache.end_offset_for(1, 50) == (10, 1), "before all that is known"
    assert cache.end_offset_for(6, 50) == (-1, -1)
    assert cache.end_offset_for(-1, 50) == (-1, -1)
    assert epochs().end_offset_for(0, 50) == (-1, -1)


def test_lookups() -> None:
    cache = epochs((2, 10), (4, 20))
    assert [cache.epoch_for_offset(offset) for offset in (9, 10, 19, 20, 99)] == [None, 2, 2, 4, 4]
    assert cache.earliest == (2, 10)
    assert cache.previous == 2
    assert (cache.start_offset_of(4), cache.start_offset_of(3)) == (20, None)


def test_truncation() -> None:
    cache = epochs((2, 10), (4, 20), (5, 30))
    cache.truncate_from_end(31)
    cache.truncate_from_start(5)
    assert not cache.dirty
    cache.truncate_from_end(30)
    assert cache.entries == [(2, 10), (4, 20)] and cache.dirty and cache.latest == 4
    cache.truncate_from_start(15)
    assert cache.entries == [(2, 15), (4, 20)]
    cache.truncate_from_start(20)
    assert cache.entries == [(4, 20)]
    cache.truncate_from_start(25)
    assert cache.entries == [(4, 25)]
    cache.truncate_from_end(25)
    assert cache.entries == [] and cache.latest == -1


operations = st.lists(
    st.tuples(st.sampled_from(["assign", "start", "end"]), st.integers(0, 12), st.integers(0, 40)), max_size=25
)


@given(operations)
def test_like_a_list_of_epochs(steps: list[tuple[str, int, int]]) -> None:
    cache = epochs()
    model: list[tuple[int, int]] = []
    for kind, epoch, offset in steps:
        if kind == "assign":
            cache.assign(epoch, offset)
            if not model or epoch != model[-1][0] or offset < model[-1][1]:
                model = [(e, o) for e, o in model if e < epoch and o < offset] + [(epoch, offset)]
        elif kind == "end":
            cache.truncate_from_end(offset)
            model = [(e, o) for e, o in model if o < offset]
        else:
            cache.truncate_from_start(offset)
            below = [e for e, o in model if o <= offset]
            model = ([(below[-1], offset)] if below else []) + [(e, o) for e, o in model if o > offset]
        assert cache.entries == model
        assert cache.latest == (model[-1][0] if model else -1)
        assert model == sorted(model)
