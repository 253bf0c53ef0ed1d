"""`python -m tests.simulation SEED ...`: runs these seeds, and prints what happened and the hash of each trace.

-v tells events as they happen, --logs adds what the nodes log. --fixed runs the fixed set, and the planted bugs, each
of which must be caught; --random runs seeds at random, for so many seconds, after all others.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections import Counter

from tests.simulation.seeds import CAUGHT_BY, FIXED, REGRESSIONS, catch
from tests.simulation.world import Result, World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--logs", action="store_true")
    parser.add_argument("--random", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--fixed", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO if options.logs else logging.CRITICAL + 1, format="%(name)s %(message)s")
    totals: Counter[str] = Counter()
    failed: list[int] = []

    def run(seed: int) -> None:
        began_s = time.process_time()
        result = World(seed, log=_print if options.verbose else None).run()
        _report(result, time.process_time() - began_s)
        totals.update(result.counts)
        totals["seeds"] += 1
        totals["virtual seconds"] += int(result.virtual_s)
        if not result.is_good:
            failed.append(seed)

    for seed in (*options.seeds, *((*FIXED, *REGRESSIONS) if options.fixed else ())):
        run(seed)
    uncaught = [name for name in CAUGHT_BY if options.fixed and catch(name) is None]
    deadline_s = time.monotonic() + options.random
    while time.monotonic() < deadline_s:
        run(random.randrange(1 << 31))
    _print(", ".join(f"{count} {name}" for name, count in totals.most_common()))
    if failed:
        _print(f"failed: {' '.join(map(str, failed))}")
    if uncaught:
        _print(f"planted, and not caught: {' '.join(uncaught)}")
    return 1 if failed or uncaught else 0


def _report(result: Result, took_s: float) -> None:
    verdict = "good" if result.is_good else "BAD"
    counts = result.counts
    _print(
        f"seed {result.seed}: {verdict}, trace {result.trace}, {result.virtual_s:.0f} virtual s in {took_s:.1f} s,"
        f" {counts['acknowledged']} acknowledged, {counts['faults']} faults, {counts['elections']} elections,"
        f" {counts['leaders']} leaderships, {result.steps} steps"
    )
    for violation in result.violations[:10]:
        _print(f"  {violation}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


sys.exit(main())
