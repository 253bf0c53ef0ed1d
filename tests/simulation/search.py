"""`python -m tests.simulation.search [BUG ...]`: for each planted bug the first seed by which it is caught, for
`seeds.py`."""

from __future__ import annotations

import logging
import sys
import time

from tests.simulation.planted import PLANTED
from tests.simulation.seeds import SEARCHED, run_planted


def main() -> None:
    logging.disable(logging.CRITICAL)
    for name in sys.argv[1:] or PLANTED:
        began_s = time.process_time()
        for seed in SEARCHED:
            result = run_planted(name, seed)
            if not result.is_good:
                sys.stdout.write(f'"{name}": {seed},  # {result.violations[0][:150]} ')
                break
        else:
            sys.stdout.write(f"{name} is not caught ")
        sys.stdout.write(f"({time.process_time() - began_s:.1f} s)\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
