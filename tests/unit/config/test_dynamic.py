import pytest

from config.definition import ConfigError, UnknownKeyError
from config.dynamic import TOPIC_SYNONYMS, ConfigEntry, ConfigLayers, ConfigSource, EntrySynonym, broker_synonyms
from config.keys import BROKER_KEYS, OWN_KEYS, TOPIC_KEYS
from config.properties import load_node_config


def layers(
    *overrides: str, cluster: dict[str, str] | None = None, broker: dict[str, str] | None = None
) -> ConfigLayers:
    return ConfigLayers(load_node_config(overrides=overrides).config, cluster, broker)


def described(entries: list[ConfigEntry], name: str) -> ConfigEntry:
    return next(entry for entry in entries if entry.key.name == name)


def test_every_synonym_is_a_key() -> None:
    for topic_key, synonyms in TOPIC_SYNONYMS.items():
        assert topic_key in TOPIC_KEYS
        assert all(synonym.name in BROKER_KEYS for synonym in synonyms)


def test_a_topic_gets_the_defaults_of_its_topic_keys() -> None:
    values = layers().topic_values({})
    for key in TOPIC_KEYS.values():
        assert values[key.name] == key.default, key.name


def test_the_first_value_found_counts() -> None:
    static = ["log.retention.hours=1", "log.segment.bytes=2000000"]
    assert layers(*static).topic_values({})["retention.ms"] == 3_600_000
    assert layers(*static, "log.retention.minutes=5").topic_values({})["retention.ms"] == 300_000
    dynamic = layers(*static, cluster={"log.retention.ms": "7"})
    assert dynamic.topic_values({})["retention.ms"] == 7
    both = layers(*static, cluster={"log.retention.ms": "7"}, broker={"log.retention.ms": "8"})
    assert both.topic_values({})["retention.ms"] == 8
    assert both.topic_values({"retention.ms": "9"})["retention.ms"] == 9
    assert both.topic_values({})["segment.bytes"] == 2_000_000


@pytest.mark.parametrize("text", ["-1", "-5"])
def test_a_negative_retention_means_for_ever(text: str) -> None:
    assert layers(f"log.retention.ms={text}").topic_values({})["retention.ms"] == -1


def test_hours_and_minutes_become_milliseconds() -> None:
    values = layers("log.roll.hours=2", "log.roll.jitter.hours=1", "log.flush.scheduler.interval.ms=9").topic_values({})
    assert (values["segment.ms"], values["segment.jitter.ms"], values["flush.ms"]) == (7_200_000, 3_600_000, 9)


def test_what_a_topic_may_not_set() -> None:
    checked = layers()
    checked.check_topic({"cleanup.policy": "compact,delete", "min.compaction.lag.ms": "5"})
    with pytest.raises(UnknownKeyError, match=r"retention\.mss"):
        checked.check_topic({"retention.mss": "1"})
    with pytest.raises(ConfigError, match="at least -1"):
        checked.check_topic({"retention.ms": "-2"})
    with pytest.raises(ConfigError, match=r"max\.compaction\.lag\.ms"):
        checked.check_topic({"min.compaction.lag.ms": "5", "max.compaction.lag.ms": "4"})
    with pytest.raises(ConfigError, match="remote storage"):
        checked.check_topic({"remote.storage.enable": "true"})


def test_a_topic_keeps_its_default_where_a_stored_value_cannot_be_read() -> None:
    assert layers().topic_values({"retention.ms": "soon"})["retention.ms"] == 604_800_000


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("foo.bar", "1", "no broker configuration"),
        ("num.partitions", "2", "cannot change while"),
        ("log.segment.bytes", "x", "whole number"),
        ("ssl.keystore.location", "/x", "TLS is not served"),
        ("principal.builder.class", "x", "not loaded"),
        ("cordoned.log.dirs", "*", "one broker only"),
    ],
)
def test_what_all_brokers_may_not_set(name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        layers().check_broker({name: text}, {}, is_cluster_default=True)


def test_what_brokers_may_set() -> None:
    layers().check_broker({"log.retention.ms": "5", "max.connections": "9"}, {}, is_cluster_default=True)
    layers().check_broker({"leader.replication.throttled.rate": "1000"}, {}, is_cluster_default=False)
    layers().check_broker({"cordoned.log.dirs": "*"}, {}, is_cluster_default=False)


def test_what_was_stored_before_stands_in_nobodys_way() -> None:
    stored = {"plugin.setting": "x", "log.retention.ms": "5"}
    layers().check_broker({**stored, "max.connections": "9"}, stored, is_cluster_default=False)
    with pytest.raises(UnknownKeyError):
        layers().check_broker({"plugin.setting": "y"}, stored, is_cluster_default=False)


def test_a_change_is_judged_beside_what_is_set_elsewhere() -> None:
    set_for_all = layers(cluster={"log.local.retention.ms": "1000"})
    set_for_all.check_broker({"log.retention.ms": "1000"}, {}, is_cluster_default=False)
    with pytest.raises(ConfigError, match="must not be above"):
        set_for_all.check_broker({"log.retention.ms": "999"}, {}, is_cluster_default=False)
    with pytest.raises(ConfigError, match="must not be above"):
        layers(broker={"log.local.retention.ms": "1000"}).check_broker(
            {"log.retention.ms": "999"}, {}, is_cluster_default=True
        )


def test_what_cannot_be_used_of_stored_values_is_left_out() -> None:
    made = layers(
        cluster={"log.retention.ms": "soon", "cordoned.log.dirs": "*", "max.connections": "9"},
        broker={"num.partitions": "4", "log.segment.bytes": "2000000", "plugin.setting": "secret"},
    )
    assert made.effective.max_connections == 9
    assert made.effective.log_segment_bytes == 2_000_000
    assert made.effective.num_partitions == 1
    assert made.effective.log_retention_ms == 7 * 24 * 3_600_000


def test_what_was_stored_under_wider_bounds_is_brought_between_them() -> None:
    key, bounds = "group.consumer.assignment.interval.ms", ["group.consumer.min.assignment.interval.ms=500"]
    made = layers(*bounds, broker={key: "20"}, cluster={"group.share.assignment.interval.ms": "20000"})
    assert made.effective.group_consumer_assignment_interval_ms == 500
    assert made.effective.group_share_assignment_interval_ms == 15_000
    entry = described(made.describe_broker(), key)
    assert (entry.value, entry.synonyms[0].value) == ("500", "20")
    with pytest.raises(ConfigError, match="must not be above"):
        layers(*bounds).check_broker({key: "20"}, {}, is_cluster_default=False)


def test_a_dynamic_value_takes_the_place_of_its_alternatives() -> None:
    made = layers("log.retention.hours=5", cluster={"log.retention.ms": "7"})
    entries = made.describe_broker(["log.retention.ms", "log.retention.hours"])
    assert [(entry.key.name, entry.value) for entry in entries] == [
        ("log.retention.hours", "168"),
        ("log.retention.ms", "7"),
    ]


def test_groups_stay_within_the_brokers_bounds() -> None:
    layers().check_group({"consumer.session.timeout.ms": "50000"})
    with pytest.raises(UnknownKeyError):
        layers().check_group({"consumer.timeout": "1"})
    with pytest.raises(ConfigError, match=r"group\.consumer\.max\.session"):
        layers().check_group({"consumer.session.timeout.ms": "70000"})
    with pytest.raises(ConfigError, match=r"group\.consumer\.min\.heartbeat"):
        layers().check_group({"consumer.heartbeat.interval.ms": "1"})
    with pytest.raises(ConfigError, match=r"group\.streams\.max\.standby"):
        layers().check_group({"streams.num.standby.replicas": "3"})


def test_a_topics_entries_tell_where_values_come_from() -> None:
    entries = layers("log.segment.bytes=2000000", cluster={"log.retention.ms": "7"}).describe_topic({"flush.ms": "3"})
    assert [entry.key.name for entry in entries] == sorted(key.name for key in TOPIC_KEYS.values() if not key.internal)
    retention = described(entries, "retention.ms")
    assert (retention.value, retention.source) == ("7", ConfigSource.DYNAMIC_DEFAULT_BROKER)
    assert retention.synonyms == [
        EntrySynonym("log.retention.ms", "7", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        EntrySynonym("log.retention.hours", "168", ConfigSource.DEFAULT),
    ]
    segment = described(entries, "segment.bytes")
    assert (segment.value, segment.source) == ("2000000", ConfigSource.STATIC_BROKER)
    assert [synonym.source for synonym in segment.synonyms] == [ConfigSource.STATIC_BROKER, ConfigSource.DEFAULT]
    flush = described(entries, "flush.ms")
    assert (flush.value, flush.source) == ("3", ConfigSource.DYNAMIC_TOPIC)
    policy = described(entries, "cleanup.policy")
    assert (policy.value, policy.source) == ("delete", ConfigSource.DEFAULT)
    # Kafka tells of no source either while only a synonym of another name is set.
    assert described(entries, "segment.ms").synonyms == []


def test_a_brokers_entries() -> None:
    static = load_node_config(
        overrides=["sasl.jaas.config=secret", "num.partitions=3"], insecure_ignore=["sasl.jaas.config"]
    ).config
    entries = ConfigLayers(static, {}, {"max.connections": "5"}).describe_broker
    all_entries = entries()
    assert len([entry for entry in all_entries if entry.key.name not in OWN_KEYS]) == 340
    partitions = described(all_entries, "num.partitions")
    assert (partitions.value, partitions.source, partitions.is_read_only) == ("3", ConfigSource.STATIC_BROKER, True)
    connections = described(all_entries, "max.connections")
    assert (connections.value, connections.source) == ("5", ConfigSource.DYNAMIC_BROKER)
    assert not connections.is_read_only
    secret = described(all_entries, "sasl.jaas.config")
    assert secret.value is None
    assert [synonym.value for synonym in secret.synonyms] == [None]
    assert [entry.key.name for entry in entries(["num.partitions", "none"])] == ["num.partitions"]


def layers_ignoring(*overrides: str) -> ConfigLayers:
    keys = [override.partition("=")[0] for override in overrides]
    return ConfigLayers(load_node_config(overrides=overrides, insecure_ignore=keys).config)


def test_keys_of_a_listener_are_shown_with_the_key_they_override() -> None:
    name = "listener.name.external.ssl.client.auth"
    entry = described(layers_ignoring(f"{name}=required").describe_broker(), name)
    assert (entry.value, entry.source) == ("required", ConfigSource.STATIC_BROKER)
    assert [synonym.name for synonym in entry.synonyms] == [name, "ssl.client.auth"]
    assert broker_synonyms(name) == [name, "ssl.client.auth"]


def test_the_default_of_all_brokers_shows_only_what_is_set_there() -> None:
    entries = layers(cluster={"log.retention.ms": "7"}).describe_cluster_default()
    assert [(entry.key.name, entry.value, entry.source) for entry in entries] == [
        ("log.retention.ms", "7", ConfigSource.DYNAMIC_DEFAULT_BROKER)
    ]


def test_a_groups_entries() -> None:
    entries = layers("group.consumer.session.timeout.ms=50000").describe_group(
        {"consumer.heartbeat.interval.ms": "6000"}
    )
    assert len(entries) == 17
    session = described(entries, "consumer.session.timeout.ms")
    assert (session.value, session.source) == ("50000", ConfigSource.STATIC_BROKER)
    heartbeat = described(entries, "consumer.heartbeat.interval.ms")
    assert (heartbeat.value, heartbeat.source) == ("6000", ConfigSource.GROUP)
    reset = described(entries, "share.auto.offset.reset")
    assert (reset.value, reset.source) == ("latest", ConfigSource.DEFAULT)


def test_keys_that_nobody_knows_may_be_secrets() -> None:
    static = load_node_config(overrides=["plugin.setting=secret"]).config
    made = ConfigLayers(static, {"other.setting": "secret"}, {})
    entry = described(made.describe_broker(), "plugin.setting")
    assert (entry.value, entry.source, entry.is_read_only) == (None, ConfigSource.STATIC_BROKER, True)
    assert entry.key.is_sensitive
    assert entry.synonyms == [EntrySynonym("plugin.setting", None, ConfigSource.STATIC_BROKER)]
    (entry,) = made.describe_cluster_default()
    assert (entry.key.name, entry.value) == ("other.setting", None)


def test_internal_keys_are_shown_where_they_are_set() -> None:
    name = "log.initial.task.delay.ms"
    assert layers().describe_broker([name]) == []
    assert described(layers(f"{name}=5").describe_broker(), name).value == "5"
    assert layers().describe_topic({}, ["internal.segment.bytes"]) == []
    entries = layers().describe_topic({"internal.segment.bytes": "5"})
    assert described(entries, "internal.segment.bytes").value == "5"


def test_client_metrics_entries() -> None:
    entries = ConfigLayers.describe_client_metrics({"interval.ms": "1000"})
    assert [(entry.key.name, entry.value, entry.source) for entry in entries] == [
        ("interval.ms", "1000", ConfigSource.CLIENT_METRICS),
        ("match", "", ConfigSource.DEFAULT),
        ("metrics", "", ConfigSource.DEFAULT),
    ]
    assert entries[1].synonyms == []
