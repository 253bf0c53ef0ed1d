"""What is in force when metadata changes; the layers themselves are tested in tests/unit/config."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from broker.dynamic_config import DynamicConfig
from broker.metadata.delta import MetadataDelta
from broker.metadata.image import EMPTY_IMAGE, MetadataImage, ResourceType
from broker.metadata.publishers import LoaderManifest
from config.dynamic import ConfigLayers
from config.properties import load_node_config
from protocol.metadata.configs import ConfigRecord


class Bench:
    def __init__(self) -> None:
        self.dynamic = DynamicConfig(load_node_config(overrides=["log.retention.hours=5"]).config)
        self.told: list[ConfigLayers] = []
        self.dynamic.add_listener(self.told.append)
        self.image: MetadataImage = EMPTY_IMAGE

    def publish(self, name: str, settings: Mapping[str, str | None], kind: int = ResourceType.BROKER) -> None:
        delta = MetadataDelta(self.image)
        for key, value in settings.items():
            delta.replay(ConfigRecord(resource_type=kind, resource_name=name, name=key, value=value))
        self.image = delta.apply(self.image.provenance)
        self.dynamic.on_metadata(delta, self.image, LoaderManifest(True))


def test_what_concerns_this_broker_is_in_force_and_told() -> None:
    bench = Bench()
    bench.publish("", {"max.connections": "9"})
    bench.publish("1", {"max.connections": "8"})
    assert [layers.effective.max_connections for layers in bench.told] == [9, 8]
    bench.publish("1", {"max.connections": None})
    assert bench.dynamic.config.max_connections == 9
    assert bench.dynamic.config.log_retention_ms == 5 * 3_600_000


def test_what_concerns_others_is_not_told() -> None:
    bench = Bench()
    bench.publish("2", {"max.connections": "9"})
    bench.publish("t", {"retention.ms": "9"}, ResourceType.TOPIC)
    assert bench.told == []


def test_what_cannot_be_used_is_logged_and_stands_in_nobodys_way(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.ERROR):
        bench.publish("1", {"log.segment.bytes": "many", "max.connections": "8"})
    assert bench.dynamic.config.max_connections == 8
    assert "log.segment.bytes" in caplog.text


def test_settings_that_contradict_each_other_leave_the_old_ones(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.publish("1", {"max.connections": "8"})
    with caplog.at_level(logging.ERROR):
        bench.publish("1", {"max.connections": "7", "listeners": "EXTERNAL://:1"})
    assert bench.dynamic.config.max_connections == 8
    assert "the old one stays" in caplog.text
    assert len(bench.told) == 1
