"""What the group coordinator has counted since the node started: plain numbers, read by the metrics page."""

from __future__ import annotations


class GroupCounters:
    """Of all shards that were ever here."""

    __slots__ = ("completed_rebalances", "expired_offsets", "offset_commits", "offset_deletions")

    def __init__(self) -> None:
        self.completed_rebalances = 0
        self.offset_commits = 0
        self.offset_deletions = 0
        self.expired_offsets = 0
