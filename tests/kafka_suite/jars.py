"""Kafka's test jars, all that they need, and our replacement of their cluster compiled against them.

They lie in `$KAFKA_PEER/VERSION-tests` (by default under `~/.cache/kafka-peer`), fetched from Maven Central once.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

VERSION = "4.3.1"
SHIM = Path(__file__).with_name("shim")

_TESTS = "test"
_ARTIFACTS = (
    ("kafka-clients-integration-tests", _TESTS),
    ("kafka-streams-integration-tests", _TESTS),
    ("kafka-test-common-runtime", ""),
    ("kafka-test-common-internal-api", ""),
    ("kafka-test-common-util", ""),
    ("kafka_2.13", ""),
    ("kafka_2.13", _TESTS),
    ("kafka-clients", ""),
    ("kafka-clients", _TESTS),
    ("kafka-server-common", ""),
    ("kafka-server-common", _TESTS),
    ("kafka-group-coordinator", ""),
    ("kafka-group-coordinator", _TESTS),
    ("kafka-metadata", _TESTS),
    ("kafka-tools", ""),
    ("kafka-tools", _TESTS),
    ("kafka-streams", ""),
    ("kafka-streams", _TESTS),
    ("kafka-streams-test-utils", ""),
    ("kafka-streams-scala_2.13", ""),
)
_LIBRARIES = (
    ("org.slf4j", "slf4j-simple", "1.7.36"),
    ("org.junit.platform", "junit-platform-console-standalone", "1.13.1"),
    ("org.hamcrest", "hamcrest", "3.0"),
    ("org.mockito", "mockito-junit-jupiter", "5.20.0"),
    ("commons-io", "commons-io", "2.18.0"),
    ("org.scala-lang", "scala-compiler", "2.13.18"),
)
# The standalone console holds its own copy of these.
_DOUBLES = (
    "junit-jupiter*.jar",
    "junit-platform-[el]*.jar",
    "junit-platform-commons*.jar",
    "opentest4j*",
    "apiguardian*",
)

_PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>peer</groupId><artifactId>tests</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
{}
</dependencies>
</project>
"""
_DEPENDENCY = """\
<dependency>
<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version><classifier>{}</classifier>
</dependency>"""


def home() -> Path:
    return Path(os.environ.get("KAFKA_PEER") or Path.home() / ".cache" / "kafka-peer") / f"{VERSION}-tests"


def suite_libs() -> Path:
    libs, done = home() / "libs", home() / "done"
    if not done.exists():
        libs.mkdir(parents=True, exist_ok=True)
        wanted = [_DEPENDENCY.format("org.apache.kafka", name, VERSION, kind) for name, kind in _ARTIFACTS]
        wanted += [_DEPENDENCY.format(*library, "") for library in _LIBRARIES]
        project = _PROJECT.format("\n".join(wanted)).replace("<classifier></classifier>", "")
        (home() / "pom.xml").write_text(project)
        _run(["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={libs}"], home())
        for jar in [jar for pattern in _DOUBLES for jar in libs.glob(pattern)]:
            jar.unlink()
        done.touch()
    return libs


def compiled_shim(into: Path) -> Path:
    """The replaced classes; they stand in front of the jars on the class path."""
    into.mkdir(parents=True, exist_ok=True)
    libs = suite_libs()
    java, scala = ([str(path) for path in sorted(SHIM.rglob(f"*.{kind}"))] for kind in ("java", "scala"))
    _run(["javac", "-nowarn", "-cp", f"{libs}/*", "-d", str(into), *java], into)
    path = ":".join([str(into), *map(str, sorted(libs.glob("*.jar")))])
    _run(["java", "-cp", f"{libs}/*", "scala.tools.nsc.Main", "-nowarn", "-cp", path, "-d", str(into), *scala], into)
    return into


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {(done.stdout + done.stderr)[-2000:]}")
