"""The JMX exporter: an agent in Apache Kafka's process that shows its metrics to Prometheus. Fetched once, as Kafka's
jars are."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.support.needs import needs

VERSION = "0.20.0"
FETCH_DEADLINE_S = 600
_ARTIFACT = f"io.prometheus.jmx:jmx_prometheus_javaagent:{VERSION}"


@cache
def jmx_exporter() -> Path:
    """Its jar; skips the test where it cannot be had."""
    home = Path(os.environ.get("KAFKA_PEER") or Path.home() / ".cache" / "kafka-peer") / "jmx-exporter"
    jar = home / f"jmx_prometheus_javaagent-{VERSION}.jar"
    if not jar.exists():
        needs(shutil.which("mvn") is not None, f"{jar}, or mvn to fetch it")
        home.mkdir(parents=True, exist_ok=True)
        with (home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            goal = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={home}"]
            done = subprocess.run(goal, cwd=home, capture_output=True, text=True, timeout=FETCH_DEADLINE_S, check=False)
        needs(done.returncode == 0 and jar.exists(), f"{_ARTIFACT}; mvn said: {done.stdout[-1000:]}")
    return jar
