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
from collections.abc import Sequence
from pathlib import Path

from broker.processes import Group, NodeProcess, say

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
        self.process = NodeProcess(node_id, ["serve", "--no-environment", str(self.file)])

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
    files = {node.process: node.file for node in nodes}

    def on_end(process: NodeProcess) -> None:
        again = f"{os.path.relpath(BARNABAS)} serve {os.path.relpath(files[process])}"
        say(f"node {process.id}  has ended with {process.code}; to start it again: {again}\n")

    group = Group([node.process for node in nodes], on_end)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, group.ask_to_stop)
    say(f"bootstrap servers: {','.join(f'127.0.0.1:{node.port}' for node in nodes)}; Ctrl-C stops all\n")
    return group.run()


if __name__ == "__main__":
    sys.exit(main())
