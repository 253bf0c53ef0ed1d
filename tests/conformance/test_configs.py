"""DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: of topics, of the broker, of all brokers, and of what is not.

Not asked: AlterConfigs of one resource twice in a request, which Apache Kafka never answers; and operations that do not
exist, over which its controller resigns.
"""

from __future__ import annotations

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


@cases("DescribeConfigs", ENDS)
def a_group(b: Client, v: int) -> None:
    described(b, v, GROUP, b.name("g"), synonyms=True)
    described(b, v, GROUP, "")


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
