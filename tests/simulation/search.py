"""`python -m tests.simulation.search`: for each planted bug the first seed by which it is caught."""

from __future__ import annotations

import logging
import random
import sys
import time

from tests.simulation.plan import draw_plan
from tests.simulation.planted import PLANTED, Bug
from tests.simulation.world import Result, World

SEEDS_MAX = 8


def run_with(bug: Bug, seed: int) -> Result:
    plan = bug.plan(draw_plan(random.Random(seed)))
    with bug.plant():
        return World(seed, plan).run()


def main() -> None:
    logging.disable(logging.CRITICAL)
    for name in sys.argv[1:] or PLANTED:
        began_s = time.process_time()
        for seed in range(1, SEEDS_MAX + 1):
            result = run_with(PLANTED[name], seed)
            if not result.is_good:
                sys.stdout.write(f'"{name}": {seed},  # {result.violations[0][:150]} ')
                break
        else:
            sys.stdout.write(f"{name} is not caught ")
        sys.stdout.write(f"({time.process_time() - began_s:.1f} s)\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
