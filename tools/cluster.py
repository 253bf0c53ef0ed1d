"""Three nodes on this machine that are one cluster, to play with: `make cluster`.

    python -m tools.cluster [--data DIR] [--nodes N] [--port PORT]

Each node is a broker and a controller, with a server.properties and data of its own under DIR/node1, DIR/node2, ...;
brokers listen on PORT and the ports after it, controllers 10,000 above. Nodes are formatted when they are first
started, and keep their data. Ctrl-C stops all of them. A node that ends otherwise is left alone: kill one, look what
the others do, and start it again with the line that is printed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

BARNABAS = Path(sys.executable).with_name("barnabas")
CONTROLLER_PORTS_ABOVE = 10_000

PROPERTIES = """\
process.roles=broker,controller
node.id={node_id}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={controllers}
log.dirs={directory}/data
"""


class Node:
    def __init__(self, node_id: int, directory: Path, port: int) -> None:
        self.id = node_id
        self.directory = directory
        self.port = port
        self.process: subprocess.Popen[str] | None = None

    @property
    def file(self) -> Path:
        return self.directory / "server.properties"

    @property
    def controller(self) -> str:
        return f"127.0.0.1:{self.port + CONTROLLER_PORTS_ABOVE}"

    @property
    def is_formatted(self) -> bool:
        return (self.directory / "data" / "meta.properties").exists()

    def write_properties(self, nodes: Sequence[Node]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.file.write_text(
            PROPERTIES.format(
                node_id=self.id,
                port=self.port,
                controller_port=self.port + CONTROLLER_PORTS_ABOVE,
                controllers=",".join(node.controller for node in nodes),
                directory=self.directory,
            )
        )

    def start(self) -> None:
        # In a session of its own: Ctrl-C in a terminal is for this program, which passes it on once.
        self.process = subprocess.Popen(
            [str(BARNABAS), "serve", "--no-environment", str(self.file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        threading.Thread(target=self._show, args=(self.process.stdout,), daemon=True).start()

    def _show(self, output: IO[str]) -> None:
        for line in output:
            say(f"node {self.id}  {line}")


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def barnabas(*arguments: str) -> str:
    return subprocess.run([str(BARNABAS), *arguments], check=True, capture_output=True, text=True).stdout.strip()


def format_new(nodes: Sequence[Node]) -> None:
    """All of them, as the first voters of one cluster; some formatted and some not is for the user to clear up."""
    formatted = [node for node in nodes if node.is_formatted]
    if formatted and len(formatted) < len(nodes):
        raise SystemExit(f"{nodes[0].directory.parent} holds only {len(formatted)} of {len(nodes)} nodes: delete it")
    if formatted:
        return
    cluster_id = barnabas("random-uuid")
    voters = ",".join(f"{node.id}@{node.controller}:{barnabas('random-uuid')}" for node in nodes)
    for node in nodes:
        barnabas("format", "-t", cluster_id, "-c", str(node.file), "--initial-controllers", voters)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Three nodes on this machine that are one cluster.")
    parser.add_argument("--data", type=Path, default=Path("data-cluster"), help="default: %(default)s")
    parser.add_argument("--nodes", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--port", type=int, default=9092, help="the first broker's; default: %(default)s")
    options = parser.parse_args(arguments)
    nodes = [
        Node(index + 1, options.data.resolve() / f"node{index + 1}", options.port + index)
        for index in range(options.nodes)
    ]
    for node in nodes:
        node.write_properties(nodes)
    format_new(nodes)
    stop_asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop_asked.set())
    for node in nodes:
        node.start()
    say(f"bootstrap servers: {','.join(f'127.0.0.1:{node.port}' for node in nodes)}; Ctrl-C stops all\n")
    return run(nodes, stop_asked)


def run(nodes: Sequence[Node], stop_asked: threading.Event) -> int:
    running = {node.id: node for node in nodes}
    while running and not stop_asked.wait(0.2):
        for node in list(running.values()):
            assert node.process is not None
            if node.process.poll() is not None:
                del running[node.id]
                again = f"{os.path.relpath(BARNABAS)} serve {os.path.relpath(node.file)}"
                say(f"node {node.id}  has ended with {node.process.returncode}; to start it again: {again}\n")
    for node in running.values():
        assert node.process is not None
        node.process.terminate()
    return max((node.process.wait() for node in running.values() if node.process is not None), default=1)


if __name__ == "__main__":
    sys.exit(main())
