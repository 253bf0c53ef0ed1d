"""Seeds that are run again and again: the fixed set, those of bugs that were found, and one for each planted bug."""

from __future__ import annotations

import random
from typing import Final

from tests.simulation.plan import draw_plan
from tests.simulation.planted import PLANTED
from tests.simulation.world import Result, World

SHORT: Final = tuple(range(1, 11))
"""In `make test`; together they draw every fault."""
FIXED: Final = tuple(range(1, 61))
"""In `make sim`."""

REGRESSIONS: Final[dict[int, str]] = {}
"""Seeds of failures that were mended, with what was wrong."""

CAUGHT_BY: Final = {
    "ack-before-isr": 1,
    "high-watermark-too-far": 5,
    "no-truncation": 1,
    "reads-beyond-commit": 1,
    "vote-not-synced": 1,
    "votes-twice": 14,
    "votes-for-shorter-logs": 1,
    "metadata-not-synced": 1,
    "commits-without-majority": 1,
    "flush-does-nothing": 1,
    "sequence-not-checked": 3,
    "producers-forgotten": 3,
    "unclean-election": 1,
    "stale-epoch-accepted": 9,
    "snapshot-forgets-configs": 1,
}
"""For every planted bug the seed by which it was caught last. What changes the order of events moves it to another
one: `python -m tests.simulation.search` tells to which."""
SEARCHED: Final = tuple(range(1, 25))


def run_planted(name: str, seed: int) -> Result:
    bug = PLANTED[name]
    plan = bug.plan(draw_plan(random.Random(seed)))
    with bug.plant():
        return World(seed, plan).run()


def catch(name: str) -> Result | None:
    """A run in which the planted bug is caught, of a fixed number."""
    for seed in (CAUGHT_BY[name], *SEARCHED):
        result = run_planted(name, seed)
        if not result.is_good:
            return result
    return None
