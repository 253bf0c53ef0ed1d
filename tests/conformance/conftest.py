"""Apache Kafka and a node of ours, once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.brokers import Pair, running_pair
from tests.support.kafka_peer import kafka_libs


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    kafka_libs()
    with running_pair(tmp_path_factory.mktemp("conformance")) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == "test_every_difference_is_still_one")
