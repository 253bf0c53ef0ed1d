"""Apache Kafka's jars, and programs of Java that run with them.

The jars of a version lie in `$KAFKA_PEER/VERSION/libs` (by default under `~/.cache/kafka-peer`). What is missing there
is fetched from Maven Central once, which needs `mvn`. A test that asks for jars or Java where there is neither is
skipped with the reason, and fails in CI.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.support.needs import needs

VERSION = "4.3.1"
ARTIFACTS = (
    "kafka_2.13",
    "kafka-tools",
    "kafka-shell",
    "kafka-streams",
    "connect-runtime",
    "connect-file",
    "connect-mirror",
)
FETCH_DEADLINE_S = 900
COMPILE_DEADLINE_S = 300

_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
_PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>peer</groupId><artifactId>peer</artifactId><version>1</version>
<dependencies>
{}
</dependencies>
</project>
"""


def java_available() -> bool:
    return shutil.which("java") is not None and shutil.which("javac") is not None


@cache
def kafka_libs(version: str = VERSION) -> Path:
    """The directory with Kafka's jars and all that they need; skips the test where it cannot be had."""
    needs(java_available(), "java and javac")
    home = Path(os.environ.get("KAFKA_PEER") or Path.home() / ".cache" / "kafka-peer") / version
    if not _is_complete(home, version):
        needs(shutil.which("mvn") is not None, f"Apache Kafka {version} in {home}/libs, or mvn to fetch it")
        home.mkdir(parents=True, exist_ok=True)
        with (home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # test workers and other checkouts share the directory
            if not _is_complete(home, version):
                _fetch(home, version)
    return home / "libs"


def _is_complete(home: Path, version: str) -> bool:
    return (home / "done").exists() and (home / "libs" / f"kafka-clients-{version}.jar").exists()


def _fetch(home: Path, version: str) -> None:
    wanted = [_DEPENDENCY.format("org.apache.kafka", artifact, version) for artifact in ARTIFACTS]
    wanted.append(_DEPENDENCY.format("org.slf4j", "slf4j-nop", "1.7.36"))
    (home / "pom.xml").write_text(_PROJECT.format("\n".join(wanted)))
    goal = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={home / 'libs'}"]
    done = subprocess.run(goal, cwd=home, capture_output=True, text=True, timeout=FETCH_DEADLINE_S, check=False)
    needs(done.returncode == 0, f"the jars of Apache Kafka {version}; mvn said: {done.stdout[-1000:]}")
    (home / "done").touch()


def compile_java(sources: Sequence[Path], into: Path, version: str = VERSION) -> Path:
    """Compiles programs of ours against Kafka's jars; returns `into`, for the class path."""
    into.mkdir(parents=True, exist_ok=True)
    line = ["javac", "-nowarn", "-cp", f"{kafka_libs(version)}/*", "-d", str(into), *map(str, sources)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=COMPILE_DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    return into


def java_command(
    main_class: str,
    arguments: Sequence[str] = (),
    *,
    version: str = VERSION,
    classes: Path | None = None,
    heap: str = "256m",
) -> list[str]:
    """The command line of a program in Kafka's jars or, with `classes`, of one of ours."""
    path = [*([str(classes)] if classes else []), f"{kafka_libs(version)}/*"]
    quick_start = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
    return ["java", f"-Xmx{heap}", *quick_start, "-cp", ":".join(path), main_class, *arguments]


def run_java(
    main_class: str,
    arguments: Sequence[str] = (),
    *,
    version: str = VERSION,
    classes: Path | None = None,
    stdin: bytes = b"",
    heap: str = "256m",
    deadline_s: float = 180,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end; the caller looks at its exit code and output."""
    line = java_command(main_class, arguments, version=version, classes=classes, heap=heap)
    return subprocess.run(line, input=stdin, capture_output=True, timeout=deadline_s, check=False)
