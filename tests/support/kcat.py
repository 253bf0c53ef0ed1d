"""kcat, the command-line client on librdkafka."""

from __future__ import annotations

import shutil
import subprocess

from tests.support.needs import needs
from tests.support.node import BarnabasNode

DEADLINE_S = 60


def kcat_command(node: BarnabasNode, *arguments: str) -> list[str]:
    needs(shutil.which("kcat") is not None, "kcat is not installed (Debian package kcat)")
    return ["kcat", "-q", "-b", node.bootstrap, *arguments]


def kcat(node: BarnabasNode, *arguments: str, stdin: bytes = b"") -> str:
    """Its standard output; an exit code other than 0 fails the test."""
    line = kcat_command(node, *arguments)
    done = subprocess.run(line, input=stdin, capture_output=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
