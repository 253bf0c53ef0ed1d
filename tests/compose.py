"""docker-compose.yml on a real Docker engine: `make compose-test`, or `python -m tests.compose`.

Builds the image, starts three nodes and Prometheus on free ports under a project of its own, produces and consumes
through the published ports, kills a node under load and starts it again, asks Prometheus for its targets and alerts,
stops a node cleanly, and removes all of it. Grafana is started only with --grafana: its image is large. Everything is
left running with --keep.

Where no registry is reached, give the variables PYTHON_IMAGE and PROMETHEUS_IMAGE images that are there already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.apache_kafka import free_ports

ROOT = Path(__file__).resolve().parents[1]
NODES = ("node1", "node2", "node3")
TOPIC = "compose-test"
DEADLINE_S = 60.0
PORT_VARIABLES = ("NODE1_PORT", "NODE2_PORT", "NODE3_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Project:
    def __init__(self, services: Sequence[str]) -> None:
        self.services = services
        self.name = f"barnabas-test-{os.getpid()}"
        self.ports = dict(zip(PORT_VARIABLES, free_ports(len(PORT_VARIABLES)), strict=True))
        self.environ = {**os.environ, **{name: str(port) for name, port in self.ports.items()}}

    @property
    def bootstrap(self) -> str:
        return ",".join(f"localhost:{self.ports[name]}" for name in PORT_VARIABLES[:3])

    def compose(self, *arguments: str) -> str:
        line = ["docker", "compose", "--project-name", self.name, *arguments]
        done = subprocess.run(line, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(line)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def health(self, node: str) -> str:
        listed = self.compose("ps", "--all", "--format", "{{.State}} {{.Health}}", node)
        return listed.strip()

    def prometheus(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}/api/v1/{path}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]


class Load:
    """Produces, one record after the other, and remembers what was acknowledged."""

    def __init__(self, project: Project) -> None:
        settings = {"bootstrap.servers": project.bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 2}
        self._producer = Producer(settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: set[bytes] = set()
        self.failed: list[str] = []

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.005):
            self._producer.produce(TOPIC, str(number).encode(), on_delivery=self._delivered)
            self._producer.poll(0)
            number += 1
        if self._producer.flush(DEADLINE_S):
            self.failed.append("records were left when the load ended")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            value = message.value()
            assert value is not None
            self.acknowledged.add(value)
        else:
            self.failed.append(str(error))

    def more(self, count: int = 100) -> None:
        target = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= target, f"{count} more records are acknowledged")


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.1)


def consumed(project: Project, wanted: set[bytes]) -> list[bytes]:
    settings = {"bootstrap.servers": project.bootstrap, "group.id": "compose-test", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([TOPIC])
    found: list[bytes] = []
    missing = set(wanted)
    deadline = time.monotonic() + DEADLINE_S
    while missing and time.monotonic() < deadline:
        for message in consumer.consume(500, 0.5):
            value = message.value()
            if message.error() is None and value is not None:
                found.append(value)
                missing.discard(value)
    consumer.close()
    return found


def until_in_sync(admin: AdminClient, when: str) -> None:
    """Every replica of the topic; else which are not."""
    deadline = time.monotonic() + DEADLINE_S
    while short := replicas_missing(admin):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {DEADLINE_S} s, {when}: every replica is in sync\n{short}")
        time.sleep(0.1)


def replicas_missing(admin: AdminClient) -> str:
    partitions = admin.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions.values()
    return "\n".join(
        f"{TOPIC}-{each.id}: leader {each.leader}, in sync {each.isrs}" for each in partitions if len(each.isrs) < 3
    )


def check(project: Project) -> None:
    started = time.monotonic()
    project.compose("up", "--detach", "--wait", *project.services)
    say(f"up and healthy after {time.monotonic() - started:.1f} s: {project.bootstrap}")
    admin = AdminClient({"bootstrap.servers": project.bootstrap})
    for future in admin.create_topics([NewTopic(TOPIC, 6, 3)]).values():
        future.result()
    with Load(project) as load:
        load.more()
        project.compose("kill", "--signal", "SIGKILL", "node2")
        killed = time.monotonic()
        load.more()
        say(f"node2 killed; 100 records later after {time.monotonic() - killed:.1f} s; {project.health('node2')}")
        project.compose("start", "node2")
        until(lambda: project.health("node2") == "running healthy", "node2 is healthy again")
        until_in_sync(admin, "after node2 was killed")
        say(f"node2 started; in sync again {time.monotonic() - killed:.1f} s after its end")
        project.compose("stop", "node3")
        say(f"node3 stopped: {project.compose('ps', '--all', '--format', '{{.Status}}', 'node3').strip()}")
        load.more()
        project.compose("start", "node3")
        until_in_sync(admin, "after node3 was stopped")
    if load.failed:
        raise SystemExit(f"{len(load.failed)} records failed, such as: {load.failed[0]}")
    found = consumed(project, load.acknowledged)
    lost, twice = load.acknowledged - set(found), len(found) - len(set(found))
    if lost or twice:
        raise SystemExit(f"of {len(load.acknowledged)} acknowledged records {len(lost)} were lost, {twice} came twice")
    say(f"{len(found)} records acknowledged, and each consumed once")
    check_prometheus(project)


def check_prometheus(project: Project) -> None:
    wanted = {f"{node}:9404" for node in NODES}

    def up() -> set[str]:
        targets = project.prometheus("targets?state=active")["activeTargets"]
        return {target["labels"]["instance"] for target in targets if target["health"] == "up"}

    until(lambda: up() == wanted, "Prometheus reaches all nodes")
    query = "query?query=count(kafka_server_kafkaserver_brokerstate==3)"
    until(lambda: [each["value"][1] for each in project.prometheus(query)["result"]] == ["3"], "three brokers run")
    rules = [rule for group in project.prometheus("rules")["groups"] for rule in group["rules"]]
    bad = [rule["name"] for rule in rules if rule["health"] == "err"]
    if not rules or bad:
        raise SystemExit(f"rules: {len(rules)}, with errors: {bad}")
    say(f"Prometheus reaches {', '.join(sorted(wanted))}, and evaluates {len(rules)} alerts")


def main() -> int:
    parser = argparse.ArgumentParser(description="docker-compose.yml on a real Docker engine.")
    parser.add_argument("--grafana", action="store_true", help="start Grafana too")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    options = parser.parse_args()
    project = Project([*NODES, "prometheus", *(["grafana"] if options.grafana else [])])
    try:
        say("building ...")
        project.compose("build", "--quiet")
        check(project)
    except BaseException:
        say(
            subprocess.run(
                ["docker", "compose", "--project-name", project.name, "logs", "--timestamps"],
                cwd=ROOT,
                env=project.environ,
                capture_output=True,
                text=True,
                check=False,
            ).stdout
        )
        raise
    finally:
        if not options.keep:
            project.compose("down", "--volumes", "--timeout", "20")
    say("all is as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
