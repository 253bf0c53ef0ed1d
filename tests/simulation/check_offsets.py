"""Offsets that a group committed are not lost, whoever coordinates it. Only processes may have died: after a power cut
the offsets' topic, which is not synced with each record, may lack its end."""

from __future__ import annotations

from tests.simulation.check import Check


class OffsetCheck(Check):
    def finish(self) -> None:
        for committer in self.world.committers:
            self.world.counts["offsets committed"] += committer.acknowledged + 1
            if committer.found != committer.acknowledged and not self.world.plan.is_synced:
                self.violation(
                    f"{committer.name} committed {committer.acknowledged}, the coordinator has {committer.found}"
                )
