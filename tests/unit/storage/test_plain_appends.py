"""The short way into the log ends as the long one does, segment by segment; and it is taken."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ApiError
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.memory_files import MemoryFiles
from tests.unit.storage.logs import NOW, append, batch, log_bytes, names, new_log, open_log

CONFIG = LogConfig(segment_bytes=900, index_interval_bytes=100, segment_index_bytes=36, segment_ms=1000)

Step = Callable[[Log], object]


def attempt(step: Step, log: Log) -> object:
    try:
        return step(log)
    except ApiError as error:
        return error.code


STEPS = st.one_of(
    st.builds(
        lambda count, later_ms, producer, sequence, epoch: (
            lambda log: append(
                log,
                batch(count, timestamp=NOW + later_ms, producer_id=producer, sequence=sequence),
                leader_epoch=epoch,
            )
        ),
        st.integers(1, 4),
        st.integers(0, 1500),
        st.sampled_from([-1, -1, 1, 2]),
        st.integers(0, 3),
        st.integers(0, 1),
    ),
    st.builds(
        lambda count: lambda log: [append(log, batch(value=bytes(20))) for _ in range(count)], st.integers(1, 12)
    ),
    st.builds(lambda back: lambda log: log.truncate_to(max(0, log.log_end_offset - back), NOW), st.integers(1, 9)),
    st.builds(
        lambda size: lambda log: log.update_config(msgspec.structs.replace(CONFIG, segment_bytes=size)),
        st.integers(300, 900),
    ),
    st.just(lambda log: log.roll(NOW)),
)


@given(st.lists(STEPS, max_size=25))
def test_the_short_way_ends_as_the_long_one(steps: list[Step]) -> None:
    ends = []
    for is_short in (True, False):
        files = MemoryFiles()
        with pytest.MonkeyPatch.context() as patch:
            if not is_short:
                patch.setattr(Log, "_append_plain", lambda *_: None)
            log = open_log(files, CONFIG)
            outcomes = [attempt(step, log) for step in steps]
            entries = [(list(each.offset_index.positions), list(each.time_index.timestamps)) for each in log.segments]
            producers = {key: repr(each) for key, each in log.producer_state.producers.items()}
            state = (log.log_end_offset, log.producer_state.map_end_offset, log.leader_epochs.latest)
            ends.append((outcomes, names(files), log_bytes(files, log), entries, producers, state))
    assert ends[0] == ends[1]


def test_what_follows_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    log = new_log()
    for sequence in range(2):
        append(log, batch(producer_id=1, sequence=sequence))
    monkeypatch.setattr(log, "_append", None)
    for sequence in range(2, 9):
        append(log, batch(producer_id=1, sequence=sequence))
    append(log, batch())
    assert log.log_end_offset == 10
