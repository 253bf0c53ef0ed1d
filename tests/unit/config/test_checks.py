from pathlib import Path

import pytest

from config.definition import ConfigError
from config.keys import REFUSALS
from config.node_config import NodeConfig
from config.properties import load_node_config

CONTROLLER_ONLY = (
    "process.roles=controller",
    "node.id=1",
    "controller.listener.names=CONTROLLER",
    "controller.quorum.voters=1@localhost:9093",
    "listeners=CONTROLLER://localhost:9093",
)
BROKER_ONLY = (
    "process.roles=broker",
    "node.id=2",
    "controller.listener.names=CONTROLLER",
    "controller.quorum.bootstrap.servers=localhost:9093",
    "listeners=PLAINTEXT://localhost:9092",
)


def config_of(*overrides: str) -> NodeConfig:
    return load_node_config(overrides=overrides).config


def test_roles_apart() -> None:
    assert not config_of(*CONTROLLER_ONLY).is_broker
    assert not config_of(*BROKER_ONLY).is_controller


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["process.roles=server"], "process.roles = server: must be one of broker, controller"),
        ([*CONTROLLER_ONLY, "process.roles="], "process.roles must contain"),
        (["node.id=1", "broker.id=2"], "two names of one number"),
        (["log.retention.ms=0"], "must not be 0"),
        (["log.roll.ms=0"], "log.roll.ms"),
        (["replica.fetch.wait.max.ms=40000"], "replica.socket.timeout.ms"),
        (["group.min.session.timeout.ms=5", "group.max.session.timeout.ms=4"], "must not be above"),
        (["group.consumer.session.timeout.ms=70000"], "group.consumer.max.session.timeout.ms"),
        (
            ["group.consumer.heartbeat.interval.ms=45000", "group.consumer.max.heartbeat.interval.ms=50000"],
            "must be below group.consumer.session.timeout.ms",
        ),
        (["group.share.delivery.count.limit=2", "group.share.min.delivery.count.limit=3"], "must not be above"),
        (["group.share.assignors=a,b"], "exactly one"),
        (["group.coordinator.rebalance.protocols=consumer"], "classic"),
        (["queued.max.request.bytes=100"], "must not be below"),
        (["max.connections.per.ip=0"], "exceptions"),
        (["max.connections.per.ip.overrides=host"], "NAME:VALUE"),
        (["max.connections.per.ip.overrides=host:x"], "HOST:COUNT"),
        (["max.connections.per.ip.overrides=h st:1"], "no host name"),
        (["connections.max.idle.ms=50"], "must be below connections.max.idle.ms"),
        (["cordoned.log.dirs=/elsewhere"], "not among log.dirs"),
        (["log.cleaner.threads=1000"], "1 MiB"),
        (["listeners=localhost:9092"], "must be NAME://HOST:PORT"),
        (["listeners=PLAINTEXT://localhost:70000"], "port must be from 0 to 65535"),
        (["listeners=OTHER://localhost:9092"], "add OTHER:PLAINTEXT to listener.security.protocol.map"),
        (["listeners=PLAINTEXT://a:1,PLAINTEXT://b:2"], "appears twice"),
        (["listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9092"], "share port 9092"),
        (["listeners="], "must not be empty"),
        (["listener.security.protocol.map=PLAINTEXT:NONE"], "must be one of PLAINTEXT"),
        (["advertised.listeners=OTHER://localhost:1"], "no security protocol"),
        (["advertised.listeners=PLAINTEXT://0.0.0.0:9092"], "advertised.listeners=PLAINTEXT://localhost:9092"),
        (["listeners=PLAINTEXT://0.0.0.0:9092"], "no address that anyone could connect to"),
        (["inter.broker.listener.name=INTERNAL"], "INTERNAL is not in listener.security.protocol.map"),
        (["inter.broker.listener.name=PLAINTEXT", "security.inter.broker.protocol=PLAINTEXT"], "exclude each other"),
        (["early.start.listeners=LATE"], "early.start.listeners"),
        ([*CONTROLLER_ONLY, "controller.quorum.voters=1:9093"], "ID@HOST:PORT"),
        ([*BROKER_ONLY, "controller.quorum.bootstrap.servers=localhost"], "HOST:PORT"),
        ([*CONTROLLER_ONLY, "controller.quorum.voters=7@localhost:9093"], "must contain node.id 1"),
        ([*CONTROLLER_ONLY, "listeners=OTHER://localhost:1,CONTROLLER://localhost:2",
          "listener.security.protocol.map=OTHER:PLAINTEXT,CONTROLLER:PLAINTEXT"], "OTHER is not there"),
        ([*CONTROLLER_ONLY, "listeners=PLAINTEXT://localhost:1"], "CONTROLLER is not in listeners"),
        ([*CONTROLLER_ONLY, "controller.quorum.voters="], "controller.quorum.bootstrap.servers must name"),
        ([*BROKER_ONLY, "controller.quorum.voters=2@localhost:9093"], "process.roles lacks controller"),
        ([*BROKER_ONLY, "listeners=PLAINTEXT://:1,CONTROLLER://:2"], "must not open"),
        ([*BROKER_ONLY, "controller.quorum.auto.join.enable=true"], "only for nodes with the role controller"),
        ([*BROKER_ONLY, "listener.security.protocol.map=PLAINTEXT:PLAINTEXT"], "add CONTROLLER:PLAINTEXT"),
        (["controller.listener.names=CONTROLLER,PLAINTEXT"], "no listener is left for clients"),
    ],
)  # fmt: skip
def test_contradictions_are_errors(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(*overrides)
    assert said in str(caught.value)


def test_all_contradictions_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config_of("log.retention.ms=0", "queued.max.request.bytes=100")
    assert len(str(caught.value).splitlines()) == 2


def test_an_ipv4_and_an_ipv6_address_may_share_a_port() -> None:
    listeners = "PLAINTEXT://127.0.0.1:9092,OTHER://[::1]:9092,CONTROLLER://:9093"
    map_ = "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT,CONTROLLER:PLAINTEXT"
    config = config_of(f"listeners={listeners}", f"listener.security.protocol.map={map_}")
    assert str(config.listeners[1]) == "OTHER://[::1]:9092"
    assert config.controller_listeners[0].host is None


def test_late_heartbeats_are_warned_about() -> None:
    warnings = load_node_config(overrides=["broker.heartbeat.interval.ms=5000"]).warnings
    assert "one late heartbeat" in warnings[0]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "authorizer"),
        ("super.users=User:admin", "authorizer"),
        ("allow.everyone.if.no.acl.found=true", "authorizer"),
        ("sasl.enabled.mechanisms=PLAIN", "sasl"),
        ("sasl.jaas.config=x", "sasl"),
        ("listener.name.external.plain.sasl.jaas.config=x", "sasl"),
        ("listener.name.external.ssl.keystore.location=/x", "tls"),
        ("ssl.client.auth=required", "tls"),
        ("ssl.keystore.password=", "tls"),
        ("ssl.something.new=1", "tls"),
        ("principal.builder.class=com.example.Builder", "principal-builder"),
        ("create.topic.policy.class.name=com.example.Policy", "policies"),
        ("alter.config.policy.class.name=com.example.Policy", "policies"),
        ("remote.log.storage.system.enable=true", "remote-storage"),
        ("delegation.token.secret.key=x", "delegation-tokens"),
        ("delegation.token.master.key=x", "delegation-tokens"),
        ("client.quota.callback.class=com.example.Callback", "quota-callback"),
        ("config.providers=file", "config-providers"),
        ("connections.max.reauth.ms=1000", "sasl"),
    ],
)
def test_what_would_weaken_security_or_durability_refuses_the_start(override: str, reason: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(ConfigError) as caught:
        config_of(override)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{key} (--override): {REFUSALS[reason]}"
    assert lines[-1].endswith(f"--insecure-ignore {key}")
    warnings = load_node_config(overrides=[override], insecure_ignore=[key]).warnings
    assert any(key in warning and "ignored as asked" in warning for warning in warnings)


def test_the_default_value_of_such_a_key_is_no_reason_to_refuse() -> None:
    assert load_node_config(overrides=["ssl.client.auth=none", "authorizer.class.name="]).warnings == []


@pytest.mark.parametrize(("protocol", "reason"), [("SSL", "tls"), ("SASL_PLAINTEXT", "sasl"), ("SASL_SSL", "sasl")])
def test_a_secured_listener_without_a_file_is_told_as_such(protocol: str, reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config_of(f"listeners={protocol}://127.0.0.1:9292")
    assert f"listener {protocol} asks for {protocol}, and {REFUSALS[reason]}" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 2


def test_a_single_node_may_name_its_listener_as_it_likes() -> None:
    config = config_of("listeners=OTHER://:1", "listener.security.protocol.map=OTHER:PLAINTEXT,CONTROLLER:PLAINTEXT")
    assert config.inter_broker_listener_name == "OTHER"


def test_zookeeper_mode_is_told_to_be_gone(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("broker.id=0\nzookeeper.connect=localhost:2181\n")
    with pytest.raises(ConfigError, match=r"ZooKeeper mode is gone.*process\.roles=broker,controller"):
        load_node_config(file)


@pytest.mark.parametrize(
    ("key", "similar"), [("num.partition", "num.partitions"), ("log.retention_ms", "log.retention.ms"), ("x", None)]
)
def test_a_misspelt_key_is_told_with_the_one_meant(key: str, similar: str | None) -> None:
    warning = load_node_config(overrides=[f"{key}=1"]).warnings[0]
    assert warning == f"unknown key {key} (--override)" + (f"; did you mean {similar}?" if similar else "")


def test_compaction_is_told_to_be_missing() -> None:
    warnings = load_node_config(overrides=["log.cleanup.policy=compact"]).warnings
    assert warnings == [
        "log.cleanup.policy (--override): compaction is not served yet: old values stay, and the log grows"
    ]


@pytest.mark.parametrize("protocol", ["SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_listeners_with_other_protocols_refuse_the_start(protocol: str) -> None:
    map_ = f"listener.security.protocol.map=PLAINTEXT:{protocol},CONTROLLER:PLAINTEXT"
    with pytest.raises(ConfigError, match=f"listener PLAINTEXT asks for {protocol}"):
        config_of(map_)
    config, warnings = load_node_config(overrides=[map_], insecure_ignore=["listener.security.protocol.map"])
    assert "ignored as asked" in warnings[0]
    assert config.advertised_listeners[0].security_protocol == "PLAINTEXT"


def test_ignoring_what_is_not_there_is_warned_about() -> None:
    assert load_node_config(insecure_ignore=["ssl.client.auth"]).warnings == [
        "--insecure-ignore ssl.client.auth: there is nothing to ignore"
    ]
