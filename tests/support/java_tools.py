"""Kafka's own command-line tools as tests run them: one JVM a call, of the version asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.kafka_peer import kafka_libs

DEADLINE_S = 180
VERSIONS = ("4.3.1", "3.6.2")

# Kafka 3.6 still had some tools in Scala.
_CLASSES = {
    "3.6.2": {
        "topics": "kafka.admin.TopicCommand",
        "groups": "kafka.admin.ConsumerGroupCommand",
        "configs": "kafka.admin.ConfigCommand",
        "console-producer": "kafka.tools.ConsoleProducer",
        "console-consumer": "kafka.tools.ConsoleConsumer",
        "get-offsets": "kafka.tools.GetOffsetShell",
        "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
        "verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    },
    "4.3.1": {
        "topics": "org.apache.kafka.tools.TopicCommand",
        "groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "configs": "kafka.admin.ConfigCommand",
        "console-producer": "org.apache.kafka.tools.ConsoleProducer",
        "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
        "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
        "verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
        "dump-log": "org.apache.kafka.tools.DumpLogSegments",
        "metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
        "api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
        "acls": "org.apache.kafka.tools.AclCommand",
        "client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
        "cluster": "org.apache.kafka.tools.ClusterTool",
        "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
        "features": "org.apache.kafka.tools.FeatureCommand",
        "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
        "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
        "reassign": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        "transactions": "org.apache.kafka.tools.TransactionsCommand",
    },
}


def command(version: str, tool: str, *arguments: str) -> list[str]:
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{kafka_libs(version)}/*"]
    return [*java, _CLASSES[version][tool], *arguments]


def run(version: str, tool: str, *arguments: str, stdin: bytes | Path | None = None) -> str:
    """The tool's standard output; an exit code other than 0 fails the test with all that it printed."""
    done = attempt(version, tool, *arguments, stdin=stdin)
    assert done.returncode == 0, f"{tool} {arguments}\n{done.stdout.decode()}\n{done.stderr.decode()}"
    return done.stdout.decode()


def attempt(
    version: str, tool: str, *arguments: str, stdin: bytes | Path | None = None, deadline_s: float = DEADLINE_S
) -> subprocess.CompletedProcess[bytes]:
    line = command(version, tool, *arguments)
    if isinstance(stdin, Path):
        with stdin.open("rb") as source:
            return subprocess.run(line, stdin=source, capture_output=True, timeout=deadline_s, check=False)
    return subprocess.run(line, input=stdin or b"", capture_output=True, timeout=deadline_s, check=False)


def properties(values: Mapping[str, str], flag: str = "--command-property") -> list[str]:
    return [part for key, value in values.items() for part in (flag, f"{key}={value}")]
