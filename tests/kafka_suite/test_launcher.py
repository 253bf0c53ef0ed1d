"""The launcher starts an empty broker with a test's properties, in place of the one before, and leaves none behind."""

from __future__ import annotations

import os
from pathlib import Path

from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from tests.kafka_suite import launcher


def test_a_launch_gives_an_empty_broker_with_the_properties(tmp_path: Path) -> None:
    state, wanted = tmp_path / "state", tmp_path / "wanted.properties"
    state.mkdir()
    bootstrap = f"127.0.0.1:{launcher.free_port()}"
    wanted.write_text("num.partitions=7\ndefault.replication.factor=3\n")
    try:
        assert launcher.main([str(state), "barnabas", bootstrap, str(wanted)]) == 0
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([NewTopic("t")])["t"].result(60)
        described = admin.list_topics(timeout=60)
        assert (list(described.brokers), len(described.topics["t"].partitions)) == ([0], 7)
        broker = ConfigResource(ConfigResource.Type.BROKER, "0")
        assert admin.describe_configs([broker])[broker].result(60)["default.replication.factor"].value == "1"

        assert launcher.main([str(state), "barnabas", bootstrap, str(wanted)]) == 0
        assert list(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=60).topics) == []
    finally:
        pid = int((state / "pid").read_text())
        launcher.stop(state)
    assert not (state / "pid").exists()
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_what_cannot_start_is_told(tmp_path: Path) -> None:
    state, wanted = tmp_path / "state", tmp_path / "wanted.properties"
    state.mkdir()
    wanted.write_text("num.partitions=none\n")
    assert launcher.main([str(state), "barnabas", f"127.0.0.1:{launcher.free_port()}", str(wanted)]) == 1


def test_a_process_of_another_is_never_stopped(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    launcher.stop(tmp_path)
    assert not (tmp_path / "pid").exists()
