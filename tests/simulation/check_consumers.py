"""Consumers never see what is not committed: whatever one has read is in the log in the end, at the same offset.

That no answer goes beyond its high watermark, and that offsets have no gaps, is checked as they read."""

from __future__ import annotations

from tests.simulation.check import Check
from tests.simulation.check_records import final_records


class ConsumerCheck(Check):
    def finish(self) -> None:
        logs = final_records(self.world)
        for (partition, offset), value in self.world.register.read.items():
            if logs[partition].get(offset) != value:
                self.violation(f"what was read at offset {offset} of {partition} is not there any more")
        for partition, records in logs.items():
            for consumer in self.world.consumers:
                if consumer.positions[partition] != max(records, default=-1) + 1:
                    self.violation(f"{consumer.name} has not read {partition} to its end")
