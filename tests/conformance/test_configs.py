"""DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: of topics, of the broker, of all brokers, of groups, client
metrics and loggers, and of what is not.

Not asked: AlterConfigs of one resource twice in a request, which Apache Kafka never answers; operations that do not
exist, over which its controller resigns; appending to a list that is read-only, on which it fails; and keys of security
and plug-ins, which it takes and which are refused here until they are served (docs/configuration.md).
"""

from __future__ import annotations

from config.definition import ConfigKey, Effect, UpdateMode
from config.keys import BROKER_KEYS, GROUP_KEYS, OWN_KEYS, TOPIC_KEYS
from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, LAST, Case, Cases
from tests.conformance.client import Client

cases = Cases()
TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET_BY_THE_TEST = {
    "advertised.listeners",
    "controller.quorum.bootstrap.servers",
    "listener.security.protocol.map",
    "listeners",
    "log.dirs",
}
"""Ports and directories, which the two brokers cannot share."""
SET, DELETE, APPEND, SUBTRACT = range(4)


def described(
    b: Client, v: int, kind: int, name: str, *keys: str, synonyms: bool = False, documentation: bool = False
) -> None:
    asked = {"resource_type": kind, "resource_name": name, "configuration_keys": list(keys) or None}
    b.ask("DescribeConfigs", v, resources=[asked], include_synonyms=synonyms, include_documentation=documentation)


@cases("DescribeConfigs", ALL)
def a_topic(b: Client, v: int) -> None:
    name, _ = b.create(configs={"cleanup.policy": "compact", "retention.ms": "777", "flush.messages": "5"})
    described(b, v, TOPIC, name)
    described(b, v, TOPIC, name, synonyms=True, documentation=True)


@cases("DescribeConfigs", ALL)
def some_keys(b: Client, v: int) -> None:
    name, _ = b.create(configs={"cleanup.policy": "compact"})
    described(b, v, TOPIC, name, "cleanup.policy", "no.such.key", "retention.ms", "cleanup.policy")
    asked = {"resource_type": TOPIC, "resource_name": name, "configuration_keys": []}
    b.ask("DescribeConfigs", v, resources=[asked])


@cases("DescribeConfigs", ALL)
def unknown_resources(b: Client, v: int) -> None:
    described(b, v, TOPIC, b.name("unknown"))
    described(b, v, TOPIC, "a b")
    described(b, v, TOPIC, "")
    described(b, v, BROKER, "99")
    described(b, v, BROKER, "one")
    described(b, v, LOGGER, "99")
    described(b, v, LOGGER, "")
    for kind in (0, 1, 3, 64, -1):
        described(b, v, kind, "x")


@cases("DescribeConfigs", LAST)
def several(b: Client, v: int) -> None:
    name, _ = b.create()
    rows = [
        {"resource_type": kind, "resource_name": what, "configuration_keys": ["retention.ms", "num.io.threads"]}
        for kind, what in ((TOPIC, name), (TOPIC, b.name("unknown")), (BROKER, "1"), (TOPIC, name))
    ]
    b.ask("DescribeConfigs", v, resources=rows)
    b.ask("DescribeConfigs", v, resources=[])


@cases("DescribeConfigs", ENDS)
def the_broker(b: Client, v: int) -> None:
    asked = {"resource_type": BROKER, "resource_name": "1", "configuration_keys": None}
    answer = b.quietly("DescribeConfigs", v, resources=[asked], include_synonyms=True, include_documentation=True)
    (result,) = answer["results"]
    result["configs"] = [each for each in result["configs"] if each["name"] not in SET_BY_THE_TEST]
    b.note("DescribeConfigs", answer)


@cases("DescribeConfigs", ENDS)
def all_brokers(b: Client, v: int) -> None:
    described(b, v, BROKER, "", synonyms=True)


@cases("DescribeConfigs", ALL)
def a_group(b: Client, v: int) -> None:
    described(b, v, GROUP, b.name("g"), synonyms=True, documentation=True)
    described(b, v, GROUP, b.name("g"), "share.isolation.level", "no.such.key")
    described(b, v, GROUP, "")


@cases("DescribeConfigs", ALL)
def client_metrics(b: Client, v: int) -> None:
    described(b, v, CLIENT_METRICS, b.name("m"), synonyms=True, documentation=True)
    described(b, v, CLIENT_METRICS, "")


@cases("DescribeConfigs", LAST)
def what_is_set_and_not_shown_by_default(b: Client, v: int) -> None:
    """Keys for tests, and keys of the file that nobody knows and which might be secrets."""
    internal = ("log.initial.task.delay.ms", "unclean.leader.election.interval.ms", "plugin.setting")
    described(b, v, BROKER, "1", *internal, synonyms=True, documentation=True)
    name, _ = b.create()
    described(b, v, TOPIC, name, "internal.segment.bytes")
    name, _ = b.create("other", configs={"internal.segment.bytes": "1000000"})
    described(b, v, TOPIC, name, synonyms=True)


@cases("DescribeConfigs", ALL)
def a_logger(b: Client, v: int) -> None:
    asked = {"resource_type": LOGGER, "resource_name": "1", "configuration_keys": ["root"]}
    answer = b.quietly("DescribeConfigs", v, resources=[asked], include_synonyms=True, include_documentation=True)
    answer["results"][0]["configs"][0]["value"] = "any level"
    b.note("DescribeConfigs", answer)
    described(b, v, LOGGER, "1", "no.such.logger")
    described(b, v, LOGGER, "one")


@cases("DescribeConfigs", LAST)
def a_kind_that_does_not_exist_among_others(b: Client, v: int) -> None:
    name, _ = b.create()
    asked = [
        {"resource_type": kind, "resource_name": what, "configuration_keys": ["retention.ms"]}
        for kind, what in ((TOPIC, name), (3, "x"))
    ]
    b.ask("DescribeConfigs", v, resources=asked)


Change = tuple[str, int, str | None]


def altered(b: Client, v: int, kind: int, name: str, *changes: Change, validate_only: bool = False) -> None:
    configs = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in changes]
    resource = {"resource_type": kind, "resource_name": name, "configs": configs}
    b.ask("IncrementalAlterConfigs", v, resources=[resource], validate_only=validate_only)


def shows(b: Client, name: str, *keys: str, kind: int = TOPIC) -> None:
    b.settle()
    described(b, 4, kind, name, *keys, synonyms=True)


@cases("IncrementalAlterConfigs", ALL)
def set_and_delete(b: Client, v: int) -> None:
    name, _ = b.create()
    altered(b, v, TOPIC, name, ("retention.ms", SET, "1000"), ("cleanup.policy", SET, "compact"))
    shows(b, name, "retention.ms", "cleanup.policy")
    altered(b, v, TOPIC, name, ("retention.ms", DELETE, None), ("cleanup.policy", SET, "delete"))
    altered(b, v, TOPIC, name, ("retention.ms", DELETE, None), ("flush.ms", DELETE, "ignored"))
    shows(b, name, "retention.ms", "cleanup.policy")


@cases("IncrementalAlterConfigs", ALL)
def append_and_subtract(b: Client, v: int) -> None:
    name, _ = b.create()
    altered(b, v, TOPIC, name, ("cleanup.policy", APPEND, "compact"))
    shows(b, name, "cleanup.policy")
    altered(b, v, TOPIC, name, ("cleanup.policy", APPEND, "compact"))
    altered(b, v, TOPIC, name, ("cleanup.policy", SUBTRACT, "delete"))
    shows(b, name, "cleanup.policy")
    altered(b, v, TOPIC, name, ("cleanup.policy", SUBTRACT, "never-there"))
    altered(b, v, TOPIC, name, ("retention.ms", APPEND, "5"))
    altered(b, v, TOPIC, name, ("retention.ms", SUBTRACT, "5"))
    altered(b, v, TOPIC, name, ("leader.replication.throttled.replicas", APPEND, "0:1,1:1"))
    altered(b, v, TOPIC, name, ("leader.replication.throttled.replicas", SUBTRACT, "0:1"))
    shows(b, name, "leader.replication.throttled.replicas")


@cases("IncrementalAlterConfigs", ALL)
def refused(b: Client, v: int) -> None:
    name, _ = b.create()
    altered(b, v, TOPIC, name, ("no.such.key", SET, "1"))
    altered(b, v, TOPIC, name, ("no.such.key", DELETE, None))
    altered(b, v, TOPIC, name, ("retention.ms", SET, "soon"))
    altered(b, v, TOPIC, name, ("retention.ms", SET, "-2"))
    altered(b, v, TOPIC, name, ("retention.ms", SET, None))
    altered(b, v, TOPIC, name, ("cleanup.policy", APPEND, None))
    altered(b, v, TOPIC, name, ("cleanup.policy", APPEND, "burn"))
    altered(b, v, TOPIC, name, ("retention.ms", SET, "1000"), ("flush.ms", SET, "x"))
    altered(b, v, TOPIC, b.name("unknown"), ("retention.ms", SET, "1000"))
    altered(b, v, TOPIC, "a b", ("retention.ms", SET, "1000"))
    altered(b, v, TOPIC, "", ("retention.ms", SET, "1000"))
    shows(b, name, "retention.ms", "flush.ms")


@cases("IncrementalAlterConfigs", ENDS)
def other_resources(b: Client, v: int) -> None:
    for kind in (0, 1, 3, 64, -1):
        altered(b, v, kind, "x", ("retention.ms", SET, "1"))
    altered(b, v, BROKER, "99", ("log.cleaner.threads", SET, "1"))
    altered(b, v, BROKER, "one", ("log.cleaner.threads", SET, "1"))
    altered(b, v, LOGGER, "99", ("kafka", SET, "INFO"))


@cases("IncrementalAlterConfigs", ENDS)
def a_key_twice(b: Client, v: int) -> None:
    name, _ = b.create()
    altered(b, v, TOPIC, name, ("retention.ms", SET, "1000"), ("retention.ms", SET, "2000"))
    altered(b, v, TOPIC, name, ("retention.ms", SET, "1000"), ("retention.ms", DELETE, None))
    shows(b, name, "retention.ms")


@cases("IncrementalAlterConfigs", ENDS)
def a_resource_twice(b: Client, v: int) -> None:
    name, _ = b.create()
    rows = [
        {"resource_type": TOPIC, "resource_name": name, "configs": [{"name": key, "config_operation": 0, "value": "5"}]}
        for key in ("retention.ms", "flush.ms")
    ]
    b.ask("IncrementalAlterConfigs", v, resources=rows)
    shows(b, name, "retention.ms", "flush.ms")


@cases("IncrementalAlterConfigs", ENDS)
def nothing(b: Client, v: int) -> None:
    name, _ = b.create()
    altered(b, v, TOPIC, name)
    b.ask("IncrementalAlterConfigs", v, resources=[])


@cases("IncrementalAlterConfigs", ALL)
def validate_only(b: Client, v: int) -> None:
    name, _ = b.create()
    altered(b, v, TOPIC, name, ("retention.ms", SET, "1000"), validate_only=True)
    altered(b, v, TOPIC, name, ("retention.ms", SET, "x"), validate_only=True)
    shows(b, name, "retention.ms")


@cases("IncrementalAlterConfigs", ENDS)
def of_the_broker(b: Client, v: int) -> None:
    altered(b, v, BROKER, "1", ("message.max.bytes", SET, "1000000"), ("log.flush.interval.ms", SET, "99999"))
    shows(b, "1", "message.max.bytes", "log.flush.interval.ms", kind=BROKER)
    altered(b, v, BROKER, "", ("message.max.bytes", SET, "1000001"))
    shows(b, "1", "message.max.bytes", kind=BROKER)
    shows(b, "", "message.max.bytes", kind=BROKER)
    name, _ = b.create()
    shows(b, name, "max.message.bytes")
    for where in ("1", ""):
        altered(b, v, BROKER, where, ("message.max.bytes", DELETE, None), ("log.flush.interval.ms", DELETE, None))
    shows(b, "1", "message.max.bytes", kind=BROKER)


@cases("IncrementalAlterConfigs", ENDS)
def refused_of_the_broker(b: Client, v: int) -> None:
    altered(b, v, BROKER, "1", ("node.id", SET, "5"))
    altered(b, v, BROKER, "1", ("log.dirs", SET, "/nowhere"))
    altered(b, v, BROKER, "1", ("message.max.bytes", SET, "-5"))
    altered(b, v, BROKER, "1", ("message.max.bytes", SET, "x"))
    altered(b, v, BROKER, "", ("listeners", SET, "PLAINTEXT://:1"))
    altered(b, v, BROKER, "1", ("no.such.key", SET, "5"), validate_only=True)


@cases("IncrementalAlterConfigs", ENDS)
def of_a_group(b: Client, v: int) -> None:
    altered(b, v, GROUP, b.name("g"), ("consumer.session.timeout.ms", SET, "50000"))
    shows(b, b.name("g"), "consumer.session.timeout.ms", kind=GROUP)
    altered(b, v, GROUP, b.name("g"), ("consumer.session.timeout.ms", SET, "1"))
    altered(b, v, GROUP, b.name("g"), ("no.such.key", SET, "1"))
    altered(b, v, GROUP, "", ("consumer.session.timeout.ms", SET, "50000"))
    altered(b, v, GROUP, b.name("g"), ("consumer.session.timeout.ms", DELETE, None))
    shows(b, b.name("g"), "consumer.session.timeout.ms", kind=GROUP)


@cases("IncrementalAlterConfigs", ENDS)
def of_client_metrics(b: Client, v: int) -> None:
    def change(*changes: Change) -> None:
        altered(b, v, CLIENT_METRICS, b.name("m"), *changes)
        shows(b, b.name("m"), kind=CLIENT_METRICS)

    change(("metrics", SET, "a,b"), ("interval.ms", SET, "1000"), ("match", SET, "client_id=x.*"))
    for key, value in (
        ("metrics", "*"),
        ("metrics", ""),
        ("metrics", "a,a"),
        ("metrics", "a,,b"),
        ("interval.ms", "100"),
        ("interval.ms", "99"),
        ("interval.ms", "3600001"),
        ("interval.ms", "x"),
        ("match", ""),
        ("match", " client_id = a , client_software_name = b "),
        ("match", "client_id"),
        ("match", "client_id="),
        ("match", "client_id=a=b"),
        ("match", "client_id=["),
        ("match", "name=a"),
        ("no.such.key", "1"),
        ("metrics", None),
    ):
        change((key, SET, value))
    change(("metrics", APPEND, "c"))
    change(("interval.ms", DELETE, None))
    altered(b, v, CLIENT_METRICS, "", ("metrics", SET, "a"))


@cases("IncrementalAlterConfigs", ENDS)
def of_loggers(b: Client, v: int) -> None:
    level = {"resource_type": LOGGER, "resource_name": "1", "configuration_keys": ["root"]}
    before = b.quietly("DescribeConfigs", resources=[level])["results"][0]["configs"][0]["value"]
    altered(b, v, LOGGER, "1", ("root", SET, "WARN"))
    described(b, 4, LOGGER, "1", "root")
    altered(b, v, LOGGER, "1", ("root", SET, "DEBUG"), validate_only=True)
    for change in (
        ("root", SET, "LOUD"),
        ("root", SET, "warn"),
        ("root", SET, None),
        ("root", DELETE, None),
        ("root", APPEND, "WARN"),
        ("root", SUBTRACT, "WARN"),
        ("no.such.logger", SET, "WARN"),
        ("no.such.logger", DELETE, None),
    ):
        altered(b, v, LOGGER, "1", change)
    altered(b, v, LOGGER, "1", ("root", SET, "WARN"), ("root", SET, "INFO"))
    described(b, 4, LOGGER, "1", "root")
    altered(b, v, LOGGER, "", ("root", SET, "WARN"))
    b.quietly(
        "IncrementalAlterConfigs",
        resources=[
            {
                "resource_type": LOGGER,
                "resource_name": "1",
                "configs": [{"name": "root", "config_operation": SET, "value": before}],
            }
        ],
    )


NUMBERS = ("", "0", "1", "-1", "-2", " 5 ", "1.5", "+7", "50000", "9999999999999999999", "x")
WORDS = ("", "1", "TRUE", "lz4", "none", "LogAppendTime", "earliest", "read_committed", "127.0.0.1:5")
LISTS = ("", "1", "*", "a,b", "a,a", "a,,b", "delete, compact", "1:1,2:2", "1:1:1")
VALUES = {"LIST": LISTS, "BOOLEAN": WORDS, "STRING": WORDS, "CLASS": WORDS}


def judged(b: Client, kind: int, name: str, key: ConfigKey) -> None:
    """What becomes of every kind of change of a key; nothing is changed."""
    changes: list[Change] = [(key.name, SET, value) for value in VALUES.get(key.type.name, NUMBERS)]
    changes += [(key.name, DELETE, None), (key.name, APPEND, "1"), (key.name, SUBTRACT, "1")]
    for change in changes:
        configs = [{"name": key.name, "config_operation": change[1], "value": change[2]}]
        resource = {"resource_type": kind, "resource_name": name, "configs": configs}
        answer = b.quietly("IncrementalAlterConfigs", resources=[resource], validate_only=True)
        b.note(f"{change}", answer["responses"][0]["error_code"])
    for value in ("1", "x"):
        resource = {"resource_type": kind, "resource_name": name, "configs": [{"name": key.name, "value": value}]}
        answer = b.quietly("AlterConfigs", resources=[resource], validate_only=True)
        b.note(f"replaced by {value}", answer["responses"][0]["error_code"])


@cases("IncrementalAlterConfigs", LAST)
def every_key_of_a_topic(b: Client, v: int) -> None:
    name, _ = b.create()
    for key in TOPIC_KEYS.values():
        judged(b, TOPIC, name, key)


@cases("IncrementalAlterConfigs", LAST)
def every_key_of_a_group(b: Client, v: int) -> None:
    for key in GROUP_KEYS.values():
        judged(b, GROUP, b.name("g"), key)


@cases("IncrementalAlterConfigs", LAST)
def every_key_of_the_broker_that_can_change(b: Client, v: int) -> None:
    for key in BROKER_KEYS.values():
        if key.effect is not Effect.REFUSE and not key.is_read_only:
            judged(b, BROKER, "1", key)


@cases("IncrementalAlterConfigs", LAST)
def every_key_of_all_brokers(b: Client, v: int) -> None:
    for key in BROKER_KEYS.values():
        if key.update_mode is UpdateMode.PER_BROKER:
            altered(b, v, BROKER, "", (key.name, SET, "1"), validate_only=True)
        elif key.effect is not Effect.REFUSE and not key.is_read_only:
            judged(b, BROKER, "", key)


@cases("IncrementalAlterConfigs", LAST)
def every_key_that_cannot_change(b: Client, v: int) -> None:
    for key in BROKER_KEYS.values():
        if key.is_read_only and key.name not in OWN_KEYS:
            for change in ((key.name, SET, "1"), (key.name, DELETE, None)):
                altered(b, v, BROKER, "1", change, validate_only=True)


@cases("IncrementalAlterConfigs", LAST)
def keys_that_contradict_each_other(b: Client, v: int) -> None:
    name, _ = b.create()
    for kind, what, settings in (
        (TOPIC, name, {"min.compaction.lag.ms": "5", "max.compaction.lag.ms": "4"}),
        (TOPIC, name, {"local.retention.ms": "10", "retention.ms": "5"}),
        (TOPIC, name, {"segment.ms": "1", "segment.jitter.ms": "100"}),
        (BROKER, "1", {"log.local.retention.ms": "10", "log.retention.ms": "5"}),
        (BROKER, "1", {"log.local.retention.ms": "-1", "log.retention.ms": "5"}),
        (BROKER, "1", {"log.local.retention.bytes": "10", "log.retention.bytes": "5"}),
        (BROKER, "", {"log.local.retention.bytes": "10", "log.retention.bytes": "5"}),
        (BROKER, "1", {"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "127.0.0.1:5"}),
        (BROKER, "1", {"log.cleaner.threads": "2", "log.cleaner.dedupe.buffer.size": "2000000"}),
        (BROKER, "1", {"log.retention.ms": "1000", "log.retention.hours": "5"}),
        (GROUP, b.name("g"), {"consumer.heartbeat.interval.ms": "45000"}),
        (GROUP, b.name("g"), {"share.heartbeat.interval.ms": "15000", "share.session.timeout.ms": "45000"}),
    ):
        altered(b, v, kind, what, *((key, SET, value) for key, value in settings.items()), validate_only=True)


@cases("IncrementalAlterConfigs", LAST)
def keys_of_a_listener(b: Client, v: int) -> None:
    for where in ("1", ""):
        for key, value in (
            ("max.connections", "5"),
            ("max.connections", "0"),
            ("max.connections", "x"),
            ("max.connection.creation.rate", "5"),
            ("max.connection.creation.rate", "0"),
            ("num.network.threads", "4"),
        ):
            altered(b, v, BROKER, where, (f"listener.name.plaintext.{key}", SET, value), validate_only=True)


@cases("IncrementalAlterConfigs", LAST)
def every_key_of_brokers_in_force(b: Client, v: int) -> None:
    """Set for this broker and for all, shown with all that was set, in topics too, and taken back."""
    values = {
        "BOOLEAN": "true",
        "DOUBLE": "0.5",
        "INT": "2000000",
        "LONG": "2000000",
        "LIST": "delete,compact",
        "STRING": "lz4",
        **{name: "9" for name, key in BROKER_KEYS.items() if name.startswith(("num.", "background.", "compression."))},
        **{name: "9" for name in BROKER_KEYS if name.startswith("remote.") and ".thread" in name},
        "compression.type": "lz4",
        "group.consumer.assignment.interval.ms": "2000",
        "group.share.assignment.interval.ms": "2000",
        "group.streams.assignment.interval.ms": "2000",
        "log.cleaner.dedupe.buffer.size": "12345678",
        "log.cleaner.threads": "2",
        "log.message.timestamp.type": "LogAppendTime",
        "max.connections.per.ip.overrides": "127.0.0.9:7",
        "metric.reporters": "",
        "num.network.threads": "4",
        "num.recovery.threads.per.data.dir": "3",
        "num.replica.fetchers": "2",
        "remote.log.manager.follower.thread.pool.size": "3",
    }
    changes = [
        (key.name, SET, values.get(key.name) or values[key.type.name])
        for key in BROKER_KEYS.values()
        if key.update_mode is UpdateMode.CLUSTER_WIDE and key.effect is not Effect.REFUSE
    ]
    for where in ("1", ""):
        altered(b, v, BROKER, where, *changes)
    altered(b, v, BROKER, "1", ("leader.replication.throttled.rate", SET, "100000"))
    name, _ = b.create()
    _shown_of_brokers(b)
    described(b, 4, TOPIC, name, synonyms=True)
    described(b, 4, GROUP, b.name("g"), synonyms=True)
    for where in ("1", ""):
        b.ask("AlterConfigs", 2, resources=[{"resource_type": BROKER, "resource_name": where, "configs": []}])
    _shown_of_brokers(b)


def _shown_of_brokers(b: Client) -> None:
    b.settle()
    for where in ("1", ""):
        asked = {"resource_type": BROKER, "resource_name": where, "configuration_keys": None}
        answer = b.quietly("DescribeConfigs", resources=[asked], include_synonyms=True)
        (result,) = answer["results"]
        result["configs"] = [
            each for each in result["configs"] if each["name"] not in SET_BY_THE_TEST and each["name"] not in OWN_KEYS
        ]
        b.note(f"broker {where}", answer)


@cases("IncrementalAlterConfigs", LAST)
def many_in_one_request(b: Client, v: int) -> None:
    """The answers are in the order of the request, whoever gave them."""
    name, _ = b.create()
    rows = [
        (BROKER, "99", "log.retention.ms"),
        (TOPIC, name, "retention.ms"),
        (3, "x", "retention.ms"),
        (TOPIC, b.name("unknown"), "retention.ms"),
        (LOGGER, "1", "no.such.logger"),
        (GROUP, b.name("g"), "no.such.key"),
        (BROKER, "1", "node.id"),
    ]
    for api, operation in (("IncrementalAlterConfigs", {"config_operation": SET}), ("AlterConfigs", {})):
        resources = [
            {"resource_type": kind, "resource_name": what, "configs": [{"name": key, "value": "1000", **operation}]}
            for kind, what, key in rows
        ]
        b.ask(api, LAST_VERSION[api], resources=resources)


LAST_VERSION = {"IncrementalAlterConfigs": 1, "AlterConfigs": 2}


def replaced(b: Client, v: int, kind: int, name: str, validate_only: bool = False, **values: str | None) -> None:
    configs = [{"name": key.replace("_", "."), "value": value} for key, value in values.items()]
    resource = {"resource_type": kind, "resource_name": name, "configs": configs}
    b.ask("AlterConfigs", v, resources=[resource], validate_only=validate_only)


@cases("AlterConfigs", ALL)
def replacing(b: Client, v: int) -> None:
    name, _ = b.create(configs={"flush.ms": "5", "retention.ms": "7"})
    replaced(b, v, TOPIC, name, retention_ms="1000", cleanup_policy="compact")
    shows(b, name, "retention.ms", "cleanup.policy", "flush.ms")
    replaced(b, v, TOPIC, name, validate_only=True, retention_ms="1")
    replaced(b, v, TOPIC, name)
    shows(b, name, "retention.ms", "cleanup.policy", "flush.ms")


@cases("AlterConfigs", ALL)
def replacing_refused(b: Client, v: int) -> None:
    name, _ = b.create()
    replaced(b, v, TOPIC, name, no_such_key="1")
    replaced(b, v, TOPIC, name, retention_ms="x")
    replaced(b, v, TOPIC, name, retention_ms=None)
    replaced(b, v, TOPIC, b.name("unknown"), retention_ms="1")
    replaced(b, v, BROKER, "99", message_max_bytes="1000")
    for kind in (0, 3, 64):
        replaced(b, v, kind, "x", a="1")


@cases("AlterConfigs", ENDS)
def replacing_twice(b: Client, v: int) -> None:
    name, _ = b.create()
    configs = [{"name": "retention.ms", "value": value} for value in ("5", "6")]
    resource = {"resource_type": TOPIC, "resource_name": name, "configs": configs}
    b.ask("AlterConfigs", v, resources=[resource])
    shows(b, name, "retention.ms")


@cases.parametrize()
def test_configs(case: Case, pair: Pair) -> None:
    pair.compare(case)
