"""Groups of kinds that this coordinator does not serve yet: consumer, share and streams groups.

A log written by Apache Kafka may hold them. Their records stay in the log; of their state only this much is kept: that
the group exists, of which kind, and whether it has members, so that nothing treats its id as free or its offsets as
those of a simple group. Counterparts: ConsumerGroup, ShareGroup, StreamsGroup; KIP-848, KIP-932, KIP-1071.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class GroupKind(Enum):
    """As ListGroups names them."""

    CLASSIC = "classic"
    CONSUMER = "consumer"
    SHARE = "share"
    STREAMS = "streams"


KIND_OF_GROUP_RECORD: Final = {3: GroupKind.CONSUMER, 11: GroupKind.SHARE, 17: GroupKind.STREAMS}
"""By record type: those that create and delete a group."""
KIND_OF_MEMBER_RECORD: Final = {5: GroupKind.CONSUMER, 10: GroupKind.SHARE, 19: GroupKind.STREAMS}


class ForeignGroup:
    __slots__ = ("group_id", "kind", "member_ids")

    def __init__(self, group_id: str, kind: GroupKind) -> None:
        self.group_id = group_id
        self.kind = kind
        self.member_ids: set[str] = set()

    @property
    def is_empty(self) -> bool:
        return not self.member_ids

    @property
    def protocol_type(self) -> str:
        return self.kind.value

    @property
    def state(self) -> str:
        return "Empty" if self.is_empty else "Unknown"
