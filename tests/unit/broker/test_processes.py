"""Nodes under one process: when they are started again, and how they are stopped."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from broker import processes
from broker.__main__ import FAILED, OK, UNUSABLE, main
from broker.processes import LONGEST_PAUSE_S, STEADY_S, Group, NodeProcess, Restarts
from config.node_config import NodeConfig
from config.properties import load_node_config
from storage.checkpoints import decode_meta_properties

CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"


class Ended(NodeProcess):
    """One that has ended."""

    def __init__(self, code: int, *, ran_s: float = 0.0, has_served: bool = True) -> None:
        super().__init__(1, [])
        self.has_served = has_served
        self.started_s = time.monotonic() - ran_s
        self._code = code

    @property
    def code(self) -> int:
        return self._code


class Script(NodeProcess):
    """A program in place of a node."""

    def __init__(self, node_id: int, program: str, stopped: list[int]) -> None:
        super().__init__(node_id, [])
        self._program = program
        self._stopped = stopped

    def start(self) -> None:
        self.started_s = time.monotonic()
        self._process = subprocess.Popen([sys.executable, "-c", self._program], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def send(self, number: signal.Signals) -> None:
        if number is signal.SIGTERM:
            self._stopped.append(self.id)
        super().send(number)


SLEEPS = "print(1, flush=True); import time; time.sleep(600)"
IGNORES = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"


def test_a_node_that_keeps_dying_is_started_again_less_and_less_often() -> None:
    told: list[str] = []
    restarts = Restarts(told.append)
    pauses = [restarts.on_end(Ended(-9)) for _ in range(10)]
    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, LONGEST_PAUSE_S]
    assert restarts.on_end(Ended(-9, ran_s=STEADY_S)) == 0.0
    assert restarts.on_end(Ended(1)) == 0.5
    assert told[0] == "node 1  was killed by SIGKILL; it is started again at once\n"
    assert told[-1] == "node 1  has ended with 1; it is started again in 0.5 s\n"
    assert restarts.code is None


@pytest.mark.parametrize(("code", "exit_code"), [(0, FAILED), (1, 1), (2, UNUSABLE)])
def test_a_node_that_ends_before_it_ever_served_stops_all(code: int, exit_code: int) -> None:
    restarts = Restarts(lambda _: None)
    given_up: list[bool] = []
    restarts.give_up = lambda: given_up.append(True)
    assert restarts.on_end(Ended(code, has_served=False)) is None
    assert (restarts.code, given_up) == (exit_code, [True])
    assert restarts.on_end(Ended(-9, has_served=False)) is not None, "it was killed: that says nothing of its start"


def test_those_that_others_need_are_stopped_last() -> None:
    stopped: list[int] = []
    first, *others = [Script(node_id, SLEEPS, stopped) for node_id in (1, 2, 3)]
    group = Group([first, *others], lambda _: None, last=[first])
    threading.Timer(1.0, group.ask_to_stop).start()
    assert group.run() == signal.SIGTERM  # how it ends without a handler
    assert stopped[-1] == 1
    assert sorted(stopped) == [1, 2, 3]


def test_a_second_signal_does_not_wait() -> None:
    stopped: list[int] = []
    nodes = [Script(1, IGNORES, stopped), Script(2, IGNORES, stopped)]
    group = Group(nodes, lambda _: None, last=nodes[:1])
    threading.Timer(1.0, group.ask_to_stop).start()
    threading.Timer(1.5, group.ask_to_stop).start()
    assert group.run() == signal.SIGKILL
    assert stopped[0] == 2


def test_what_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Script):
        tries = 0

        def start(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            super().start()

    monkeypatch.setattr(processes, "LONGEST_PAUSE_S", 0.0)
    node = Late(1, "print(1, flush=True)", [])
    assert Group([node], lambda _: None).run() == FAILED
    assert node.tries == 2


def test_giving_up_twice_still_waits() -> None:
    stopped: list[int] = []
    group = Group([Script(1, SLEEPS, stopped)], lambda _: None)
    for _ in range(2):
        threading.Timer(0.5, group.give_up).start()
    assert group.run() == signal.SIGTERM
    assert stopped == [1]


def test_a_group_of_which_nobody_is_left_ends() -> None:
    ended: list[int] = []
    node = Script(1, "print(1, flush=True)", [])
    assert Group([node], lambda process: ended.append(process.id)).run() == FAILED
    assert ended == [1]


def test_what_a_node_says_has_its_number(capfd: pytest.CaptureFixture[str]) -> None:
    node = NodeProcess(7, [])
    node._show(io.StringIO('a line\n{"level": "info"}\nKafka Server started\n'))
    assert capfd.readouterr().out == 'node 7  a line\n{"node": 7, "level": "info"}\nnode 7  Kafka Server started\n'
    assert node.has_served


def run(*arguments: str | Path) -> int:
    return main([*map(str, arguments)])


def properties(directory: Path, voters: str) -> Path:
    file = directory / "server.properties"
    file.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
        f"listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\nlog.dirs={directory}/data\n"
        f"controller.quorum.bootstrap.servers={voters}\n"
    )
    return file


def test_formatting_for_several_nodes(tmp_path: Path) -> None:
    file = properties(tmp_path, "localhost:9093,other:9093")
    voters = "1@localhost:9093:AAAAAAAAAAAAAAAAAAAAAQ,2@other:9093:AAAAAAAAAAAAAAAAAAAAAg"
    format_all: Sequence[str | Path] = ("format", "-t", CLUSTER_ID, "-c", file, "--processes", "3")
    assert run(*format_all) == FAILED, "the first is a controller, and has to be told who votes"
    assert run(*format_all, "--initial-controllers", voters) == OK
    for node_id in (1, 1001, 2001):
        folder = tmp_path / "data" / f"node{node_id}"
        found = decode_meta_properties((folder / "meta.properties").read_bytes())
        assert (found.cluster_id, found.node_id) == (CLUSTER_ID, node_id)
        assert (folder / "__cluster_metadata-0").exists() == (node_id == 1)


def test_nodes_of_a_larger_quorum_have_to_be_formatted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = properties(tmp_path, "localhost:9093,other:9093")
    assert run("serve", file, "--no-environment", "--processes", "2") == FAILED
    assert "barnabas format --processes 2" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_configuration_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", properties(tmp_path, "localhost:9093"), "--processes", "0") == UNUSABLE
    assert "--processes 0: must be from 1" in capsys.readouterr().err
    assert run("serve", "--override", "num.partitions=0", "--processes", "2") == UNUSABLE


def test_the_cluster_is_that_of_any_node_or_a_new_one(tmp_path: Path) -> None:
    file = properties(tmp_path, "localhost:9093")

    def found(given: str | None) -> str | None:
        def load(overrides: Sequence[str]) -> NodeConfig:
            return load_node_config(file, None, overrides).config

        configs = [config for config, _ in processes.process_configs(load, 2)]
        return processes._cluster_of(configs, given)

    assert len(found(None) or "") == 22
    assert found("x" * 22) == "x" * 22
    assert run("format", "-t", CLUSTER_ID, "-c", file, "--processes", "1", "--standalone") == OK
    assert found(None) == CLUSTER_ID
