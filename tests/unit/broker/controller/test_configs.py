"""IncrementalAlterConfigs and AlterConfigs, operation by operation and error by error."""

from __future__ import annotations

import pytest

from broker.controller.configs import ConfigOperation, alter_configs, incremental_alter_configs
from broker.controller.view import View
from broker.metadata.image import ResourceType
from protocol.errors import ErrorCode
from protocol.messages.alter_configs import AlterConfigsRequest
from protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from protocol.metadata.configs import ConfigRecord
from protocol.metadata.topics import ClearElrRecord
from tests.support.controller import (
    cluster,
    config_record,
    level_record,
    partition_record,
    topic_records,
    view_of,
)

TOPIC, BROKER = ResourceType.TOPIC, ResourceType.BROKER
Resource = IncrementalAlterConfigsRequest.AlterConfigsResource
Key = IncrementalAlterConfigsRequest.AlterableConfig
OldResource = AlterConfigsRequest.AlterConfigsResource
OldKey = AlterConfigsRequest.AlterableConfig
SET, DELETE, APPEND, SUBTRACT = ConfigOperation

BASE = [
    *cluster(1),
    *topic_records("t", 1, [partition_record([1])]),
    config_record(TOPIC, "t", "retention.ms", "10"),
    config_record(TOPIC, "t", "cleanup.policy", "delete"),
]


def alter(view: View, *resources: Resource, validate_only: bool = False) -> tuple[list[object], list[int]]:
    request = IncrementalAlterConfigsRequest(resources=list(resources), validate_only=validate_only)
    outcome = incremental_alter_configs(view, request)
    return [record for record, _ in outcome.records], [r.error_code for r in outcome.response.responses]


def resource(resource_type: int, name: str, *keys: tuple[str, int, str | None]) -> Resource:
    configs = [Key(name=key, config_operation=operation, value=value) for key, operation, value in keys]
    return Resource(resource_type=resource_type, resource_name=name, configs=configs)


def replace(view: View, resource_type: int, name: str, **keys: str | None) -> tuple[list[object], list[int]]:
    configs = [OldKey(name=key.replace("_", "."), value=value) for key, value in keys.items()]
    resources = [OldResource(resource_type=resource_type, resource_name=name, configs=configs)]
    outcome = alter_configs(view, AlterConfigsRequest(resources=resources))
    return [record for record, _ in outcome.records], [r.error_code for r in outcome.response.responses]


def topic_config(name: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=TOPIC, resource_name="t", name=name, value=value)


@pytest.mark.parametrize(
    ("key", "operation", "value", "written"),
    [
        ("retention.ms", SET, "20", "20"),
        ("retention.ms", DELETE, None, None),
        ("cleanup.policy", APPEND, "compact", "delete,compact"),
        ("cleanup.policy", SUBTRACT, "delete", ""),
        ("flush.ms", SET, "5", "5"),
    ],
)
def test_operations(key: str, operation: int, value: str | None, written: str | None) -> None:
    records, codes = alter(view_of(*BASE), resource(TOPIC, "t", (key, operation, value)))
    assert (records, codes) == ([topic_config(key, written)], [0])


def test_appending_begins_with_the_default() -> None:
    records, codes = alter(
        view_of(*cluster(1), *topic_records("t", 1, [partition_record([1])])),
        resource(TOPIC, "t", ("cleanup.policy", APPEND, "compact")),
    )
    assert (records, codes) == ([topic_config("cleanup.policy", "delete,compact")], [0])


def test_what_does_not_change_is_not_written_except_for_brokers() -> None:
    view = view_of(*BASE, config_record(BROKER, "1", "log.retention.ms", "9"))
    assert alter(view, resource(TOPIC, "t", ("retention.ms", SET, "10"), ("flush.ms", DELETE, None))) == ([], [0])
    records, codes = alter(view, resource(BROKER, "1", ("log.retention.ms", SET, "9")))
    assert codes == [0] and len(records) == 1


def test_validate_only_writes_nothing() -> None:
    assert alter(view_of(*BASE), resource(TOPIC, "t", ("flush.ms", SET, "5")), validate_only=True) == ([], [0])


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (resource(TOPIC, "z", ("flush.ms", SET, "5")), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (resource(TOPIC, "t", ("no.such.key", SET, "5")), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("flush.ms", SET, "many")), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("flush.ms", APPEND, "5")), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("flush.ms", SET, "5" * 40_000)), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("flush.ms", SET, None)), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "t", ("flush.ms", 7, "5")), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "t", ("flush.ms", SET, "5"), ("flush.ms", SET, "6")), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "", ("flush.ms", SET, "5")), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "a b", ("flush.ms", SET, "5")), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (resource(BROKER, "1", ("log.retention.ms", SET, "soon")), ErrorCode.INVALID_REQUEST),
        (resource(BROKER, "9", ("log.retention.ms", SET, "5")), ErrorCode.BROKER_ID_NOT_REGISTERED),
        (resource(BROKER, "x", ("log.retention.ms", SET, "5")), ErrorCode.INVALID_REQUEST),
        (resource(ResourceType.BROKER_LOGGER, "1", ("root", SET, "INFO")), ErrorCode.INVALID_REQUEST),
        (resource(99, "1", ("k", SET, "v")), ErrorCode.UNSUPPORTED_VERSION),
    ],
)
def test_a_resource_is_changed_whole_or_not_at_all(changed: Resource, code: ErrorCode) -> None:
    fine = resource(BROKER, "", ("log.retention.ms", SET, "5"))
    records, codes = alter(view_of(*BASE), changed, fine)
    assert codes == [code, 0]
    assert records == [ConfigRecord(resource_type=BROKER, resource_name="", name="log.retention.ms", value="5")]


def test_a_resource_named_twice_is_refused_twice() -> None:
    twice = resource(TOPIC, "t", ("flush.ms", SET, "5"))
    assert alter(view_of(*BASE), twice, twice) == ([], [ErrorCode.INVALID_REQUEST] * 2)


def test_the_legacy_call_replaces_everything() -> None:
    records, codes = replace(view_of(*BASE), TOPIC, "t", retention_ms="10", flush_ms="3")
    assert codes == [0]
    assert records == [topic_config("flush.ms", "3"), topic_config("cleanup.policy", None)]
    assert replace(view_of(*BASE), TOPIC, "t", flush_ms=None) == ([], [ErrorCode.INVALID_REQUEST])
    assert replace(view_of(*BASE), TOPIC, "z", flush_ms="1") == ([], [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])


def test_with_elr_a_new_minimum_starts_the_elrs_over_and_cannot_differ_between_brokers() -> None:
    view = view_of(*BASE, level_record("eligible.leader.replicas.version", 1))
    records, codes = alter(view, resource(TOPIC, "t", ("min.insync.replicas", SET, "2")))
    assert codes == [0] and records[1:] == [ClearElrRecord(topic_name="t")]
    records, codes = alter(view, resource(BROKER, "", ("min.insync.replicas", SET, "2")))
    assert codes == [0] and records[1:] == [ClearElrRecord(topic_name="")]
    for name, operation, value in (("1", SET, "2"), ("", DELETE, None)):
        refused = resource(BROKER, name, ("min.insync.replicas", operation, value))
        assert alter(view, refused) == ([], [ErrorCode.INVALID_CONFIG])
