"""Several nodes as processes under this one: started, shown, started again, stopped together.

`barnabas serve --processes N` uses a big machine this way: a node is one event loop, so N nodes are N processors.
`config/processes.py` says what each is told. This process serves nothing and opens no data: it starts nodes, puts their
number before each line that they log, and waits. A node that dies is started again, at once, and after a pause that
doubles while it keeps dying. One that ends by itself before it ever served has a reason that a second start would not
remove: then all are stopped. If this process is killed, the kernel sends its nodes SIGTERM. It is no node itself, and
has no part in simulations: a thread for what each node says is its own.

`tools/cluster.py` plays with three nodes by the same means. Apache Kafka has no counterpart.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from broker.environment import SystemClock, SystemRandom
from broker.formatting import generate_cluster_id
from config.node_config import NodeConfig
from config.processes import check_ports, check_processes, process_settings
from config.properties import load_node_config
from config.single_node import is_single_node
from protocol.errors import DecodeError
from storage.directory import read_meta_properties
from storage.files import DiskFiles

OK, FAILED = 0, 1
POLL_S: Final = 0.1
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
"""A node that has run so long is started again at once, whatever was before."""
CLUSTER_ID = "CLUSTER_ID"
_VARIABLES = ("KAFKA_", "BARNABAS_", CLUSTER_ID)
READY = "Kafka Server started"
READER_DEADLINE_S: Final = 1.0
ROOT = Path(__file__).resolve().parents[1]

_CLOCK = SystemClock()
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


class NodeProcess:
    """A node, and what it says."""

    def __init__(self, node_id: int, arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        """`arguments` are those of the command line `barnabas`."""
        self.id = node_id
        self.has_served = False
        self.started_s = 0.0
        self._arguments = arguments
        self._environ = os.environ if environ is None else environ
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Of the process that has ended; None while it runs, and before it was started."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.started_s = _CLOCK.monotonic()
        # In a session of its own: Ctrl-C in a terminal is for this program, which passes it on once.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "broker", *self._arguments],
            env={**self._environ, "PYTHONPATH": os.pathsep.join(self._python_path())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_end_with_parent if _libc is not None else None,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._show, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def wait(self) -> None:
        """Until it has ended, and all that it said is shown."""
        if self._process is not None:
            self._process.wait()
        if self._reader is not None:
            self._reader.join(READER_DEADLINE_S)

    def send(self, number: signal.Signals) -> None:
        if self.is_running:
            assert self._process is not None
            self._process.send_signal(number)

    def _python_path(self) -> list[str]:
        inherited = self._environ.get("PYTHONPATH", "")
        return [str(ROOT), *([inherited] if inherited else [])]

    def _show(self, output: IO[str]) -> None:
        for line in output:
            self.has_served = self.has_served or READY in line
            # Read on where nobody hears it any more: a node whose pipe is full stands still.
            with contextlib.suppress(OSError, ValueError):
                # An object stays an object.
                say(f'{{"node": {self.id}, {line[1:]}' if line.startswith('{"') else f"node {self.id}  {line}")


def _end_with_parent() -> None:
    assert _libc is not None
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


OnEnd = Callable[[NodeProcess], float | None]
"""What is to be done about a node that has ended: the pause after which it is started again; None: nothing."""


class Group:
    """Nodes that are started and stopped together."""

    def __init__(self, processes: Sequence[NodeProcess], on_end: OnEnd, last: Sequence[NodeProcess] = ()) -> None:
        """`last` are stopped once all others are: whom these need on their way down."""
        self._processes = processes
        self._on_end = on_end
        self._last = last
        self._due: dict[NodeProcess, float] = {}
        self._asked = 0
        """How often it was asked to stop. A number, since signals come at any moment, also while a lock is held."""

    def ask_to_stop(self, *_: object) -> None:
        """The handler of signals: the first asks for a clean stop, the next does not wait for it."""
        self._asked += 1

    def give_up(self) -> None:
        self._asked = max(self._asked, 1)

    def run(self) -> int:
        """Until it is asked to stop, or nobody is left; the exit code is the highest of the nodes'."""
        self._due = dict.fromkeys(self._processes, 0.0)
        running: set[NodeProcess] = set()
        while (running or self._due) and not self._asked:
            for process in [process for process, due_s in self._due.items() if due_s <= _CLOCK.monotonic()]:
                self._start(process, running)
            for process in [process for process in running if not process.is_running]:
                running.discard(process)
                process.wait()
                pause_s = self._on_end(process)
                if pause_s is not None:
                    self._due[process] = _CLOCK.monotonic() + pause_s
            time.sleep(POLL_S)
        return self._stop(running)

    def _start(self, process: NodeProcess, running: set[NodeProcess]) -> None:
        try:
            process.start()
        except (OSError, subprocess.SubprocessError) as error:  # no memory, or too many processes
            say(f"node {process.id}  cannot be started now: {error}\n")
            self._due[process] = _CLOCK.monotonic() + LONGEST_PAUSE_S
            return
        del self._due[process]
        running.add(process)

    def _stop(self, running: set[NodeProcess]) -> int:
        if not running:
            return FAILED
        for wave in (running.difference(self._last), running.intersection(self._last)):
            for process in wave:
                process.send(signal.SIGTERM)
            while any(process.is_running for process in wave) and self._asked <= 1:
                time.sleep(POLL_S)
            if self._asked > 1:
                for process in running:
                    process.send(signal.SIGKILL)
            for process in wave:
                process.wait()
        return max(abs(process.code or 0) for process in running)


class Restarts:
    """When a node is started again; the text of each decision goes to `tell`."""

    def __init__(self, tell: Callable[[str], None] = say) -> None:
        self._tell = tell
        self._pauses_s: dict[int, float] = {}
        self.code: int | None = None
        self.give_up: Callable[[], None] = lambda: None

    def on_end(self, process: NodeProcess) -> float | None:
        code = process.code or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"has ended with {code}"
        if not process.has_served and code >= 0:
            self.code = code or FAILED
            self._tell(f"node {process.id}  {how} and has never served: all nodes are stopped\n")
            self.give_up()
            return None
        ran_s = _CLOCK.monotonic() - process.started_s
        pause_s = 0.0 if ran_s >= STEADY_S else self._pauses_s.get(process.id, 0.0)
        self._pauses_s[process.id] = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        when = f"in {pause_s:g} s" if pause_s else "at once"
        self._tell(f"node {process.id}  {how}; it is started again {when}\n")
        return pause_s


def process_configs(load: Callable[[Sequence[str]], NodeConfig], count: int) -> list[tuple[NodeConfig, list[str]]]:
    """The configuration of each node, with the overrides that make it of what the user said; raises ConfigError.
    `load` reads what the user said, with such overrides behind it."""
    config = load(())
    check_processes(config, count)
    found: list[tuple[NodeConfig, list[str]]] = []
    for number in range(count):
        settings = process_settings(config, number, count, socket.gethostname())
        overrides = [f"{key}={value}" for key, value in settings.items()]
        found.append((load(overrides), overrides))
    check_ports(each for each, _ in found)
    return found


def serve_processes(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """`barnabas serve --processes`: until a signal; raises ConfigError."""

    if options.no_environment:
        # The nodes have to be told their cluster by the one variable, and so do not get the flag.
        environ = {name: text for name, text in environ.items() if not name.startswith(_VARIABLES)}

    def load(overrides: Sequence[str]) -> NodeConfig:
        # --data is in log.dirs once they are derived.
        data = None if overrides else options.data
        return load_node_config(
            options.file, environ, [*options.override, *overrides], options.insecure_ignore, data
        ).config

    nodes = process_configs(load, options.processes)
    cluster_id = _cluster_of([config for config, _ in nodes], environ.get(CLUSTER_ID))
    if cluster_id is None:
        sys.stderr.write(
            "barnabas: cannot start: the nodes are not formatted, and belong to a quorum of several: format them with "
            f"`barnabas format --processes {options.processes}`, with the same cluster id on all hosts\n"
        )
        return FAILED
    common = _common_arguments(options)
    processes = [
        NodeProcess(
            config.node_id,
            ["serve", *common, *(f"--override={override}" for override in overrides)],
            {**environ, CLUSTER_ID: cluster_id},
        )
        for config, overrides in nodes
    ]
    restarts = Restarts()
    group = Group(processes, restarts.on_end, last=processes[:1])
    restarts.give_up = group.give_up
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, group.ask_to_stop)
    addresses = [str(config.advertised_listeners[0]) for config, _ in nodes]
    say(f"{options.processes} nodes: {', '.join(addresses)}\n")
    code = group.run()
    return code if restarts.code is None else restarts.code


def _common_arguments(options: argparse.Namespace) -> list[str]:
    """What the user gave that goes to every node as it is."""
    arguments = [str(options.file)] if options.file is not None else []
    arguments += [f"--override={override}" for override in options.override]
    arguments += [f"--insecure-ignore={key}" for key in options.insecure_ignore]
    arguments += [f"--log-level={level}" for level in options.log_level]
    arguments += [f"--log-format={options.log_format}"] if options.log_format else []
    return arguments


def _cluster_of(configs: Sequence[NodeConfig], given: str | None) -> str | None:
    """The cluster that the nodes are of; a new one where they are all of it; None if somebody has to say."""
    files = DiskFiles()
    for config in configs:
        for directory in config.log_dirs:
            try:
                found = read_meta_properties(files, directory)
            except (OSError, DecodeError):
                continue  # the node tells
            if found is not None and found.cluster_id:
                return given or found.cluster_id
    if given or not is_single_node(configs[0]):
        return given
    return generate_cluster_id(SystemRandom())
