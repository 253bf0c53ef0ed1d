"""Starts on directories that are not as they should be: refused with the reason, or made good, and never begun anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import ErrorCode
from tests.support import wire
from tests.support.apache_kafka import free_ports
from tests.support.librdkafka import DEADLINE_S, admin, create_topic, produce, read_all
from tests.support.node import BarnabasNode, NodeFailed, running_node
from tests.support.two_directories import topic_in


def _node(directory: Path, *log_dirs: str) -> BarnabasNode:
    return BarnabasNode(directory, {"log.dirs": ",".join(str(directory / each) for each in log_dirs)})


def _reason(node: BarnabasNode) -> str:
    """What a start that must fail says, in one line at the end, without a traceback."""
    with pytest.raises(NodeFailed) as failed:
        node.start()
    text = str(failed.value)
    assert "Traceback" not in text, text
    assert "barnabas: cannot start: " in text, text
    return text.rpartition("barnabas: cannot start: ")[2]


def test_a_second_start_on_the_same_directories_is_refused_with_the_reason(tmp_path: Path) -> None:
    node = _node(tmp_path, "a", "b")
    try:
        node.start()
        second = _node(tmp_path, "b", "a")
        second.log_file = tmp_path / "second.log"
        assert "is in use" in _reason(second)
    finally:
        node.kill()


def test_directories_in_another_order_do_not_begin_a_new_metadata_log(tmp_path: Path) -> None:
    node = _node(tmp_path, "a", "b").start()
    assert node.stop() == 0
    reason = _reason(_node(tmp_path, "b", "a"))
    assert str(tmp_path / "a" / "__cluster_metadata-0") in reason
    assert not (tmp_path / "b" / "__cluster_metadata-0").exists()
    assert _node(tmp_path, "a", "b").start().stop() == 0


def _without_id(meta_properties: Path) -> None:
    lines = meta_properties.read_text().splitlines()
    meta_properties.write_text("\n".join(line for line in lines if not line.startswith("directory.id=")) + "\n")


def test_directories_from_before_they_had_ids_get_them(tmp_path: Path) -> None:
    """In a static quorum, as all were at that time."""
    (controller_port,) = free_ports(1)
    static = {
        "node.id": "1",
        "process.roles": "broker,controller",
        "listeners": f"PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    with running_node(tmp_path, static) as node:
        node.stop()
        meta_properties = node.data / "meta.properties"
        _without_id(meta_properties)
        node.start()
        first = meta_properties.read_text()
        assert "directory.id=" in first
        node.restart()
        assert meta_properties.read_text() == first


def test_a_directory_that_the_quorum_does_not_know_is_refused(tmp_path: Path) -> None:
    node = _node(tmp_path, "a").start()
    assert node.stop() == 0
    _without_id(tmp_path / "a" / "meta.properties")
    assert "another directory.id" in _reason(_node(tmp_path, "a"))


def _leader(node: BarnabasNode, topic: str) -> int:
    return admin(node.bootstrap).list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions[0].leader


def test_what_lay_in_a_directory_that_is_gone_is_offline_and_not_begun_anew(tmp_path: Path) -> None:
    node = _node(tmp_path, "a", "b").start()
    try:
        topic = topic_in(node, tmp_path / "b")
        produce(node.bootstrap, topic, [b"kept"])
        assert node.stop() == 0
        node.properties["log.dirs"] = str(tmp_path / "a")
        for _ in range(2):
            node.start()
            assert _leader(node, topic) == -1
            assert wire.produce(node.bootstrap, topic, b"elsewhere") == ErrorCode.KAFKA_STORAGE_ERROR
            assert not (tmp_path / "a" / f"{topic}-0").exists()
            assert node.stop() == 0
        assert f"{topic}-0 is offline" in node.log_text()
        node.start()
        create_topic(node.bootstrap, "another")
        produce(node.bootstrap, "another", [b"served"])
        assert node.stop() == 0
        node.properties["log.dirs"] = f"{tmp_path / 'a'},{tmp_path / 'b'}"
        node.start()
        assert [each.value for each in read_all(node.bootstrap, topic)] == [b"kept"]
        assert node.stop() == 0
    finally:
        node.kill()
