"""docker-compose.yml and the Dockerfile, as far as they go without Docker; `make compose-test` does the rest."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from config.properties import load_node_config

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
NODES = ("node1", "node2", "node3")
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def compose(**variables: str) -> dict[str, Any]:
    """The file as Compose reads it: `${NAME:-default}` stands for a variable."""

    def value(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[2]

    return dict(yaml.safe_load(re.sub(r"\$\{(\w+):-([^}]*)\}", value, COMPOSE_FILE.read_text())))


def image_environment() -> dict[str, str]:
    lines = re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)
    return dict(setting.split("=", 1) for line in lines for setting in line.split())


def environ_of(node: str, **variables: str) -> dict[str, str]:
    settings = compose(**variables)["services"][node]["environment"]
    return {**image_environment(), **{name: str(value) for name, value in settings.items()}}


def test_the_variables_of_each_node_are_a_configuration_without_a_fault() -> None:
    loaded = [load_node_config(None, environ_of(node)) for node in NODES]
    assert [each.warnings for each in loaded] == [[], [], []]
    configs = [each.config for each in loaded]
    assert [config.node_id for config in configs] == [1, 2, 3]
    assert all(config.is_broker and config.is_controller for config in configs)
    for node, config in zip(NODES, configs, strict=True):
        voters = {voter.id: (voter.host, voter.port) for voter in config.controller_quorum_voters}
        assert voters[config.node_id] == (node, config.controller_listeners[0].port)
        internal = next(each for each in config.advertised_listeners if each.listener_name == "INTERNAL")
        assert internal.host == node
        assert config.inter_broker_listener_name == "INTERNAL"
        assert config.metrics_host == "0.0.0.0"
    assert len({environ_of(node)["CLUSTER_ID"] for node in NODES}) == 1


@pytest.mark.parametrize("variables", [{}, {"NODE1_PORT": "1001", "NODE2_PORT": "1002", "NODE3_PORT": "1003"}])
def test_what_is_advertised_to_this_host_is_published_on_it(variables: dict[str, str]) -> None:
    services = compose(**variables)["services"]
    published = []
    for node in NODES:
        config = load_node_config(None, environ_of(node, **variables)).config
        external = next(each for each in config.advertised_listeners if each.listener_name == "EXTERNAL")
        opened = next(each for each in config.listeners if each.listener_name == "EXTERNAL")
        assert services[node]["ports"] == [f"127.0.0.1:{external.port}:{opened.port}"]
        published.append(external.port)
    assert len(set(published)) == 3
    assert not variables or published == [1001, 1002, 1003]


def test_every_port_is_open_on_this_host_only() -> None:
    ports = [port for service in compose()["services"].values() for port in service["ports"]]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_data_lies_in_a_volume_for_each_node() -> None:
    declared = set(compose()["volumes"])
    volumes = [compose()["services"][node]["volumes"] for node in NODES]
    assert volumes == [[f"{node}:/var/lib/barnabas/data"] for node in NODES]
    assert set(NODES) < declared
    for node in NODES:
        # The image works in the folder above, and data/ is where a node without a file keeps what it has.
        assert re.search(r"^WORKDIR /var/lib/barnabas$", DOCKERFILE, re.MULTILINE)
        assert load_node_config(None, environ_of(node)).config.original["log.dirs"] == "data"


def test_every_mounted_file_is_there_and_what_it_names_too() -> None:
    services = compose()["services"]
    mounted: dict[str, str] = {}
    for name in ("prometheus", "grafana"):
        for volume in services[name]["volumes"]:
            source, target, *_ = volume.split(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                mounted[target] = source
    for source in mounted.values():
        if source.endswith(".yml"):
            assert yaml.safe_load((ROOT / source).read_text())
    provider = yaml.safe_load((ROOT / mounted["/etc/grafana/provisioning/dashboards/barnabas.yml"]).read_text())
    dashboards = ROOT / mounted[provider["providers"][0]["options"]["path"]]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads((dashboards / Path(home).name).read_text())["uid"] == "barnabas"


def test_prometheus_asks_every_node_and_grafana_asks_prometheus() -> None:
    prometheus = yaml.safe_load((ROOT / "ops/compose/prometheus.yml").read_text())
    [job] = prometheus["scrape_configs"]
    configs = {node: load_node_config(None, environ_of(node)).config for node in NODES}
    assert job["static_configs"][0]["targets"] == [f"{node}:{config.metrics_port}" for node, config in configs.items()]
    assert job["job_name"] == "barnabas"  # what the alerts ask for
    assert prometheus["rule_files"] == ["alerts.yml"]
    [source] = yaml.safe_load((ROOT / "ops/compose/datasource.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose()["services"]


def test_what_the_dockerfile_copies_is_there_and_sent_to_the_builder() -> None:
    sources = [
        source
        for arguments in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in arguments.split()[:-1]
    ]
    assert "." in sources
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source == "." or source.split("/")[0] in sent
    for path in sent:
        assert (ROOT / path).exists(), path


def test_the_wheel_can_be_made_of_what_is_sent_to_the_builder() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in re.findall(r'^"(\w+)" = "barnabas/_app/\w+"$', pyproject, re.MULTILINE):
        assert source in sent
    for name in ("barnabas", "pyproject.toml", "README.md", "LICENSE", "hatch_build.py", "tools/build_native.py"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in sent), name


def test_the_image_runs_without_privileges() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER barnabas$", final, re.MULTILINE)
    assert final.index("USER barnabas") < final.index("ENTRYPOINT")
    assert "# syntax=" not in DOCKERFILE
    for node in NODES:
        service = compose()["services"][node]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True


def entrypoint(*arguments: str, **environ: str) -> str:
    """What the entry point has of the variable that it may set, when it begins the command."""
    program = f'barnabas() {{ echo "$* ${{KAFKA_ADVERTISED_LISTENERS-unset}}"; }}\nset -- {" ".join(arguments)}\n'
    program += (ROOT / "docker/entrypoint.sh").read_text().replace("exec barnabas", "barnabas")
    done = subprocess.run(["sh", "-c", program], env=environ, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_container_of_which_nothing_is_said_is_found_on_localhost() -> None:
    assert entrypoint("serve") == "serve PLAINTEXT://localhost:9092"
    assert entrypoint("serve", KAFKA_LISTENERS="PLAINTEXT://:1") == "serve unset"
    assert entrypoint("serve", KAFKA_ADVERTISED_LISTENERS="A://b:1") == "serve A://b:1"
    assert entrypoint("serve", KAFKA_PROCESS_ROLES="controller") == "serve unset"
    assert entrypoint("serve", "file") == "serve file unset"
    assert entrypoint("version") == "version unset"
    config = load_node_config(None, {"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:9092"}).config
    assert [str(endpoint) for endpoint in config.broker_listeners] == ["PLAINTEXT://0.0.0.0:9092"]
    assert config.is_controller


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def health(port: int) -> int:
    program = [sys.executable, str(ROOT / "docker/ready.py")]
    return subprocess.run(program, env={"KAFKA_METRICS_PORT": str(port)}, capture_output=True, timeout=60).returncode


def test_the_health_check_says_what_readyz_says() -> None:
    with answering(200) as port:
        assert health(port) == 0
    assert health(port) == 1  # nobody listens any more
    with answering(503) as port:
        assert health(port) == 1
