"""Which partition of its internal topic a coordinator's key belongs to, by Java's hash of the string, as in Kafka."""

from __future__ import annotations

from typing import Final

GROUP_METADATA_TOPIC: Final = "__consumer_offsets"

_INT32_MIN: Final = -(2**31)


def java_string_hash(text: str) -> int:
    """String.hashCode: a signed 32-bit number over UTF-16 code units."""
    value = 0
    if text.isascii():
        for unit in text.encode():
            value = (31 * value + unit) & 0xFFFFFFFF
    else:
        data = text.encode("utf-16-be", "surrogatepass")
        for position in range(0, len(data), 2):
            value = (31 * value + (data[position] << 8 | data[position + 1])) & 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


def partition_for(key: str, partitions: int) -> int:
    """The absolute value of the hash, not its low 31 bits: for negative hashes the two differ."""
    value = java_string_hash(key)
    return 0 if value == _INT32_MIN else abs(value) % partitions
