"""No acknowledged record is lost, changed or moved; none is there twice; offsets have no gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.records.batch import iter_batches
from tests.simulation.check import Check, replicas_of, running, whole_log

if TYPE_CHECKING:
    from tests.simulation.world import World


class RecordCheck(Check):
    def finish(self) -> None:
        register = self.world.register
        logs = final_records(self.world)
        places: dict[tuple[int, bytes], int] = {}
        for partition, records in logs.items():
            if list(records) != list(range(len(records))):
                self.violation(f"the offsets of {partition} have gaps")
            for offset, value in records.items():
                before = places.setdefault((partition, value), offset)
                if before != offset:
                    self.violation(f"{value[:30]!r} is in {partition} twice, at {before} and {offset}")
                if (partition, value) not in register.sent_values:
                    self.violation(f"nobody sent what is at offset {offset} of {partition}")
        for (partition, value), offset in register.acked_values.items():
            place = places.get((partition, value))
            if place is None:
                self.violation(f"lost: {value[:30]!r}, acknowledged at offset {offset} of {partition}")
            elif offset >= 0 and place != offset:
                self.violation(f"{value[:30]!r} is at {place} of {partition}, acknowledged was {offset}")


def final_records(world: World) -> dict[int, dict[int, bytes]]:
    """Offset to value, by partition, as the leaders have them."""
    found: dict[int, dict[int, bytes]] = {partition: {} for partition in range(world.plan.partitions)}
    for _, node in running(world.brokers):
        for replica in replicas_of(node):
            if replica.state.is_leader:
                found[replica.topic_partition.partition] = {
                    record.offset: bytes(record.value or b"")
                    for batch in iter_batches(whole_log(replica.log))
                    for record in batch.records()
                }
    return found
