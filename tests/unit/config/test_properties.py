import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.definition import ConfigError
from config.listeners import Endpoint, HostPort, Voter
from config.properties import Loaded, key_of_variable, load_node_config, parse_properties
from config.single_node import is_single_node


def parsed(text: str) -> dict[str, str]:
    return {entry.key: entry.value for entry in parse_properties(text)}


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a=b", {"a": "b"}),
        ("a = b ", {"a": "b "}),
        ("a:b", {"a": "b"}),
        ("a b c", {"a": "b c"}),
        ("a\t=\tb", {"a": "b"}),
        ("a", {"a": ""}),
        ("a==b", {"a": "=b"}),
        ("a= =b", {"a": "=b"}),
        ("# comment\n! comment\n  # too\n\na=1", {"a": "1"}),
        ("a=1 # no comment", {"a": "1 # no comment"}),
        ("a=1,\\\n   2,\\\r\n\t3", {"a": "1,2,3"}),
        ("a=x\\\\\nb=y", {"a": "x\\", "b": "y"}),
        ("a=x\\", {"a": "x"}),
        ("a=x\\\n", {"a": "x"}),
        ("a=x\\\n\nb=y", {"a": "x", "b": "y"}),
        ("# no continuation \\\na=1", {"a": "1"}),
        ("a=x\\\n# part of it", {"a": "x# part of it"}),
        ("a\\ b\\=c\\:d=e", {"a b=c:d": "e"}),
        ("a=\\t\\n\\r\\f\\z\\\\", {"a": "\t\n\r\fz\\"}),
        ("a=\\u00e4\\u20AC", {"a": "ä€"}),
        ("a=\\ud83d\\ude00", {"a": "😀"}),
        ("a=ä", {"a": "ä"}),
        ("a=1\ra=2", {"a": "2"}),
        ("=x", {"": "x"}),
        ("", {}),
    ],
)
def test_reads_what_java_reads(text: str, entries: Mapping[str, str]) -> None:
    assert parsed(text) == entries


def test_entries_know_their_line() -> None:
    assert [entry.line for entry in parse_properties("a=1\n\n#\nb=2\\\n3\nc=4")] == [1, 4, 6]


def test_refuses_a_broken_unicode_escape() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parsed("a=1\nb=\\u12g4")


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_escaped_reads_back(entries: dict[str, str]) -> None:
    text = "\n".join(f"{escaped(key)}={escaped(value)}" for key, value in entries.items())
    assert parsed(text) == entries


def escaped(text: str) -> str:
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at] << 8 | data[at + 1]:04x}" for at in range(0, len(data), 2))


@given(st.text())
def test_any_text_is_entries_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parsed(text)


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("KAFKA_LOG_DIRS", "log.dirs"),
        ("KAFKA_A__B_C", "a_b.c"),
        ("KAFKA_A___B", "a-b"),
        ("KAFKA_A____B", "a-.b"),
        ("KAFKA_LISTENER_NAME_EXTERNAL_SSL_KEYSTORE_LOCATION", "listener.name.external.ssl.keystore.location"),
    ],
)
def test_names_of_variables(variable: str, key: str) -> None:
    assert key_of_variable(variable) == key


def load(*overrides: str, environ: Mapping[str, str] | None = None, ignore: tuple[str, ...] = ()) -> Loaded:
    return load_node_config(None, environ, overrides, ignore)


def load_text(tmp_path: Path, text: str, *overrides: str, environ: Mapping[str, str] | None = None) -> Loaded:
    file = tmp_path / "server.properties"
    file.write_text(text)
    return load_node_config(file, environ, overrides)


KAFKAS_OWN_FILE = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
offsets.topic.replication.factor=1
log.retention.hours=168
log.segment.bytes=1073741824
"""


def test_without_a_file_the_node_is_a_cluster_by_itself() -> None:
    config, warnings = load()
    assert warnings == []
    assert config.node_id == config.broker_id == 1
    assert config.process_roles == {"broker", "controller"}
    assert config.advertised_listeners == [Endpoint("PLAINTEXT", "PLAINTEXT", "127.0.0.1", 9092)]
    assert config.controller_listeners == [Endpoint("CONTROLLER", "PLAINTEXT", "127.0.0.1", 9093)]
    assert config.log_dirs == [str(Path("data").absolute())]
    assert config.metadata_log_dir == config.log_dirs[0]
    assert config.offsets_topic_replication_factor == 1
    assert config.transaction_state_log_min_isr == 1
    assert config.group_initial_rebalance_delay_ms == 0
    assert is_single_node(config)


def test_the_file_of_apache_kafka_works(tmp_path: Path) -> None:
    config, warnings = load_text(tmp_path, KAFKAS_OWN_FILE)
    assert warnings == []
    assert config.advertised_listeners == [Endpoint("PLAINTEXT", "PLAINTEXT", "localhost", 9092)]
    assert config.listeners[0] == Endpoint("PLAINTEXT", "PLAINTEXT", None, 9092)
    assert config.log_dirs == ["/tmp/kraft-combined-logs"]
    assert is_single_node(config)


def test_later_sources_win(tmp_path: Path) -> None:
    environ = {"KAFKA_NUM_PARTITIONS": "3", "KAFKA_MESSAGE_MAX_BYTES": "5000"}
    text = KAFKAS_OWN_FILE + "message.max.bytes=4000\nfetch.max.bytes=2000\n"
    config, _ = load_text(tmp_path, text, "num.partitions=4", environ=environ)
    assert (config.num_partitions, config.message_max_bytes, config.fetch_max_bytes) == (4, 5000, 2000)


def test_an_error_names_key_value_place_and_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, KAFKAS_OWN_FILE + "num.partitions=0\n", "log.roll.hours=soon")
    assert str(caught.value).splitlines() == [
        "num.partitions = 0: must be at least 1 (server.properties:18)",
        "log.roll.hours = soon: must be a whole number of 32 bits, at least 1 (--override)",
    ]


def test_what_is_required_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, "log.dirs=/x")
    assert {line.split()[0] for line in str(caught.value).splitlines()} == {
        "node.id",
        "process.roles",
        "controller.listener.names",
    }


def test_odd_files_are_warned_about(tmp_path: Path) -> None:
    _, warnings = load_text(tmp_path, KAFKAS_OWN_FILE + "num.partition=3\nbackground.threads=2\nlog.dirs=/other\n")
    assert warnings[0].startswith("log.dirs is set more than once")
    assert warnings[1:] == [
        "unknown key num.partition (server.properties:18); did you mean num.partitions?",
        "set, but without effect: background.threads",
    ]


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_node_config(tmp_path / "nothing.properties")


def test_files_may_be_utf_8_or_latin_1(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    for encoding in ("utf-8", "latin-1"):
        file.write_bytes((KAFKAS_OWN_FILE + "broker.rack=Köln").encode(encoding))
        assert load_node_config(file).config.broker_rack == "Köln"


def test_only_variables_that_name_a_key_count() -> None:
    environ = {
        "KAFKA_BROKERS": "elsewhere:9092",
        "KAFKA_HEAP_OPTS": "-Xmx1g",
        "KAFKA_NUM_PARTITIONS": "7",
        "HOME": "/",
    }
    config, warnings = load(environ=environ)
    assert config.num_partitions == 7
    assert warnings == ["environment variables that name no key are left out: KAFKA_BROKERS"]


def test_the_environment_can_be_left_out() -> None:
    assert load_node_config(None, None).config.num_partitions == 1


def test_listeners_follow_from_the_advertised_ones_as_in_kafkas_image() -> None:
    config, _ = load(environ={"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://my-host:19092"})
    assert config.listeners[0] == Endpoint("PLAINTEXT", "PLAINTEXT", "0.0.0.0", 19092)
    assert config.advertised_listeners == [Endpoint("PLAINTEXT", "PLAINTEXT", "my-host", 19092)]
    assert [endpoint.listener_name for endpoint in config.controller_listeners] == ["CONTROLLER"]


# What the Kafka module of Testcontainers sends.
TESTCONTAINERS = {
    "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,BROKER://0.0.0.0:9093,CONTROLLER://0.0.0.0:9094",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:32768,BROKER://abc:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_NODE_ID": "1",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "9223372036854775807",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}


def test_the_environment_of_testcontainers_works() -> None:
    config, _ = load(environ=TESTCONTAINERS)
    assert config.inter_broker_listener_name == "BROKER"
    assert config.controller_quorum_voters == [Voter(1, "localhost", 9094)]
    assert config.advertised_controller_listeners == [Endpoint("CONTROLLER", "PLAINTEXT", "localhost", 9094)]
    assert [endpoint.port for endpoint in config.broker_listeners] == [9092, 9093]
    assert is_single_node(config)


def test_who_describes_a_cluster_gets_no_settings_for_one_node() -> None:
    environ = TESTCONTAINERS | {"KAFKA_CONTROLLER_QUORUM_VOTERS": "1@a:9094,2@b:9094,3@c:9094"}
    del environ["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"]
    config, _ = load(environ=environ)
    assert config.offsets_topic_replication_factor == 3
    assert not is_single_node(config)


def test_other_listeners_keep_a_controller_listener() -> None:
    config, _ = load("listeners=PLAINTEXT://127.0.0.1:0")
    assert [str(endpoint) for endpoint in config.listeners] == ["PLAINTEXT://127.0.0.1:0", "CONTROLLER://127.0.0.1:0"]
    assert config.controller_quorum_bootstrap_servers == [HostPort("127.0.0.1", 0)]
    assert is_single_node(config)


def test_the_data_directory_is_log_dirs(tmp_path: Path) -> None:
    config, _ = load_node_config(data_dir=tmp_path)
    assert config.log_dirs == [str(tmp_path)]
    with pytest.raises(ConfigError, match="use one of them"):
        load_node_config(overrides=["log.dirs=/x"], data_dir=tmp_path)


@pytest.mark.parametrize("override", ["num.partitions", "=3", " =x"])
def test_an_override_is_a_key_and_a_value(override: str) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        load(override)
