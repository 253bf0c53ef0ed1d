"""What of the node's configuration the group coordinator needs, under Kafka's keys."""

from __future__ import annotations

from typing import Final

import msgspec

from config.node_config import NodeConfig

_MS_PER_MINUTE: Final = 60 * 1000


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True):
    min_session_timeout_ms: int = 6_000
    max_session_timeout_ms: int = 1_800_000
    initial_rebalance_delay_ms: int = 3_000
    group_size_max: int = 2**31 - 1
    new_member_join_timeout_ms: int = 5 * _MS_PER_MINUTE  # no key of Kafka's either
    offset_metadata_length_max: int = 4096
    offsets_retention_ms: int = 7 * 24 * 60 * _MS_PER_MINUTE
    offsets_retention_check_interval_ms: int = 600_000
    offsets_commit_timeout_ms: int = 5_000
    offsets_load_buffer_bytes: int = 5 * 1024 * 1024
    offsets_compression: int = 0

    @classmethod
    def of_node(cls, config: NodeConfig) -> GroupSettings:
        return cls(
            min_session_timeout_ms=config.group_min_session_timeout_ms,
            max_session_timeout_ms=config.group_max_session_timeout_ms,
            initial_rebalance_delay_ms=config.group_initial_rebalance_delay_ms,
            group_size_max=config.group_max_size,
            offset_metadata_length_max=config.offset_metadata_max_bytes,
            offsets_retention_ms=config.offsets_retention_minutes * _MS_PER_MINUTE,
            offsets_retention_check_interval_ms=config.offsets_retention_check_interval_ms,
            offsets_commit_timeout_ms=config.offsets_commit_timeout_ms,
            offsets_load_buffer_bytes=config.offsets_load_buffer_size,
            offsets_compression=config.offsets_topic_compression_codec,
        )
