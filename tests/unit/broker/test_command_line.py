from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from barnabas import __version__
from broker import logs, serve
from broker.__main__ import FAILED, OK, UNUSABLE, main
from broker.environment import Environment
from broker.errors import StartupError
from broker.formatting import METADATA_DIRECTORY
from config.listeners import Endpoint
from config.node_config import NodeConfig
from protocol.errors import StorageError
from storage.checkpoints import decode_meta_properties

CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
PROPERTIES = """
process.roles=broker,controller
node.id=7
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
log.dirs={directory}/a,{directory}/b
"""


class FakeNode:
    """What `serve` needs of a node; `on_start` is what happens while it starts."""

    started: ClassVar[list[FakeNode]] = []
    on_start: BaseException | signal.Signals | None = None
    fails = False

    def __init__(self, config: NodeConfig, environment: Environment) -> None:
        self.config = config
        self.failed = asyncio.Event()
        self.endpoints = [Endpoint("PLAINTEXT", "PLAINTEXT", "127.0.0.1", 40123), *config.controller_listeners]
        self.has_stopped = False

    async def start(self) -> None:
        self.started.append(self)
        match self.on_start:
            case signal.Signals():
                os.kill(os.getpid(), self.on_start)
                await asyncio.sleep(0.05)  # the loop has to come around to notice
            case BaseException():
                raise self.on_start
        if self.fails:
            self.failed.set()

    async def stop(self) -> None:
        self.has_stopped = True


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[FakeNode]]:
    class Fake(FakeNode):
        started: ClassVar[list[FakeNode]] = []

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "_make_node", Fake)
    monkeypatch.setattr(logs, "configure", lambda levels, as_json: None)
    for variable in [*os.environ]:
        if variable.startswith(("KAFKA_", "BARNABAS_", "CLUSTER_ID")):
            monkeypatch.delenv(variable)
    yield Fake


def write_properties(directory: Path, extra: str = "") -> Path:
    file = directory / "server.properties"
    file.write_text(PROPERTIES.format(directory=directory) + extra)
    return file


def run(*arguments: str | Path) -> int:
    return main([*map(str, arguments)])


def run_and_stop(node: type[FakeNode], *arguments: str | Path) -> int:
    node.on_start = signal.SIGTERM
    return run("serve", *arguments)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("version") == OK
    assert capsys.readouterr().out.startswith(f"barnabas {__version__} (Apache Kafka 4.3.1; Python ")
    assert run("version", "--json") == OK
    assert json.loads(capsys.readouterr().out)["version"] == __version__


def test_version_is_an_option_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run("--version")
    assert exit_info.value.code == OK
    assert capsys.readouterr().out.startswith(f"barnabas {__version__} ")


def test_unknown_options_show_the_usage_of_their_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run("serve", "--datta", "x")
    assert exit_info.value.code == UNUSABLE
    told = capsys.readouterr().err
    assert "usage: barnabas serve" in told
    assert "--datta" in told


def test_data_must_lie_somewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("serve", "--data", "")
    assert "--data: must name a directory" in capsys.readouterr().err


def test_random_uuid(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("random-uuid") == OK
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}\n", capsys.readouterr().out)


@pytest.mark.parametrize("arguments", [[], ["serves"], ["serve", "--data"], ["format", "-t", "x"]])
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == UNUSABLE


@pytest.mark.parametrize("command", ["serve", "format", "dump-log"])
def test_help_helps(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == OK
    assert len(capsys.readouterr().out.splitlines()) > 15


def test_help_imports_nothing_of_the_broker() -> None:
    code = (
        "import sys\nfrom broker.__main__ import main\n"
        "try:\n    main(['serve', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.startswith(('asyncio', 'protocol', 'storage', 'config', 'raft'))],"
        " file=sys.stderr)"
    )
    done = asyncio.run(_run_python(code))
    assert done.strip() == "[]"


async def _run_python(code: str) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=pipe, stderr=pipe)
    _, errors = await process.communicate()
    return errors.decode()


def test_serve_says_in_one_line_that_it_is_ready(node: type[FakeNode], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_and_stop_after_ready(node) == OK
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "[KafkaRaftServer nodeId=1] Kafka Server started" in out
    assert "Transitioning from RECOVERY to RUNNING" in out
    assert re.search(r"Kafka Server started.*?127\.0\.0\.1:(\d+)", out)[1] == "40123"  # type: ignore[index]
    assert node.started[0].has_stopped


def run_and_stop_after_ready(node: type[FakeNode], *arguments: str | Path) -> int:
    announce = serve._announce

    def announce_and_stop(*everything: object) -> None:
        announce(*everything)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "_announce", announce_and_stop)
        return run("serve", *arguments)


def test_the_first_start_formats_a_single_node(node: type[FakeNode], tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run_and_stop(node, "--data", data) == OK
    properties = decode_meta_properties((data / "meta.properties").read_bytes())
    assert properties.node_id == 1
    assert len(properties.cluster_id or "") == 22
    assert (data / METADATA_DIRECTORY).is_dir()
    assert run_and_stop(node, "--data", data) == OK
    assert decode_meta_properties((data / "meta.properties").read_bytes()) == properties


def test_the_cluster_id_can_be_given(node: type[FakeNode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_ID", CLUSTER_ID)
    file = write_properties(tmp_path)
    assert run_and_stop(node, file) == OK
    for name in ("a", "b"):
        properties = decode_meta_properties((tmp_path / name / "meta.properties").read_bytes())
        assert (properties.cluster_id, properties.node_id) == (CLUSTER_ID, 7)


def test_a_static_quorum_of_one_is_formatted_too(node: type[FakeNode], tmp_path: Path) -> None:
    file = write_properties(tmp_path, "controller.quorum.voters=7@localhost:9093\n")
    assert run_and_stop(node, file) == OK
    assert (tmp_path / "a" / "meta.properties").exists()
    assert not (tmp_path / "a" / METADATA_DIRECTORY).exists()


def test_a_node_of_a_larger_quorum_is_not_formatted(
    node: type[FakeNode], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_properties(tmp_path, "controller.quorum.bootstrap.servers=localhost:9093,other:9093\n")
    assert run("serve", file) == FAILED
    assert "barnabas format" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    assert node.started == []


STATIC_QUORUM = "controller.quorum.voters=7@localhost:9093,8@other:9093\n"
BROKER_ALONE = "process.roles=broker\nlisteners=PLAINTEXT://localhost:9092\n"


@pytest.mark.parametrize("extra", [STATIC_QUORUM, BROKER_ALONE], ids=["fixed voters", "broker"])
def test_who_names_the_cluster_of_a_larger_quorum_need_not_format(
    node: type[FakeNode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    file = write_properties(tmp_path, extra)
    assert run("serve", file) == FAILED
    monkeypatch.setenv("CLUSTER_ID", CLUSTER_ID)
    assert run_and_stop(node, file) == OK
    for name in ("a", "b"):
        properties = decode_meta_properties((tmp_path / name / "meta.properties").read_bytes())
        assert (properties.cluster_id, properties.node_id) == (CLUSTER_ID, 7)
        assert not (tmp_path / name / METADATA_DIRECTORY).exists(), "it begins with no voters of its own"
    (tmp_path / "a" / "meta.properties").unlink()  # as if it had been interrupted: the metadata directory comes last
    assert run_and_stop(node, file) == OK
    assert (tmp_path / "a" / "meta.properties").exists()


def test_a_controller_that_has_to_be_told_who_votes_is_not_formatted(
    node: type[FakeNode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_ID", CLUSTER_ID)
    file = write_properties(tmp_path, "controller.quorum.bootstrap.servers=localhost:9093,other:9093\n")
    assert run("serve", file) == FAILED
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("content", ["orders-0", f"{METADATA_DIRECTORY}/quorum-state", "some-file"])
def test_a_directory_with_content_is_not_formatted(
    node: type[FakeNode], tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data" / content
    path.parent.mkdir(parents=True)
    path.touch()
    assert run("serve", "--data", tmp_path / "data") == FAILED
    assert "not empty" in capsys.readouterr().err


def test_an_interrupted_formatting_is_done_again(node: type[FakeNode], tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run_and_stop(node, "--data", data) == OK
    (data / "meta.properties").rename(data / "meta.properties.tmp")
    (data / "lost+found").mkdir()
    assert run_and_stop(node, "--data", data) == OK
    assert (data / "meta.properties").exists()


def test_a_signal_while_starting_stops_before_ready(node: type[FakeNode], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_and_stop(node) == OK
    assert capsys.readouterr().out == ""
    assert node.started[0].has_stopped


def test_a_failure_while_running_is_exit_code_1(node: type[FakeNode]) -> None:
    node.fails = True
    assert run("serve") == FAILED
    assert node.started[0].has_stopped


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StartupError("the directory /data is in use by another node"), "in use by another node"),
        (StorageError("/data", "is broken"), "/data"),
        (OSError(98, "Address already in use"), "Address already in use"),
    ],
)
def test_why_a_start_fails_is_told_in_a_line(
    node: type[FakeNode], error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    node.on_start = error
    assert run("serve") == FAILED
    errors = capsys.readouterr().err
    assert errors.startswith("barnabas: cannot start: ")
    assert said in errors
    assert errors.count("\n") == 1


def test_a_wrong_configuration_is_exit_code_2(node: type[FakeNode], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--override", "num.partitions=0", "--log-level", "info") == UNUSABLE
    assert capsys.readouterr().err.splitlines() == [
        "barnabas: the configuration cannot be used:",
        "  num.partitions = 0: must be at least 1 (--override)",
    ]
    assert run("serve", "--log-level", "loud") == UNUSABLE
    assert node.started == []


def test_the_environment_can_be_left_out(node: type[FakeNode], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_NUM_PARTITIONS", "9")
    run_and_stop(node, "--no-environment")
    run_and_stop(node)
    assert [started.config.num_partitions for started in node.started] == [1, 9]


def test_warnings_are_logged(node: type[FakeNode], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run_and_stop(node, "--override", "no.such.key=1")
    assert "unknown key no.such.key (--override)" in caplog.text


def levels_of(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], *arguments: str) -> dict[str, int]:
    seen: list[dict[str, int]] = []
    monkeypatch.setattr(logs, "configure", lambda levels, as_json: seen.append(levels))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    run("serve", *arguments)
    return seen[0]


def test_log_levels_come_from_key_variable_and_flag(node: type[FakeNode], monkeypatch: pytest.MonkeyPatch) -> None:
    node.on_start = signal.SIGTERM
    key = "--override=barnabas.log.level=error,raft=info,storage=info,server=info"
    environ = {"BARNABAS_LOG_LEVEL": "raft=warning,storage=warning"}
    levels = levels_of(monkeypatch, environ, key, "--log-level", "storage=debug")
    assert levels == {"": logging.ERROR, "server": logging.INFO, "raft": logging.INFO, "storage": logging.DEBUG}


def test_the_variable_is_above_the_file(node: type[FakeNode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node.on_start = signal.SIGTERM
    file = write_properties(tmp_path, "barnabas.log.level=error,raft=info\n")
    environ = {"BARNABAS_LOG_LEVEL": "raft=warning"}
    assert levels_of(monkeypatch, environ, str(file)) == {"": logging.ERROR, "raft": logging.WARNING}
    assert levels_of(monkeypatch, environ, str(file), "--no-environment") == {"": logging.ERROR, "raft": logging.INFO}


def test_format_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_properties(tmp_path)
    assert run("format", "-t", CLUSTER_ID, "-c", file) == FAILED
    assert "--standalone" in capsys.readouterr().err
    assert run("format", "-t", CLUSTER_ID, "-c", file, "-s") == OK
    assert capsys.readouterr().out.count("Formatting ") == 2
    assert run("format", "--cluster-id", CLUSTER_ID, "--config", file, "--standalone") == FAILED
    assert "--ignore-formatted" in capsys.readouterr().err
    assert run("format", "-t", CLUSTER_ID, "-c", file, "-s", "-g") == OK
    assert run("format", "-t", CLUSTER_ID, "-c", tmp_path / "none.properties", "-s") == UNUSABLE


def test_format_does_not_mind_keys_that_only_serving_refuses(tmp_path: Path) -> None:
    file = write_properties(tmp_path, "ssl.client.auth=required\n")
    assert run("format", "-t", CLUSTER_ID, "-c", file, "-s", "-f", "group.version=0", "-r", "4.3") == OK


def test_dump_log_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000000.log").touch()
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "broker", "dump-log", tmp_path], stdout=output, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (FAILED, b"")


def test_dump_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("format", "-t", CLUSTER_ID, "-c", write_properties(tmp_path), "-s")
    capsys.readouterr()
    assert run("dump-log", "--print-data-log", tmp_path / "a") == OK
    out = capsys.readouterr().out
    assert "KRaft bootstrap snapshot" in out
    assert '{"type":"FEATURE_LEVEL_RECORD","version":0,"data":{"name":"metadata.version"' in out
    assert run("dump-log", "--files", f"{tmp_path}/a/{METADATA_DIRECTORY}/{'0' * 20}-{'0' * 10}.checkpoint,") == OK
    assert "Snapshot end offset: 0, epoch: 0" in capsys.readouterr().out
    assert run("dump-log") == UNUSABLE
    assert run("dump-log", tmp_path / "none.log") == FAILED
    assert "No such file" in capsys.readouterr().err
