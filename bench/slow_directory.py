"""One log directory whose syncs take 200 ms: what a partition of another directory notices.

    python -m bench.slow_directory [--rounds N]

Rounds alternate between a healthy and a slow second directory, under the same load on it (flush.messages=1). Prints
the p99 of single acks=all records to the first directory for both, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.support.two_directories import TwoDirectories, produce_latencies
from tests.support.workload import RecordedLoad

RECORDS = 2000
SYNC_MS = 200


def p99_ms(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98] * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    healthy: list[float] = []
    slow: list[float] = []
    with tempfile.TemporaryDirectory(prefix="barnabas-bench-") as directory:
        two = TwoDirectories(Path(directory))
        two.start()
        try:
            bootstrap = two.node.bootstrap
            beside, troubled = two.topic_in(two.first), two.topic_in(two.second, {"flush.messages": "1"})
            produce_latencies(bootstrap, beside, RECORDS)
            load = RecordedLoad(bootstrap, troubled, 1).start()
            for _ in range(rounds):
                two.faults.healthy()
                healthy.append(p99_ms(produce_latencies(bootstrap, beside, RECORDS)))
                two.faults.slow_syncs(two.second, SYNC_MS)
                slow.append(p99_ms(produce_latencies(bootstrap, beside, RECORDS)))
            two.faults.healthy()
            load.finish()
        finally:
            two.node.kill()
    ratio = statistics.median(slow) / statistics.median(healthy)
    sys.stdout.write(
        f"p99 beside a healthy directory: {statistics.median(healthy):.2f} ms ({min(healthy):.2f}-{max(healthy):.2f})\n"
        f"p99 beside one of {SYNC_MS} ms a sync: {statistics.median(slow):.2f} ms ({min(slow):.2f}-{max(slow):.2f})\n"
        f"ratio {ratio:.2f} (bar 2)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
