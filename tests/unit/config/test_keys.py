import re

from config.definition import ConfigKey, Effect
from config.document import ROOT, attributes_module, configuration_document
from config.dynamic import TOPIC_SYNONYMS
from config.keys import (
    BROKER_KEYS,
    CLIENT_METRICS_KEYS,
    GROUP_KEYS,
    OWN_KEYS,
    REFUSALS,
    REFUSED_UNKNOWN_KEYS,
    TOPIC_KEYS,
)
from config.node_config import DERIVED_ATTRIBUTES

ALL_KEYS: list[ConfigKey] = [
    *BROKER_KEYS.values(),
    *TOPIC_KEYS.values(),
    *GROUP_KEYS.values(),
    *CLIENT_METRICS_KEYS.values(),
]


def test_has_every_key_of_kafka() -> None:
    shown = [key for key in BROKER_KEYS.values() if not key.internal and key.name not in OWN_KEYS]
    assert len(shown) == 340
    assert len([key for key in TOPIC_KEYS.values() if not key.internal]) == 33
    assert len(GROUP_KEYS) == 17
    assert len(CLIENT_METRICS_KEYS) == 3


def test_every_default_is_allowed() -> None:
    for key in ALL_KEYS:
        if key.default is not None:
            assert key.problem_with(key.default) is None, key


def test_every_key_is_explained_in_a_sentence() -> None:
    for key in ALL_KEYS:
        assert re.fullmatch(r"[A-Z].{20,}\.", key.documentation), key.name


def test_every_refusal_has_a_reason() -> None:
    reasons = {key.reason for key in ALL_KEYS if key.effect is Effect.REFUSE}
    assert reasons <= REFUSALS.keys()
    assert set(REFUSED_UNKNOWN_KEYS.values()) <= REFUSALS.keys()
    assert not any(key.reason for key in ALL_KEYS if key.effect is not Effect.REFUSE)


def test_what_secures_is_never_silently_without_effect() -> None:
    for key in BROKER_KEYS.values():
        if key.name.startswith(("ssl.", "sasl.", "authorizer.", "principal.")):
            assert key.effect is Effect.REFUSE, key.name


def test_attributes_are_distinct() -> None:
    attributes = [key.attribute for key in BROKER_KEYS.values()]
    assert len(set(attributes)) == len(attributes)
    assert set(attributes) >= DERIVED_ATTRIBUTES


def test_generated_files_are_fresh() -> None:
    assert (ROOT / "config" / "attributes.py").read_text() == attributes_module(), "stale: run `make docs`"
    document = (ROOT / "docs" / "configuration.md").read_text()
    assert document == configuration_document(), "stale: run `make docs`"


# What config/ itself makes use of: it ends up in attributes of NodeConfig with other names.
USED_BY_CONFIG = {
    "broker.id",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "log.dir",
    "log.flush.scheduler.interval.ms",
    "log.retention.hours",
    "log.retention.minutes",
    "log.roll.hours",
    "log.roll.jitter.hours",
    "process.roles",
    "security.inter.broker.protocol",
}


# Keys that code reads already, for what a single node, or a node without transactions, has no use for.
READ_AHEAD = {
    "share.coordinator.state.topic.min.isr",
    "share.coordinator.state.topic.num.partitions",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.segment.bytes",
    "transaction.max.timeout.ms",
    "transaction.partition.verification.enable",
    "transaction.state.log.min.isr",
    "transaction.state.log.num.partitions",
    "transaction.state.log.replication.factor",
    "transaction.state.log.segment.bytes",
}


def test_the_keys_with_effect_are_those_that_are_read() -> None:
    """The table must not promise what no code reads, nor deny what some code does."""
    sources = "\n".join(path.read_text() for path in (ROOT / "broker").rglob("*.py"))
    words = set(re.findall(r"[a-z_]+", sources)) | set(re.findall(r'"([a-z.]+)"', sources))
    quoted = set(re.findall(r'"([a-z0-9.]+)"', sources))
    promised_to_topics = {key.name for key in TOPIC_KEYS.values() if key.effect is Effect.EFFECT}
    assert sorted(promised_to_topics - quoted) == [], "these promise an effect on topics, and nothing reads them"
    used_for_topics = {
        synonym.name
        for name, synonyms in TOPIC_SYNONYMS.items()
        for synonym in synonyms
        if TOPIC_KEYS[name].effect is Effect.EFFECT
    }
    read = {key.name for key in BROKER_KEYS.values() if key.attribute in words or key.name in words}
    read |= used_for_topics | USED_BY_CONFIG
    promised = {key.name for key in BROKER_KEYS.values() if key.effect is Effect.EFFECT}
    assert sorted(promised - read) == [], "these promise an effect, and nothing reads them"
    read_of_config = set(re.findall(r"\bconfig\.([a-z_]+)", sources))
    denied = {key.name for key in BROKER_KEYS.values() if key.effect is Effect.NONE and key.attribute in read_of_config}
    assert sorted(denied - READ_AHEAD) == [], "these are said to have no effect, and something reads them"
