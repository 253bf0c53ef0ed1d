import io
import json
import logging
from collections.abc import Iterator

import pytest

from broker import logs
from broker.logs import ROOT, configure, escape, parse_levels, subsystem_of
from config.definition import ConfigError


@pytest.fixture(autouse=True)
def logging_left_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for packages in logs.SUBSYSTEMS.values():
        for package in packages:
            logging.getLogger(package).setLevel(logging.NOTSET)


def logged(levels: str, name: str, text: str, level: int = logging.INFO, *, as_json: bool = False) -> str:
    stream = io.StringIO()
    configure(parse_levels([levels]), as_json=as_json, stream=stream)
    logging.getLogger(name).log(level, "%s", text)
    return stream.getvalue()


def test_levels_of_all_and_of_one_subsystem() -> None:
    assert parse_levels(["warn,raft=debug", "storage=off", "raft=ERROR"]) == {
        ROOT: logging.WARNING,
        "raft": logging.ERROR,
        "storage": logging.CRITICAL + 1,
    }
    assert parse_levels(["", " , "]) == {}


@pytest.mark.parametrize("text", ["loud", "raft=loud", "rafts=debug", "=debug,"])
def test_unknown_levels_and_subsystems_are_told(text: str) -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        parse_levels([text])


@pytest.mark.parametrize(
    ("levels", "name", "level", "is_shown"),
    [
        ("info", "raft.quorum", logging.DEBUG, False),
        ("info,raft=debug", "raft.quorum", logging.DEBUG, True),
        ("debug,raft=info", "raft.quorum", logging.DEBUG, False),
        ("info,node=debug", "broker.node", logging.DEBUG, True),
        ("info,node=debug", "broker.server.connection", logging.DEBUG, False),
        ("info,server=debug", "broker.server.connection", logging.DEBUG, True),
        ("off", "storage.log", logging.CRITICAL, False),
        ("warning", "asyncio", logging.INFO, False),
    ],
)
def test_each_subsystem_has_its_level(levels: str, name: str, level: int, is_shown: bool) -> None:
    assert bool(logged(levels, name, "text", level)) == is_shown


def test_a_line_says_when_how_grave_who_and_what() -> None:
    line = logged("info", "broker.coordinator.runtime", "loaded 3 groups", logging.WARNING)
    date, time, level, subsystem, text = line.rstrip("\n").split(maxsplit=4)
    assert (len(date), len(time)) == (10, 12)
    assert (level, subsystem, text) == ("WARNING", "coordinator", "loaded 3 groups")


@pytest.mark.parametrize(
    ("name", "subsystem"),
    [
        ("broker.server.connection", "server"),
        ("broker.serve", "node"),
        ("broker.dispatch", "requests"),
        ("raft", "raft"),
        ("rafting", "rafting"),
        ("asyncio", "asyncio"),
    ],
)
def test_the_package_is_the_subsystem(name: str, subsystem: str) -> None:
    assert subsystem_of(name) == subsystem


def test_what_a_client_sends_cannot_forge_a_line_or_steer_the_terminal() -> None:
    line = logged("info", "raft", "topic 'a\n2026-01-01 ERROR forged\x1b[2J\u2028\x9b\udc80'")
    assert line.count("\n") == 1
    assert "\\n2026" in line
    assert "\\x1b[2J\\u2028\\x9b\\udc80" in line
    assert escape("ä€😀 \\n") == "ä€😀 \\n"


def log_an_exception(*, as_json: bool) -> str:
    stream = io.StringIO()
    configure({}, as_json=as_json, stream=stream)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("storage").exception("it failed")
    return stream.getvalue()


def test_a_traceback_follows_its_line_indented() -> None:
    first, *rest = log_an_exception(as_json=False).rstrip("\n").split("\n")
    assert first.endswith("it failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[0].strip() == "Traceback (most recent call last):"


def test_json_is_an_object_a_line() -> None:
    event = json.loads(log_an_exception(as_json=True))
    assert (event["level"], event["subsystem"], event["message"]) == ("ERROR", "storage", "it failed")
    assert "ValueError: two" in event["exception"]
    assert json.loads(logged("info", "raft.quorum", "a\nb", as_json=True))["message"] == "a\nb"
