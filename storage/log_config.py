"""The configuration of one log, as far as storage acts on it: plain values, already resolved and checked.

The broker makes one from the topic's overrides and its own defaults and replaces it when they change; storage knows no
configuration files. Names and defaults are those of Kafka's topic configurations (`org.apache.kafka.storage.internals.
log.LogConfig`), -1 is "no limit" as there.
"""

from __future__ import annotations

from typing import Final

import msgspec

UNLIMITED: Final = 2**63 - 1


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    segment_bytes: int = 1_073_741_824
    segment_ms: int = 604_800_000
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10_485_760
    index_interval_bytes: int = 4096
    flush_messages: int = UNLIMITED
    flush_ms: int = UNLIMITED
    retention_bytes: int = -1
    retention_ms: int = 604_800_000
    file_delete_delay_ms: int = 60_000
    is_compacted: bool = False
    """cleanup.policy has `compact`."""
    deletes_old_segments: bool = True
    """cleanup.policy has `delete`."""
    delete_retention_ms: int = 86_400_000
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = UNLIMITED
    min_cleanable_dirty_ratio: float = 0.5
    max_message_bytes: int = 1_048_588
    producer_id_expiration_ms: int = 86_400_000
    """producer.id.expiration.ms, the broker's."""

    @property
    def offset_index_entries_max(self) -> int:
        return self.segment_index_bytes // 8

    @property
    def time_index_entries_max(self) -> int:
        """One less than fit: the last place is kept for the entry written when the segment is rolled."""
        return self.segment_index_bytes // 12 - 1
