"""Common names for what two brokers may legitimately answer differently, so that the rest can be compared plainly.

Ids are named in the order in which they first appear, so that two ids that are equal on one side must be equal on the
other. Of texts written for people only their presence counts. Times near now are "now"; those that a test chose stay.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from protocol.errors import DecodeError
from protocol.records.batch import RecordBatch, iter_batches

TEXTS = frozenset({"error_message", "batch_index_error_message", "documentation"})
IDENTITIES = {
    "topic_id": "topic id",
    "member_id": "member id",
    "leader": "member id",
    "session_id": "session id",
    "producer_id": "producer id",
    "cluster_id": "cluster id",
    "replica_directory_id": "directory id",
    "log_dir": "log dir",
}
TIMES = frozenset(
    {
        "timestamp",
        "log_append_time_ms",
        "base_timestamp",
        "max_timestamp",
        "last_timestamp",
        "last_fetch_timestamp",
        "last_caught_up_timestamp",
    }
)
EPOCHS_OF_METADATA = frozenset({"finalized_features_epoch"})
UNORDERED = frozenset({"api_keys", "supported_features", "finalized_features", "configs"})
SHUFFLED = frozenset(
    {
        "AlterReplicaLogDirs",
        "CreatePartitions",
        "CreateTopics",
        "DeleteRecords",
        "DeleteTopics",
        "DescribeGroups",
        "DescribeLogDirs",
        "DescribeProducers",
        "Fetch",
        "ListConfigResources",
        "ListOffsets",
        "Metadata",
        "OffsetDelete",
        "OffsetFetch",
        "Produce",
    }
)
"""APIs whose results Apache Kafka gives in the order of a hash."""
VOLUMES = frozenset({"total_bytes", "usable_bytes"})
SECONDS_THAT_ARE_NOW = 600


def _in_order(label: str, answer: Any) -> Any:
    return _sorted(answer) if label.split()[0] in SHUFFLED else answer


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted((_sorted(each) for each in value), key=_place)
    return value


def _place(result: dict[str, Any]) -> str:
    """Where a topic, partition or group belongs: by name or number, and where there are but ids, by what is said."""
    for name in ("name", "topic", "topic_name", "group_id", "resource_name"):
        if result.get(name):
            return str(result[name])
    for name in ("partition_index", "index", "partition"):
        if name in result:
            return f"{result[name]:20}"
    return repr({**result, "topic_id": b"", "member_id": ""})


class Normaliser:
    """For one transcript of one broker."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = {port: f"its port {number}" for number, port in enumerate(ports, 1)}
        self._names: dict[tuple[str, Any], str] = {}
        self._counts: dict[str, int] = {}

    def transcript(self, steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return [(label, self.value(label, _in_order(label, answer))) for label, answer in steps]

    def value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.value(key, each) for key, each in value.items()}
        if name == "records":
            return None if value is None else self._records(value)
        if isinstance(value, list):
            if name == "configs" and value and "name" in value[0]:
                return {each["name"]: self.value("config", each) for each in value}
            if name in UNORDERED:
                value = sorted(value, key=repr)
            elif name == "members":  # Kafka keeps them in the order of a hash of their random ids
                value = sorted(value, key=lambda each: repr({**each, "member_id": ""}))
            return [self.value(name, each) for each in value]
        return self._scalar(name, value)

    def _scalar(self, name: str, value: Any) -> Any:
        if name in TEXTS:
            return value if not value else "a text"
        if name == "port" and value in self._ports:
            return self._ports[value]
        if name in IDENTITIES:
            return self._identity(IDENTITIES[name], value)
        if name in TIMES and abs(value / 1000 - time.time()) < SECONDS_THAT_ARE_NOW:
            return "now"
        if name in VOLUMES:
            return value if value <= 0 else "some bytes"
        if name in EPOCHS_OF_METADATA:
            return value if value < 0 else "an epoch"
        return value

    def _identity(self, kind: str, value: Any) -> Any:
        if value in (None, "", -1) or value == bytes(16) or (value == 0 and kind == "session id"):
            return value
        if (kind, value) not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[kind, value] = f"{kind} {self._counts[kind]}"
        return self._names[kind, value]

    def _records(self, data: bytes) -> Any:
        try:
            return [self._batch(batch) for batch in iter_batches(memoryview(data), partial_tail=True)]
        except DecodeError as error:
            return f"not records: {error}"

    def _batch(self, batch: RecordBatch) -> dict[str, Any]:
        assert batch.is_valid_crc()
        header = {
            "base_offset": batch.base_offset,
            "partition_leader_epoch": batch.partition_leader_epoch,
            "attributes": batch.attributes,
            "last_offset_delta": batch.last_offset_delta,
            "base_timestamp": self._scalar("base_timestamp", batch.base_timestamp),
            "max_timestamp": self._scalar("max_timestamp", batch.max_timestamp),
            "producer_id": self._identity("producer id", batch.producer_id),
            "producer_epoch": batch.producer_epoch,
            "base_sequence": batch.base_sequence,
            "records_count": batch.records_count,
        }
        records = [
            {
                "offset": record.offset,
                "timestamp": self._scalar("timestamp", record.timestamp),
                "key": record.key,
                "value": record.value,
                "headers": record.headers,
            }
            for record in batch.records(64 << 20)
        ]
        return {**header, "contents": records}
