"""What a topic's configuration means to its logs: resolved once when it changes, plain values for the hot path.

Counterpart: LogConfig, and the parts of Partition that read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from config.definition import ConfigValue, as_int, as_list
from config.dynamic import ConfigLayers
from protocol.records.compression import CompressionType
from storage.log_config import LogConfig
from storage.validation import CREATE_TIME, LOG_APPEND_TIME, ValidationRules

DECOMPRESSED_ON_LOOP_BYTES_MAX: Final = 4 * 1024 * 1024
"""A batch that grows beyond this is checked off the event loop."""

_CODECS: Final = {
    "uncompressed": CompressionType.NONE,
    "gzip": CompressionType.GZIP,
    "snappy": CompressionType.SNAPPY,
    "lz4": CompressionType.LZ4,
    "zstd": CompressionType.ZSTD,
}
_LEVEL_KEYS: Final = {
    CompressionType.GZIP: "compression.gzip.level",
    CompressionType.LZ4: "compression.lz4.level",
    CompressionType.ZSTD: "compression.zstd.level",
}


class TopicSettings(msgspec.Struct, frozen=True, kw_only=True):
    log_config: LogConfig
    rules: ValidationRules
    rules_on_loop: ValidationRules
    """As `rules`, with a limit on decompression that costs a few milliseconds at most."""
    min_insync_replicas: int
    is_synced: bool
    """flush.messages is 1: nothing counts before it is on disk."""


def topic_settings(layers: ConfigLayers, overrides: Mapping[str, str]) -> TopicSettings:
    """Of a topic that sets `overrides`, all else as the node's configuration has it."""
    values = layers.topic_values(overrides)
    rules = _rules(values, layers.effective.barnabas_decompressed_batch_max_bytes)
    on_loop = min(rules.max_decompressed_bytes, DECOMPRESSED_ON_LOOP_BYTES_MAX)
    log_config = _log_config(values, layers.effective.producer_id_expiration_ms)
    return TopicSettings(
        log_config=log_config,
        rules=rules,
        rules_on_loop=msgspec.structs.replace(rules, max_decompressed_bytes=on_loop),
        min_insync_replicas=as_int(values["min.insync.replicas"]),
        is_synced=log_config.flush_messages == 1,
    )


def _rules(values: Mapping[str, ConfigValue], max_decompressed_bytes: int) -> ValidationRules:
    codec = _CODECS.get(str(values["compression.type"]))
    level_key = None if codec is None else _LEVEL_KEYS.get(codec)
    is_log_append_time = values["message.timestamp.type"] == "LogAppendTime"
    return ValidationRules(
        max_message_bytes=as_int(values["max.message.bytes"]),
        compression=codec,
        compression_level=None if level_key is None else as_int(values[level_key]),
        is_compacted="compact" in as_list(values["cleanup.policy"]),
        timestamp_type=LOG_APPEND_TIME if is_log_append_time else CREATE_TIME,
        timestamp_before_max_ms=as_int(values["message.timestamp.before.max.ms"]),
        timestamp_after_max_ms=as_int(values["message.timestamp.after.max.ms"]),
        max_decompressed_bytes=max_decompressed_bytes,
    )


def _log_config(values: Mapping[str, ConfigValue], producer_id_expiration_ms: int) -> LogConfig:
    policies = as_list(values["cleanup.policy"])
    ratio = values["min.cleanable.dirty.ratio"]
    segment_bytes = values["internal.segment.bytes"]
    assert isinstance(ratio, int | float)
    return LogConfig(
        segment_bytes=as_int(values["segment.bytes"] if segment_bytes is None else segment_bytes),
        segment_ms=as_int(values["segment.ms"]),
        segment_jitter_ms=as_int(values["segment.jitter.ms"]),
        segment_index_bytes=as_int(values["segment.index.bytes"]),
        index_interval_bytes=as_int(values["index.interval.bytes"]),
        flush_messages=as_int(values["flush.messages"]),
        flush_ms=as_int(values["flush.ms"]),
        retention_bytes=as_int(values["retention.bytes"]),
        retention_ms=as_int(values["retention.ms"]),
        file_delete_delay_ms=as_int(values["file.delete.delay.ms"]),
        is_compacted="compact" in policies,
        deletes_old_segments="delete" in policies,
        delete_retention_ms=as_int(values["delete.retention.ms"]),
        min_compaction_lag_ms=as_int(values["min.compaction.lag.ms"]),
        max_compaction_lag_ms=as_int(values["max.compaction.lag.ms"]),
        min_cleanable_dirty_ratio=float(ratio),
        max_message_bytes=as_int(values["max.message.bytes"]),
        producer_id_expiration_ms=producer_id_expiration_ms,
    )
