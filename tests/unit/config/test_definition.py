import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.definition import (
    HIDDEN,
    ConfigError,
    ConfigKey,
    Effect,
    Password,
    Type,
    UpdateMode,
    format_double,
    format_value,
)
from config.keys import BROKER_KEYS, GROUP_KEYS, TOPIC_KEYS


def make_key(kind: Type, allows: str = "", default: str | None = None) -> ConfigKey:
    return ConfigKey("a.key", kind, default, allows, "HIGH", UpdateMode.READ_ONLY, False, Effect.EFFECT, "", "")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Type.BOOLEAN, " True ", True),
        (Type.BOOLEAN, "false", False),
        (Type.INT, "+7", 7),
        (Type.INT, "-2147483648", -(1 << 31)),
        (Type.SHORT, "32767", 32767),
        (Type.LONG, "9223372036854775807", (1 << 63) - 1),
        (Type.DOUBLE, "1e3", 1000.0),
        (Type.DOUBLE, ".5", 0.5),
        (Type.DOUBLE, "2.5f", 2.5),
        (Type.DOUBLE, "-Infinity", float("-inf")),
        (Type.LIST, "a ,\tb,a", ["a", "b"]),
        (Type.LIST, "  ", []),
        (Type.STRING, "\x01 x \n", "x"),
        (Type.PASSWORD, "secret", "secret"),
    ],
)
def test_parses_as_java_does(kind: Type, text: str, value: object) -> None:
    assert make_key(kind).parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Type.BOOLEAN, "yes"),
        (Type.BOOLEAN, ""),
        (Type.INT, "2147483648"),
        (Type.INT, "1_000"),
        (Type.INT, "٣"),
        (Type.INT, "1.0"),
        (Type.SHORT, "40000"),
        (Type.LONG, "0x10"),
        (Type.DOUBLE, "1,5"),
        (Type.DOUBLE, "inf"),
        (Type.LIST, "a,,b"),
    ],
)
def test_refuses_what_java_refuses(kind: Type, text: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.key = "):
        make_key(kind).parse(text)


@pytest.mark.parametrize(
    ("kind", "allows", "good", "bad", "said"),
    [
        (Type.INT, "[1,...]", "1", "0", "at least 1"),
        (Type.INT, "[-131072,...,22]", "22", "23", "from -131072 to 22"),
        (Type.INT, "[1,...,9] or -1", "-1", "0", "from 1 to 9, or -1"),
        (Type.DOUBLE, "[0,...,1]", "0.5", "1.01", "from 0 to 1"),
        (Type.STRING, "[text, json]", "json", "xml", "one of text, json"),
        (Type.STRING, "(case insensitive) [ES256, RS256]", "es256", "HS256", "one of ES256, RS256"),
        (Type.LIST, "[compact, delete]", "delete,compact", "delete,remove", "one of compact, delete"),
        (Type.LIST, "not empty", "x", "", "must not be empty"),
        (Type.STRING, "non-empty string", "x", " ", "must not be empty"),
    ],
)
def test_says_what_is_allowed(kind: Type, allows: str, good: str, bad: str, said: str) -> None:
    key = make_key(kind, allows)
    key.parse(good)
    with pytest.raises(ConfigError, match=said):
        key.parse(bad)


@pytest.mark.parametrize("text", ["latest", "earliest", "by_duration:PT1H30M", "by_duration:P2DT3.5S"])
def test_accepts_offset_resets(text: str) -> None:
    assert GROUP_KEYS["share.auto.offset.reset"].parse(text) == text


@pytest.mark.parametrize("text", ["none", "by_duration:", "by_duration:PT-1H", "by_duration:1h", "latest:PT1H"])
def test_refuses_other_offset_resets(text: str) -> None:
    with pytest.raises(ConfigError, match="ISO 8601"):
        GROUP_KEYS["share.auto.offset.reset"].parse(text)


@pytest.mark.parametrize(
    ("text", "is_good"), [("*", True), ("0:1,1:2", True), ("", True), ("0-1", False), ("*,0:1", False)]
)
def test_throttled_replicas(text: str, is_good: bool) -> None:
    key = TOPIC_KEYS["leader.replication.throttled.replicas"]
    if is_good:
        key.parse(text)
    else:
        with pytest.raises(ConfigError, match="PARTITION:BROKER"):
            key.parse(text)


def test_a_password_is_never_shown() -> None:
    value = BROKER_KEYS["ssl.key.password"].parse("hunter2")
    assert isinstance(value, Password)
    assert repr(value) == HIDDEN
    assert BROKER_KEYS["ssl.key.password"].shown("hunter2") == HIDDEN


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (1.0, "1.0"),
        (0.0, "0.0"),
        (1e7, "1.0E7"),
        (12345678.9, "1.23456789E7"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (-1.5e-5, "-1.5E-5"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (float("nan"), "NaN"),
    ],
)
def test_writes_doubles_as_java_does(value: float, text: str) -> None:
    assert format_double(value) == text


@given(st.floats(allow_nan=False))
def test_a_written_double_reads_back(value: float) -> None:
    assert make_key(Type.DOUBLE).parse(format_double(value)) == value


def test_writes_values_as_kafka_does() -> None:
    assert [format_value(value) for value in (True, 5, ["a", "b"], None, "x", [])] == [
        "true",
        "5",
        "a,b",
        None,
        "x",
        "",
    ]


@given(st.sampled_from(list(BROKER_KEYS.values())), st.text(max_size=40))
def test_any_text_is_a_value_or_a_config_error(key: ConfigKey, text: str) -> None:
    try:
        key.parse(text)
    except ConfigError as error:
        assert str(error).startswith(key.name)
