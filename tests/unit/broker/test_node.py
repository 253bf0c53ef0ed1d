"""A node's parts come down in order, whatever one of them does."""

from __future__ import annotations

import pytest

from tests.support.node_in_memory import DATA, Life, Machine


async def _nothing(life: Life) -> None:
    pass


def test_a_part_that_fails_to_stop_keeps_no_other_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(1)

    async def break_groups(life: Life) -> None:
        def fail() -> None:
            raise RuntimeError("as ordered")

        monkeypatch.setattr(life.node.groups, "shutdown", fail)

    with pytest.raises(RuntimeError, match="as ordered"):
        machine.run(break_groups)
    assert machine.disk.exists(f"{DATA}/.kafka_cleanshutdown")
    machine.run(_nothing)


def test_a_start_that_fails_half_way_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(1)
    machine.run(_nothing)
    with monkeypatch.context() as patched:
        patched.setattr("broker.node.Maintenance", None)
        with pytest.raises(TypeError):
            machine.run(_nothing)
    machine.run(_nothing)
