"""A short fixed set of simulated clusters, and what the simulator promises: runs repeat, planted bugs are caught."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.faults import ALWAYS, WITH_POWER
from tests.simulation.planted import PLANTED
from tests.simulation.seeds import CAUGHT_BY, REGRESSIONS, SHORT, catch
from tests.simulation.world import World

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", (*SHORT, *REGRESSIONS))
def test_promises_are_kept_whatever_goes_wrong(seed: int) -> None:
    result = World(seed).run()
    assert not result.violations, result.violations
    assert result.counts["acknowledged"] > 0
    assert result.counts["faults"] >= 5


def test_same_seed_same_trace_whatever_the_order_of_hashes() -> None:
    traces: Counter[str] = Counter()
    for hash_seed in ("1", "2"):
        output = subprocess.run(
            [sys.executable, "-m", "tests.simulation", str(SHORT[0])],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found = re.search(r"trace (\w+)", output)
        assert found is not None, output
        traces[found[1]] += 1
    assert list(traces.values()) == [2]


def test_other_seed_other_trace() -> None:
    assert World(SHORT[1]).run().trace != World(SHORT[2]).run().trace


def test_every_fault_can_strike() -> None:
    from tests.simulation.faults import Faults

    assert all(callable(getattr(Faults, f"_{kind}")) for kind in (*ALWAYS, *WITH_POWER))


def test_every_planted_bug_has_a_seed() -> None:
    assert set(CAUGHT_BY) == set(PLANTED)


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bugs_are_caught(name: str) -> None:
    assert catch(name) is not None, PLANTED[name].breaks
