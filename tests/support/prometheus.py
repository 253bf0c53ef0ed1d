"""A real Prometheus, and its tool: from Debian's package `prometheus`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.needs import needs

START_DEADLINE_S = 60.0
DEADLINE_S = 60.0
CONFIGURATION = """\
global: {{scrape_interval: 500ms, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: barnabas
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def promtool(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    needs(shutil.which("promtool") is not None, "promtool is not installed (Debian package prometheus)")
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, timeout=DEADLINE_S, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def api(self, path: str, **parameters: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """(labels, value) of every series that the expression gives now."""
        found = self.api("query", query=expression)
        assert found["resultType"] == "vector", found
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]


@contextmanager
def prometheus_of(metrics_port: int, directory: Path, rules: Path) -> Iterator[Prometheus]:
    """Scrapes twice a second what listens on the port."""
    needs(shutil.which("prometheus") is not None, "prometheus is not installed (Debian package prometheus)")
    configuration, log_file = directory / "prometheus.yml", directory / "prometheus.log"
    configuration.write_text(CONFIGURATION.format(rules=rules, port=metrics_port))
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={directory / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Prometheus(_port(process, log_file))
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], log_file: Path) -> int:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        ready = re.search(r'msg="Listening on" address=127\.0\.0\.1:(\d+)', log_file.read_text())
        if ready and "Server is ready to receive web requests" in log_file.read_text():
            return int(ready.group(1))
        time.sleep(0.05)
    raise AssertionError(log_file.read_text()[-4000:])
