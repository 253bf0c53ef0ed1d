"""kafka-configs.sh of Kafka 4.3.1 prints the same for both brokers, but for addresses, loggers and words of errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.keys import OWN_KEYS
from tests.conformance.brokers import Pair
from tests.conformance.client import Client
from tests.conformance.test_configs import SET_BY_THE_TEST
from tests.support.kafka_tools import kafka_tools

COMMANDS = """
--describe --entity-type brokers --entity-name 1 --all
--describe --entity-type brokers --entity-default
--describe --entity-type brokers
--describe --topic tool.t
--describe --topic tool.t --all
--describe --entity-type topics --entity-name no.such.topic
--alter --topic tool.t --add-config retention.ms=1000,cleanup.policy=[compact,delete]
--describe --topic tool.t
--alter --topic tool.t --delete-config retention.ms
--alter --topic tool.t --delete-config no.such.key
--alter --topic tool.t --add-config retention.ms=soon
--alter --topic no.such.topic --add-config retention.ms=1
--describe --topic tool.t
--alter --broker 1 --add-config log.cleaner.backoff.ms=16000
--alter --broker-defaults --add-config log.cleaner.backoff.ms=17000,max.connections=5000
--describe --broker 1
--describe --broker-defaults
--describe --entity-type brokers
--alter --broker 1 --delete-config log.cleaner.backoff.ms
--alter --broker-defaults --delete-config log.cleaner.backoff.ms,max.connections
--describe --broker 1
--alter --broker 1 --add-config node.id=4
--alter --broker 7 --add-config log.cleaner.backoff.ms=1
--alter --broker 1 --add-config num.io.threads=100
--describe --broker 7
--describe --broker-logger 1
--alter --broker-logger 1 --add-config root=LOUD
--alter --broker-logger 1 --delete-config root
--describe --group tool.g
--describe --group tool.g --all
--alter --group tool.g --add-config consumer.session.timeout.ms=50000
--describe --group tool.g
--describe --entity-type groups --entity-name tool.g
--alter --group tool.g --delete-config consumer.session.timeout.ms
--alter --group tool.g --add-config no.such.key=1
--describe --client-metrics tool.m
--alter --client-metrics tool.m --add-config metrics=[a,b],interval.ms=1000,match=[client_id=x]
--describe --client-metrics tool.m
--describe --client-metrics tool.m --all
--alter --client-metrics tool.m --add-config interval.ms=1
--alter --client-metrics tool.m --delete-config metrics,match,interval.ms
--describe --client-metrics tool.m
""".strip().splitlines()


def test_kafka_configs(pair: Pair, tmp_path: Path) -> None:
    ports = (pair.kafka.broker, pair.ours.broker)
    with ThreadPoolExecutor(2) as threads:
        theirs, ours = threads.map(lambda port: _outputs(port, tmp_path / str(port)), ports)
    assert len(theirs) == len(COMMANDS)
    differences = [
        f"{command}\n  Apache Kafka: {expected}\n  here:         {actual}"
        for command, expected, actual in zip(COMMANDS, theirs, ours, strict=True)
        if expected != actual
    ]
    assert not differences, "\n".join(differences)


def _outputs(port: int, directory: Path) -> list[list[str]]:
    client = Client(port, "tool")
    client.create("t", configs={"flush.ms": "5"})
    client.close()
    outputs: list[list[str]] = []
    with kafka_tools(directory) as tools:
        for command in COMMANDS:
            server = ["--bootstrap-server", f"127.0.0.1:{port}"]
            printed = tools.run("kafka.admin.ConfigCommand", [*server, *command.split()])
            text = printed.text.replace(f":{port}", ":PORT").splitlines()
            outputs.append([str(printed.code), *sorted(filter(None, map(_common, _compared(command, text))))])
    return outputs


def _compared(command: str, lines: list[str]) -> list[str]:
    """Which loggers there are is the program's own."""
    return lines[:1] if command.startswith("--describe --broker-logger") else lines


def _common(line: str) -> str:
    """The line without what may differ, or nothing."""
    name = line.strip().partition("=")[0]
    if line.startswith("\t") or name in SET_BY_THE_TEST or name in OWN_KEYS:
        return ""
    if "Exception: " in line:
        return line.partition("Exception: ")[0] if line.startswith("Caused by") else ""
    return line
