"""Compile the optional helper of protocol/records into a shared library beside its source.

Called by the build hook (hatch_build.py) for wheels and editable installs, and by hand after a change to the C file:
`python tools/build_native.py`. Without a compiler or Python's headers nothing is built and the pure twin serves; the
reason is printed, the installation goes on. The library uses Python's limited API, so one fits every Python from 3.11.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCE = Path("protocol/records/_native.c")
TARGET = Path("protocol/records/_native.abi3.so")


def build_native(root: Path) -> Path | None:
    """The library's path, or None if it could not be built."""
    source, target = root / SOURCE, root / TARGET
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    command = [*compiler, "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra"]
    if sys.platform == "darwin":
        command += ["-undefined", "dynamic_lookup"]
    command += [f"-I{sysconfig.get_path('include')}", str(source), "-o", str(temporary)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        _report(f"not built, the pure version will be used: {error}")
        return None
    if result.returncode != 0:
        temporary.unlink(missing_ok=True)
        _report(f"not built, the pure version will be used: {shlex.join(command)}\n{result.stderr}")
        return None
    # A rename, so that a process that has the old library mapped is not disturbed.
    temporary.replace(target)
    return target


def _report(text: str) -> None:
    sys.stderr.write(f"barnabas: compiled helper {text}\n")


if __name__ == "__main__":
    sys.exit(0 if build_native(Path(__file__).resolve().parent.parent) else 1)
