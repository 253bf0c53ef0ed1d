"""Which segments of a log may go: a prefix of them, never one that the high watermark has not passed.

Three rules, one after the other: below the log start offset (whatever the policy), then, with the policy `delete`,
beyond retention.bytes and beyond retention.ms. Time goes by the largest timestamp in a segment, and only without any by
the file's modification time, so a record from the future keeps its segment, and all behind it, alive (KAFKA-18929). The
active segment goes too, if it is not empty; the log then begins a new one first. Kafka's counterpart:
UnifiedLog.deleteOldSegments.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from storage.log_config import LogConfig
from storage.segment import Segment

logger = logging.getLogger(__name__)

_CLOCKS_APART_MS: Final = 3_600_000
"""Timestamps so far ahead are worth a word; less is an ordinary difference of clocks."""

Rule = Callable[[Segment, "Segment | None"], bool]


def count_deletable(
    segments: Sequence[Segment],
    config: LogConfig,
    *,
    log_start_offset: int,
    high_watermark: int,
    log_end_offset: int,
    now_ms: int,
) -> int:
    """How many of the first segments may go. Reads the time index of those it has to ask; works on any thread."""

    def count_prefix(rest: Sequence[Segment], rule: Rule) -> int:
        return _count_prefix(rest, rule, high_watermark, log_end_offset)

    count = count_prefix(segments, _below_log_start(log_start_offset))
    if config.deletes_old_segments and config.retention_bytes >= 0:
        rest = segments[count:]
        excess_bytes = sum(segment.size for segment in rest) - config.retention_bytes
        count += count_prefix(rest, _in_excess(excess_bytes))
    if config.deletes_old_segments and config.retention_ms >= 0:
        count += count_prefix(segments[count:], _older_than(config.retention_ms, now_ms))
    return count


def _count_prefix(segments: Sequence[Segment], rule: Rule, high_watermark: int, log_end_offset: int) -> int:
    for count, segment in enumerate(segments):
        following = segments[count + 1] if count + 1 < len(segments) else None
        upper_bound = log_end_offset if following is None else following.base_offset
        if high_watermark < upper_bound or (following is None and segment.size == 0) or not rule(segment, following):
            return count
    return len(segments)


def _below_log_start(log_start_offset: int) -> Rule:
    return lambda segment, following: following is not None and following.base_offset <= log_start_offset


def _older_than(retention_ms: int, now_ms: int) -> Rule:
    def is_old(segment: Segment, following: Segment | None) -> bool:
        timestamp = segment.largest_timestamp()
        if timestamp > now_ms + _CLOCKS_APART_MS:
            logger.warning("%r has timestamps of the future (%d) and cannot expire", segment, timestamp)
        return now_ms - timestamp > retention_ms

    return is_old


def _in_excess(excess_bytes: int) -> Rule:
    def is_in_excess(segment: Segment, following: Segment | None) -> bool:
        nonlocal excess_bytes
        if excess_bytes < segment.size:
            return False
        excess_bytes -= segment.size
        return True

    return is_in_excess
