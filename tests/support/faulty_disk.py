"""Slow and failing files for a running node, by a small preloaded library (faulty_disk.c) and a file of rules."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

from tests.support.needs import needs

SOURCE = Path(__file__).with_suffix(".c")


class FaultyDisk:
    """Give `environment` to a node at its start; then order trouble and call it off while the node runs."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        needs(compiler is not None, "no C compiler")
        assert compiler is not None
        directory.mkdir(parents=True, exist_ok=True)
        library = directory / "faulty_disk.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
        self._rules = directory / "rules"
        self._rules.write_text("")
        self.environment = {"LD_PRELOAD": str(library), "FAULTY_DISK_RULES": str(self._rules)}

    def _order(self, *lines: str) -> None:
        replacement = self._rules.with_suffix(".new")
        replacement.write_text("".join(line + "\n" for line in lines))
        replacement.replace(self._rules)

    def slow_syncs(self, below: Path, delay_ms: int) -> None:
        self._order(f"sync {below} {delay_ms} 0")

    def full(self, below: Path) -> None:
        self._order(f"write {below} 0 {errno.ENOSPC}")

    def failing_writes(self, below: Path) -> None:
        self._order(f"write {below} 0 {errno.EIO}")

    def failing_syncs(self, below: Path) -> None:
        self._order(f"sync {below} 0 {errno.EIO}")

    def healthy(self) -> None:
        self._order()
