"""Runs Apache Kafka's own tests against Barnabas or against Apache Kafka, one class and one JVM at a time.

    python -m tests.kafka_suite.run [--broker barnabas|kafka] [--write] [--all] [clients|server|tools|core|CLASS...]

Without names it runs all selections. `--write` puts the outcomes into outcomes.tsv and writes docs/kafka-tests.md.
`--all` runs also the tests that reasons.tsv says would only wait. The exit code is 1 if a test that passes on Apache
Kafka does not pass here and has no reason. Needs a JDK and, for the first run, Maven; data and logs lie in a temporary
directory, which is kept with `--work`.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.kafka_suite import jars, launcher, table
from tests.kafka_suite.selections import SELECTIONS, selected

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
CLASS_DEADLINE_S = 1800
TEST_DEADLINE_S = 120
JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
# The harness offers each test a second time for combined nodes; here it is the same.
DOUBLED = "same test runs as KRAFT"
ABORTED = "TestAbortedException"


class Suite:
    """A broker under test, its launcher, and the class path; `work` holds all that they write."""

    def __init__(self, broker: str, work: Path, *, run_all: bool = False) -> None:
        self.broker = broker
        self.work = work
        self.run_all = run_all
        self.state, self.scratch = work / "broker", work / "tmp"
        self.state.mkdir(parents=True, exist_ok=True)
        self.scratch.mkdir(exist_ok=True)
        self.bootstrap, self.controller = (f"127.0.0.1:{launcher.free_port()}" for _ in range(2))
        self.class_path = f"{jars.compiled_shim(work / 'shim')}:{jars.suite_libs()}/*"
        self.launcher = self._write_launcher()

    def _write_launcher(self) -> Path:
        """The harness takes one path of a program."""
        path = self.work / "launch"
        command = [sys.executable, "-m", "tests.kafka_suite.launcher", str(self.state), self.broker]
        path.write_text(f'#!/bin/sh\ncd {shlex.quote(str(launcher.ROOT))} && exec {shlex.join(command)} "$@"\n')
        path.chmod(0o755)
        return path

    def environment(self) -> dict[str, str]:
        """For the launcher, which the harness runs."""
        environment = {**os.environ, launcher.CONTROLLER: self.controller}
        if self.broker == table.KAFKA:
            formatted, java = _prepared_kafka(self.work)
            environment |= {launcher.FORMATTED: str(formatted), launcher.JAVA: java}
        return environment

    def run(self, class_name: str, environment: dict[str, str]) -> dict[table.Test, tuple[str, str]] | None:
        """Test to outcome and message, None for a class that did not come to its end or is none."""
        reports = self.work / "reports" / class_name
        command = ["java", "-Xmx700m", *JVM, f"-Djava.io.tmpdir={self.scratch}"]
        command += [f"-Dexternal.bootstrap={self.bootstrap}", f"-Dexternal.launcher={self.launcher}"]
        command += [f"-Dexternal.controller={self.controller}"]
        command += [f"-Djunit.jupiter.execution.timeout.default={TEST_DEADLINE_S}s"]
        command += ["-Djunit.jupiter.execution.timeout.thread.mode.default=SEPARATE_THREAD", "-cp", self.class_path]
        command += ["org.junit.platform.console.ConsoleLauncher", "execute", f"--select-class={class_name}"]
        command += [f"--reports-dir={reports}", "--details=testfeed", "--disable-banner", "--disable-ansi-colors"]
        command += self._left_out()
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        with (reports / "output.log").open("wb") as output:
            try:
                subprocess.run(
                    command, stdout=output, stderr=output, env=environment, timeout=CLASS_DEADLINE_S, check=False
                )
            except subprocess.TimeoutExpired:
                return None
            finally:
                launcher.stop(self.state)
        report = reports / "TEST-junit-jupiter.xml"
        return (read_report(report) if report.exists() else None) or None

    def _left_out(self) -> list[str]:
        if self.broker == table.KAFKA or self.run_all:
            return []
        return [f"--exclude-methodname=.*({each.pattern}).*" for each in table.reasons() if not each.is_run]


def read_report(path: Path) -> dict[table.Test, tuple[str, str]]:
    found: dict[table.Test, tuple[str, str]] = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        outcome, message = _outcome(case)
        if DOUBLED not in message:
            found[str(case.get("classname")), _name(case)] = outcome, message
    return {_without_lonely_number(test, found): result for test, result in found.items()}


def _name(case: ElementTree.Element) -> str:
    """The method and which of its invocations it is: the group protocol, where that is what they differ in."""
    name = re.sub(r"\(.*?\)", "", str(case.get("name")))
    protocol = re.search(r"groupProtocol=(\w+)", case.findtext("system-out", ""))
    return re.sub(r"\[\d+\]$", f"[{protocol[1]}]", name) if protocol else name


def _without_lonely_number(test: table.Test, found: dict[table.Test, tuple[str, str]]) -> table.Test:
    name, _, number = test[1].partition("[")
    return (test[0], name) if number == "1]" and (test[0], f"{name}[2]") not in found else test


def _outcome(case: ElementTree.Element) -> tuple[str, str]:
    skipped = case.find("skipped")
    if skipped is not None:
        return table.SKIP, skipped.text or ""
    for kind in ("failure", "error"):
        problem = case.find(kind)
        if problem is not None:
            text = problem.text or ""
            # A loop of the test that tries again has wrapped what means "not here".
            outcome = table.SKIP if ABORTED in text else table.FAIL
            return outcome, problem.get("message") or text
    return table.PASS, ""


def _prepared_kafka(work: Path) -> tuple[Path, str]:
    """A formatted directory to copy for every test, and how the JVM is called: with an archive of the classes that a
    start loads, which makes each start take a third of the time."""
    formatted, archive, properties = work / "formatted", work / "kafka.jsa", work / "prepare.properties"
    java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
    rest = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    rest += ["-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info", "-cp", f"{jars.suite_libs()}/*"]
    launcher.write_properties(properties, {}, f"127.0.0.1:{launcher.free_port()}", formatted)
    format_it = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
    subprocess.run([*java, *rest, *format_it], check=True, capture_output=True, timeout=300)
    empty = work / "empty"
    shutil.copytree(formatted, empty)
    record = [*java, f"-XX:ArchiveClassesAtExit={archive}", *rest, "kafka.Kafka", str(properties)]
    with (work / "prepare.log").open("wb") as log, subprocess.Popen(record, stdout=log, stderr=log) as process:
        launcher.serves(process, work / "prepare.log")
        process.terminate()
    return empty, shlex.join([*java, f"-XX:SharedArchiveFile={archive}", *rest])


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def run_class(suite: Suite, class_name: str, environment: dict[str, str]) -> dict[table.Test, str] | None:
    began = time.monotonic()
    results = suite.run(class_name, environment)
    if results is None:
        say(f"{class_name}: did not run to its end, see {suite.work}/reports/{class_name}")
        return None
    counts = Counter(outcome for outcome, _ in results.values())
    say(f"{class_name}: {dict(counts)} in {time.monotonic() - began:.0f} s")
    for test, (outcome, message) in sorted(results.items()):
        if outcome == table.FAIL:
            say(f"    {test[1]}: {' '.join(message.split())[:200]}")
    return {test: outcome for test, (outcome, _) in results.items()}


def run_classes(suite: Suite, classes: list[str], *, write: bool) -> int:
    """How many classes did not come to their end or have a test that falls short without a reason. What has run is
    written down class by class."""
    environment, bad = suite.environment(), 0
    for class_name in classes:
        results = run_class(suite, class_name, environment)
        if results is None:
            bad += 1
            continue
        outcomes = table.merged(table.read_outcomes(), suite.broker, [class_name], results)
        if write:
            table.write_outcomes(outcomes)
            table.DOCUMENT.write_text(table.document(outcomes))
        missing = [test for test in table.unexplained(outcomes) if test[0] == class_name]
        bad += bool(missing)
        for _, test in missing:
            say(f"    {test}: passes on Apache Kafka and not here, without a reason")
    return bad


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--broker", choices=[table.BARNABAS, table.KAFKA], default=table.BARNABAS)
    parser.add_argument("--write", action="store_true", help="write outcomes.tsv and docs/kafka-tests.md")
    parser.add_argument("--all", action="store_true", help="also what would only wait")
    parser.add_argument("--work", type=Path, help="a directory for data, logs and reports, which is kept")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SELECTIONS)}, or classes; all without")
    options = parser.parse_args(arguments)
    # As Ctrl-C does: the JVM and the broker end with the runner.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    work = options.work or Path(tempfile.mkdtemp(prefix="barnabas-kafka-tests-"))
    work.mkdir(parents=True, exist_ok=True)
    classes = selected(options.names or list(SELECTIONS))
    try:
        suite = Suite(options.broker, work.resolve(), run_all=options.all)
        return 1 if run_classes(suite, classes, write=options.write) else 0
    finally:
        if options.work is None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
