"""How often a start waits for the disk. Each sync is waited for, one after the other, and some disks take 10 ms for it.

That all which has to be durable is durable, tests/crash finds out.
"""

from __future__ import annotations

from collections import Counter

from broker.formatting import METADATA_DIRECTORY
from storage.checkpoints import META_PROPERTIES
from tests.support.node_in_memory import DATA, Life, Machine

METADATA = f"{DATA}/{METADATA_DIRECTORY}"
LOG = f"{METADATA}/00000000000000000000.log"

# The log: leader, bootstrap records, controller, broker, broker unfenced, and one to spare for how they are grouped.
# The data directory: once for the name of the metadata log, before a vote is kept in there.
FIRST_START = Counter(
    {
        "/": 1,
        "/barnabas-in-memory": 1,
        DATA: 5,
        f"{DATA}/bootstrap.checkpoint": 1,
        f"{DATA}/{META_PROPERTIES}": 1,
        METADATA: 3,
        f"{METADATA}/00000000000000000000-0000000000.checkpoint": 1,
        f"{METADATA}/partition.metadata": 1,
        f"{METADATA}/quorum-state": 1,
        f"{METADATA}/leader-epoch-checkpoint": 1,
        LOG: 6,
    }
)
RESTART = Counter(
    {DATA: 2, METADATA: 3, f"{METADATA}/quorum-state": 1, f"{METADATA}/leader-epoch-checkpoint": 1, LOG: 5}
)


def syncs_until_ready(machine: Machine) -> Counter[str]:
    """How often each path is synced in one life of the node, until it is ready."""
    syncs: Counter[str] = Counter()

    def count(operation: str, path: str) -> None:
        if operation in ("sync", "sync_dir"):
            syncs[path.removesuffix(".tmp")] += 1

    async def until_ready(life: Life) -> None:
        life.disk.on_step = None

    machine.disk.on_step = count
    machine.run(until_ready)
    return syncs


def test_a_start_syncs_no_more_than_it_must() -> None:
    machine = Machine(1, {"metadata.log.max.record.bytes.between.snapshots": "20971520"})
    first, second = syncs_until_ready(machine), syncs_until_ready(machine)
    assert LOG in first and first <= FIRST_START, first - FIRST_START
    assert LOG in second and second <= RESTART, second - RESTART
