from __future__ import annotations

import pytest

from broker.config_rules import ConfigRulesOfNode
from broker.metadata.image import ConfigResource, ResourceType
from config.properties import load_node_config
from protocol.errors import ApiError, ErrorCode

TOPIC = ConfigResource(ResourceType.TOPIC, "orders")
BROKER = ConfigResource(ResourceType.BROKER, "1")
ALL_BROKERS = ConfigResource(ResourceType.BROKER, "")
GROUP = ConfigResource(ResourceType.GROUP, "shop")


@pytest.fixture
def rules() -> ConfigRulesOfNode:
    return ConfigRulesOfNode(load_node_config(overrides=["min.insync.replicas=2"]).config)


@pytest.mark.parametrize(
    ("resource", "config"),
    [
        (TOPIC, {"retention.ms": "5", "cleanup.policy": "compact"}),
        (BROKER, {"log.retention.ms": "5", "cordoned.log.dirs": "*"}),
        (ALL_BROKERS, {"max.connections": "5"}),
        (GROUP, {"consumer.session.timeout.ms": "50000"}),
    ],
)
def test_what_is_valid_passes(rules: ConfigRulesOfNode, resource: ConfigResource, config: dict[str, str]) -> None:
    rules.validate(resource, config, {})


@pytest.mark.parametrize(
    ("resource", "config", "code"),
    [
        (TOPIC, {"retention.mss": "5"}, ErrorCode.INVALID_CONFIG),
        (TOPIC, {"retention.ms": "soon"}, ErrorCode.INVALID_CONFIG),
        (BROKER, {"num.partitions": "5"}, ErrorCode.INVALID_CONFIG),
        (ALL_BROKERS, {"cordoned.log.dirs": "*"}, ErrorCode.INVALID_CONFIG),
        (ConfigResource(ResourceType.BROKER, "one"), {}, ErrorCode.INVALID_REQUEST),
        (ConfigResource(ResourceType.GROUP, ""), {}, ErrorCode.INVALID_REQUEST),
        (ConfigResource(ResourceType.CLIENT_METRICS, ""), {}, ErrorCode.INVALID_REQUEST),
        (ConfigResource(ResourceType.CLIENT_METRICS, "all"), {"interval.ms": "1"}, ErrorCode.INVALID_REQUEST),
        (ConfigResource(ResourceType.CLIENT_METRICS, "all"), {"match": "a"}, ErrorCode.INVALID_CONFIG),
        (ConfigResource(1, "x"), {}, ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_is_not_valid_has_an_error_code(
    rules: ConfigRulesOfNode, resource: ConfigResource, config: dict[str, str], code: ErrorCode
) -> None:
    with pytest.raises(ApiError) as caught:
        rules.validate(resource, config, {})
    assert caught.value.code == code


def test_lists_and_defaults(rules: ConfigRulesOfNode) -> None:
    assert rules.is_list(ResourceType.TOPIC, "cleanup.policy")
    assert not rules.is_list(ResourceType.TOPIC, "retention.ms")
    assert not rules.is_list(ResourceType.TOPIC, "unknown")
    assert rules.default_value(ResourceType.TOPIC, "cleanup.policy") == "delete"
    assert rules.default_value(ResourceType.BROKER, "log.retention.ms") is None


def test_the_value_in_force(rules: ConfigRulesOfNode) -> None:
    key = "min.insync.replicas"
    assert rules.topic_value(key, {}, {}, {}) == "2"
    assert rules.topic_value(key, {}, {}, {key: "3"}) == "3"
    assert rules.topic_value(key, {}, {key: "4"}, {key: "3"}) == "4"
    assert rules.topic_value(key, {key: "5"}, {key: "4"}, {key: "3"}) == "5"
    assert rules.topic_value(key, {}, {}, {}) == "2"


def test_what_another_brokers_file_allows_does_not_matter(rules: ConfigRulesOfNode) -> None:
    broker = {"listeners": "EXTERNAL://:1", "min.insync.replicas": "4", "log.segment.bytes": "many"}
    assert rules.topic_value("min.insync.replicas", {}, broker, {}) == "4"
    assert rules.topic_value("segment.bytes", {}, broker, {}) == "1073741824"
    assert rules.topic_value("segment.ms", {}, {"log.roll.ms": "0"}, {}) == "604800000"


def test_all_values_in_force(rules: ConfigRulesOfNode) -> None:
    entries = rules.effective_topic_config({"retention.ms": "5"}, {}, {"log.segment.bytes": "2000000"})
    sources = {entry.name: (entry.value, entry.source) for entry in entries}
    assert len(entries) == 33
    assert sources["retention.ms"] == ("5", 1)
    assert sources["segment.bytes"] == ("2000000", 3)
    assert sources["min.insync.replicas"] == ("2", 4)
    # Internal keys are told where they are set.
    assert len(rules.effective_topic_config({"internal.segment.bytes": "5"}, {}, {})) == 34
    assert sources["flush.ms"] == (str((1 << 63) - 1), 5)
